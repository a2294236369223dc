"""What a notebook leaves behind ends with its server and with the level, whatever it did to hide."""

from __future__ import annotations

from collections.abc import Iterator

import psutil
import pytest

from devenv.state import MARK_VARIABLE
from integration.driving import Dev, wait_until
from integration.hub.conftest import Hub, needs_root

pytestmark = [pytest.mark.integration, needs_root]

# A program that carries neither the mark nor the name of its user, in a session of its own.
HIDE = """
import subprocess, sys
words = ["env", "-i", "setsid", sys.executable, "-c", "import time; time.sleep(600)"]
print(subprocess.Popen(words).pid)
"""


@pytest.fixture
def stray(hub: Hub) -> Iterator[psutil.Process]:
    with hub.user("joan").kernel() as kernel:
        process = psutil.Process(int(kernel.run(HIDE)))
    assert MARK_VARIABLE not in process.environ()
    yield process
    assert not process.is_running()


def test_a_hidden_program_ends_with_its_users_last_server(hub: Hub, stray: psutil.Process) -> None:
    others = hub.user("ada").kernel()

    hub.people.pop("joan").stop_server()

    assert wait_until(lambda: not stray.is_running(), seconds=15)
    assert others.run("print(1)").strip() == "1", "another user's kernel goes on"


def test_down_ends_a_hidden_program(hub: Hub, stray: psutil.Process, dev_again: Dev) -> None:
    dev_again("down")

    assert not stray.is_running()


@pytest.fixture
def dev_again(hub: Hub) -> Iterator[Dev]:
    """The shared hub, up again afterwards with nobody at it."""
    yield hub.dev
    hub.people.clear()
    hub.dev("hub")
