"""singleuser.profileList with no cluster: KubeSpawner's own form and choice, and the overrides that count.

KubeSpawner's methods are lent to our spawner rather than written again, so that a form posts and a choice
resolves as in production. They need no cluster; importing them costs a second: only a hub with profiles does.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

# What a profile may override here; an image, volumes or a node have no counterpart.
APPLIED = frozenset(
    {"environment", "default_url", "cmd", "mem_limit", "mem_guarantee", "cpu_limit", "cpu_guarantee"}
)

# Private names of KubeSpawner 7: its tests and ours hold them.
_LENT = (
    "_render_options_form",
    "_render_options_form_dynamically",
    "_options_from_form",
    "_get_initialized_profile_list",
    "_validate_user_options",
    "_get_profile",
    "_load_profile",
    "load_user_options",
)


def lend(spawner: type) -> None:
    """Give the spawner class KubeSpawner's handling of profiles."""
    from kubespawner import KubeSpawner

    for name in _LENT:
        setattr(spawner, name, getattr(KubeSpawner, name))


def unapplied(profiles: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """The names of the overrides in all profiles and their options that have no meaning here, sorted."""
    return tuple(sorted({name for each in profiles for name in _overridden(each)} - APPLIED))


def _overridden(profile: Mapping[str, Any]) -> Iterator[str]:
    yield from profile.get("kubespawner_override") or {}
    for option in (profile.get("profile_options") or {}).values():
        for choice in (option.get("choices") or {}).values():
            yield from choice.get("kubespawner_override") or {}
        yield from (option.get("unlisted_choice") or {}).get("kubespawner_override") or {}


def applicable(override: Mapping[str, Any], names: Iterable[str] = APPLIED) -> dict[str, Any]:
    """The part of a profile's override that is applied."""
    allowed = frozenset(names)
    return {name: value for name, value in override.items() if name in allowed}
