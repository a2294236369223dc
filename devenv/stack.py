"""The services of a level, started in parallel where their needs allow, rolled back when one fails."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass

from devenv import waiting
from devenv.errors import DevenvError, InterruptedByUser
from devenv.report import Progress
from devenv.runtimes.runtime import Condition, Phase, Runtime
from devenv.services.service import Service, Site
from devenv.waiting import NotYet


@dataclass(frozen=True)
class Status:
    """One service as ``status`` shows it: the runtime's word and the service's own answer."""

    name: str
    state: str
    condition: Condition
    detail: str


class Stack:
    """What ``up`` and ``down`` work on. The order of ``services`` is the order of their needs."""

    def __init__(
        self, site: Site, runtime: Runtime, services: tuple[Service, ...], progress: Progress
    ) -> None:
        self._site = site
        self._runtime = runtime
        self._services = services
        self._progress = progress
        self._cancelled = threading.Event()
        self._usable = {service.name: threading.Event() for service in services}
        self._launching = {service.name: threading.Lock() for service in services}
        # by this very command
        self.started: list[Service] = []
        self.changes: list[str] = []
        self.outdated: list[str] = []
        self.restarted: list[str] = []

    def up(self) -> bool:
        """Start what does not run, provision it, prove it; tell whether anything had to be started.

        Of what ran already with settings or keys that have changed since, ``restarted`` then names what was
        started anew because that costs nobody anything, ``outdated`` the rest.

        When one service fails, those that this call started are stopped again and its error is
        raised, unless the service leaves them to look at. What ran before goes on.
        """
        pool = ThreadPoolExecutor(max_workers=len(self._services), thread_name_prefix="up")
        try:
            futures = [pool.submit(self._bring_up, service) for service in self._services]
            self._first_error(futures)
        except BaseException as error:
            self._cancelled.set()
            self._runtime.cancel()
            pool.shutdown(wait=True)
            if isinstance(error, KeyboardInterrupt) or not self._is_left_to_look_at(futures):
                self._roll_back()
            raise
        pool.shutdown()
        return bool(self.started)

    def down(self) -> list[str]:
        """Stop every service, the last one first; the names of those that ran."""
        stopped = []
        for service in reversed(self._services):
            if service.is_external(self._site):
                self._progress(service.name, "skipped", "not ours")
                continue
            if self._runtime.condition(service).phase is Phase.RUNNING:
                self._progress(service.name, "stopping", "")
            ran = self._runtime.stop(service)
            guests = self._runtime.end_guests(service)
            if ran or guests:
                stopped.append(service.name)
                self._progress(
                    service.name, "stopped", f"and {guests} of its users' processes" if guests else ""
                )
            else:
                self._progress(service.name, "skipped", "did not run")
        return stopped

    def status(self, *, memory: bool = True) -> list[Status]:
        """Every service's condition, asked now and in parallel."""
        with ThreadPoolExecutor(max_workers=len(self._services)) as pool:
            return list(pool.map(lambda service: self._status(service, memory), self._services))

    def _status(self, service: Service, memory: bool) -> Status:
        condition = self._condition(service, memory)
        if condition.phase is not Phase.RUNNING:
            return Status(service.name, condition.phase.value, condition, "")
        try:
            return Status(service.name, "ready", condition, self._answer(service))
        except NotYet as answer:
            return Status(service.name, "starting", condition, str(answer))
        except DevenvError as error:
            return Status(service.name, "unhealthy", condition, error.what)

    def _condition(self, service: Service, memory: bool) -> Condition:
        if service.is_external(self._site):
            return Condition(Phase.RUNNING)
        return self._runtime.condition(service, memory=memory)

    def _bring_up(self, service: Service) -> None:
        if not service.may_start(self._site):
            self._progress(service.name, "waiting", f"for {', '.join(service.needs)}")
            self._await(service.needs)
        launched, detail = self._launch(service)
        self._await(service.needs)
        if self._is_outdated(service):
            if launched or service.restarts_freely:
                if not launched:
                    self.restarted.append(service.name)
                self._runtime.stop(service)
                launched, detail = self._launch(service)
            else:
                self.outdated.append(service.name)
        with self._explained(service):
            changes = service.provision(self._site)
        self.changes += changes
        self._usable[service.name].set()
        # what it stands on may have been started anew under it
        renewed = any(each.name in service.needs for each in self.started)
        if launched or renewed or changes or service.is_external(self._site):
            self._progress(service.name, "starting", "proving that it can be used")
            with self._explained(service):
                self._until(
                    service,
                    f"the proof of {service.name}",
                    lambda: service.prove(self._site),
                    service.proof_seconds,
                )
        self._progress(service.name, "ready", detail)

    def _launch(self, service: Service) -> tuple[bool, str]:
        """Start it unless it runs, wait until it answers; whether it was started, and its answer."""
        self._progress(service.name, "starting", "")
        launched = not service.is_external(self._site) and self._start(service)
        return launched, self._until(
            service, service.name, lambda: self._answer(service), service.answer_seconds
        )

    def _start(self, service: Service) -> bool:
        with self._launching[service.name]:
            self._check_cancelled()
            launched = self._runtime.start(self._site, service)
            if launched:
                self.started.append(service)
        return launched

    def _answer(self, service: Service) -> str:
        if not service.is_external(self._site) and not self._runtime.is_listening(service):
            raise NotYet("it does not listen yet")
        return service.answer(self._site)

    def _is_outdated(self, service: Service) -> bool:
        """Whether settings or keys have changed since it was started."""
        if service.is_external(self._site):
            return False
        return self._runtime.condition(service).fingerprint != service.fingerprint(self._site)

    def _await(self, needs: tuple[str, ...]) -> None:
        for need in needs:
            while not self._usable[need].wait(0.05):
                self._check_cancelled()

    def _until(self, service: Service, what: str, probe: Callable[[], str | None], seconds: float) -> str:
        def alive() -> None:
            self._check_cancelled()
            self._ensure_alive(service)

        return (
            waiting.until(
                probe,
                what=what,
                seconds=seconds,
                alive=alive,
                tail=lambda: self._runtime.tail(service.name, 10),
                longest_pause=service.look_seconds,
            )
            or ""
        )

    @contextlib.contextmanager
    def _explained(self, service: Service) -> Iterator[None]:
        """A service that died under its provisioning is the reason, not the broken connection."""
        try:
            yield
        except Exception:
            self._ensure_alive(service)
            raise

    def _ensure_alive(self, service: Service) -> None:
        if not service.is_external(self._site):
            self._runtime.ensure_alive(service)

    def _first_error(self, futures: list[Future[None]]) -> None:
        done, pending = wait(futures, return_when=FIRST_EXCEPTION)
        failed = [future for future in done if future.exception()]
        if not failed:
            return
        self._cancelled.set()
        self._runtime.cancel()
        wait(pending)
        # the others only say that they were told to give up
        errors = [error for future in futures if (error := future.exception())]
        raise next((e for e in errors if not isinstance(e, InterruptedByUser)), errors[0])

    def _is_left_to_look_at(self, futures: list[Future[None]]) -> bool:
        """Whether all that failed are services whose failure leaves the others running."""
        errors = [future.exception() if future.done() else None for future in futures]
        failed = [
            service
            for service, error in zip(self._services, errors, strict=True)
            if error is not None and not isinstance(error, InterruptedByUser)
        ]
        return bool(failed) and all(service.failure_leaves_others for service in failed)

    def _check_cancelled(self) -> None:
        if self._cancelled.is_set():
            raise InterruptedByUser("interrupted")

    def _roll_back(self) -> None:
        for service in reversed(self._services):
            # an interrupt may have come while a start was under way, in a thread that nobody joins
            with self._launching[service.name]:
                # what was restarted had run before: it stays
                started = service in self.started and service.name not in self.restarted
            if started:
                self._progress(service.name, "stopping", "")
                self._runtime.stop(service)
                self._progress(service.name, "stopped", "rolled back")
        self._runtime.close()
