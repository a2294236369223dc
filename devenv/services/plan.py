"""What the values files want of the hub, read and checked once for a command."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

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

    @property
    def signs_in_by_github(self) -> bool:
        """Whether people come by the local sign-in; another authenticator does not ask it."""
        from devenv.values.local import sign_in_section

        return sign_in_section(self.loaded.tree) is not None


def read(files: tuple[Path, ...]) -> Plan:
    """Raises UsageError, with every problem in ``details``, when a file is not valid."""
    # only the hub level pays for reading YAML
    from devenv.values import check, hub
    from devenv.values import files as values_files

    loaded = values_files.load(files)
    warnings = check.require(loaded)
    configuration = hub.configuration(loaded.tree, loaded.origins)
    return Plan(files, loaded, configuration, (*loaded.notices, *warnings, *_no_logins(loaded.tree)))


def _no_logins(tree: Mapping[str, Any]) -> Iterator[str]:
    """Names that nobody can have at GitHub, for an authenticator that asks GitHub."""
    from devenv.github.names import is_login
    from devenv.values.local import sign_in_section
    from devenv.values.people import people

    named = people(tree)
    odd = [name for name in (*named.allowed, *named.admins) if not is_login(name)]
    if odd and sign_in_section(tree):
        yield f"no GitHub login, so nobody can sign in as: {', '.join(dict.fromkeys(odd))}"
