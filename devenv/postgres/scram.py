"""SCRAM-SHA-256: keys and the verifier that PostgreSQL keeps instead of a password.

Rules: RFC 5802 (the exchange), RFC 7677 (SHA-256), and PostgreSQL's manual, "pg_authid", for the text
``SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>``. Passwords are ASCII, for which SASLprep
changes nothing.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from base64 import b64decode, b64encode
from dataclasses import dataclass, field

_VERIFIER = re.compile(r"SCRAM-SHA-256\$(\d+):([^$]+)\$([^:]+):(.+)")


@dataclass(frozen=True)
class Keys:
    """What both sides derive from a password, a salt and a number of iterations."""

    client: bytes = field(repr=False)
    stored: bytes = field(repr=False)
    server: bytes = field(repr=False)


def keys(password: str, salt: bytes, iterations: int) -> Keys:
    """RFC 5802, section 3."""
    salted = hashlib.pbkdf2_hmac("sha256", password.encode("ascii"), salt, iterations)
    client = mac(salted, b"Client Key")
    return Keys(client, hashlib.sha256(client).digest(), mac(salted, b"Server Key"))


def verifier(password: str, *, salt: bytes | None = None, iterations: int = 4096) -> str:
    """The text for ``ALTER ROLE … PASSWORD``, so that the password itself never reaches the server."""
    salt = salt or secrets.token_bytes(16)
    made = keys(password, salt, iterations)
    words = (b64encode(part).decode() for part in (salt, made.stored, made.server))
    return "SCRAM-SHA-256${}:{}${}:{}".format(iterations, *words)


def matches(kept: str | None, password: str) -> bool:
    """Whether the server's ``kept`` verifier is that of ``password``."""
    parts = _VERIFIER.fullmatch(kept or "")
    if not parts:
        return False
    made = keys(password, b64decode(parts[2]), int(parts[1]))
    return hmac.compare_digest(made.stored, b64decode(parts[3]))


def mac(key: bytes, text: bytes) -> bytes:
    """HMAC with SHA-256."""
    return hmac.digest(key, text, "sha256")
