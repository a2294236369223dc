"""This machine: room, memory, ports, proxies, and who can read what."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

from devenv import environments, processes, state, trouble
from devenv.doctor.finding import Finding, Verdict
from devenv.errors import DevenvError
from devenv.runtimes.ports import FIRST_CHOICE, SETTING
from devenv.runtimes.process import recipes
from devenv.services.notebook_environment import PROXIES
from devenv.services.service import Service
from devenv.session import NEEDED_BYTES, Session

WANTED_MEMORY = 1024**3
# What a first `up` puts below the data root: both environments and the first data.
FIRST_UP_BYTES = 2 * 1024**3


def python(_session: Session) -> Iterator[Finding]:
    """The one that these tasks run by."""
    version = ".".join(map(str, sys.version_info[:3]))
    yield Finding("python", Verdict.OK, f"{version} ({sys.executable})")


def isolation(session: Session) -> Iterator[Finding]:
    """What a notebook can reach besides its contract."""
    if session.choice.runtime in ("compose", "kind"):
        yield Finding("isolation", Verdict.OK, "notebooks run in a container, without this machine's files")
        return
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


def disk(session: Session) -> Iterator[Finding]:
    """Room below the data root, for what the next ``up`` puts there."""
    free = trouble.free_bytes(session.instance.root)
    needed = NEEDED_BYTES if session.choice.runtime != "process" or _is_made(session) else FIRST_UP_BYTES
    verdict = Verdict.OK if free >= needed else Verdict.MISSING
    mend = "" if verdict is Verdict.OK else "Free some space, or set HABARI_DATA_ROOT to another disk"
    yield Finding("disk", verdict, f"{free / 2**30:.1f} GiB left for {session.instance.data_root}", mend)


def _is_made(session: Session) -> bool:
    names = recipes.environments_of(service.name for service in session.services)
    return all(environments.is_current(environments.locate(n, session.instance.data_root)) for n in names)


def memory(_session: Session) -> Iterator[Finding]:
    """What is available now, without swap."""
    import psutil

    free = psutil.virtual_memory().available
    verdict = Verdict.OK if free >= WANTED_MEMORY else Verdict.NOTE
    yield Finding("memory", verdict, f"{free / 2**30:.1f} GiB available")


def ports(session: Session) -> Iterator[Finding]:
    """Of each service that does not run: the port that it would ask for first."""
    for service in session.own_services:
        # a cluster's node is asked for nothing, and its release answers at the node's ports
        if service.name not in FIRST_CHOICE or _runs(session, service):
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


def _runs(session: Session, service: Service) -> bool:
    try:
        return bool(session.condition(service).pid)
    except DevenvError:
        return False  # there is no engine to ask: another line says so


def proxies(session: Session) -> Iterator[Finding]:
    """Whether the environment names a proxy."""
    named = [name for name in PROXIES if session.environ.get(name)]
    if named:
        yield Finding("proxy", Verdict.NOTE, f"{', '.join(named)} set; loopback addresses bypass it")


def orphans(session: Session) -> Iterator[Finding]:
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
