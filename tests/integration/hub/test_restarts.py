"""kill -9 under running kernels: the next command heals what is missing, and no kernel is lost."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

import pytest

from integration.driving import Dev, describe, keepers, kill, pids, wait_until
from integration.hub.conftest import Hub, kill_service, servers_of, start
from integration.hub.person import START_SECONDS, Kernel

pytestmark = [pytest.mark.integration, pytest.mark.slow]


@pytest.fixture(scope="module")
def crashing(make_hub: Callable[[str], Hub]) -> Hub:
    """An instance whose tests kill what they like; each finds it up again."""
    made = make_hub("crashing")
    made.dev.first = made.dev("hub")
    return made


@pytest.fixture
def running(crashing: Hub) -> dict[str, int]:
    return pids(start(crashing.dev))


@pytest.fixture
def kernel(crashing: Hub, running: dict[str, int]) -> Kernel:
    """A kernel of ada's in which there is something to lose; her server is the same for all tests."""
    made = crashing.user("ada").kernel()
    assert made.run("remembered = 6 * 7") == ""
    return made


def expect_the_same_kernel(hub: Hub, kernel: Kernel, server: int) -> None:
    assert kernel.run("print(remembered)") == "42\n"
    assert [process.pid for process in servers_of(hub.dev, "ada")] == [server], "no second server"
    ada = hub.user("ada")
    assert wait_until(ada.is_ready, seconds=60), "the hub knows it again"
    assert ada.at_server("GET", "api/status").status == 200
    assert ada.api("GET", "user").json()["name"] == "ada", "and she is still signed in"


def server_of(hub: Hub, name: str) -> int:
    (server,) = servers_of(hub.dev, name)
    return server.pid


def expect_nothing_extra(dev: Dev) -> None:
    """Whatever carries the mark is a service's, a user's server's, or keeps the logs."""

    def extra() -> list[str]:
        known = {int(row["pid"]) for row in dev.services().values()}
        known |= {process.pid for process in dev.processes() if process.uids().real >= 1_000_000_000}
        found = [
            each
            for each in dev.processes()
            if each.pid not in known and not known & {parent.pid for parent in each.parents()}
        ]
        kept = keepers(found)
        return describe([each for each in found if each not in kept]) + describe(kept[1:])

    if os.geteuid() == 0:
        assert wait_until(lambda: not extra(), seconds=10), extra()


@pytest.mark.parametrize("victims", [("hub",), ("proxy",), ("hub", "proxy"), ("github",)], ids=" and ".join)
def test_a_kernel_survives_what_is_killed_around_it(
    crashing: Hub, running: dict[str, int], kernel: Kernel, victims: tuple[str, ...]
) -> None:
    dev, server = crashing.dev, server_of(crashing, "ada")

    kill_service(dev, *victims)
    crashed = dev.services(code=4)
    if "proxy" not in victims:
        assert kernel.run("print(remembered)") == "42\n", "also while the hub is away"
    healed = start(dev)

    assert {name for name, row in crashed.items() if row["state"] == "crashed"} == set(victims)
    assert {name for name, pid in pids(healed).items() if pid != running[name]} == set(victims)
    assert {row["state"] for row in healed.values()} == {"ready"}
    expect_the_same_kernel(crashing, kernel, server)
    expect_nothing_extra(dev)


def test_postgres_killed_under_the_hub_is_told_and_healed(
    crashing: Hub, running: dict[str, int], kernel: Kernel
) -> None:
    dev, server = crashing.dev, server_of(crashing, "ada")

    kill_service(dev, "postgres")
    assert dev.services(code=4)["postgres"]["state"] == "crashed"
    healed = start(dev)

    assert {row["state"] for row in healed.values()} == {"ready"}
    expect_the_same_kernel(crashing, kernel, server)
    joan = crashing.visitor("joan")
    assert joan.sign_in().status == 200, "the hub writes to its database again"


@pytest.mark.parametrize(
    ("name", "launched"), [("grace", False), ("joan", True)], ids=["asked for", "launched"]
)
def test_a_hub_killed_in_mid_spawn_starts_the_server_afterwards_and_only_one(
    crashing: Hub, running: dict[str, int], name: str, launched: bool
) -> None:
    dev, person = crashing.dev, crashing.visitor(name)
    assert person.sign_in().status == 200
    assert not servers_of(dev, name)

    assert person.request_server().status in (201, 202)
    if launched:
        assert wait_until(lambda: bool(servers_of(dev, name)), seconds=60)
    kill(running["hub"])
    start(dev)

    def is_idle() -> bool:
        return not person.api("GET", f"users/{name}").json().get("pending")

    assert wait_until(is_idle, seconds=START_SECONDS)
    person.start_server()
    with person.kernel() as kernel:
        assert kernel.run("print('hello')") == "hello\n"
    assert len(servers_of(dev, name)) == 1
    expect_nothing_extra(dev)


def test_hub_killed_in_the_middle_of_its_start_is_healed_by_the_next(crashing: Hub) -> None:
    dev = crashing.dev
    dev("down")
    child = dev.begin("hub")
    dev.interrupted(child, at_line=9)
    child.kill()
    child.communicate()

    services = start(dev)

    assert {row["state"] for row in services.values()} == {"ready"}
    assert crashing.visitor("joan").sign_in().status == 200
    expect_nothing_extra(dev)


def test_ctrl_c_stops_what_this_start_had_started(crashing: Hub) -> None:
    dev = crashing.dev
    dev("down")
    child = dev.begin("hub")
    dev.interrupted(child, at_line=7)

    os.killpg(child.pid, signal.SIGINT)
    _, err = child.communicate(timeout=60)

    assert child.returncode == 130, err
    assert "Traceback" not in err
    dev.expect_nothing_left()


def test_hub_twice_is_the_same_as_once(crashing: Hub, running: dict[str, int]) -> None:
    said = crashing.dev("hub", "--json")

    assert said.json()["started"] is False
    assert pids(crashing.dev.services()) == running
