from __future__ import annotations

import os
import pwd
from pathlib import Path

import pytest

from devenv.errors import MissingError
from devenv.postgres import account


def _passwd(*names: str) -> dict[str, pwd.struct_passwd]:
    return {
        name: pwd.struct_passwd((name, "x", 7000 + at, 7100 + at, "", "/", "/bin/sh"))
        for at, name in enumerate(names)
    }


@pytest.fixture
def as_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)


def test_a_normal_user_runs_the_server_himself(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert account.choose(tmp_path) is None
    assert account.uid_of(None) == 1000


@pytest.mark.parametrize(
    ("there", "chosen"),
    [
        pytest.param(("nobody", "postgres"), "postgres", id="postgres when there is one"),
        pytest.param(("nobody", "www"), "nobody", id="else nobody"),
    ],
)
def test_root_hands_the_server_to(
    there: tuple[str, ...], chosen: str, as_root: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(pwd, "getpwnam", lambda name: _passwd(*there)[name])
    found = account.choose(tmp_path / "data")
    assert found and found.name == chosen


def test_root_without_an_account_to_hand_it_to_is_told_so(
    as_root: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(pwd, "getpwnam", lambda name: _passwd()[name])
    with pytest.raises(MissingError, match="refuses to run as root"):
        account.choose(tmp_path / "data")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "PG_VERSION").write_text("18\n")
    return tmp_path


def test_existing_data_keep_their_owner(as_root: None, monkeypatch: pytest.MonkeyPatch, data: Path) -> None:
    monkeypatch.setattr(
        Path, "stat", lambda _path, **_: os.stat_result((0o100600, 0, 0, 1, 42, 43, 0, 0, 0, 0))
    )
    monkeypatch.setattr(pwd, "getpwuid", lambda uid: _passwd("keeper")["keeper"] if uid == 42 else None)
    found = account.choose(data)
    assert found and found.name == "keeper"


@pytest.mark.parametrize(
    ("uid", "words"),
    [
        pytest.param(0, "belong to root", id="root"),
        pytest.param(4242, "has no account for", id="an unknown number"),
    ],
)
def test_data_of_an_owner_who_cannot_run_a_server_are_refused(
    uid: int, words: str, as_root: None, monkeypatch: pytest.MonkeyPatch, data: Path
) -> None:
    def by_number(asked: int) -> pwd.struct_passwd:
        if asked == 0:
            return _passwd("root")["root"]
        raise KeyError(asked)

    monkeypatch.setattr(
        Path, "stat", lambda _path, **_: os.stat_result((0o100600, 0, 0, 1, uid, 0, 0, 0, 0, 0))
    )
    monkeypatch.setattr(pwd, "getpwuid", by_number)
    with pytest.raises(MissingError, match=words):
        account.choose(data)
