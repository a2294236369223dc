"""What the values files want of the hub, read and checked once for a command."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from devenv.values.files import Loaded
    from devenv.values.hub import HubConfiguration


@dataclass(frozen=True)
class Plan:
    """The merged values and the hub configuration they make; ``notices`` are worth saying once."""

    files: tuple[Path, ...]
    loaded: Loaded
    configuration: HubConfiguration
    notices: tuple[str, ...]


def read(files: tuple[Path, ...]) -> Plan:
    """Raises UsageError, with every problem in ``details``, when a file is not valid."""
    # only the hub level pays for reading YAML
    from devenv.values import check, hub
    from devenv.values import files as values_files

    loaded = values_files.load(files)
    warnings = check.require(loaded)
    configuration = hub.configuration(loaded.tree, loaded.origins)
    return Plan(files, loaded, configuration, (*loaded.notices, *warnings))
