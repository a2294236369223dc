"""Which Python root makes environments with, and what stands in other accounts' way."""

from __future__ import annotations

import ensurepip
import os
import shutil
import sys
import sysconfig
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from devenv import environments, interpreters
from devenv.environments import Environment
from devenv.errors import MissingError

MINOR = sys.version_info.minor


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that other accounts can pass through, unlike pytest's own."""
    folder = Path(tempfile.mkdtemp(prefix="habari-")).resolve()
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def add_python(prefix: Path, minor: int, *, mode: int = 0o755, library: str = "lib") -> Path:
    """What a machine has below ``prefix``, as far as it is looked at."""
    program = prefix / "bin" / f"python3.{minor}"
    venv = prefix / library / f"python3.{minor}" / "venv" / "__init__.py"
    for file in (program, venv):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("")
    program.chmod(mode)
    return program


@pytest.fixture
def machine(place: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine whose own Python lies in root's home."""
    own = add_python(place / "root" / "pyenv", MINOR)
    (place / "root").chmod(0o700)
    monkeypatch.setattr(interpreters, "own", lambda: own)
    monkeypatch.setattr(interpreters, "_PLACES", (place / "usr" / "bin", place / "usr" / "local" / "bin"))
    return place


def test_the_pip_that_python_carries_is_found() -> None:
    wheel = interpreters.pip_wheel()
    assert wheel is not None
    assert "pip/__main__.py" in zipfile.ZipFile(wheel).namelist()


def test_a_distribution_may_keep_it_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = tmp_path / f"pip-{ensurepip.version()}-py3-none-any.whl"
    monkeypatch.setattr(sysconfig, "get_config_var", {"WHEEL_PKG_DIR": str(tmp_path)}.get)
    assert interpreters.pip_wheel() != kept
    kept.write_bytes(b"")
    assert interpreters.pip_wheel() == kept


@pytest.mark.parametrize(
    ("path", "mode", "stops"),
    [
        pytest.param("a", 0o711, False, id="a folder to pass through"),
        pytest.param("a", 0o750, True, id="a folder for the group"),
        pytest.param("a/b", 0o700, True, id="a private folder below"),
        pytest.param("a/b/run", 0o755, False, id="a program"),
        pytest.param("a/b/run", 0o744, True, id="a program for its owner"),
        pytest.param("a/b/run", 0o644, False, id="a file to read"),
        pytest.param("a/b/run", 0o640, True, id="a file for the group"),
    ],
)
def test_the_first_step_that_others_cannot_take_is_found(
    place: Path, path: str, mode: int, stops: bool
) -> None:
    program = place / "a" / "b" / "run"
    program.parent.mkdir(parents=True)
    program.write_text("")
    program.chmod(0o755)
    (place / path).chmod(mode)
    assert interpreters.barrier(program) == (place / path if stops else None)


def test_what_is_not_there_yet_is_no_barrier_and_a_link_is_followed(place: Path) -> None:
    (place / "private").mkdir(mode=0o700)
    (place / "link").symlink_to(place / "private" / "python")
    assert interpreters.barrier(place / "later" / "python") is None
    assert interpreters.barrier(place / "link") == place / "private"


def test_a_python_that_all_can_run_is_kept(machine: Path) -> None:
    (machine / "root").chmod(0o755)
    library = machine / "os.py"
    library.write_text("")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "__file__", str(library))
        assert interpreters.shareable() == interpreters.own()


def test_a_library_that_others_cannot_read_counts_too(machine: Path) -> None:
    (machine / "root").chmod(0o755)
    library = machine / "os.py"
    library.write_text("")
    library.chmod(0o600)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "__file__", str(library))
        assert interpreters.shareable() is None


def test_the_machines_python_of_the_same_version_comes_first(machine: Path) -> None:
    add_python(machine / "usr", MINOR + 1)
    wanted = add_python(machine / "usr" / "local", MINOR)
    assert interpreters.shareable() == wanted
    assert interpreters.version(wanted) == f"3.{MINOR}"


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda program: program.chmod(0o750), id="not for all"),
        pytest.param(lambda program: shutil.rmtree(program.parents[1] / "lib"), id="without its library"),
        pytest.param(lambda program: program.unlink(), id="gone"),
    ],
)
def test_a_python_that_will_not_do_is_passed_over(machine: Path, spoil: object) -> None:
    spoil(add_python(machine / "usr", MINOR))  # type: ignore[operator]
    other = add_python(machine / "usr", MINOR + 1, library="lib64")
    assert interpreters.shareable() == other
    assert interpreters.version(other) == f"3.{MINOR + 1}"


def test_as_root_notebooks_get_it_and_a_folder_apart(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = add_python(machine / "usr", MINOR)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    of_user = environments.locate("notebook", machine)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    of_root = environments.locate("notebook", machine)
    assert (of_user.base, of_root.base) == (None, wanted)
    assert of_user.home != of_root.home
    assert environments.locate("s3", machine).base is None
    environments.require_shareable(of_root)


def test_a_machine_without_one_is_told_what_to_install(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    environment: Environment = environments.locate("notebook", machine)
    assert not environments.is_shareable(environment)
    with pytest.raises(MissingError, match=r"may not pass .*/root\. Install a Python 3\.11 or newer"):
        environments.require_shareable(environment)
