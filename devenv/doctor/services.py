"""What the services of an instance stand on when they are processes, and who serves S3."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from devenv import environments
from devenv.doctor import finding
from devenv.doctor.finding import Finding, Verdict
from devenv.errors import DevenvError
from devenv.runtimes.process import recipes
from devenv.session import LEVELS, Session


def environments_made(session: Session) -> Iterator[Finding]:
    """Nothing to say of containers: their images have it all."""
    if session.choice.runtime != "process":
        return
    makers: dict[str, str] = {}
    for level in LEVELS.values():
        for name in recipes.environments_of(service.name for service in level.services):
            makers.setdefault(name, level.command)
    for name, command in makers.items():
        environment = environments.locate(name, session.instance.data_root)
        made = environments.is_current(environment)
        detail = str(environment.home) if made else f"not made yet; {command} makes it"
        yield Finding(f"{name} environment", Verdict.OK if made else Verdict.NOTE, detail)


def postgres(session: Session) -> Iterator[Finding]:
    """The server's programs, and whether they fit the data that are there."""
    if session.choice.runtime != "process":
        return
    from devenv.postgres import account, binaries, cluster

    data = session.instance.root / "postgres" / "data"
    try:
        found = binaries.find(session.project.postgres.binaries, major=cluster.major_of(data))
        cluster.check_major(found, data)
        owner = account.choose(data)
    except DevenvError as error:
        yield finding.trouble("postgres", Verdict.MISSING, error)
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


def s3(session: Session) -> Iterator[Finding]:
    """Who serves it, and what test suites get instead."""
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
