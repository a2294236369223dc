"""What a single small node has room for: guarantees are capped, volumes and affinities are those it can give.

Limits stay as they are: they say what may be used, a guarantee what has to be free.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from devenv.values.keys import at, table
from devenv.yaml_lines import KeyPath

Row = tuple[KeyPath, Any, str]

MOST_CPU, MOST_MEMORY = Decimal("0.05"), 256 * 1024**2

_SMALL = "a laptop's node has to have that much free; the limit stays"
_VOLUMES = "the cluster's own class makes volumes on its node, for one node at a time"
_ONE_NODE = "one node, whatever production's pods want of theirs"

# JupyterHub's: https://jupyterhub.readthedocs.io/en/stable/reference/api/spawner.html
_SIZES: Mapping[str, Decimal | int] = {"": 1, "K": 1024, "M": 1024**2, "G": 1024**3, "T": 1024**4}
# Kubernetes': https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/
_QUANTITIES: Mapping[str, Decimal | int] = {
    "": 1, "m": Decimal("0.001"), "k": 1000, "M": 1000**2, "G": 1000**3, "T": 1000**4,
    "Ki": 1024, "Mi": 1024**2, "Gi": 1024**3, "Ti": 1024**4,
}  # fmt: skip
_AFFINITIES = ("extraNodeAffinity", "extraPodAffinity", "extraPodAntiAffinity")


def rows(tree: Mapping[str, Any]) -> Iterator[Row]:
    """Each key that has to be another one there: its path, its value, and why."""
    yield from _people(tree)
    for section in (("hub",), ("proxy", "chp")):
        yield from _requests(tree, (*section, "resources", "requests"))
    yield from _volumes(tree)
    for kind in _AFFINITIES:
        path = ("singleuser", kind, "required")
        if at(tree, path):
            yield path, [], _ONE_NODE


def _people(tree: Mapping[str, Any]) -> Iterator[Row]:
    memory, cpu = ("singleuser", "memory", "guarantee"), ("singleuser", "cpu", "guarantee")
    size = _number(at(tree, memory, table()[memory].default), _SIZES)
    if size is not None and size > MOST_MEMORY:
        yield memory, "256M", _SMALL
    cores = _number(at(tree, cpu), {"": 1})
    if cores is not None and cores > MOST_CPU:
        yield cpu, float(MOST_CPU), _SMALL


def _requests(tree: Mapping[str, Any], path: KeyPath) -> Iterator[Row]:
    for name, most, text in (("cpu", MOST_CPU, "50m"), ("memory", MOST_MEMORY, "256Mi")):
        wanted = _number(at(tree, (*path, name)), _QUANTITIES)
        if wanted is not None and wanted > most:
            yield (*path, name), text, _SMALL


def _volumes(tree: Mapping[str, Any]) -> Iterator[Row]:
    storage = ("singleuser", "storage")
    if at(tree, (*storage, "type")) == "static":
        yield (*storage, "type"), "dynamic", "production's one volume for all homes is not here"
    path = (*storage, "dynamic", "storageAccessModes")
    modes = at(tree, path)
    if modes and modes != ["ReadWriteOnce"]:
        yield path, ["ReadWriteOnce"], _VOLUMES


def _number(given: Any, units: Mapping[str, Decimal | int]) -> Decimal | None:
    """A number with one of the units after it; None for what is no such thing."""
    if isinstance(given, bool):
        return None
    found = re.fullmatch(r"([0-9.]+)([A-Za-z]*)", str(given))
    if found is None or found[2] not in units:
        return None
    try:
        return Decimal(found[1]) * units[found[2]]
    except InvalidOperation:
        return None
