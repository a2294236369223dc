"""Who the values let in, for the local sign-in's list."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from devenv.values.keys import at


@dataclass(frozen=True)
class People:
    """Names as they are given, each once, in the order of the values.

    ``organizations`` are ``org`` or ``org:team``. ``anybody`` means that every GitHub user is let in.
    """

    allowed: tuple[str, ...] = ()
    admins: tuple[str, ...] = ()
    blocked: tuple[str, ...] = ()
    organizations: tuple[str, ...] = ()
    anybody: bool = False


def people(tree: Mapping[str, Any]) -> People:
    """Everybody whom the values name for any authenticator: hub.config.<class>.{allowed_users, ...}.

    https://oauthenticator.readthedocs.io/en/stable/topic/allowing.html
    """
    sections = at(tree, ("hub", "config"))
    found: dict[str, dict[str, None]] = {}
    anybody = False
    for traits in sections.values() if isinstance(sections, dict) else ():
        if not isinstance(traits, dict):
            continue
        anybody = anybody or traits.get("allow_all") is True
        for name in ("allowed_users", "admin_users", "blocked_users", "allowed_organizations"):
            given = traits.get(name)
            texts = given if isinstance(given, (list, dict)) else ()
            found.setdefault(name, {}).update({str(each): None for each in texts if each is not None})
    return People(
        allowed=tuple(found.get("allowed_users", ())),
        admins=tuple(found.get("admin_users", ())),
        blocked=tuple(found.get("blocked_users", ())),
        organizations=tuple(found.get("allowed_organizations", ())),
        anybody=anybody,
    )
