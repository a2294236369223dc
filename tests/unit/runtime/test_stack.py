"""The stack with services and a runtime that start nothing: order, roll-back, and whose error is shown."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from typing import Any, cast

import pytest

from devenv import stack as stacks
from devenv.errors import ConflictError, DevenvError, UnhealthyError
from devenv.runtimes.runtime import Condition, Phase
from devenv.services.service import Service, Site
from devenv.stack import Stack
from devenv.waiting import NotYet

SITE = cast("Site", object())


def nothing(*_: object) -> None:
    """What a fake service does unless a test says otherwise."""


class FakeService:
    """A service whose every answer the test decides."""

    def __init__(self, name: str, needs: tuple[str, ...] = (), **answers: Callable[[], Any]) -> None:
        self.name = name
        self.needs = needs
        self.notices: tuple[str, ...] = ()
        self.restarts_freely = False
        self.failure_leaves_others = False
        self.answer_seconds = 90.0
        self.proof_seconds = 60.0
        self.look_seconds = 0.05
        self.answers = answers
        self.seen: list[str] = []

    def _do(self, what: str, default: Any) -> Any:
        self.seen.append(what)
        return self.answers[what]() if what in self.answers else default

    def may_start(self, site: Site) -> bool:
        return bool(self._do("may_start", not self.needs))

    def is_external(self, site: Site) -> bool:
        return bool(self.answers["external"]()) if "external" in self.answers else False

    def fingerprint(self, site: Site) -> str:
        return str(self.answers["fingerprint"]()) if "fingerprint" in self.answers else ""

    def answer(self, site: Site) -> str:
        return str(self._do("answer", f"{self.name} answers"))

    def provision(self, site: Site) -> list[str]:
        return list(self._do("provision", []))

    def prove(self, site: Site) -> None:
        self._do("prove", None)


class FakeRuntime:
    """Remembers what was started and stopped, in order; ``dead`` services end by themselves."""

    def __init__(self, running: tuple[str, ...] = (), dead: tuple[str, ...] = ()) -> None:
        self.running = set(running)
        self.dead = dead
        self.deeds: list[str] = []
        self.is_cancelled = False
        self._lock = threading.Lock()

    def cancel(self) -> None:
        self.is_cancelled = True

    def start(self, site: Site, service: Service) -> bool:
        with self._lock:
            if service.name in self.running:
                return False
            self.running.add(service.name)
            self.deeds.append(f"start {service.name}")
            return True

    def stop(self, service: Service) -> bool:
        with self._lock:
            was = service.name in self.running
            self.running.discard(service.name)
            self.deeds.append(f"stop {service.name}")
            return was

    def end_guests(self, service: Service) -> int:
        return 0

    def is_listening(self, service: Service) -> bool:
        return True

    def ensure_alive(self, service: Service) -> None:
        if service.name in self.dead:
            raise UnhealthyError(f"{service.name} ended by itself")

    def condition(self, service: Service, *, memory: bool = False) -> Condition:
        phase = Phase.RUNNING if service.name in self.running else Phase.CRASHED
        return Condition(phase, pid=1, memory=1 if memory else 0)

    def close(self) -> None:
        self.closed = True

    def tail(self, service: str, lines: int) -> tuple[str, ...]:
        return (f"the last words of {service}",)


def make(
    runtime: FakeRuntime, *services: FakeService, progress: Callable[[str, str, str], None] = nothing
) -> Stack:
    return Stack(SITE, cast("Any", runtime), services, progress)


def fail(error: BaseException) -> Callable[[], Any]:
    def raises() -> None:
        raise error

    return raises


def test_everything_is_started_provisioned_and_proved() -> None:
    runtime, postgres, s3 = FakeRuntime(), FakeService("postgres"), FakeService("s3")

    assert make(runtime, postgres, s3).up()

    assert runtime.running == {"postgres", "s3"}
    assert postgres.seen == s3.seen == ["may_start", "answer", "provision", "prove"]


def test_a_second_up_starts_and_proves_nothing() -> None:
    runtime, postgres = FakeRuntime(running=("postgres",)), FakeService("postgres")

    assert not make(runtime, postgres).up()

    assert runtime.deeds == []
    assert "prove" not in postgres.seen


def test_only_what_is_missing_is_started() -> None:
    runtime = FakeRuntime(running=("postgres",))

    assert make(runtime, FakeService("postgres"), FakeService("s3")).up()

    assert runtime.deeds == ["start s3"]


def test_a_service_waits_until_its_needs_are_provisioned() -> None:
    runtime = FakeRuntime()
    provisioned = threading.Event()
    order: list[str] = []

    def provision() -> list[str]:
        order.append("s3 provisioned")
        provisioned.set()
        return ["a key"]

    s3 = FakeService("s3", provision=provision)
    jupyter = FakeService("jupyter", ("s3",), answer=lambda: order.append("jupyter answers") or "")

    stack = make(runtime, s3, jupyter)
    stack.up()

    assert order == ["s3 provisioned", "jupyter answers"]
    assert stack.changes == ["a key"]


def test_services_that_do_not_need_one_another_start_together() -> None:
    both = threading.Barrier(2, timeout=10)
    services = [FakeService(name, answer=lambda: str(both.wait())) for name in ("postgres", "s3")]

    make(FakeRuntime(), *services).up()


def test_when_one_fails_what_was_started_is_stopped_the_last_one_first() -> None:
    runtime = FakeRuntime()
    broken = FakeService("jupyter", ("s3",), answer=fail(ConflictError("somebody else answers")))

    with pytest.raises(ConflictError, match="somebody else answers"):
        make(runtime, FakeService("s3"), broken).up()

    assert runtime.deeds == ["start s3", "start jupyter", "stop jupyter", "stop s3"]


def test_when_one_fails_what_ran_before_goes_on() -> None:
    runtime = FakeRuntime(running=("postgres",))

    with pytest.raises(ConflictError):
        make(runtime, FakeService("postgres"), FakeService("s3", prove=fail(ConflictError("no")))).up()

    assert runtime.running == {"postgres"}


def test_the_error_that_is_shown_is_the_cause_and_not_that_others_gave_up() -> None:
    waits_for_ever = FakeService("jupyter", ("s3",))
    broken = FakeService("s3", provision=fail(UnhealthyError("the disk is full")))

    with pytest.raises(UnhealthyError, match="the disk is full"):
        make(FakeRuntime(), waits_for_ever, broken).up()


def test_a_service_that_dies_while_it_is_awaited_fails_at_once() -> None:
    runtime = FakeRuntime(dead=("s3",))

    with pytest.raises(UnhealthyError, match="s3 ended by itself"):
        make(runtime, FakeService("s3", answer=fail(NotYet("nothing listens")))).up()


@pytest.mark.parametrize("step", ["provision", "prove"])
@pytest.mark.parametrize(
    "error",
    [DevenvError("the connection broke"), ConnectionResetError("reset by peer")],
    ids=["foreseen", "raw"],
)
def test_a_service_that_dies_under_its_provisioning_or_proof_is_named_as_the_reason(
    step: str, error: Exception
) -> None:
    runtime = FakeRuntime(dead=("s3",))

    with pytest.raises(UnhealthyError, match="s3 ended by itself"):
        make(runtime, FakeService("s3", **{step: fail(error)})).up()


def test_a_time_out_says_that_it_is_still_starting_and_shows_the_log() -> None:
    slow = FakeService("s3", answer=fail(NotYet("no answer")))
    slow.answer_seconds = 0

    with pytest.raises(UnhealthyError, match="s3 is still starting after 0 s") as caught:
        make(FakeRuntime(), slow).up()

    assert caught.value.details == ("the last words of s3",)


def test_a_failure_that_wants_to_be_looked_at_leaves_the_others_running() -> None:
    runtime, release = (
        FakeRuntime(),
        FakeService("release", ("s3",), answer=fail(DevenvError("a pod crashes"))),
    )
    release.failure_leaves_others = True

    with pytest.raises(DevenvError, match="a pod crashes"):
        make(runtime, FakeService("s3"), release).up()

    assert "s3" in runtime.running


def test_starts_that_are_under_way_elsewhere_are_told_to_end_when_one_fails() -> None:
    runtime = FakeRuntime()

    with pytest.raises(DevenvError, match="no"):
        make(runtime, FakeService("s3", provision=fail(DevenvError("no")))).up()

    assert runtime.is_cancelled


def test_a_bug_in_a_service_keeps_its_type_and_rolls_back_too() -> None:
    runtime = FakeRuntime()

    with pytest.raises(ZeroDivisionError):
        make(runtime, FakeService("s3", answer=fail(ZeroDivisionError()))).up()

    assert runtime.running == set()


def test_an_interrupt_stops_what_this_up_had_started(monkeypatch: pytest.MonkeyPatch) -> None:
    runtime = FakeRuntime(running=("postgres",))
    asked = threading.Event()

    def starting() -> str:
        asked.set()
        raise NotYet("not yet")

    def interrupted(futures: object, return_when: str = "") -> object:
        assert asked.wait(10)
        raise KeyboardInterrupt

    monkeypatch.setattr(stacks, "wait", interrupted)

    with pytest.raises(KeyboardInterrupt):
        make(runtime, FakeService("postgres"), FakeService("s3", answer=starting)).up()

    assert runtime.running == {"postgres"}


class LosesItsThread:
    """A pool that is interrupted between the start of a thread and the moment it knows of it."""

    def __init__(self, until: threading.Event) -> None:
        self.until = until
        self.threads: list[threading.Thread] = []

    def submit(self, work: Callable[..., None], *arguments: Any) -> None:
        def quietly() -> None:
            with contextlib.suppress(DevenvError):
                work(*arguments)

        self.threads.append(threading.Thread(target=quietly))
        self.threads[-1].start()
        assert self.until.wait(10)
        raise KeyboardInterrupt

    def shutdown(self, wait: bool = True) -> None:
        """Joins the threads that it knows of: none."""


def test_a_start_under_way_when_up_is_interrupted_is_rolled_back_too(monkeypatch: pytest.MonkeyPatch) -> None:
    entered = threading.Event()

    class SlowToStart(FakeRuntime):
        def start(self, site: Site, service: Service) -> bool:
            entered.set()
            # long enough for a roll-back that does not wait
            threading.Event().wait(0.2)
            return super().start(site, service)

    runtime, pool = SlowToStart(), LosesItsThread(entered)
    monkeypatch.setattr(stacks, "ThreadPoolExecutor", lambda **_: pool)

    with pytest.raises(KeyboardInterrupt):
        make(runtime, FakeService("postgres")).up()
    pool.threads[0].join(10)

    assert runtime.running == set()


def test_down_stops_the_last_one_first_and_tells_what_ran() -> None:
    runtime = FakeRuntime(running=("postgres", "jupyter"))
    services = [FakeService(name) for name in ("postgres", "s3", "jupyter")]

    assert make(runtime, *services).down() == ["jupyter", "postgres"]

    assert runtime.deeds == ["stop jupyter", "stop s3", "stop postgres"]


@pytest.mark.parametrize(
    ("running", "answer", "state", "detail"),
    [
        pytest.param(True, lambda: "fine", "ready", "fine", id="answers"),
        pytest.param(True, fail(NotYet("recovering")), "starting", "recovering", id="not yet"),
        pytest.param(True, fail(ConflictError("another's")), "unhealthy", "another's", id="wrong answer"),
        pytest.param(False, lambda: "fine", "crashed", "", id="the runtime's word counts first"),
    ],
)
def test_a_status_is_the_runtimes_word_and_the_services_answer(
    running: bool, answer: Callable[[], Any], state: str, detail: str
) -> None:
    runtime = FakeRuntime(running=("s3",) if running else ())

    (status,) = make(runtime, FakeService("s3", answer=answer)).status()

    assert (status.state, status.detail) == (state, detail)


def test_a_status_looks_at_memory_only_when_asked() -> None:
    stack = make(FakeRuntime(running=("s3",)), FakeService("s3"))

    assert stack.status(memory=False)[0].condition.memory == 0
    assert stack.status()[0].condition.memory == 1


def test_progress_tells_each_change_of_a_service() -> None:
    told: list[tuple[str, str]] = []
    services = FakeService("s3"), FakeService("jupyter", ("s3",))

    make(FakeRuntime(), *services, progress=lambda name, state, detail: told.append((name, state))).up()

    assert [state for name, state in told if name == "s3"][::2] == ["starting", "ready"]
    assert next(state for name, state in told if name == "jupyter") == "waiting"
    assert told[-1] == ("jupyter", "ready")


def test_what_restarts_freely_is_given_its_new_settings() -> None:
    runtime, hub = FakeRuntime(running=("hub",)), FakeService("hub", fingerprint=lambda: "new")
    hub.restarts_freely = True
    stack = make(runtime, hub)

    assert stack.up()

    assert runtime.deeds == ["stop hub", "start hub"]
    assert (stack.restarted, stack.outdated) == (["hub"], [])


def test_what_would_cost_somebody_something_is_only_named() -> None:
    runtime, jupyter = FakeRuntime(running=("jupyter",)), FakeService("jupyter", fingerprint=lambda: "new")
    stack = make(runtime, jupyter)

    assert not stack.up()

    assert runtime.deeds == []
    assert (stack.restarted, stack.outdated) == ([], ["jupyter"])
