"""The interface of a runtime, and what it tells about a service."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from devenv.endpoints import Endpoint, View
from devenv.notebooks import CellRan, Executed
from devenv.report import Progress
from devenv.services.service import Service, Site


class Phase(StrEnum):
    """Where a service stands, as far as the runtime alone can tell."""

    STOPPED = "stopped"
    RUNNING = "running"
    CRASHED = "crashed"


@dataclass(frozen=True)
class Condition:
    """What a runtime knows of a service. ``since`` is Unix time, ``memory`` bytes (a process: PSS).

    ``fingerprint`` is the service's own, of the time when it was started.
    """

    phase: Phase
    pid: int = 0
    since: float = 0.0
    restarts: int = 0
    memory: int = 0
    fingerprint: str = ""


class Runtime(Protocol):
    """Starts, watches and stops services; the only one who knows their addresses."""

    name: str
    view: View

    @property
    def data_place(self) -> str:
        """Where the data of its services lie, in words for a person."""

    def claim(self, services: tuple[Service, ...], fixed: Mapping[str, int | None]) -> list[str]:
        """Give every service an address before any starts; notes for the person about other ports.

        What is left of an earlier run that was killed ends first.
        ``fixed`` holds the ports that the project insists on. Raises ConflictError when such a port
        is somebody else's.
        """

    def release(self) -> None:
        """The start is over, well or badly: claims are given up, and logs are kept small from now on."""

    def prepare(self, services: tuple[Service, ...], progress: Progress) -> None:
        """Get what services are made of (environments, images) and stand on (a network).

        Called once, before services start beside one another.
        """

    def start(self, site: Site, service: Service) -> bool:
        """Launch the service at its claimed address unless it runs; False when it ran.

        When it raises it has left nothing behind.
        """

    def cancel(self) -> None:
        """Starts that are under way in other threads end soon, by InterruptedByUser or as failures."""

    def ensure_alive(self, service: Service) -> None:
        """Raise UnhealthyError with the log's tail when a launched service is gone."""

    def is_listening(self, service: Service) -> bool:
        """Whether it is the service itself that listens at its address: secrets are sent to nobody else."""

    def stop(self, service: Service) -> bool:
        """End the service and all it started; False when there was nothing to end."""

    def end_guests(self, service: Service) -> int:
        """End what the service started for people and left running; the number of processes."""

    def condition(self, service: Service, *, memory: bool = False) -> Condition:
        """Ask, do not remember; ``memory`` costs a look at every process of the service."""

    def endpoint(self, service: str, view: View) -> Endpoint:
        """Where the service answers for who asks. Raises NotRunningError when it has no address yet.

        ``hub-db`` and ``explore-db`` are the two databases, on whatever server they lie.
        """

    def tail(self, service: str, lines: int) -> tuple[str, ...]:
        """The last lines of the service's log, oldest first."""

    def notices(self, service: str) -> tuple[str, ...]:
        """What the service has told since its start for people to know: in lines with ``notice: ``."""

    def follow(self, services: tuple[str, ...]) -> Iterator[tuple[str, str]]:
        """New log lines of these services as they come, without end."""

    def run_notebook(
        self,
        site: Site,
        file: Path,
        *,
        output: Path | None,
        timeout: float | None,
        on_cell: Callable[[CellRan], None],
    ) -> Executed:
        """Execute a notebook where Jupyter runs; :func:`devenv.notebooks.run` has the promise."""

    def close(self) -> None:
        """End what the runtime keeps for itself, unless one of its services runs."""

    def purge(self) -> None:
        """Delete what its services keep outside the state folder, once they are stopped."""
