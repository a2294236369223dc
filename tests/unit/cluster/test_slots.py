"""Eight projects have an address each; the ninth is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from devenv.cluster import slots
from devenv.cluster.place import Place
from devenv.errors import ConflictError
from devenv.state import Instance


@pytest.fixture
def place(tmp_path: Path) -> Place:
    found = Place.of(Instance("lab", tmp_path / "checkout", tmp_path / "data"))
    found.instance.create()
    return found


def test_the_first_project_gets_the_first_address(place: Place) -> None:
    slot = slots.take(place, "lab", "lab-1", None)

    assert (slot.number, slot.node_port, slot.port_name) == (0, 30080, "slot-0")


def test_a_project_keeps_its_address(place: Place) -> None:
    slots.take(place, "lab", "lab-1", None)
    slots.take(place, "other", "other-1", None)

    assert slots.take(place, "lab", "lab-1", None).number == 0
    assert [each.project for each in slots.taken(place)] == ["lab", "other"]


def test_an_address_that_was_given_back_is_the_next_ones(place: Place) -> None:
    for name in ("a", "b", "c"):
        slots.take(place, name, name, None)
    slots.give_back(place, "b")

    assert slots.of(place, "b") is None
    assert slots.take(place, "d", "d", None).number == 1


def test_the_ninth_project_is_refused_with_the_names_of_the_eight(place: Place) -> None:
    for number in range(slots.COUNT):
        slots.take(place, f"p{number}", f"p{number}", None)

    with pytest.raises(ConflictError, match=r"8 addresses.*p0, p1, .*p7"):
        slots.take(place, "ninth", "ninth", None)

    assert len(slots.taken(place)) == slots.COUNT


def test_the_project_file_is_remembered(place: Place, tmp_path: Path) -> None:
    slots.take(place, "lab", "lab-1", tmp_path / "other.yaml")

    found = slots.of(place, "lab")
    assert found is not None
    assert found.file == str(tmp_path / "other.yaml")
