"""What a kind cluster needs; where this instance is on none, a notice at most."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from devenv import docker_engine
from devenv.doctor import finding
from devenv.doctor.finding import Finding, Verdict
from devenv.errors import DevenvError
from devenv.images import pins
from devenv.session import Session

# What kind's own documentation asks for: https://kind.sigs.k8s.io/docs/user/known-issues/#pod-errors-due-to-too-many-open-files
INOTIFY = {"max_user_instances": 512, "max_user_watches": 524288}
# The node with the hub's pods, and one person's.
WANTED_MEMORY = 3 * 1024**3
_SYSCTL = Path("/proc/sys/fs/inotify")
_STATUS = Path("/proc/self/status")
CAP_SYS_RESOURCE = 24
OWN_NODE = "habari/node does without: ./dev images.build --from mirrors --name node"
_ROOTLESS = "https://kind.sigs.k8s.io/docs/user/rootless/"
_RIGHTS = "rights of a node"


def examine(session: Session) -> Iterator[Finding]:
    """The programs, then the machine's own limits."""
    is_needed = session.choice.runtime == "kind"
    if not is_needed and not docker_engine.answers(session.environ):
        return
    absent = Verdict.MISSING if is_needed else Verdict.NOTE
    yield _tool(session, "kind", absent)
    yield _tool(session, "helm", absent)
    yield from _engine(session.environ)
    yield from inotify(_SYSCTL)
    yield from memory()


def _tool(session: Session, name: str, absent: Verdict) -> Finding:
    from devenv.runtimes.kind import KindRuntime

    runtime = KindRuntime(session.instance, session.project)
    try:
        version = runtime.kind_version() if name == "kind" else runtime.helm_version()
    except DevenvError as error:
        return finding.trouble(name, absent, error)
    # of helm's three numbers two are asked for
    told, pinned = version.split("."), pins.load().tools[name]
    if told != pinned.split(".")[: len(told)]:
        return Finding(name, Verdict.NOTE, f"{version}, pinned is {pinned}")
    return Finding(name, Verdict.OK, version)


def _engine(environ: Mapping[str, str]) -> Iterator[Finding]:
    """What a node wants of an engine on this machine; some nodes do without, so these are notices."""
    from devenv.containers import Engine, told

    engine = Engine(environ)
    try:
        engine.require_local()
        with told():
            info = engine.client.info()
    except DevenvError:
        return  # another line says so
    yield control_groups(info)
    if any(option.startswith("name=rootless") for option in info.get("SecurityOptions") or ()):
        yield Finding(
            _RIGHTS, Verdict.NOTE, "the engine is rootless, which was not tried", f"See {_ROOTLESS}"
        )
    elif not has_capability(_STATUS, CAP_SYS_RESOURCE):
        yield Finding(
            _RIGHTS,
            Verdict.NOTE,
            "no CAP_SYS_RESOURCE: Docker 20.10 runs no node there, and kind's own node no pods",
            OWN_NODE,
        )


def control_groups(info: Mapping[str, Any]) -> Finding:
    """From Kubernetes 1.35 on the kubelet refuses version 1 unless it is told to take it.

    https://kubernetes.io/docs/concepts/architecture/cgroups/
    """
    version = str(info.get("CgroupVersion", ""))
    if version == "1":
        return Finding(
            "control groups", Verdict.NOTE, "version 1, which kind's own node does not take", OWN_NODE
        )
    return Finding("control groups", Verdict.OK, f"version {version or 'unknown'}")


def has_capability(status: Path, number: int) -> bool:
    """Whether this machine's programs may have it at all: an engine has what its bounding set leaves.

    True where no kernel tells. https://man7.org/linux/man-pages/man7/capabilities.7.html
    """
    lines = status.read_text().splitlines() if status.is_file() else []
    bounds = [line.split()[1] for line in lines if line.startswith("CapBnd:")]
    return not bounds or bool(int(bounds[0], 16) >> number & 1)


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
