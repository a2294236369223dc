"""What a kind cluster needs; where this instance is on none, a notice at most."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from devenv import docker_engine
from devenv.doctor import finding
from devenv.doctor.finding import Finding, Verdict
from devenv.errors import DevenvError
from devenv.session import Session

# What kind's own documentation asks for: https://kind.sigs.k8s.io/docs/user/known-issues/#pod-errors-due-to-too-many-open-files
INOTIFY = {"max_user_instances": 512, "max_user_watches": 524288}
# The node with the hub's pods, and one person's.
WANTED_MEMORY = 3 * 1024**3
_SYSCTL = Path("/proc/sys/fs/inotify")


def examine(session: Session) -> Iterator[Finding]:
    """The programs, then the machine's own limits."""
    is_needed = session.choice.runtime == "kind"
    if not is_needed and not docker_engine.answers(session.environ):
        return
    absent = Verdict.MISSING if is_needed else Verdict.NOTE
    yield _tool(session, "kind", absent)
    yield _tool(session, "helm", absent)
    yield from inotify(_SYSCTL)
    yield from memory()


def _tool(session: Session, name: str, absent: Verdict) -> Finding:
    from devenv.runtimes.kind import KindRuntime

    runtime = KindRuntime(session.instance, session.project)
    try:
        version = runtime.kind_version() if name == "kind" else runtime.helm_version()
    except DevenvError as error:
        return finding.trouble(name, absent, error)
    return Finding(name, Verdict.OK, version)


def inotify(folder: Path) -> Iterator[Finding]:
    """Too few of them show themselves as pods that crash with words about too many open files."""
    found = {name: int((folder / name).read_text()) for name in INOTIFY if (folder / name).is_file()}
    low = {name: limit for name, limit in INOTIFY.items() if found.get(name, limit) < limit}
    if not found:
        return
    told = ", ".join(f"{name} {value}" for name, value in found.items())
    if low:
        mend = " ".join(f"fs.inotify.{name}={limit}" for name, limit in low.items())
        yield Finding("inotify", Verdict.NOTE, told, f"sudo sysctl {mend}")
    else:
        yield Finding("inotify", Verdict.OK, told)


def memory() -> Iterator[Finding]:
    """What is free now, against what a node with one person on it takes."""
    import psutil

    free = int(psutil.virtual_memory().available)
    if free < WANTED_MEMORY:
        yield Finding(
            "memory of a cluster",
            Verdict.NOTE,
            f"{free / 2**30:.1f} GiB are free, {WANTED_MEMORY // 2**30} may be needed",
            "End something, or start with ./dev hub, which needs no cluster",
        )
