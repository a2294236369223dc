"""What in the values is secret, and how it is shown instead."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote

from devenv.yaml_lines import KeyPath

MASK = "(secret)"

_WORDS = re.compile(
    r"secret|passw(?:or)?d|passphrase|token|api_?key|crypto_?key|private_?key|credential", re.I
)
# Keys whose name has such a word and whose value is a name, a number, a choice or a mapping of more keys.
_HARMLESS = re.compile(
    r"(?:image)?pullsecrets?|existingsecret|secretsync|secretname|secret_?key_?ref|.*token_?(?:url|method|params)"
    r"|.*(?:token|password|secret)s?_?(?:expires?|age|timeout|length|lifetime|name|scopes).*",
    re.I,
)
_EXACT = frozenset(("CryptKeeper.keys", "proxy.https.manual.key", "LTIAuthenticator.consumers"))
_IN_URL = re.compile(r"(?P<start>\w[\w+.-]*://[^\s/:@'\"]*:)(?P<secret>[^\s'\"]+)(?=@)")
_IN_CODE = re.compile(
    r"""(?P<start>(?:secret|passw(?:or)?d|token|api_?key)\w*["']?\]?\s*[=:]\s*[bfr]?(?P<quote>["']))"""
    r"""(?P<secret>[^"'\n]+)(?=(?P=quote))""",
    re.I,
)
_PLACEHOLDER = re.compile(
    r"<.*>|\{\{.*\}\}|\$\{.*\}|\$\(.*\)|\*+|x+|\.+|-+|(?:change|replace|fill|todo|fixme|your|my|example|sample|dummy"
    r"|placeholder|none|null|secret|password|token)\b.*|.*(?:example|placeholder|change.?me|replace.?me).*",
    re.I | re.S,
)


def is_secret(path: KeyPath) -> bool:
    """Whether a value at this path is one by the name of its key; ``X_PASSWORD.value`` counts as well."""
    if not path:
        return False
    name = path[-2] if path[-1] == "value" and len(path) > 1 else path[-1]
    if any(".".join(path).endswith(exact) for exact in _EXACT):
        return True
    return bool(_WORDS.search(name)) and not _HARMLESS.fullmatch(name)


def masked(value: Any, path: KeyPath = ()) -> Any:
    """The same, with each secret replaced; passwords in URLs and in assignments of Python code too.

    Empty values, truth values and numbers that are no text are shown as they are.
    """
    if isinstance(value, Mapping):
        named = value.get("name")
        inner = (*path, named) if isinstance(named, str) and "value" in value else path
        return {key: masked(each, (*inner, str(key))) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        hidden = is_secret(path)
        return [
            MASK if hidden and isinstance(each, str) else masked(each, (*path, str(number)))
            for number, each in enumerate(value)
        ]
    if value is None or value == "" or isinstance(value, bool):
        return value
    if is_secret(path):
        return MASK
    return masked_text(value) if isinstance(value, str) else value


def masked_text(text: str) -> str:
    """A text without the passwords of its URLs, and without the literals assigned to names of secrets."""
    return _IN_CODE.sub(rf"\g<start>{MASK}", _IN_URL.sub(rf"\g<start>{MASK}", text))


def secrets(value: Any, path: KeyPath = ()) -> Iterator[KeyPath]:
    """The paths of real secrets: those that are no placeholder such as ``<secret>`` or ``change-me``."""
    if isinstance(value, Mapping):
        named = value.get("name")
        inner = (*path, named) if isinstance(named, str) and "value" in value else path
        for key, each in value.items():
            yield from secrets(each, (*inner, str(key)))
    elif isinstance(value, list):
        for number, each in enumerate(value):
            # a list below a secret's name holds secrets
            yield from secrets(each, path if is_secret(path) else (*path, str(number)))
    elif isinstance(value, str) and _is_real(value, path):
        yield path


def _is_real(text: str, path: KeyPath) -> bool:
    if is_secret(path):
        return bool(text.strip()) and not _PLACEHOLDER.fullmatch(text.strip())
    found = [*_IN_URL.finditer(text), *_IN_CODE.finditer(text)]
    return any(not _PLACEHOLDER.fullmatch(unquote(each["secret"])) for each in found)
