"""Which process is ours, who else holds a port, and how a process is ended.

A pid alone proves nothing: it is recycled, and void after a reboot. A process is ours when its pid
*and* its birth (start time within this boot) *and* the mark in its environment agree.
"""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import psutil

from devenv import commands, waiting
from devenv.errors import MissingError, UnhealthyError
from devenv.state import MARK_VARIABLE


@dataclass(frozen=True)
class Identity:
    """A process that cannot be mistaken for another: ``birth`` tells boots and starts apart."""

    pid: int
    birth: str


@dataclass(frozen=True)
class Holder:
    """Who listens on a port: pid 0 and no name when the system does not tell us."""

    pid: int
    name: str
    account: str

    def __str__(self) -> str:
        if not self.pid:
            return "another process (of another account)"
        return f"{self.name} (pid {self.pid}, {self.account})"


def identify(pid: int) -> Identity | None:
    """The identity of a living process; None when it is gone or a zombie."""
    birth = _birth(pid)
    return Identity(pid, birth) if birth else None


def is_alive(identity: Identity) -> bool:
    return _birth(identity.pid) == identity.birth


def is_of_this_boot(identity: Identity) -> bool:
    """False when the machine was started anew since; True where that cannot be told."""
    boot, colon, _ = identity.birth.partition(":")
    return not colon or boot == _boot()


def carries_mark(pid: int, mark: str) -> bool:
    """Whether the process's environment holds ``mark``; False when it may not be read."""
    try:
        return psutil.Process(pid).environ().get(MARK_VARIABLE) == mark
    except (psutil.Error, OSError):
        return False


def marked(mark: str) -> tuple[Identity, ...]:
    """Every living process that carries ``mark``, oldest first: the strays of a killed command."""
    found = []
    for process in psutil.process_iter():
        if process.pid != os.getpid() and carries_mark(process.pid, mark):
            identity = identify(process.pid)
            if identity:
                found.append(identity)
    return tuple(sorted(found, key=lambda each: each.pid))


def owned(accounts: range) -> tuple[Identity, ...]:
    """Every living process of these account ids: a mark can be dropped, an account id cannot."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.uids().real in accounts and (identity := identify(process.pid)):
                found.append(identity)
    return tuple(found)


def end(identities: Iterable[Identity], *, first: signal.Signals, seconds: float) -> bool:
    """Ask each process to end by ``first``; kill what is left after ``seconds``.

    Tells whether all went by themselves. A pid whose birth does not match is never signalled. Raises
    UnhealthyError when even a kill does not end one (it hangs in the system).
    """
    pending = list(identities)
    for identity in pending:
        _signal(identity, first)
    if waiting.while_true(lambda: _any_alive(pending), seconds=seconds):
        return True
    for identity in pending:
        _signal(identity, signal.SIGKILL)
    if not waiting.while_true(lambda: _any_alive(pending), seconds=5):
        left = ", ".join(str(each.pid) for each in pending if is_alive(each))
        raise UnhealthyError(f"these processes cannot be ended: {left}", hint="Only a reboot may help")
    return False


def descendants(identity: Identity) -> tuple[Identity, ...]:
    """The process's living children and theirs."""
    if not is_alive(identity):
        return ()
    with contextlib.suppress(psutil.Error):
        children = psutil.Process(identity.pid).children(recursive=True)
        return tuple(found for child in children if (found := identify(child.pid)))
    return ()


def memory(identity: Identity) -> int:
    """Proportional set size in bytes of the process and its descendants.

    Shared pages are counted once in all (Linux /proc/PID/smaps_rollup); where the system knows no
    PSS, the resident size stands in.
    """
    total = 0
    for each in (identity, *descendants(identity)):
        total += _pss(each.pid)
    return total


def listens(identity: Identity, port: int) -> bool:
    """Whether this very process listens on the TCP port of the loopback address.

    True where the system does not tell whose port it is.
    """
    # reading the table of all sockets costs a hundred times as much as a refused connection
    if not is_alive(identity) or not _answers(port):
        return False
    try:
        connections = psutil.Process(identity.pid).net_connections("tcp")
    except psutil.AccessDenied:
        return True
    except (psutil.Error, OSError):
        return False
    return any(
        each.status == psutil.CONN_LISTEN and each.laddr[1] == port for each in connections if each.laddr
    )


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.2)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def holder(port: int) -> Holder | None:
    """Who listens on a TCP port of this machine's loopback or wildcard address, if anybody does."""
    if is_free(port):
        return None
    with contextlib.suppress(psutil.Error, OSError):
        for connection in psutil.net_connections("tcp"):
            if connection.status != psutil.CONN_LISTEN or not connection.laddr:
                continue
            if connection.laddr.port == port and connection.pid:
                process = psutil.Process(connection.pid)
                with contextlib.suppress(psutil.Error):
                    return Holder(process.pid, process.name(), process.username())
    return Holder(0, "", "")


def is_free(port: int) -> bool:
    """Whether a server could listen on the port now, on either loopback address.

    Both count: a browser may take ``localhost`` for ``::1`` and would meet somebody else there. Raises
    MissingError for a port that this account may not open at all.
    """
    return _can_bind(socket.AF_INET, "127.0.0.1", port) and _can_bind(socket.AF_INET6, "::1", port)


def _can_bind(family: socket.AddressFamily, address: str, port: int) -> bool:
    try:
        probe = socket.socket(family, socket.SOCK_STREAM)
    except OSError:
        return True  # no IPv6 here, so nobody listens on it
    with probe:
        # as servers do: connections of a server that just ended must not count as taken
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except PermissionError:
            raise MissingError(
                f"port {port} may not be opened by this account", hint="Choose a port above 1023"
            ) from None
        except OSError as error:
            return error.errno == errno.EADDRNOTAVAIL
    return True


def _any_alive(identities: Iterable[Identity]) -> bool:
    commands.reap()
    return any(is_alive(each) for each in identities)


def _signal(identity: Identity, number: signal.Signals) -> None:
    if is_alive(identity):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(identity.pid, number)


def _birth(pid: int) -> str:
    """A text that no other process shares, or '' when there is no such living process."""
    stat = Path(f"/proc/{pid}/stat")
    if not Path("/proc/self/stat").exists():
        return _birth_by_psutil(pid)
    try:
        # the command name may hold spaces and brackets: fields count from the last one
        fields = stat.read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return ""
    state, ticks = fields[0], fields[19]
    return "" if state in "ZX" else f"{_boot()}:{ticks}"


def _birth_by_psutil(pid: int) -> str:
    try:
        process = psutil.Process(pid)
        return "" if process.status() == psutil.STATUS_ZOMBIE else f"{process.create_time():.2f}"
    except psutil.Error:
        return ""


@cache
def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def _pss(pid: int) -> int:
    with contextlib.suppress(psutil.Error, OSError):
        process = psutil.Process(pid)
        try:
            return int(process.memory_full_info().pss)
        except (AttributeError, psutil.AccessDenied):
            return int(process.memory_info().rss)
    return 0
