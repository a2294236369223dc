"""cull.*: the arguments and the role of jupyterhub-idle-culler.

https://github.com/jupyterhub/jupyterhub-idle-culler#permissions
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

NAME = "jupyterhub-idle-culler"

_SCOPES = ("list:users", "read:users:activity", "read:servers", "delete:servers")


@dataclass(frozen=True)
class Culler:
    """The words after the program's name (``--url`` is the caller's), and its role's scopes."""

    arguments: tuple[str, ...]
    scopes: tuple[str, ...]
    name: str = NAME

    @property
    def role(self) -> dict[str, Any]:
        """An entry of JupyterHub.load_roles."""
        return {"name": self.name, "scopes": list(self.scopes), "services": [self.name]}


def culler(values: Mapping[str, Any]) -> Culler | None:
    """The culler that these values (over the chart's defaults) ask for; None when it is off.

    Times are in seconds; 0 leaves the culler's own default in place, as in the chart.
    """
    cull = values.get("cull") or {}
    if not cull.get("enabled"):
        return None
    options = {
        "timeout": cull.get("timeout"),
        "cull-every": cull.get("every"),
        "concurrency": cull.get("concurrency"),
    }
    arguments = [f"--{name}={value}" for name, value in options.items() if value]
    scopes = list(_SCOPES)
    if cull.get("users"):
        arguments.append("--cull-users")
        scopes.append("admin:users")
    if not cull.get("adminUsers"):
        arguments.append("--cull-admin-users=false")
    if cull.get("removeNamedServers"):
        arguments.append("--remove-named-servers")
    if cull.get("maxAge"):
        arguments.append(f"--max-age={cull['maxAge']}")
    return Culler(tuple(arguments), tuple(scopes))
