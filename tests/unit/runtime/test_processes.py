"""Which process is ours: a pid, its birth and its mark; and nobody else's is ever signalled."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

from devenv import processes
from devenv.processes import Holder, Identity
from devenv.state import MARK_VARIABLE

READY = "print('ready', flush=True); "
WAITS = READY + "import signal; signal.pause()"
IGNORES_TERM = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + WAITS
HAS_A_CHILD = (
    "import subprocess, sys;"
    "child = subprocess.Popen([sys.executable, '-c', 'input()'], stdin=subprocess.PIPE);"
    "print(child.pid, flush=True); import signal; signal.pause()"
)

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start a small real program and return when it has said its first line (kept as ``said``)."""
    running: list[subprocess.Popen[str]] = []

    def launch(code: str, mark: str = "") -> subprocess.Popen[str]:
        environ = {**os.environ, MARK_VARIABLE: mark} if mark else None
        child = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", code], stdout=subprocess.PIPE, text=True, env=environ
        )
        running.append(child)
        assert child.stdout is not None
        child.said = child.stdout.readline().strip()  # type: ignore[attr-defined]
        return child

    yield launch
    for child in running:
        child.kill()
        child.wait()
        if child.stdout:
            child.stdout.close()


def identity_of(child: subprocess.Popen[str]) -> Identity:
    found = processes.identify(child.pid)
    assert found is not None
    return found


def test_a_living_process_keeps_its_identity(start: Start) -> None:
    child = start(WAITS)

    assert processes.identify(child.pid) == processes.identify(child.pid)
    assert processes.is_alive(identity_of(child))


def test_a_zombie_is_not_alive(start: Start) -> None:
    child = start(WAITS)
    identity = identity_of(child)

    os.kill(child.pid, signal.SIGKILL)
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)

    assert not processes.is_alive(identity)
    assert processes.identify(child.pid) is None


@pytest.mark.parametrize(
    "birth",
    [
        pytest.param("another-boot:1", id="of another boot"),
        pytest.param("", id="never known"),
        pytest.param("gone", id="gone before it was known"),
    ],
)
def test_a_recycled_pid_is_never_signalled(start: Start, birth: str) -> None:
    child = start(WAITS)

    ended = processes.end([Identity(child.pid, birth)], first=signal.SIGKILL, seconds=0)

    assert ended, "there is nothing of ours to wait for"
    assert child.poll() is None
    assert processes.descendants(Identity(child.pid, birth)) == ()


def test_a_pid_with_the_same_ticks_in_another_boot_is_another_process(start: Start) -> None:
    child = start(WAITS)
    boot, _, ticks = identity_of(child).birth.partition(":")

    assert not processes.is_alive(Identity(child.pid, f"{boot[::-1]}:{ticks}"))


def test_a_process_that_ends_when_asked_is_not_killed(start: Start) -> None:
    child = start(WAITS)

    assert processes.end([identity_of(child)], first=signal.SIGTERM, seconds=10)
    assert child.wait() == -signal.SIGTERM


def test_a_process_that_ignores_the_first_signal_is_killed(start: Start) -> None:
    child = start(IGNORES_TERM)

    assert not processes.end([identity_of(child)], first=signal.SIGTERM, seconds=0.05)
    assert child.wait() == -signal.SIGKILL


def test_a_process_that_is_gone_already_counts_as_ended(start: Start) -> None:
    child = start(WAITS)
    identity = identity_of(child)
    child.kill()
    child.wait()

    assert processes.end([identity], first=signal.SIGTERM, seconds=0)


def test_strays_are_found_by_the_whole_mark_alone(start: Start) -> None:
    mark = f"test-{os.getpid()}/s3"
    ours = start(WAITS, mark)
    start(WAITS, f"{mark}-of-another")
    start(WAITS, f"another-{mark}")
    start(WAITS)

    assert [each.pid for each in processes.marked(mark)] == [ours.pid]


def test_the_asking_process_is_never_its_own_stray(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "carries_mark", lambda pid, mark: True)

    assert os.getpid() not in [each.pid for each in processes.marked("any/s3")]


def test_children_of_children_are_found(start: Start) -> None:
    parent = start(HAS_A_CHILD)
    child = int(parent.said)  # type: ignore[attr-defined]

    assert [each.pid for each in processes.descendants(identity_of(parent))] == [child]
    with suppress(ProcessLookupError):
        os.kill(child, signal.SIGKILL)


def test_memory_counts_the_children_too(start: Start) -> None:
    alone = processes.memory(identity_of(start(WAITS)))
    both = processes.memory(identity_of(start(HAS_A_CHILD)))

    assert 0 < alone < both


@pytest.mark.parametrize(
    ("family", "address"),
    [
        pytest.param(socket.AF_INET, "127.0.0.1", id="IPv4"),
        pytest.param(socket.AF_INET6, "::1", id="IPv6, which a browser may take localhost for"),
        pytest.param(socket.AF_INET, "0.0.0.0", id="all addresses"),  # nobody connects to it
    ],
)
def test_a_listener_on_either_loopback_address_takes_the_port(
    family: socket.AddressFamily, address: str
) -> None:
    with socket.socket(family) as listener:
        try:
            listener.bind((address, 0))
        except OSError:
            pytest.skip(f"this machine has no {address}: that a port is taken there is NOT tested")
        listener.listen()
        port = listener.getsockname()[1]

        found = processes.holder(port)

    assert found is not None
    assert found.pid == os.getpid()
    assert str(found) == f"{found.name} (pid {os.getpid()}, {found.account})"


def test_a_free_port_has_no_holder() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]

    assert processes.holder(port) is None


def test_connections_of_a_server_that_just_ended_do_not_take_its_port() -> None:
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as client:
            server, _ = listener.accept()
            # the side that closes first is the one that waits (TIME_WAIT)
            server.close()
            assert client.recv(1) == b""

    assert processes.is_free(port)


def test_a_holder_that_the_system_hides_is_said_to_be_somebody() -> None:
    assert str(Holder(0, "", "")) == "another process (of another account)"
