"""Which process is whose, by tiny real ones."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from devenv.hub import processes
from devenv.hub.processes import Identity

WAITS = (sys.executable, "-I", "-S", "-c", "import sys; print('up', flush=True); sys.stdin.read()")
linux = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    environ = {"HUB_TEST_MARK": f"mine:{os.getpid()}", "JUPYTERHUB_USER": "ada"}
    with subprocess.Popen(WAITS, env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()  # it has taken its environment on
        yield process
        process.kill()


def test_a_process_is_itself_until_it_ends(child: subprocess.Popen[bytes]) -> None:
    found = processes.identify(child.pid)
    assert found is not None
    assert processes.is_alive(found)
    processes.send([found], signal.SIGKILL)
    child.wait()
    assert not processes.is_alive(found)
    assert processes.identify(child.pid) is None


def test_a_zombie_is_not_alive(child: subprocess.Popen[bytes]) -> None:
    found = processes.identify(child.pid)
    assert found is not None
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert not processes.is_alive(found)


def test_a_recycled_pid_is_never_signalled(child: subprocess.Popen[bytes]) -> None:
    processes.send([Identity(child.pid, "another boot:1")], signal.SIGKILL)
    assert child.poll() is None


@pytest.mark.parametrize("pid", [0, -1, 2**22 + 1])
def test_what_is_no_process_has_no_identity(pid: int) -> None:
    assert processes.identify(pid) is None


@linux
def test_the_toolkit_tells_the_same_birth(child: subprocess.Popen[bytes]) -> None:
    from devenv import processes as toolkit

    assert processes.birth(child.pid) == toolkit.identify(child.pid).birth


@linux
def test_marked_processes_are_found_by_all_of_their_mark(child: subprocess.Popen[bytes]) -> None:
    mark = {"HUB_TEST_MARK": f"mine:{os.getpid()}"}
    found = dict(processes.marked(mark))
    assert [each.pid for each in found] == [child.pid]
    assert next(iter(found.values()))["JUPYTERHUB_USER"] == "ada"
    assert list(processes.marked({**mark, "JUPYTERHUB_USER": "ada"}))
    assert not list(processes.marked({**mark, "JUPYTERHUB_USER": "ad"}))
    assert not list(processes.marked({"HUB_TEST_MARK": "mine"}))
    assert not list(processes.marked(mark, uid=os.getuid() + 1))


TABLE = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1001        0 1 1 0
   1: 0100007F:1F90 0100007F:C350 01 00000000:00000000 00:00000000 00000000  1002        0 2 1 0
   2: 00000000:1F91 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 3 1 0
"""


@pytest.mark.parametrize(("port", "uids"), [(8080, {1001}), (8081, {0}), (8082, set())])
def test_who_listens_is_read_from_the_kernels_table(port: int, uids: set[int]) -> None:
    assert processes.read_listeners(TABLE, port) == uids
