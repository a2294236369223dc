"""Sealing: HMAC-SHA256 under keys that are each derived from the instance's key for one purpose."""

from __future__ import annotations

import base64
import hashlib
import hmac


def derive(key: str, purpose: str) -> bytes:
    """A 32-byte key for one purpose, from which neither ``key`` nor the key of another purpose follows."""
    return hmac.digest(key.encode(), b"habari-github " + purpose.encode(), "sha256")


def seal(key: bytes, *parts: str) -> str:
    """A URL-safe seal over ``parts``; the same text divided otherwise has another seal."""
    text = b"".join(len(part.encode()).to_bytes(8, "big") + part.encode() for part in parts)
    return encode(hmac.digest(key, text, "sha256"))


def same(left: str, right: str) -> bool:
    """Whether two secrets are equal, in a time that tells neither their content nor their length."""
    return hmac.compare_digest(
        hashlib.sha256(left.encode()).digest(), hashlib.sha256(right.encode()).digest()
    )


def encode(data: bytes) -> str:
    """base64url without padding: https://www.rfc-editor.org/rfc/rfc7636#appendix-A"""
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def decode(text: str) -> bytes:
    """The reverse of :func:`encode`. Raises ValueError."""
    data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    if encode(data) != text:
        raise ValueError("not in its one form")
    return data
