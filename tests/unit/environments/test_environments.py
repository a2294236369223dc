"""Environments: made once, shared by content, healed after a crash, never at somebody else's cost."""

from __future__ import annotations

import errno
import fcntl
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from devenv import builds, commands, environments, interpreters
from devenv.environments import Environment
from devenv.errors import ConflictError, MissingError

LOCK = "uv==1.0 \\\n    --hash=sha256:00\nzlib-ng==2 \\\n    --hash=sha256:11\n"


def tool_of(words: list[str]) -> str:
    module = words[words.index("-m") + 1] if "-m" in words else ""
    return {"venv": "venv", "zipfile": "unpack"}.get(module, "uv" if "sync" in words else "pip")


class FakeInstaller:
    """Stands in for venv, pip and uv: notes what is run, and does what each would do."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.ran: list[list[str]] = []
        self.says: dict[str, str] = {}
        self.requirements: list[str] = []

    def stream(self, argv: commands.Argv, on_line: Callable[[str], None], **_: Any) -> int:
        words = [str(word) for word in argv][5:]  # what comes before holds the lock
        self.ran.append(words)
        tool = tool_of(words)
        if tool == "pip":
            self.requirements.append(Path(words[-1]).read_text())
        if tool in self.says:
            on_line(self.says[tool])
            return 1
        if tool == "venv":
            self._program("python")
        elif tool == "pip":
            self._program("uv")
        return 0

    def _program(self, name: str) -> None:
        (self.home / "bin").mkdir(exist_ok=True)
        (self.home / "bin" / name).write_text("")
        (self.home / "bin" / name).chmod(0o755)

    @property
    def steps(self) -> list[str]:
        return [tool_of(words) for words in self.ran]


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    lock = tmp_path / "some.lock"
    lock.write_text(LOCK)
    home = tmp_path / "envs" / "some"
    return Environment("some", lock, home, home / "bin" / "python")


@pytest.fixture
def installer(environment: Environment, monkeypatch: pytest.MonkeyPatch) -> FakeInstaller:
    fake = FakeInstaller(environment.home)
    monkeypatch.setattr(commands, "stream", fake.stream)
    monkeypatch.setattr(commands, "run", lambda argv, **_: commands.Completed(("pip",), 0, "", ""))
    # This very environment has a uv, too; here the one that is made is looked at alone.
    monkeypatch.setattr("sysconfig.get_path", lambda *_, **__: "/nonexistent")
    return fake


def ensure(environment: Environment, lines: list[str] | None = None) -> Path:
    return environments.ensure(environment, [].append if lines is None else lines.append, {"HOME": "/"})


def test_a_new_environment_is_made_and_then_left_alone(
    environment: Environment, installer: FakeInstaller
) -> None:
    assert ensure(environment) == environment.home / "bin" / "python"
    assert installer.steps == ["venv", "unpack", "pip", "uv"]
    assert environments.is_current(environment)
    ensure(environment)
    assert len(installer.ran) == 4


def test_pip_fetches_uv_alone_and_by_its_hash(environment: Environment, installer: FakeInstaller) -> None:
    ensure(environment)
    assert installer.requirements == ["uv==1.0 \\\n    --hash=sha256:00\n"]
    assert "--require-hashes" in installer.ran[2]
    assert "--require-hashes" in installer.ran[3]


def test_pip_is_unpacked_and_not_installed(environment: Environment, installer: FakeInstaller) -> None:
    ensure(environment)
    made, unpacked = installer.ran[:2]
    assert "--without-pip" in made
    assert unpacked[-2] == str(interpreters.pip_wheel())


def test_venv_installs_pip_where_no_wheel_is_found(
    environment: Environment, installer: FakeInstaller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(interpreters, "pip_wheel", lambda: None)
    ensure(environment)
    assert installer.steps == ["venv", "pip", "uv"]
    assert "--without-pip" not in installer.ran[0]


def test_a_changed_lock_is_installed_without_starting_over(
    environment: Environment, installer: FakeInstaller
) -> None:
    ensure(environment)
    environment.lock.write_text(LOCK.replace("==2", "==3"))
    assert not environments.is_current(environment)
    ensure(environment)
    assert installer.steps == ["venv", "unpack", "pip", "uv", "uv"]


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda home: (home / "devenv-installed.lock").unlink(), id="killed before the stamp"),
        pytest.param(lambda home: (home / "bin/python").unlink(), id="its Python was removed"),
        pytest.param(lambda home: (home / "devenv-environment").write_text("/elsewhere\n"), id="moved"),
        pytest.param(lambda home: (home / "devenv-environment").write_text(""), id="killed in the mark"),
    ],
)
def test_an_environment_that_is_not_whole_is_made_anew(
    environment: Environment, installer: FakeInstaller, spoil: Callable[[Path], Any]
) -> None:
    ensure(environment)
    (environment.home / "left-over").mkdir()
    spoil(environment.home)
    assert not environments.is_current(environment)
    ensure(environment)
    assert installer.steps == ["venv", "unpack", "pip", "uv"] * 2
    assert not (environment.home / "left-over").exists()
    assert environments.is_current(environment)


def test_a_folder_without_the_mark_is_never_emptied(
    environment: Environment, installer: FakeInstaller
) -> None:
    environment.home.mkdir(parents=True)
    (environment.home / "thesis.txt").write_text("years of work")
    with pytest.raises(ConflictError, match="was not made by this toolkit"):
        ensure(environment)
    assert [entry.name for entry in environment.home.iterdir()] == ["thesis.txt"]
    assert installer.ran == []


def test_pip_takes_over_when_uv_fails(environment: Environment, installer: FakeInstaller) -> None:
    installer.says["uv"] = "error: unsupported something"
    ensure(environment)
    assert installer.steps == ["venv", "unpack", "pip", "uv", "pip"]
    assert installer.requirements[-1] == LOCK


def test_pip_does_it_all_where_uv_has_no_wheel(
    environment: Environment, installer: FakeInstaller, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stream(argv: commands.Argv, on_line: Callable[[str], None], **kept: Any) -> int:
        if "--only-binary" in argv:
            on_line("ERROR: No matching distribution found for uv==1.0")
            return 1
        return installer.stream(argv, on_line, **kept)

    monkeypatch.setattr(commands, "stream", stream)
    ensure(environment)
    assert installer.steps == ["venv", "unpack", "pip"]
    assert installer.requirements == ["zlib-ng==2 \\\n    --hash=sha256:11\n"]


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("error: failed to write: No space left on device (os error 28)", "is full"),
        ("ERROR: Could not install: [Errno 28] No space left on device", "is full"),
        ("  Caused by: dns error: failed to lookup", "No connection"),
        ("Failed to establish a new connection: [Errno -2] Name or service not known", "No connection"),
        ("error: hash mismatch for x", "could not be installed"),
    ],
)
def test_a_failure_is_told_in_one_line_with_its_cause(
    environment: Environment, installer: FakeInstaller, said: str, told: str
) -> None:
    installer.says = {"uv": said, "pip": said}
    with pytest.raises(MissingError, match=told) as raised:
        ensure(environment)
    assert "\n" not in str(raised.value)
    assert not environments.is_current(environment)


def test_a_password_in_an_index_address_reaches_neither_the_log_nor_the_error(
    environment: Environment, installer: FakeInstaller
) -> None:
    installer.says = {"uv": "boom at https://me:s3cret@h/s", "pip": "boom at https://me:s3cret@h/s"}
    with pytest.raises(MissingError) as raised:
        ensure(environment)
    assert "s3cret" not in str(raised.value) + "".join(raised.value.details)
    assert "s3cret" not in (environment.home / "devenv-install.log").read_text()


def test_a_place_that_cannot_be_written_is_named(
    environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(*_: Any, **__: Any) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(environment.home))

    monkeypatch.setattr(Path, "mkdir", denied)
    with pytest.raises(MissingError, match="Permission denied"):
        ensure(environment)


def test_the_second_of_two_waits_and_says_so(environment: Environment, installer: FakeInstaller) -> None:
    """The first one's child is still at work although its starter is gone."""
    ensure(environment)
    (environment.home / "devenv-installed.lock").unlink()
    code = "import sys; print('busy', flush=True); sys.stdin.read()"
    holding = (sys.executable, "-I", "-c", builds._HOLDING, environment.home / "devenv-busy")
    orphan = subprocess.Popen(
        (*holding, sys.executable, "-I", "-c", code), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert orphan.stdin
    assert orphan.stdout
    assert orphan.stdout.readline() == b"busy\n"
    ended: list[int] = []

    def heard(line: str) -> None:
        if line.startswith("waiting for another process"):
            assert orphan.stdin
            orphan.stdin.close()
            ended.append(orphan.wait())

    environments.ensure(environment, heard, {})
    orphan.stdout.close()
    assert ended == [0]
    assert environments.is_current(environment)


def test_nobody_waits_for_the_dead(environment: Environment, installer: FakeInstaller) -> None:
    environment.home.mkdir(parents=True)
    code = (
        "import fcntl,os,sys; f=open(sys.argv[1],'a'); fcntl.flock(f,fcntl.LOCK_EX); os.kill(os.getpid(),9)"
    )
    subprocess.run((sys.executable, "-I", "-c", code, environment.home / "devenv-environment"), check=False)
    lines: list[str] = []
    ensure(environment, lines)
    assert not any("waiting" in line for line in lines)


def test_the_lock_is_free_afterwards(environment: Environment, installer: FakeInstaller) -> None:
    ensure(environment)
    with (environment.home / "devenv-environment").open("a") as mark:
        fcntl.flock(mark, fcntl.LOCK_EX | fcntl.LOCK_NB)


@pytest.mark.parametrize("name", sorted(environments.LOCKS))
def test_the_folder_follows_from_the_content(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = environments.locate(name, tmp_path)
    assert here.home.parent == tmp_path / "envs"
    assert here == environments.locate(name, tmp_path)
    other = tmp_path / "other.lock"
    other.write_text(LOCK)
    monkeypatch.setitem(environments.LOCKS, name, other)
    assert environments.locate(name, tmp_path).home != here.home
