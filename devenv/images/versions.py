"""Incremental versions: 0.1, 0.2, ... Each is given once, and means the same image for ever."""

from __future__ import annotations

import re
from collections.abc import Iterable

_VERSION = re.compile(r"\d+(?:\.\d+)+")


def order(version: str) -> tuple[int, ...]:
    """A key to sort by: 0.10 comes after 0.9."""
    return tuple(int(part) for part in version.split("."))


def newest(repository: str, references: Iterable[str]) -> str:
    """The highest version among the references of this repository, "" when there is none."""
    found = [
        tag for name, _, tag in (each.rpartition(":") for each in references)
        if name == repository and _VERSION.fullmatch(tag)
    ]  # fmt: skip
    return max(found, key=order, default="")


def following(repository: str, references: Iterable[str], first: str) -> str:
    """The version after the newest one, or ``first`` when that is higher or there is none yet."""
    known = newest(repository, references)
    if not known or order(known) < order(first):
        return first
    *rest, last = order(known)
    return ".".join(map(str, (*rest, last + 1)))
