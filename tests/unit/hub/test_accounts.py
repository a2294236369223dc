"""Account ids and homes: given once, never shared, never through a link."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from devenv.hub.accounts import Account, Accounts, make_home
from devenv.hub.exits import CONFLICT, StartError

FIRST = 1_000_000_000
COUNT = 10


def accounts(folder: Path) -> Accounts:
    return Accounts(folder / "accounts.json", first_uid=FIRST, count=COUNT, gid=FIRST, homes=folder / "users")


def ignored(descriptor: int, uid: int, gid: int) -> None:
    """Stand in for fchown, which only root may do."""


def test_each_user_gets_an_id_and_keeps_it(tmp_path: Path) -> None:
    given = [accounts(tmp_path).account(name) for name in ("ada", "grace", "ada")]
    assert given == [Account(FIRST, FIRST), Account(FIRST + 1, FIRST), Account(FIRST, FIRST)]


def test_an_id_is_written_before_it_is_used(tmp_path: Path) -> None:
    accounts(tmp_path).account("ada")
    file = tmp_path / "accounts.json"
    assert json.loads(file.read_text()) == {"ada": FIRST}
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [file]


def test_ids_of_the_machines_own_accounts_are_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def known(uid: int) -> object:
        if uid < FIRST + 2:
            return "somebody"
        raise KeyError(uid)

    monkeypatch.setattr("devenv.hub.accounts.pwd.getpwuid", known)
    assert accounts(tmp_path).account("ada").uid == FIRST + 2


def test_a_lost_file_is_made_again_from_the_homes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    owners = {"ada": FIRST + 4, "grace": FIRST + 2, "-7froot": 0}
    monkeypatch.setattr("devenv.hub.accounts._owners", lambda _: dict(owners))
    assert accounts(tmp_path).account("ada").uid == FIRST + 4
    assert accounts(tmp_path).account("linus").uid == FIRST + 5
    assert accounts(tmp_path).account("grace").uid == FIRST + 2


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"ada": "x"}', '{"ada": 0}'], ids=["half", "list", "text", "root"]
)
def test_a_file_of_accounts_that_cannot_be_right_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "accounts.json").write_text(text)
    with pytest.raises(StartError) as refused:
        accounts(tmp_path).account("ada")
    assert refused.value.exit_code == CONFLICT


@pytest.mark.parametrize("account", [None, Account(FIRST, FIRST)], ids=["normal user", "root"])
def test_a_home_is_private_and_made_once(tmp_path: Path, account: Account | None) -> None:
    homes = tmp_path / "users"
    home = make_home(homes, "Ada", account, own=ignored)
    (home / "kept").write_text("")
    assert make_home(homes, "Ada", account, own=ignored) == home == homes / "-41da"
    assert (home / "kept").exists()
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    assert stat.S_IMODE(homes.stat().st_mode) == (0o711 if account else 0o700)


def test_a_home_is_handed_to_its_account(tmp_path: Path) -> None:
    handed: list[tuple[int, int]] = []
    make_home(tmp_path / "users", "ada", Account(FIRST, 7), own=lambda _, uid, gid: handed.append((uid, gid)))
    assert handed == [(FIRST, 7)]


def test_rights_that_were_opened_are_shut_again(tmp_path: Path) -> None:
    home = make_home(tmp_path / "users", "ada", None)
    home.chmod(0o777)
    make_home(tmp_path / "users", "ada", None)
    assert stat.S_IMODE(home.stat().st_mode) == 0o700


@pytest.mark.parametrize("kind", ["link", "file"])
def test_what_is_no_folder_is_no_home(tmp_path: Path, kind: str) -> None:
    homes, elsewhere = tmp_path / "users", tmp_path / "elsewhere"
    homes.mkdir()
    elsewhere.mkdir(mode=0o755)
    if kind == "link":
        (homes / "ada").symlink_to(elsewhere)
    else:
        (homes / "ada").write_text("")
    with pytest.raises(StartError, match="is no folder"):
        make_home(homes, "ada", Account(FIRST, FIRST), own=ignored)
    assert stat.S_IMODE(elsewhere.stat().st_mode) == 0o755


def test_the_home_of_somebody_else_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_home(tmp_path / "users", "ada", None)
    monkeypatch.setattr("devenv.hub.accounts.os.geteuid", lambda: os.getuid() + 1)
    with pytest.raises(StartError, match="belongs to account"):
        make_home(tmp_path / "users", "ada", Account(FIRST, FIRST), own=ignored)


def test_no_id_is_given_out_that_belongs_to_another_hub(tmp_path: Path) -> None:
    for number in range(COUNT):
        accounts(tmp_path).account(f"user-{number}")

    with pytest.raises(StartError, match="all 10 account ids of this hub are given out") as refused:
        accounts(tmp_path).account("one-more")

    assert refused.value.exit_code == CONFLICT
