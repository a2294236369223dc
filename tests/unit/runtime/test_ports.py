"""Which port a service gets, and what is said when it is not the one that was expected."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from devenv.errors import ConflictError, MissingError
from devenv.processes import Holder
from devenv.runtimes import ports
from devenv.state import Instance, write_json

NGINX = Holder(4711, "nginx", "www-data")


@pytest.fixture
def instance(tmp_path: Path) -> Instance:
    made = Instance("habari", tmp_path, tmp_path / "data")
    made.create()
    return made


def held(*taken: int) -> Callable[[int], Holder | None]:
    return lambda port: NGINX if port in taken else None


def claim(
    instance: Instance,
    *taken: int,
    fixed: Mapping[str, int | None] | None = None,
    running: Mapping[str, int] | None = None,
    services: tuple[str, ...] = ("jupyter", "s3", "postgres"),
) -> tuple[dict[str, int], list[str]]:
    return ports.claim(instance, services, fixed or {}, running or {}, holder=held(*taken))


def neighbour(instance: Instance, taken: Mapping[str, int], *, seconds_ago: float) -> None:
    other = Instance("neighbour", instance.checkout, instance.data_root)
    other.create()
    write_json(other.root / ports.FILE, {"ports": dict(taken), "claimed": time.time() - seconds_ago})


def test_the_usual_ports_are_taken_when_they_are_free(instance: Instance) -> None:
    chosen, notes = claim(instance)

    assert chosen == {"jupyter": 8000, "s3": 9000, "postgres": 5434}
    assert notes == []
    assert ports.known(instance) == chosen


def test_a_taken_port_gives_way_to_the_next_free_one_and_its_holder_is_named(instance: Instance) -> None:
    chosen, notes = claim(instance, 8000, 8001)

    assert chosen["jupyter"] == 8002
    assert notes == ["jupyter: port 8000 is taken by nginx (pid 4711, www-data); using 8002"]


def test_a_fixed_port_that_is_taken_is_a_conflict(instance: Instance) -> None:
    with pytest.raises(ConflictError, match=r"port 8123 of jupyter is taken by nginx \(pid 4711, www-data\)"):
        claim(instance, 8123, fixed={"jupyter": 8123})


def test_an_instance_comes_back_to_the_ports_it_had(instance: Instance) -> None:
    claim(instance, 8000)

    chosen, notes = claim(instance)

    assert chosen["jupyter"] == 8001
    assert notes == []


def test_a_fixed_port_wins_over_the_one_it_had(instance: Instance) -> None:
    claim(instance)

    assert claim(instance, fixed={"jupyter": 8123})[0]["jupyter"] == 8123


def test_a_running_service_keeps_its_port_though_it_is_taken_by_itself(instance: Instance) -> None:
    chosen, notes = claim(instance, 8005, running={"jupyter": 8005}, fixed={"jupyter": 8123})

    assert chosen["jupyter"] == 8005
    assert notes == ["jupyter stays on port 8005 until the next ./dev down"]


def test_two_services_never_get_one_port(instance: Instance) -> None:
    write_json(instance.root / ports.FILE, {"ports": {"jupyter": 9000}})

    chosen, _ = claim(instance)

    assert len(set(chosen.values())) == 3


def test_a_port_that_a_starting_neighbour_chose_is_left_to_it(instance: Instance) -> None:
    neighbour(instance, {"jupyter": 8000}, seconds_ago=1)

    chosen, notes = claim(instance)

    assert chosen["jupyter"] == 8001
    assert "another instance that is starting" in notes[0]


def test_a_neighbours_old_claim_takes_no_port(instance: Instance) -> None:
    neighbour(instance, {"jupyter": 8000}, seconds_ago=ports.CLAIM_SECONDS + 1)

    assert claim(instance)[0]["jupyter"] == 8000


def test_a_neighbour_whose_start_is_over_keeps_no_port_that_it_does_not_use(instance: Instance) -> None:
    neighbour(instance, {"jupyter": 8000}, seconds_ago=1)
    ports.release(Instance("neighbour", instance.checkout, instance.data_root))

    assert claim(instance)[0]["jupyter"] == 8000


def test_releasing_keeps_the_ports_that_it_had(instance: Instance) -> None:
    ports.release(instance)
    chosen, _ = claim(instance, 8000)

    ports.release(instance)

    assert ports.known(instance) == chosen


def test_no_free_port_at_all_is_said_in_one_line(instance: Instance) -> None:
    with pytest.raises(MissingError, match="jupyter found no free port from 8000 on"):
        claim(instance, *range(8000, 8000 + ports.TRIES))


def test_the_search_ends_at_the_last_port_there_is(instance: Instance) -> None:
    write_json(instance.root / ports.FILE, {"ports": {"jupyter": 65535}})

    with pytest.raises(MissingError, match="no free port from 65535 on"):
        claim(instance, 65535, services=("jupyter",))


def test_an_instance_that_was_never_up_has_no_ports(tmp_path: Path) -> None:
    assert ports.known(Instance("never", tmp_path, tmp_path)) == {}
