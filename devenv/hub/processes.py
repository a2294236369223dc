"""Which process is ours: a pid with its birth, and the mark in its environment.

The text of a birth is the toolkit's own (boot id and start ticks). Without ``/proc`` (macOS) it is what
``ps`` tells, and marks cannot be looked for.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_PROC = Path("/proc")


@dataclass(frozen=True)
class Identity:
    """A process for good: a pid that is used again has another birth."""

    pid: int
    birth: str


def identify(pid: int) -> Identity | None:
    """The identity of a living process; a zombie is none."""
    born = birth(pid) if pid > 0 else ""
    return Identity(pid, born) if born else None


def is_alive(identity: Identity) -> bool:
    return bool(identity.birth) and birth(identity.pid) == identity.birth


def birth(pid: int) -> str:
    """A text that no other process shares, or '' when there is no such living process."""
    if not _has_proc():
        return _birth_by_ps(pid)
    try:
        # the command name may hold spaces and brackets: fields count from the last one
        parts = (_PROC / str(pid) / "stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return ""
    state, ticks = parts[0], parts[19]
    return "" if state in "ZX" else f"{_boot()}:{ticks}"


def environment(pid: int) -> dict[str, str]:
    """What a process was started with; empty when it is gone or may not be asked."""
    try:
        block = (_PROC / str(pid) / "environ").read_bytes()
    except OSError:
        return {}
    pairs = (entry.partition(b"=") for entry in block.split(b"\0") if b"=" in entry)
    return {os.fsdecode(name): os.fsdecode(value) for name, _, value in pairs}


def owner(pid: int) -> int | None:
    """The account that a process really is of, or None when it is gone.

    The folder's owner would not do: it is root for a process that asked not to be dumped
    (https://man7.org/linux/man-pages/man5/proc.5.html).
    """
    try:
        status = (_PROC / str(pid) / "status").read_text(errors="replace")
    except OSError:
        return None
    real = re.search(r"^Uid:\s+(\d+)", status, re.MULTILINE)
    return int(real[1]) if real else None


def marked(wanted: Mapping[str, str], *, uid: int | None = None) -> Iterator[tuple[Identity, dict[str, str]]]:
    """Yield living processes whose environment holds all of ``wanted``; with ``uid``, only that account's.

    Whoever asks is never among them. Without ``/proc`` nothing is found.
    """
    needles = [os.fsencode(f"{name}={value}") for name, value in wanted.items()]
    pids = sorted(int(each.name) for each in _PROC.glob("[0-9]*")) if _has_proc() else []
    for pid in pids:
        if pid == os.getpid() or (uid is not None and owner(pid) != uid):
            continue
        try:
            entries = set((_PROC / str(pid) / "environ").read_bytes().split(b"\0"))
        except OSError:
            continue
        found = identify(pid) if entries.issuperset(needles) else None
        if found:
            yield found, environment(pid)


def owned(uid: int) -> list[Identity]:
    """Every living process of an account: a mark can be dropped, an account id cannot."""
    pids = sorted(int(each.name) for each in _PROC.glob("[0-9]*")) if _has_proc() else []
    return [found for pid in pids if owner(pid) == uid and (found := identify(pid))]


def send(identities: Iterable[Identity], number: signal.Signals) -> None:
    """Signal each that is still the process it was."""
    for each in identities:
        if is_alive(each):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(each.pid, number)


def listeners(port: int) -> frozenset[int] | None:
    """The accounts that listen on a TCP port of this machine. None: it cannot be told here.

    /proc/net/tcp has the owner of each socket: https://docs.kernel.org/networking/proc_net_tcp.html
    """
    if not _has_proc():
        return None
    found = set()
    for table in ("tcp", "tcp6"):
        try:
            text = (_PROC / "net" / table).read_text()
        except OSError:
            continue
        found |= read_listeners(text, port)
    return frozenset(found)


def read_listeners(table: str, port: int) -> set[int]:
    """The accounts that listen on the port, from the text of /proc/net/tcp."""
    rows = (line.split() for line in table.splitlines()[1:])
    return {int(row[7]) for row in rows if row[3] == "0A" and int(row[1].rpartition(":")[2], 16) == port}


@cache
def _has_proc() -> bool:
    return (_PROC / "self" / "stat").exists()


@cache
def _boot() -> str:
    return (_PROC / "sys/kernel/random/boot_id").read_text().strip()


def _birth_by_ps(pid: int) -> str:
    asked = subprocess.run(
        ("ps", "-o", "stat=,lstart=", "-p", str(pid)), capture_output=True, text=True, check=False, env={}
    )
    state, _, started = asked.stdout.strip().partition(" ")
    return "" if not started or state.startswith("Z") else started.strip()
