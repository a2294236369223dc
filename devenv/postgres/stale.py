"""What a server that was killed leaves behind: sessions that go on, and a lock file with its pid.

Processes are known by their title: each shows the instance's mark there (``cluster_name``). It can be read
without privileges, and it lasts where the environment does not (PostgreSQL writes its titles over that).
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from devenv.errors import ConflictError, UnhealthyError
from devenv.waiting import while_true

if TYPE_CHECKING:
    import psutil

# PostgreSQL writes its lock file within this time of its own start, in seconds; clocks are adjusted too.
_LOCK_WRITTEN_WITHIN = 60.0
_SERVERS = ("postgres", "postmaster")


def clear(data: Path, *, name: str, uid: int) -> tuple[str, ...]:
    """Make ``data`` ready for a start after a kill or a reboot; tell in words what was done.

    Sessions without a server are ended: while one lives, PostgreSQL refuses to start ("pre-existing shared
    memory block is still in use"). The lock file goes only when its pid is no server's any more and no
    process of the instance is left. Raises ConflictError when a server is using ``data``, UnhealthyError
    when a session cannot be ended. The caller holds the instance's lock.
    """
    owner = server(data)
    if owner is not None:
        raise ConflictError(
            f"a PostgreSQL server (pid {owner}) is using {data} already", hint="Stop it first: ./dev down"
        )
    done = []
    left = processes(name=name, uid=uid)
    if left:
        _end(name, uid)
        done.append(f"ended {len(left)} PostgreSQL processes whose server had been killed")
    lock = data / "postmaster.pid"
    if lock.is_file():
        lock.unlink()
        done.append("removed the lock file of a PostgreSQL server that had been killed")
    return tuple(done)


def server(data: Path) -> int | None:
    """The pid of the server that uses ``data``, whoever started it; None when there is none.

    The lock file's pid alone proves nothing, since it may be another process's by now. A process that
    began long after the file was written, or is not a server of PostgreSQL's, is not it.
    Source: PostgreSQL's manual, "Database File Layout", postmaster.pid.
    """
    import psutil

    try:
        lines = (data / "postmaster.pid").read_text().splitlines()
        pid, written = int(lines[0]), float(lines[2])
    except (FileNotFoundError, ValueError, IndexError):
        return None
    try:
        process = psutil.Process(pid)
        recycled = process.create_time() > written + _LOCK_WRITTEN_WITHIN
        if recycled or process.name() not in _SERVERS:
            return None
        # A session has its title in the place of the argv; only a server still has its own.
        return None if _title(process).startswith("postgres: ") else pid
    except psutil.NoSuchProcess:
        return None
    except psutil.AccessDenied:
        # Somebody else's process of that name and age: better not touch what may be in use.
        return pid


def processes(*, name: str, uid: int) -> tuple[psutil.Process, ...]:
    """The sessions and workers, but not the server itself, that carry the mark ``name``."""
    import psutil

    found = []
    for process in psutil.process_iter():
        try:
            if _title(process).startswith(f"postgres: {name}: ") and process.uids().real == uid:
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return tuple(found)


def _title(process: psutil.Process) -> str:
    return " ".join(process.cmdline())


def _end(name: str, uid: int) -> None:
    """TERM, then KILL: psutil signals no pid that has become another process's."""
    import psutil

    for signal_one in (psutil.Process.terminate, psutil.Process.kill):
        for process in processes(name=name, uid=uid):
            with suppress(psutil.NoSuchProcess):
                signal_one(process)
        if while_true(lambda: bool(processes(name=name, uid=uid)), seconds=5):
            return
    left = ", ".join(str(process.pid) for process in processes(name=name, uid=uid))
    raise UnhealthyError(f"PostgreSQL processes of a killed server cannot be ended: {left}")
