"""Addresses: where a service answers depends on who asks."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

# Where a browser finds Jupyter or the hub, unless the port is taken.
PUBLIC_PORT = 8000


class View(StrEnum):
    """Who asks for an address."""

    HOST = "host"
    CONTAINER = "container"
    POD = "pod"


@dataclass(frozen=True)
class Endpoint:
    """A host name and a TCP port, as one view sees them."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"

    def url(self, path: str = "", *, host: str = "") -> str:
        """The http address; ``host`` replaces the name (a browser likes localhost)."""
        return f"http://{host or self.host}:{self.port}{path}"
