"""The eight addresses that kind-config.yaml reserves: each project on the cluster has one of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from devenv.cluster.place import Place
from devenv.errors import ConflictError
from devenv.state import read_json, write_json

COUNT = 8
FIRST_NODE_PORT = 30080
FILE = "slots.json"


@dataclass(frozen=True)
class Slot:
    """A project's place on the cluster: ``number`` from 0; ``instance`` and ``file`` are the project's."""

    project: str
    number: int
    instance: str
    file: str = ""

    @property
    def node_port(self) -> int:
        return FIRST_NODE_PORT + self.number

    @property
    def port_name(self) -> str:
        return port_name(self.number)


def port_name(number: int) -> str:
    """What the address of this machine is called among the cluster's ports."""
    return f"slot-{number}"


def taken(place: Place) -> tuple[Slot, ...]:
    """The projects on the cluster, by their slots."""
    found = (read_json(_file(place)) or {}).get("projects", {})
    return tuple(sorted((Slot(name, **each) for name, each in found.items()), key=lambda slot: slot.number))


def of(place: Place, project: str) -> Slot | None:
    """The project's slot, when it has one."""
    return next((slot for slot in taken(place) if slot.project == project), None)


def take(place: Place, project: str, instance: str, file: Path | None) -> Slot:
    """The project's slot, or the first free one. Raises ConflictError when all are taken."""
    before = taken(place)
    mine = next((slot.number for slot in before if slot.project == project), None)
    free = sorted(set(range(COUNT)) - {slot.number for slot in before})
    if mine is None and not free:
        names = ", ".join(slot.project for slot in before)
        raise ConflictError(
            f"the cluster has {COUNT} addresses for projects, and all are taken: {names}",
            hint=f"./dev project.delete one of them; kind-config.yaml says why there are {COUNT}",
        )
    slot = Slot(project, free[0] if mine is None else mine, instance, str(file or ""))
    others = [each for each in before if each.project != project]
    _write(place, [*others, slot])
    return slot


def give_back(place: Place, project: str) -> None:
    """The project is on the cluster no more."""
    _write(place, [slot for slot in taken(place) if slot.project != project])


def _write(place: Place, slots: list[Slot]) -> None:
    content = {
        slot.project: {"number": slot.number, "instance": slot.instance, "file": slot.file} for slot in slots
    }
    write_json(_file(place), {"projects": content}, mode=0o644)


def _file(place: Place) -> Path:
    return place.instance.root / FILE
