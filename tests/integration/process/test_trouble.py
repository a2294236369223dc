"""Trouble of the machine and of the person: one clear line, its exit code, nothing lost."""

from __future__ import annotations

import getpass
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from integration.conftest import Make, contents, poisoned_home
from integration.driving import (
    Dev,
    copy_checkout,
    free_ports,
    furnish,
    pids,
    python_for,
)

pytestmark = pytest.mark.integration
STRANGER = "nobody"
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="not root: what only root can set up is NOT tested")


def test_a_bad_project_file_shows_all_its_problems_at_once(make: Make, scratch: Path) -> None:
    dev = make("bad", checkout=copy_checkout(scratch / "bad"), ports={})
    (dev.checkout / "devenv.yaml").write_text(
        "naem: habari\nports:\n  jupyter: eight\n  s3: 70000\nbuckets:\n  lake: Not_A_Bucket\n"
    )

    said = dev("up", code=2)

    details = [line.strip() for line in said.err.splitlines() if line.startswith("    ")]
    assert [line.split(":")[0] for line in details] == ["line 1", "line 3", "line 4", "line 6"], said
    assert "did you mean name?" in details[0]
    assert said.error.startswith("error: devenv.yaml is not valid: 4 problems")
    (dev.checkout / "devenv.yaml").unlink()


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("status",), 3),
        (("status", "--json"), 3),
        (("env",), 3),
        (("logs",), 3),
        (("run", "jupyter/samples/01-read-write-explore.ipynb"), 2),
        (("down",), 0),
        (("down", "--purge"), 0),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_an_instance_that_was_never_up(make: Make, words: tuple[str, ...], code: int) -> None:
    dev = make("never")

    said = dev(*words, code=code)

    assert "Traceback" not in said.err
    assert not dev.root.exists(), "asking makes nothing"


def test_a_notebook_needs_what_is_not_up(make: Make, tmp_path: Path) -> None:
    (tmp_path / "empty.ipynb").write_text('{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}')

    assert "not running" in make("never")("run", str(tmp_path / "empty.ipynb"), code=3).error


def test_a_bad_name_for_an_instance_is_said_in_the_words_of_the_command(shared: Dev) -> None:
    bad = Dev("Not_A_Name", shared.data_root, shared.environ)

    said = bad("status", code=2)

    assert "--instance" in said.error + said.err


def test_data_of_another_postgresql_are_left_alone(shared: Dev) -> None:
    shared("down")
    data = shared.root / "postgres" / "data"
    made_by = (data / "PG_VERSION").read_text()
    before = contents(data)
    (data / "PG_VERSION").write_text("9\n")

    said = shared("up", code=6)

    assert "made by PostgreSQL 9" in said.error
    shared.expect_nothing_left()
    (data / "PG_VERSION").write_text(made_by)
    assert contents(data) == before
    shared.up()


def test_a_foreign_folder_in_the_place_of_the_state_is_left_alone(make: Make) -> None:
    dev = make("foreign")
    dev.root.mkdir(parents=True)
    (dev.root / "thesis.txt").write_text("years of work")

    for words in (("up",), ("down", "--purge")):
        assert str(dev.root) in dev(*words, code=6).error

    assert [path.name for path in dev.root.iterdir()] == ["thesis.txt"]
    shutil.rmtree(dev.root)


MountDisk = Callable[[int], Path]


@pytest.fixture
def mount_disk(scratch: Path) -> Iterator[MountDisk]:
    """Mount a file system of so many MB that goes with the test."""
    places: list[Path] = []

    def mount(megabytes: int) -> Path:
        place = scratch / f"disk of {megabytes} MB"
        place.mkdir()
        options = f"size={megabytes}m,mode=755"
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", place], capture_output=True)
        if mounted.returncode:
            pytest.skip(f"no file system can be mounted here ({mounted.stderr!r}): a full disk is NOT tested")
        places.append(place)
        return place

    yield mount
    for place in places:
        subprocess.run(["umount", "--lazy", place], check=True)
        place.rmdir()


@needs_root
def test_a_disk_without_room_is_named_before_anything_is_made(
    make: Make, machine_root: Path, mount_disk: MountDisk
) -> None:
    disk = mount_disk(40)
    furnish(disk / "data", machine_root)
    dev = make("small", data_root=disk / "data")

    said = dev("up", code=5)

    assert str(disk) in said.error
    assert re.search(r"\d+ MB", said.error)
    assert not dev.root.exists()


