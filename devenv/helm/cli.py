"""The helm command line: one cluster, named in each call, and settings of its own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Target:
    """Which cluster a call is for; it is spelled out each time, and no default of the user's is read."""

    kubeconfig: Path
    context: str
