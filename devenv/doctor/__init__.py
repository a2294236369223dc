"""What this machine has, what it lacks, and what is known to be limited here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict

from devenv.doctor import cluster, containers, machine, services
from devenv.doctor.finding import Finding, Verdict
from devenv.report import Reporter
from devenv.session import Session

MISSING_CODE = 5

_CHECKS = (
    machine.python,
    machine.disk,
    machine.memory,
    services.environments_made,
    services.postgres,
    services.s3,
    machine.ports,
    machine.proxies,
    containers.examine,
    cluster.examine,
    machine.isolation,
    machine.orphans,
)


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
