"""OAuth scopes, as GitHub asks for them and grants them.

https://docs.github.com/en/apps/oauth-apps/building-oauth-apps/scopes-for-oauth-apps
"""

from __future__ import annotations

import re

Scopes = tuple[str, ...]

_SCOPE = re.compile(r"[a-z][a-z0-9_:-]{0,39}")
_MAX = 40
_IMPLIED = {
    "user": {"read:user", "user:email", "user:follow"},
    "admin:org": {"write:org", "read:org"},
    "write:org": {"read:org"},
}


def parse(text: str) -> Scopes:
    """What a request asks for, without what another scope includes already and without what is no scope."""
    asked = [word for word in re.split(r"[ ,]+", text) if _SCOPE.fullmatch(word)][:_MAX]
    once = list(dict.fromkeys(asked))
    included = set().union(*(_IMPLIED.get(scope, set()) for scope in once))
    return tuple(scope for scope in once if scope not in included)


def has(granted: Scopes, *wanted: str) -> bool:
    """Whether ``granted`` has one of ``wanted``, by itself or within another."""
    every = set(granted).union(*(_IMPLIED.get(scope, set()) for scope in granted))
    return not every.isdisjoint(wanted)
