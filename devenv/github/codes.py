"""Authorization codes: ten minutes, one use, bound to their request.

https://docs.github.com/en/apps/oauth-apps/building-oauth-apps/authorizing-oauth-apps
"""

from __future__ import annotations

import hashlib
import re
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from .scopes import Scopes
from .seals import encode, same

LIFETIME = 600.0
"""Seconds."""

# https://www.rfc-editor.org/rfc/rfc7636#section-4.1
_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")
# More than people can click in ten minutes; the oldest goes first.
_MAX = 1000


@dataclass(frozen=True)
class Grant:
    """What a person agreed to on the page. ``challenge`` is PKCE's, or empty."""

    login: str
    redirect_uri: str
    scopes: Scopes
    challenge: str
    token_number: str


@dataclass
class _Entry:
    grant: Grant
    ends: float
    used: bool = field(default=False)


class BadCodeError(Exception):
    """The code is not valid. ``reused`` is the grant of one that had been redeemed already."""

    def __init__(self, reason: str, reused: Grant | None = None) -> None:
        super().__init__(reason)
        self.reused = reused


class RedirectMismatchError(Exception):
    """The code was issued for another redirect_uri."""


class Codes:
    """The codes of one server, in memory: a restart costs a click. ``clock`` counts seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._entries: dict[str, _Entry] = {}
        self._lock = threading.Lock()

    def issue(self, grant: Grant, *, expired: bool = False) -> str:
        """A new code; ``expired`` makes one whose time is over, to see what the hub does with it."""
        code = secrets.token_hex(20)
        now = self._clock()
        with self._lock:
            # A used code is remembered as long as its time lasts: a second use revokes the token.
            self._entries = {one: entry for one, entry in self._entries.items() if now < entry.ends}
            while len(self._entries) >= _MAX:
                del self._entries[next(iter(self._entries))]
            self._entries[_digest(code)] = _Entry(grant, now if expired else now + LIFETIME)
        return code

    def redeem(self, code: str, *, redirect_uri: str, verifier: str) -> Grant:
        """The grant behind ``code``, once. Whatever is wrong with an attempt, the code is used up by it.

        Raises :class:`BadCodeError` or :class:`RedirectMismatchError`.
        """
        with self._lock:
            entry = self._entries.get(_digest(code))
            if entry is None:
                raise BadCodeError("unknown")
            if self._clock() >= entry.ends:
                raise BadCodeError("expired")
            if entry.used:
                raise BadCodeError("used before", reused=entry.grant)
            entry.used = True
        if entry.grant.redirect_uri != redirect_uri:
            raise RedirectMismatchError
        if not _proves(verifier, entry.grant.challenge):
            raise BadCodeError("the code_verifier does not belong to it")
        return entry.grant


def _digest(code: str) -> str:
    # Looked up by digest, so that the time of a look-up tells nothing of another code.
    return hashlib.sha256(code.encode()).hexdigest()


def _proves(verifier: str, challenge: str) -> bool:
    """Whether ``verifier`` is that of ``challenge``: https://www.rfc-editor.org/rfc/rfc7636#section-4.6

    A verifier without a challenge is refused too: somebody took the challenge out of the request
    (https://www.rfc-editor.org/rfc/rfc9700#section-4.8.2).
    """
    if not challenge or not verifier:
        return challenge == verifier
    if not _VERIFIER.fullmatch(verifier):
        return False
    return same(encode(hashlib.sha256(verifier.encode()).digest()), challenge)
