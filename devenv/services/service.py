"""The interface of a service, and the site it stands on."""

from __future__ import annotations

import signal
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from devenv.credentials import Vault
from devenv.endpoints import Endpoint, View
from devenv.project import Project
from devenv.services.plan import Plan
from devenv.state import Instance

if TYPE_CHECKING:
    from devenv.helm.cli import Target


@dataclass(frozen=True)
class Site:
    """What a service may know: the project, its instance, the secrets, and where services answer.

    ``endpoint`` and ``view`` are the runtime's: a service never works out an address itself, and a
    notebook of this level asks as ``view``. ``plan`` reads the hub's values files when it is first asked.
    ``stamps`` is the folder of what was provisioned here, and ``is_provisioned_at_start`` says that services
    do it by themselves, as images do. ``servers`` is the name of the servers when projects share them, and
    ``cluster`` where that is a cluster's API.
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
    cluster: Target | None = None

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
