"""The interface of a service, and the site it stands on."""

from __future__ import annotations

import signal
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from devenv.credentials import Vault
from devenv.endpoints import Endpoint, View
from devenv.project import Project
from devenv.services.plan import Plan
from devenv.state import Instance

if TYPE_CHECKING:
    from devenv.cluster.api import ClusterApi
    from devenv.helm.release import Release


@dataclass(frozen=True)
class Cluster:
    """What a service may know of the cluster that its pods run on; nothing is asked before it is called.

    ``release`` makes the project's release with this overlay, ``answer`` is what that says for itself once it
    is there. ``server_range`` is the range of addresses
    that the servers beside it have, ``node_port`` where the project's hub listens, ``images`` what stands in
    for the chart's images: name and tag by the section of the values.
    """

    kubeconfig: Path
    api: Callable[[], ClusterApi]
    release: Callable[[Mapping[str, Any]], Release]
    answer: Callable[[], str]
    server_range: Callable[[], str]
    node_port: Callable[[], int]
    images: Callable[[], Mapping[str, tuple[str, str]]]


@dataclass(frozen=True)
class Site:
    """What a service may know: the project, its instance, the secrets, and where services answer.

    ``endpoint`` and ``view`` are the runtime's: a service never works out an address itself, and a
    notebook of this level asks as ``view``. ``plan`` reads the hub's values files when it is first asked.
    ``stamps`` is the folder of what was provisioned here, and ``is_provisioned_at_start`` says that services
    do it by themselves, as images do. ``servers`` is the name of the servers when projects share them, and
    ``cluster`` is there at the level that has one. ``sample_data`` holds what the public bucket is given,
    where that does not come with the notebooks' environment.
    """

    project: Project
    instance: Instance
    vault: Vault
    endpoint: Callable[[str, View], Endpoint]
    view: View
    notebook_python: Path
    plan: Callable[[], Plan]
    stamps: Path
    is_provisioned_at_start: bool = False
    servers: str = ""
    cluster: Cluster | None = None
    sample_data: Path | None = None

    @property
    def server_id(self) -> str:
        """What PostgreSQL and S3 call themselves."""
        return self.servers or self.instance.id


@dataclass(frozen=True)
class Stop:
    """The signal that asks a service's main process to end, and how many seconds it has for it."""

    signal: signal.Signals = signal.SIGTERM
    seconds: float = 10


class Service(ABC):
    """One thing that starts, is ready, stops and has endpoints. It knows no runtime.

    A service without settings, provisioning or a proof of its own inherits "nothing to do".
    """

    name: str
    # names of services that must be provisioned before this one is
    needs: tuple[str, ...] = ()
    stop: Stop = Stop()
    # addresses besides the one that has the service's name
    more_addresses: tuple[str, ...] = ()
    # the mark of what it starts for people and leaves running when it ends itself
    guests: str = ""
    # when it fails, what it stands on stays up: it takes long to start, and shows why
    failure_leaves_others: bool = False
    # how long it may take to answer, and to be proved
    answer_seconds: float = 90
    proof_seconds: float = 60
    # the longest pause between two questions while it starts
    look_seconds: float = 0.05
    # a restart costs nobody anything, so ``up`` may do it to apply what has changed
    restarts_freely: bool = False
    # what provisioning found different from the project and left alone
    notices: tuple[str, ...] = ()

    @property
    def addresses(self) -> tuple[str, ...]:
        """The names of all that it listens at, its own first."""
        return (self.name, *self.more_addresses)

    def is_external(self, site: Site) -> bool:
        """Whether somebody else runs it: it is never started, stopped or given an address."""
        return False

    def may_start(self, site: Site) -> bool:
        """Whether what it needs is there before its needs are provisioned (an earlier run left it)."""
        return True

    def fingerprint(self, site: Site) -> str:
        """A digest of the settings and keys that it is started with and keeps until its next start."""
        return ""

    @abstractmethod
    def answer(self, site: Site) -> str:
        """One cheap answer that proves the identity of what listens; returns a detail worth showing.

        Raises NotYet while it is starting and a DevenvError when it will not get better by waiting.
        """

    def provision(self, site: Site) -> list[str]:
        """Check, then apply, what the project wants of it; the words of what was changed."""
        return []

    def prove(self, site: Site) -> None:
        """Use it as a notebook does. Raises NotYet or a DevenvError."""
        return

    def admin(self, site: Site, view: View) -> dict[str, str]:
        """Variables for the person who runs the instance; never part of a notebook's environment."""
        return {}
