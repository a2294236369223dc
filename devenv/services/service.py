"""The interface of a service, and the site it stands on."""

from __future__ import annotations

import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from devenv.credentials import Vault
from devenv.endpoints import Endpoint, View
from devenv.project import Project
from devenv.state import Instance


@dataclass(frozen=True)
class Site:
    """What a service may know: the project, its instance, the secrets, and where services answer.

    ``endpoint`` and ``view`` are the runtime's: a service never works out an address itself, and a
    notebook of this level asks as ``view``.
    """

    project: Project
    instance: Instance
    vault: Vault
    endpoint: Callable[[str, View], Endpoint]
    view: View
    notebook_python: Path


@dataclass(frozen=True)
class Stop:
    """The signal that asks a service's main process to end, and how many seconds it has for it."""

    signal: signal.Signals = signal.SIGTERM
    seconds: float = 10


class Service(Protocol):
    """One thing that starts, is ready, stops and has endpoints. It knows no runtime.

    ``notices`` is what provisioning found different from the project and left alone.
    """

    @property
    def name(self) -> str: ...

    @property
    def needs(self) -> tuple[str, ...]: ...

    @property
    def notices(self) -> tuple[str, ...]: ...

    @property
    def stop(self) -> Stop: ...

    def is_external(self, site: Site) -> bool:
        """Whether somebody else runs it: it is never started, stopped or given an address."""

    def may_start(self, site: Site) -> bool:
        """Whether what it needs is there before its needs are provisioned (an earlier run left it)."""

    def fingerprint(self, site: Site) -> str:
        """A digest of the settings and keys that it is started with and keeps until its next start."""

    def answer(self, site: Site) -> str:
        """One cheap answer that proves the identity of what listens; returns a detail worth showing.

        Raises NotYet while it is starting and a DevenvError when it will not get better by waiting.
        """

    def provision(self, site: Site) -> list[str]:
        """Check, then apply, what the project wants of it; the words of what was changed."""

    def prove(self, site: Site) -> None:
        """Use it as a notebook does. Raises NotYet or a DevenvError."""
