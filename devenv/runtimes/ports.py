"""Which port each service gets: the fixed one, else the one it had, else the first that is free."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from devenv import processes
from devenv.endpoints import PUBLIC_PORT
from devenv.errors import ConflictError, MissingError
from devenv.state import Instance, read_json, write_json

FIRST_CHOICE = {
    "jupyter": PUBLIC_PORT,
    "proxy": PUBLIC_PORT,
    "s3": 9000,
    "postgres": 5434,
    "hub-db": 5433,
    "explore-db": 5434,
    "hub": 8081,
    "github": 8090,
    "proxy-api": 8180,
    # the addresses that kind-config.yaml reserves for projects
    **{f"slot-{number}": PUBLIC_PORT + number for number in range(8)},
}
# Where one server has both databases, their addresses are its own.
ONE_SERVER = {"hub-db": "postgres", "explore-db": "postgres"}
# The key of the project file's ports that fixes a service's port; what is missing cannot be fixed.
SETTING = {"jupyter": "jupyter", "proxy": "jupyter", "s3": "s3", "postgres": "postgres"}
FILE = "ports.json"
# Between the choice of a port and the moment the server listens, another instance may look for one too.
CLAIM_SECONDS = 120
TRIES = 200


def known(instance: Instance) -> dict[str, int]:
    """The ports of the instance's last start."""
    content = read_json(instance.root / FILE) or {}
    return dict(content.get("ports", {}))


def claim(
    instance: Instance,
    services: tuple[str, ...],
    fixed: Mapping[str, int | None],
    running: Mapping[str, int],
    *,
    holder: Callable[[int], processes.Holder | None] = processes.holder,
) -> tuple[dict[str, int], list[str]]:
    """Choose and write down a port for each service; return them and notes about those that had to move.

    ``running`` are the ports of services that run already: they stay. Raises ConflictError when a
    fixed port is taken.
    """
    remembered, notes = known(instance), []
    with _one_at_a_time(instance):
        taken = _claims_of_others(instance) | set(running.values())
        chosen: dict[str, int] = {}
        # what the project insists on comes first: a port that is only remembered gives way
        for service in sorted(services, key=lambda name: not fixed.get(name)):
            wanted = fixed.get(service)
            if service in running:
                chosen[service] = running[service]
                if wanted and wanted != running[service]:
                    notes.append(f"{service} stays on port {running[service]} until the next ./dev down")
                continue
            if wanted:
                chosen[service] = _insist(service, wanted, taken, holder)
            else:
                preferred = remembered.get(service, FIRST_CHOICE[service])
                chosen[service], note = _next_free(service, preferred, taken, holder)
                notes += note
            taken.add(chosen[service])
        write_json(
            instance.root / FILE, {"ports": {**remembered, **chosen}, "claimed": time.time()}, mode=0o644
        )
    return chosen, notes


def release(instance: Instance) -> None:
    """The servers listen now, or never will: other instances need not keep away any longer."""
    content = read_json(instance.root / FILE)
    if content:
        write_json(instance.root / FILE, {**content, "claimed": 0}, mode=0o644)


def _insist(
    service: str, port: int, taken: set[int], holder: Callable[[int], processes.Holder | None]
) -> int:
    found = "another instance that is starting" if port in taken else holder(port)
    if found:
        raise ConflictError(
            f"port {port} of {service} is taken by {found}",
            hint=f"End it, or give ports.{SETTING[service]} another number (or none) in devenv.yaml",
        )
    return port


def _next_free(
    service: str, preferred: int, taken: set[int], holder: Callable[[int], processes.Holder | None]
) -> tuple[int, list[str]]:
    why = ""
    for port in range(preferred, min(preferred + TRIES, 65536)):
        found = "another instance that is starting" if port in taken else holder(port)
        if not found:
            return port, [f"{service}: port {why}; using {port}"] if why else []
        why = why or f"{port} is taken by {found}"
    raise MissingError(
        f"{service} found no free port from {preferred} on", hint="End something that holds one"
    )


def _claims_of_others(instance: Instance) -> set[int]:
    claims: set[int] = set()
    for path in instance.root.parent.glob(f"*/{FILE}"):
        if path.parent == instance.root:
            continue
        content = read_json(path) or {}
        if time.time() - content.get("claimed", 0) < CLAIM_SECONDS:
            claims |= set(content.get("ports", {}).values())
    return claims


@contextmanager
def _one_at_a_time(instance: Instance) -> Iterator[None]:
    path: Path = instance.data_root / "locks" / "ports.lock"
    path.parent.mkdir(mode=0o711, parents=True, exist_ok=True)
    with path.open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
