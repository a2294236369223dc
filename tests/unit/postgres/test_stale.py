from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from devenv.errors import ConflictError, UnhealthyError
from devenv.postgres import stale

NAME = "habari-0a1b2c"
UID = 4242
WRITTEN = 1_700_000_000


@dataclass
class Process:
    """A process as psutil shows it; it ignores TERM when ``stubborn``."""

    pid: int = 77
    title: tuple[str, ...] = ("/usr/bin/postgres", "-D", "/data")
    called: str = "postgres"
    born: float = WRITTEN - 1
    uid: int = UID
    stubborn: bool = False
    alive: bool = True
    heard: list[str] = field(default_factory=list)

    def name(self) -> str:
        return self.called

    def create_time(self) -> float:
        return self.born

    def cmdline(self) -> list[str]:
        return list(self.title)

    def uids(self) -> SimpleNamespace:
        return SimpleNamespace(real=self.uid)


def _terminate(process: Process) -> None:
    process.heard.append("TERM")
    process.alive = process.stubborn


def _kill(process: Process) -> None:
    process.heard.append("KILL")
    process.alive = False


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "postmaster.pid").write_text(f"77\n/data\n{WRITTEN}\n5434\n\n127.0.0.1\n  1 2\nready   \n")
    return tmp_path


def _machine(monkeypatch: pytest.MonkeyPatch, *running: Process) -> None:
    def by_pid(pid: int) -> Process:
        for process in running:
            if process.pid == pid and process.alive:
                return process
        raise psutil.NoSuchProcess(pid)

    by_pid.terminate = _terminate  # type: ignore[attr-defined]
    by_pid.kill = _kill  # type: ignore[attr-defined]
    monkeypatch.setattr(psutil, "Process", by_pid)
    monkeypatch.setattr(psutil, "process_iter", lambda: iter([each for each in running if each.alive]))


def _session(**changes: object) -> Process:
    title = (f"postgres: {NAME}: explore explore 127.0.0.1(5000) SELECT", "", "")
    return Process(**{"pid": 80, "title": title, **changes})  # type: ignore[arg-type]


def test_a_server_that_runs_is_left_alone(monkeypatch: pytest.MonkeyPatch, data: Path) -> None:
    server = Process()
    _machine(monkeypatch, server, _session())
    with pytest.raises(ConflictError, match="pid 77"):
        stale.clear(data, name=NAME, uid=UID)
    assert (data / "postmaster.pid").exists()
    assert not server.heard


def test_a_server_that_may_not_be_looked_at_is_taken_for_alive(
    monkeypatch: pytest.MonkeyPatch, data: Path
) -> None:
    server = Process()
    _machine(monkeypatch, server)

    def denied(_process: Process) -> list[str]:
        raise psutil.AccessDenied(77)

    monkeypatch.setattr(Process, "cmdline", denied)
    assert stale.server(data) == 77


@pytest.mark.parametrize(
    "holder",
    [
        pytest.param(None, id="nobody has the pid"),
        pytest.param(Process(called="python3"), id="another program has it"),
        pytest.param(Process(born=WRITTEN + 3600), id="a server that began after the reboot has it"),
        pytest.param(
            Process(title=("postgres: other: io worker 1", "")), id="another server's worker has it"
        ),
    ],
)
def test_a_recycled_pid_blocks_nothing_and_is_never_signalled(
    holder: Process | None, monkeypatch: pytest.MonkeyPatch, data: Path
) -> None:
    _machine(monkeypatch, *([holder] if holder else []))
    assert stale.clear(data, name=NAME, uid=UID) == (
        "removed the lock file of a PostgreSQL server that had been killed",
    )
    assert not (data / "postmaster.pid").exists()
    assert holder is None or not holder.heard


@pytest.mark.parametrize(
    ("session", "heard"),
    [
        pytest.param(_session(), ["TERM"], id="one that listens"),
        pytest.param(_session(stubborn=True), ["TERM", "KILL"], id="one that does not"),
    ],
)
def test_sessions_of_a_killed_server_are_ended(
    session: Process, heard: list[str], monkeypatch: pytest.MonkeyPatch, data: Path
) -> None:
    _machine(monkeypatch, session)
    monkeypatch.setattr(stale, "while_true", lambda condition, seconds: not condition())
    assert stale.clear(data, name=NAME, uid=UID)[0].startswith("ended 1 PostgreSQL process")
    assert session.heard == heard


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(_session(title=("postgres: habari-0a1b2c-b: x", "")), id="of a longer name"),
        pytest.param(_session(title=("postgres: other: idle", "")), id="of another instance"),
        pytest.param(_session(uid=UID + 1), id="of another account"),
        pytest.param(_session(title=("less", f"postgres: {NAME}: x")), id="that only mentions the name"),
    ],
)
def test_other_peoples_processes_are_never_signalled(
    other: Process, monkeypatch: pytest.MonkeyPatch, data: Path
) -> None:
    _machine(monkeypatch, other)
    stale.clear(data, name=NAME, uid=UID)
    assert not other.heard


def test_a_lock_stays_while_a_session_cannot_be_ended(monkeypatch: pytest.MonkeyPatch, data: Path) -> None:
    _machine(monkeypatch, _session())
    monkeypatch.setattr(stale, "while_true", lambda condition, seconds: False)
    with pytest.raises(UnhealthyError, match="cannot be ended"):
        stale.clear(data, name=NAME, uid=UID)
    assert (data / "postmaster.pid").exists()


@pytest.mark.parametrize("text", ["", "x\ny\nz\n", "77\n"], ids=["empty", "no numbers", "cut short"])
def test_a_damaged_lock_file_names_no_server(text: str, data: Path) -> None:
    (data / "postmaster.pid").write_text(text)
    assert stale.server(data) is None


def test_nothing_to_clear_is_nothing_done(tmp_path: Path) -> None:
    assert stale.clear(tmp_path / "data", name=NAME, uid=os.getuid()) == ()
