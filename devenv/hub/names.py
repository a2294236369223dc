"""Names of users and servers as folder names, as KubeSpawner's slugs and in its templates."""

from __future__ import annotations

import hashlib
import re
import string
from collections.abc import Mapping

_PLAIN = frozenset(string.ascii_lowercase + string.digits)
_LONGEST = 120  # a file name may have 255 bytes; the log's ending and the server's name come to it


def folder_name(name: str) -> str:
    """A file name that no other ``name`` gets, also where case does not count, and that is never a path.

    Small letters and digits stay; each other byte of the UTF-8 text becomes ``-`` and two hexadecimal digits.
    A text that would be too long ends in its hash instead.
    """
    escaped = "".join(chr(byte) if chr(byte) in _PLAIN else f"-{byte:02x}" for byte in name.encode())
    if not escaped:
        raise ValueError("an empty name has no folder")
    if len(escaped) <= _LONGEST:
        return escaped
    # "--" cannot come out of the rule above: what follows "-" there are two digits
    return f"{escaped[:40]}--{hashlib.sha256(name.encode()).hexdigest()}"


def log_name(user: str, server: str) -> str:
    """The name of a server's log; ``_`` is in no escaped name, so it parts the two."""
    return folder_name(user) + (f"_{folder_name(server)}" if server else "") + ".log"


# KubeSpawner's "safe" scheme: what is a valid object name stays, all else is cut and gets a hash.
# https://jupyterhub-kubespawner.readthedocs.io/en/latest/templates.html
_VALID = re.compile(r"[a-z](?:[a-z0-9-]*[a-z0-9])?")
_OBJECT_NAME = 63


def slug(name: str, longest: int = 48) -> str:
    """A user's or server's name as production's pods and volumes have it."""
    if "--" not in name and len(name) <= min(longest, _OBJECT_NAME) and _VALID.fullmatch(name):
        return name
    return f"{_readable(name, longest - 11)}---{_short_hash(name.encode())}"


def _readable(name: str, longest: int) -> str:
    text = re.sub(r"[^a-z0-9]+", "-", name.lower()).lstrip("-")[:longest].rstrip("-")
    if text and not text[0].isalpha():
        text = "x-" + text[: longest - 2]
    return text or "x"


def _short_hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:8]


def _slug_of_both(user: str, server: str) -> str:
    one, other = slug(user), slug(server) if server else ""
    if len(one) + len(other) + 2 <= 48:
        return f"{one}--{other}" if server else one
    # 39 characters for both names and the "--" after each
    parts = "--".join(_readable(each, 17) for each in (user, server))
    return f"{parts}---{_short_hash(user.encode() + bytes([255]) + server.encode())}"


def template_fields(user: str, server: str, userid: int) -> dict[str, str]:
    """The fields of KubeSpawner's templates that have a meaning with no cluster."""
    return {
        "userid": str(userid),
        "username": slug(user),
        "servername": slug(server) if server else "",
        "user_server": _slug_of_both(user, server),
        "safe_username": slug(user),
        "safe_servername": slug(server) if server else "",
        "safe_user_server": _slug_of_both(user, server),
        "escaped_username": _legacy(user),
        "escaped_servername": _legacy(server),
        "unescaped_username": user,
        "unescaped_servername": server,
    }


def _legacy(name: str) -> str:
    return folder_name(name) if name else ""


def expand(template: str, values: Mapping[str, str]) -> str:
    """The text with ``{field}`` filled in and ``{{`` read as ``{``, as KubeSpawner 6 and later do.

    Raises ValueError that names the field or the brace, as production's spawn would fail on it too.
    """
    if "{" not in template and "}" not in template:
        return template
    try:
        text = template.format_map(values)
    except KeyError as error:
        known = ", ".join(values)
        raise ValueError(f"no template field {error.args[0]!r}; there are {known}") from None
    except (ValueError, IndexError, AttributeError, TypeError) as error:
        raise ValueError(f"{error}; a brace that is meant as such is doubled") from None
    return text if template.endswith("-") else text.rstrip("-")
