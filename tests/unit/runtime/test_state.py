"""The state folder: whose it is, who may enter, and who has it at the moment."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Mapping
from pathlib import Path

import pytest

from devenv import state
from devenv.errors import ConflictError
from devenv.state import Instance


@pytest.fixture
def instance(tmp_path: Path) -> Instance:
    return Instance("habari", tmp_path / "checkout", tmp_path / "data")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize(
    ("uid", "environ", "expected"),
    [
        pytest.param(0, {}, "/var/lib/habari-devenv", id="root: where other accounts can pass"),
        pytest.param(1000, {"XDG_DATA_HOME": "/x"}, "/x/habari-devenv", id="XDG_DATA_HOME"),
        pytest.param(0, {"HABARI_DATA_ROOT": "/d"}, "/d", id="HABARI_DATA_ROOT, root"),
        pytest.param(
            1000, {"HABARI_DATA_ROOT": "/d", "XDG_DATA_HOME": "/x"}, "/d", id="HABARI_DATA_ROOT, user"
        ),
    ],
)
def test_the_data_root_follows_from_the_account_and_the_environment(
    monkeypatch: pytest.MonkeyPatch, uid: int, environ: Mapping[str, str], expected: str
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: uid)

    assert state.data_root(environ) == Path(expected)


def test_a_normal_user_without_xdg_has_the_data_below_the_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setenv("HOME", "/home/ada")

    assert state.data_root({}) == Path("/home/ada/.local/share/habari-devenv")


def test_two_checkouts_and_two_names_are_four_instances(tmp_path: Path) -> None:
    ids = {Instance(name, tmp_path / folder, tmp_path).id for name in ("a", "b") for folder in ("x", "y")}

    assert len(ids) == 4


def test_a_link_to_a_checkout_is_the_same_instance(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")

    assert Instance("a", tmp_path / "link", tmp_path).id == Instance("a", tmp_path / "real", tmp_path).id


@pytest.mark.parametrize("folder", ["ein Ordner mit Ümläuten", "x" * 200, "新しい"])
def test_an_id_is_short_and_plain_whatever_the_checkouts_path(tmp_path: Path, folder: str) -> None:
    made = Instance("habari", tmp_path / folder, tmp_path).id

    assert made.isascii()
    assert len(made) == len("habari-12345678")


def test_other_accounts_pass_through_the_state_folder_and_see_no_secret(instance: Instance) -> None:
    before = os.umask(0o077)
    try:
        instance.create()
    finally:
        os.umask(before)

    assert all(mode(path) & 0o111 == 0o111 for path in (instance.data_root, instance.root))
    assert mode(instance.root) & 0o066 == 0, "others may pass, not look around"
    assert [mode(path) for path in (instance.secrets, instance.logs, instance.records)] == [0o700] * 3


def test_creating_twice_changes_nothing(instance: Instance) -> None:
    instance.create()
    (instance.secrets / "kept").write_text("x")

    instance.create()

    assert (instance.secrets / "kept").read_text() == "x"


def test_a_folder_without_our_mark_is_neither_used_nor_deleted(instance: Instance) -> None:
    instance.root.mkdir(parents=True)
    (instance.root / "thesis.txt").write_text("years of work")

    for deed in (instance.create, instance.purge):
        with pytest.raises(ConflictError):
            deed()

    assert (instance.root / "thesis.txt").read_text() == "years of work"


def test_the_mark_of_another_instance_keeps_a_folder_from_being_purged(instance: Instance) -> None:
    instance.create()
    state.write_json(instance.root / state.MARK_FILE, {"id": "another-00000000"})

    with pytest.raises(ConflictError):
        instance.purge()

    assert instance.secrets.is_dir()


def test_a_purge_removes_the_instance_and_nothing_beside_it(instance: Instance) -> None:
    instance.create()
    neighbour = Instance("neighbour", instance.checkout, instance.data_root)
    neighbour.create()
    outside = instance.data_root.parent / "outside"
    outside.mkdir()
    (outside / "file").write_text("x")
    (instance.root / "link").symlink_to(outside)

    assert instance.purge()

    assert not instance.root.exists()
    assert neighbour.exists()
    assert (outside / "file").exists(), "a link is removed, not what it leads to"
    assert not instance.purge(), "a second purge finds nothing"


def test_a_purge_that_was_killed_can_be_repeated(instance: Instance, monkeypatch: pytest.MonkeyPatch) -> None:
    instance.create()
    removed: list[Path] = []

    def killed_after_one(path: Path) -> None:
        if removed:
            raise KeyboardInterrupt
        removed.append(path)
        path.rmdir()

    monkeypatch.setattr(state.shutil, "rmtree", killed_after_one)
    with pytest.raises(KeyboardInterrupt):
        instance.purge()
    monkeypatch.undo()

    assert instance.exists(), "the mark goes last"
    assert instance.purge()


def test_one_command_at_a_time_has_the_instance_and_the_other_is_told_who(instance: Instance) -> None:
    told: list[str] = []

    with (
        instance.lock("./dev up", lambda text: None),
        pytest.raises(ConflictError, match=r"\./dev up \(pid \d+\)"),
        instance.lock("./dev down", told.append, seconds=0),
    ):
        raise AssertionError("both have it")

    assert told == [f"./dev up (pid {os.getpid()}) is at work on {instance.id}; waiting for it"]


def test_the_lock_is_free_again_after_an_error(instance: Instance) -> None:
    with pytest.raises(ZeroDivisionError), instance.lock("./dev up", lambda text: None):
        raise ZeroDivisionError

    with instance.lock("./dev down", pytest.fail, seconds=0):
        pass


def test_two_instances_do_not_wait_for_one_another(instance: Instance) -> None:
    other = Instance("other", instance.checkout, instance.data_root)

    with instance.lock("./dev up", pytest.fail), other.lock("./dev up", pytest.fail, seconds=0):
        pass


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(None, id="no file"),
        pytest.param(b"", id="empty"),
        pytest.param(b'{"pid": 12', id="cut off"),
        pytest.param(b"\xff\xfe", id="not UTF-8"),
    ],
)
def test_a_file_that_is_not_whole_reads_as_none(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "record.json"
    if content is not None:
        path.write_bytes(content)

    assert state.read_json(path) is None


def test_a_file_is_replaced_whole_and_private(tmp_path: Path) -> None:
    path = tmp_path / "secret.json"
    state.write_json(path, {"old": True})
    state.write_json(path, {"new": "ü"})

    assert json.loads(path.read_text(encoding="utf-8")) == {"new": "ü"}
    assert mode(path) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_a_write_that_fails_leaves_the_old_file_and_no_draft(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    state.write_json(path, {"old": True})

    with pytest.raises(TypeError):
        state.write_json(path, {"new": object()})

    assert state.read_json(path) == {"old": True}
    assert list(tmp_path.iterdir()) == [path]


def test_the_cluster_is_not_among_the_instances_of_projects(instance: Instance) -> None:
    for name in ("habari", "kind"):
        Instance(name, instance.checkout, instance.data_root).create()

    found = state.instances_of(instance.checkout, instance.data_root)

    assert [each.name for each in found] == ["habari"]
