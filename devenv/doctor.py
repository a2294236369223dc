"""What this machine has, what it lacks, and what is known to be limited here."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path

from devenv import docker_engine, environments, processes, state, trouble
from devenv.errors import DevenvError
from devenv.report import Reporter
from devenv.runtimes.ports import FIRST_CHOICE, SETTING
from devenv.runtimes.process import recipes
from devenv.services.notebook_environment import PROXIES
from devenv.session import LEVELS, NEEDED_BYTES, Session

MISSING_CODE = 5
WANTED_MEMORY = 1024**3
# What a first `up` puts below the data root: both environments and the first data.
FIRST_UP_BYTES = 2 * 1024**3


class Verdict(StrEnum):
    """``missing`` alone makes the command fail."""

    OK = "ok"
    NOTE = "note"
    MISSING = "missing"


@dataclass(frozen=True)
class Finding:
    """One line of the examination; ``mend`` says what to do where there is something to do."""

    check: str
    verdict: Verdict
    detail: str
    mend: str = ""


def run(reporter: Reporter, *, instance: str | None, json: bool) -> int:
    """Examine, print, and return the exit code."""
    found = list(examine(Session.open(instance)))
    if json:
        reporter.data([asdict(finding) for finding in found])
    else:
        rows = [(f.check, f.verdict.value, f"{f.detail}. {f.mend}" if f.mend else f.detail) for f in found]
        reporter.table(("check", "verdict", "detail"), rows)
    return MISSING_CODE if any(f.verdict is Verdict.MISSING for f in found) else 0


def examine(session: Session) -> Iterator[Finding]:
    """Every finding, the required things first."""
    for check in _CHECKS:
        yield from check(session)


def _python(session: Session) -> Iterator[Finding]:
    version = ".".join(map(str, sys.version_info[:3]))
    yield Finding("python", Verdict.OK, f"{version} ({sys.executable})")


def _isolation(session: Session) -> Iterator[Finding]:
    if session.level.name == "hub" and os.geteuid() == 0:
        yield Finding("isolation", Verdict.OK, "each user's server has an account and a home of its own")
        return
    whose = "root" if os.geteuid() == 0 else "your account"
    yield Finding(
        "isolation",
        Verdict.NOTE,
        f"notebooks run as {whose} and can read what it can, the instance's secrets included",
        "Run only notebooks that you trust here",
    )


def _disk(session: Session) -> Iterator[Finding]:
    free = trouble.free_bytes(session.instance.root)
    names = recipes.environments_of(service.name for service in session.services)
    made = all(environments.is_current(environments.locate(n, session.instance.data_root)) for n in names)
    needed = NEEDED_BYTES if made else FIRST_UP_BYTES
    verdict = Verdict.OK if free >= needed else Verdict.MISSING
    mend = "" if verdict is Verdict.OK else "Free some space, or set HABARI_DATA_ROOT to another disk"
    yield Finding("disk", verdict, f"{free / 2**30:.1f} GiB left for {session.instance.data_root}", mend)


def _memory(session: Session) -> Iterator[Finding]:
    import psutil

    free = psutil.virtual_memory().available
    verdict = Verdict.OK if free >= WANTED_MEMORY else Verdict.NOTE
    yield Finding("memory", verdict, f"{free / 2**30:.1f} GiB available")


def _environments(session: Session) -> Iterator[Finding]:
    makers: dict[str, str] = {}
    for level in LEVELS.values():
        for name in recipes.environments_of(service.name for service in level.services):
            makers.setdefault(name, level.command)
    for name, command in makers.items():
        environment = environments.locate(name, session.instance.data_root)
        made = environments.is_current(environment)
        detail = str(environment.home) if made else f"not made yet; {command} makes it"
        yield Finding(f"{name} environment", Verdict.OK if made else Verdict.NOTE, detail)


def _postgres(session: Session) -> Iterator[Finding]:
    from devenv.postgres import account, binaries, cluster

    data = session.instance.root / "postgres" / "data"
    try:
        found = binaries.find(session.project.postgres.binaries, major=cluster.major_of(data))
        cluster.check_major(found, data)
        owner = account.choose(data)
    except DevenvError as error:
        yield Finding("postgres", Verdict.MISSING, error.what, error.hint)
        return
    runs_as = f", as the account {owner.name}" if owner else ""
    yield Finding("postgres", Verdict.OK, f"{found}{runs_as}")
    if not binaries.has_postgis(found):
        yield Finding(
            "postgis",
            Verdict.NOTE,
            "explore has no PostGIS here, production has",
            "Install PostgreSQL with PostGIS and set postgres.binaries to system before the first up",
        )


def _s3(session: Session) -> Iterator[Finding]:
    from devenv.s3 import moto_limits, signed

    if session.project.s3.endpoint:
        yield _external_s3(session.project.s3.endpoint, signed.reach)
    else:
        yield Finding("s3", Verdict.OK, "ministack: persistent, enforces the project's policy")

    for limit in moto_limits.LIMITS:
        yield Finding("s3 in test suites", Verdict.NOTE, f"moto: {limit.what}")


def _external_s3(endpoint: str, reach: Callable[[str], None]) -> Finding:
    try:
        reach(endpoint)
    except DevenvError as error:
        return Finding("s3", Verdict.MISSING, error.what, "s3.endpoint in devenv.yaml names it")
    return Finding("s3", Verdict.OK, f"external: {endpoint} answers; what it enforces is its own affair")


def _ports(session: Session) -> Iterator[Finding]:
    for service in session.own_services:
        if session.condition(service).pid:
            continue
        setting = SETTING.get(service.name)
        fixed = getattr(session.project.ports, setting) if setting else None
        port = fixed or FIRST_CHOICE[service.name]
        holder = processes.holder(port)
        if not holder:
            yield Finding(f"port of {service.name}", Verdict.OK, f"{port} is free")
        elif fixed:
            yield Finding(
                f"port of {service.name}",
                Verdict.MISSING,
                f"{port} is taken by {holder}",
                "End it, or change ports in devenv.yaml",
            )
        else:
            yield Finding(
                f"port of {service.name}",
                Verdict.NOTE,
                f"{port} is taken by {holder}; up takes the next free one",
            )


def _proxies(session: Session) -> Iterator[Finding]:
    named = [name for name in PROXIES if session.environ.get(name)]
    if named:
        yield Finding("proxy", Verdict.NOTE, f"{', '.join(named)} set; loopback addresses bypass it")


def _docker(session: Session) -> Iterator[Finding]:
    answers = docker_engine.answers(session.environ)
    yield Finding(
        "docker",
        Verdict.NOTE,
        "an engine answers" if answers else "no engine answers; the process runtime needs none",
    )


def _orphans(session: Session) -> Iterator[Finding]:
    """State folders whose checkout is gone: their data are kept, and nobody will look for them."""
    for mark in sorted(session.instance.root.parent.glob(f"*/{state.MARK_FILE}")):
        checkout = (state.read_json(mark) or {}).get("checkout")
        if checkout and not Path(checkout).exists():
            yield Finding(
                "left-over state",
                Verdict.NOTE,
                f"{mark.parent}: its checkout {checkout} is gone",
                "Delete it when nobody needs its data",
            )


_CHECKS = (
    _python,
    _disk,
    _memory,
    _environments,
    _postgres,
    _s3,
    _ports,
    _proxies,
    _docker,
    _isolation,
    _orphans,
)
