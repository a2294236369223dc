"""How messages about values show a value and suggest a key."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any

from devenv.values import keys, secrecy
from devenv.yaml_lines import KeyPath


def got(value: Any, path: KeyPath) -> str:
    """A value in a message: short, and nothing of a secret."""
    if isinstance(value, dict):
        return "keys with values"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, bool):
        return str(value).lower()
    shown = secrecy.masked(value, path)
    text = shown if shown == secrecy.MASK else repr(shown)
    return text if len(text) <= 60 else f"{text[:57]}..."


def suggestion(key: str, path: KeyPath, siblings: tuple[str, ...]) -> str:
    """The likely key for one that is not known, as the end of a message, or nothing."""
    lower = {each.lower(): each for each in siblings}
    close = get_close_matches(key.lower(), lower, n=1, cutoff=0.7)
    if close:
        return f"; did you mean {'.'.join((*path, lower[close[0]]))}?"
    elsewhere = [each.path for each in keys.KEYS if each.parts[-1].lower() == key.lower()]
    return f"; did you mean {elsewhere[0]}?" if elsewhere else ""
