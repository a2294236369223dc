"""Access tokens that carry what they grant, so that a restarted server honours them."""

from __future__ import annotations

import json
import secrets
import threading
from dataclasses import dataclass

from .scopes import Scopes
from .seals import decode, derive, encode, same, seal

# Not GitHub's own gho_: neither people nor secret scanners shall take it for a real one.
PREFIX = "local_"
_MAX = 4096


@dataclass(frozen=True)
class Token:
    """Whom a token speaks for, and what it may ask. ``number`` tells two tokens of one person apart."""

    login: str
    scopes: Scopes
    number: str


class Tokens:
    """Issues and reads tokens; like those of GitHub's OAuth applications they do not expire.

    A revocation is kept in memory alone: its only cause is a code that was presented twice.
    """

    def __init__(self, key: str, client_id: str) -> None:
        # Another client_id is another application: its tokens are not this one's.
        self._key = derive(key, f"access token for {client_id}")
        self._revoked: set[str] = set()
        self._lock = threading.Lock()

    def new_number(self) -> str:
        return secrets.token_urlsafe(12)

    def issue(self, token: Token) -> str:
        body = encode(json.dumps([token.login, list(token.scopes), token.number]).encode())
        return f"{PREFIX}{body}.{seal(self._key, body)}"

    def read(self, text: str) -> Token | None:
        """The token, or None when it is not one of ours or was revoked."""
        body, dot, its_seal = text.removeprefix(PREFIX).partition(".")
        if len(text) > _MAX or not text.startswith(PREFIX) or not dot or not text.isascii():
            return None
        if not same(its_seal, seal(self._key, body)):
            return None
        login, scopes, number = json.loads(decode(body))
        with self._lock:
            return None if number in self._revoked else Token(login, tuple(scopes), number)

    def revoke(self, number: str) -> None:
        with self._lock:
            self._revoked.add(number)
