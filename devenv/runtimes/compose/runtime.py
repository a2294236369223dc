"""The compose runtime: containers of this instance's own compose project."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from devenv import compose as compose_cli
from devenv import diagnosis, project
from devenv.containers import Engine, State, unix
from devenv.endpoints import Endpoint, View
from devenv.errors import (
    ConflictError,
    DevenvError,
    MissingError,
    NotRunningError,
    UnhealthyError,
    UsageError,
    told_by,
)
from devenv.notebooks import CellRan, Executed
from devenv.report import Progress
from devenv.runtimes import following, ports
from devenv.runtimes.compose import notebook
from devenv.runtimes.compose import project as compose
from devenv.runtimes.runtime import Condition, Phase
from devenv.services import contract
from devenv.services.service import Service, Site
from devenv.state import Instance

# With these the start of a container ends after it has said why, in a line with its own name before it.
# 143: ended by SIGTERM, as asked.
_ORDERLY = (0, 143)
_KEPT_LINES = 2000
_SPOKEN_CODES = (UsageError.exit_code, MissingError.exit_code, ConflictError.exit_code)


class ComposeRuntime:
    """Services as containers. The engine keeps them running and knows them by their labels."""

    name = "compose"
    view = View.CONTAINER

    def __init__(self, instance: Instance) -> None:
        self._instance = instance
        self._environ = project.environment()
        self._engine = Engine(self._environ)
        self._services: tuple[Service, ...] = ()
        self._creating = threading.Lock()
        self._created: set[str] = set()

    @property
    def data_place(self) -> str:
        return f"the Docker volumes {self._instance.id}_*"

    def claim(self, services: tuple[Service, ...], fixed: Mapping[str, int | None]) -> list[str]:
        known = ports.known(self._instance)
        running = {
            each.name: known[each.name]
            for each in services
            if each.name in known and self.condition(each).phase is Phase.RUNNING
        }
        return ports.claim(self._instance, tuple(each.name for each in services), fixed, running)[1]

    def release(self) -> None:
        ports.release(self._instance)

    def prepare(self, services: tuple[Service, ...], progress: Progress) -> None:
        """Check what all of it stands on; images are built by ``images.build``, never in passing."""
        progress("engine", "starting", "asking the Docker engine")
        self._engine.require_local()
        version = self._engine.client.version()["Version"]
        compose_cli.require(self._environ)
        self._engine.require_own(self._instance.id, self._instance.id)
        self._engine.require_images(compose.images(self._environ, [each.name for each in services]))
        self._services = services
        progress("engine", "ready", f"Docker {version}")

    def start(self, site: Site, service: Service) -> bool:
        if self.condition(service).phase is Phase.RUNNING:
            return False
        with self._creating:
            # one call makes all: two at once would both make the network
            if service.name not in self._created:
                missing = [each for each in self._services if self.condition(each).phase is not Phase.RUNNING]
                compose.write_notebook_file(site)
                compose.create(site, missing or [service], self._environ)
                self._created |= {each.name for each in missing}
        self._engine.start(self._instance.id, compose.NAMES[service.name])
        return True

    def cancel(self) -> None:
        """No start of this runtime takes long."""

    def ensure_alive(self, service: Service) -> None:
        state = self._state(service)
        if state is not None and (state.is_running or state.is_created):
            return
        last = self._engine.tail(self._instance.id, compose.NAMES[service.name], 15)
        if state is not None and state.was_killed_for_memory:
            raise UnhealthyError(
                f"{service.name} was killed: its container's memory was used up",
                hint=f"Give it more: HABARI_{service.name.upper()}_MEMORY={_doubled(state)} ./dev up",
                details=last,
            )
        if state is not None and (told := _told(service.name, last, state.exit_code)):
            raise told
        cause = diagnosis.of(last)
        raise UnhealthyError(
            f"{service.name} ended by itself" + (f": {cause.what}" if cause else ""),
            hint=cause.mend
            if cause
            else f"Its last log lines are below; all of it: ./dev logs --service {service.name}",
            details=last,
        )

    def is_listening(self, service: Service) -> bool:
        """The engine publishes a port for nobody but the container of ours that runs."""
        state = self._state(service)
        return state is not None and state.is_running

    def stop(self, service: Service) -> bool:
        self._created.discard(service.name)
        return self._engine.stop(self._instance.id, compose.NAMES[service.name], service.stop.seconds)

    def end_guests(self, service: Service) -> int:
        """None of these services starts anything for people outside its container."""
        return 0

    def condition(self, service: Service, *, memory: bool = False) -> Condition:
        state = self._state(service)
        if state is None or not state.is_running:
            # `down` leaves no container; a reboot or `docker stop` one that ended in order
            crashed = state is not None and not state.is_created and state.exit_code not in _ORDERLY
            return Condition(Phase.CRASHED if crashed else Phase.STOPPED)
        return Condition(
            Phase.RUNNING,
            pid=state.pid,
            since=unix(state.since),
            restarts=state.restarts,
            memory=self._engine.memory(self._instance.id, compose.NAMES[service.name]) if memory else 0,
            fingerprint=state.fingerprint,
        )

    def endpoint(self, service: str, view: View) -> Endpoint:
        service = ports.ONE_SERVER.get(service, service)
        if service not in compose.NAMES:
            raise NotRunningError(f"{service} does not run in containers", hint="Start it with ./dev hub")
        if view is View.CONTAINER:
            return Endpoint(compose.NAMES[service], compose.PORTS[service])
        if view is View.POD:
            raise UsageError("a pod cannot reach these containers", hint="Use --view container or host")
        port = ports.known(self._instance).get(service)
        if not port:
            raise NotRunningError(f"{service} has no address yet", hint="Start it with ./dev up")
        return Endpoint("127.0.0.1", port)

    def tail(self, service: str, lines: int) -> tuple[str, ...]:
        if self._engine.container(self._instance.id, compose.NAMES[service]):
            return self._engine.tail(self._instance.id, compose.NAMES[service], lines)
        kept = self._log(service)
        return tuple(kept.read_text(encoding="utf-8").splitlines()[-lines:]) if kept.exists() else ()

    def notices(self, service: str) -> tuple[str, ...]:
        return ()

    def follow(self, services: tuple[str, ...]) -> Iterator[tuple[str, str]]:
        return following.together(
            services, lambda service: self._engine.follow(self._instance.id, compose.NAMES[service])
        )

    def run_notebook(
        self,
        site: Site,
        file: Path,
        *,
        output: Path | None,
        timeout: float | None,
        on_cell: Callable[[CellRan], None],
    ) -> Executed:
        container = self._engine.container(self._instance.id, compose.NAMES["jupyter"])
        if container is None:
            raise NotRunningError("jupyter has no container", hint="Start it with ./dev up")
        return notebook.run(
            str(container.id),
            file,
            contract=contract.user(site, View.CONTAINER),
            environ=self._environ,
            output=output,
            timeout=timeout,
            on_cell=on_cell,
        )

    def close(self) -> None:
        """Remove containers and network once nothing runs; the volumes stay, and the ends of the logs."""
        if any(self._is_running(name) for name in compose.NAMES.values()):
            return
        self._engine.require_own(self._instance.id, self._instance.id)
        self._keep_logs()
        compose.down(self._instance.id, self._environ)

    def purge(self) -> None:
        self._engine.require_own(self._instance.id, self._instance.id)
        compose.down(self._instance.id, self._environ, volumes=True)

    def _keep_logs(self) -> None:
        """A container's log goes with the container, and a failed start points to it."""
        for service, name in compose.NAMES.items():
            lines = self._engine.tail(self._instance.id, name, _KEPT_LINES)
            if lines and self._instance.logs.is_dir():
                self._log(service).write_text("\n".join(lines), encoding="utf-8")

    def _log(self, service: str) -> Path:
        return self._instance.logs / f"compose.{service}.log"

    def _is_running(self, name: str) -> bool:
        state = self._engine.state(self._instance.id, name)
        return state is not None and state.is_running

    def _state(self, service: Service) -> State | None:
        name = compose.NAMES.get(service.name)
        return self._engine.state(self._instance.id, name) if name else None


def _told(service: str, lines: tuple[str, ...], exit_code: int) -> DevenvError | None:
    """What a program of ours ended with in its own words: a service's, or the start of its container."""
    for line in reversed(lines):
        if told := told_by(line, exit_code):
            return told
        label, _, text = line.partition(": ")
        if label == service and exit_code in _SPOKEN_CODES:
            return told_by(f"error: {text}", exit_code)
    return None


def _doubled(state: State) -> str:
    return f"{max(1, 2 * state.memory_limit // 2**30)}g"