@needs_root
def test_a_disk_that_is_read_only_is_named(make: Make, machine_root: Path, mount_disk: MountDisk) -> None:
    disk = mount_disk(400)
    furnish(disk / "data", machine_root)
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    dev = make("read-only", data_root=disk / "data")

    said = dev("up", code=5)

    assert str(disk) in said.error
    assert "Read-only file system" in said.error
    dev.expect_nothing_left()


@needs_root
def test_a_folder_that_the_databases_account_cannot_enter_is_named(
    make: Make, machine_root: Path, scratch: Path
) -> None:
    private = scratch / "private"
    private.mkdir(mode=0o700)
    furnish(private / "data", machine_root)
    dev = make("private", data_root=private / "data")

    assert f"cannot enter {private}" in dev("up", code=5).error
    dev.expect_nothing_left()


@needs_root
@pytest.mark.slow
def test_a_disk_that_gets_full_loses_nothing_and_down_still_works(
    make: Make, machine_root: Path, mount_disk: MountDisk
) -> None:
    disk = mount_disk(500)
    furnish(disk / "data", machine_root)
    dev = make("full", data_root=disk / "data")
    services = dev.up()
    with (disk / "ballast").open("wb", buffering=0) as ballast, pytest.raises(OSError, match="No space left"):
        while True:
            ballast.write(b"x" * 4096)

    assert pids(dev.services()) == pids(services)
    assert str(disk) in dev("up", code=5).error
    assert pids(dev.services()) == pids(services), "what ran goes on"
    dev("down")
    dev.expect_nothing_left()
    (disk / "ballast").unlink()
    dev.up()
    dev.destroy()


@pytest.fixture(scope="module")
def account() -> str | None:
    """A normal user: this one, or as root the one that every machine has."""
    return STRANGER if os.geteuid() == 0 else None


@pytest.fixture(scope="module")
def user(make: Make, account: str | None, scratch: Path, machine_root: Path) -> Dev:
    """A normal user whose checkout has a path that scripts trip over."""
    python = python_for(account) if account else None
    if account and python is None:
        pytest.skip(f"{account} can run no Python of this version here: a normal user is NOT tested")
    place = scratch / "a normal user" / "Übungen — 演習 'quoted' $HOME %s" / ("very long " * 9).strip()
    assert len(str(place)) > 100
    checkout = copy_checkout(place, python)
    home = poisoned_home(scratch / "a normal user" / "home")
    data_root = home / ".local" / "share" / "habari-devenv"
    furnish(data_root, machine_root, python)
    if account:
        subprocess.run(["chown", "-Rh", account, scratch / "a normal user"], check=True)
    variables = {"HOME": str(home), "HABARI_DATA_ROOT": ""}
    return make("user", checkout=checkout, account=account, data_root=data_root, environ=variables)


@pytest.mark.slow
def test_a_normal_user_works_in_a_folder_with_spaces_and_letters_of_any_script(user: Dev) -> None:
    services = user.up()

    assert {row["state"] for row in services.values()} == {"ready"}
    assert {process.username() for process in user.processes()} == {user.account or getpass.getuser()}
    sample = user.checkout / "jupyter" / "samples" / "01-read-write-explore.ipynb"
    user("run", str(sample))
    user("down")
    user.expect_nothing_left()
    assert pids(user.up()).keys() == services.keys()
    user("down")


def test_a_state_folder_that_may_not_be_written_is_named(user: Dev) -> None:
    locked = user.data_root / "instances"
    locked.mkdir(exist_ok=True)
    closed = Dev("locked", user.data_root, user.environ, user.checkout, user.account, free_ports())
    before = locked.stat().st_mode
    if user.account:
        os.chown(locked, 0, 0)
    locked.chmod(0o555)
    try:
        said = closed("up", code=5)
    finally:
        if user.account:
            shutil.chown(locked, user.account)
        locked.chmod(before)

    assert str(locked) in said.error
    assert "Permission denied" in said.error


@needs_root
def test_a_state_folder_of_another_account_is_named(make: Make, user: Dev, scratch: Path) -> None:
    """As a normal user in the data root of root's."""
    foreign = Dev("user", scratch / "data", {**user.environ, "HABARI_DATA_ROOT": str(scratch / "data")},
                  user.checkout, user.account, free_ports())  # fmt: skip

    said = foreign("up", code=5)

    assert str(scratch / "data") in said.error
