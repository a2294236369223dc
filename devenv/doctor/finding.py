"""One line of the examination."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from devenv.errors import DevenvError


class Verdict(StrEnum):
    """``missing`` alone makes the command fail."""

    OK = "ok"
    NOTE = "note"
    MISSING = "missing"


@dataclass(frozen=True)
class Finding:
    """What was looked at and found; ``mend`` says what to do where there is something to do."""

    check: str
    verdict: Verdict
    detail: str
    mend: str = ""


def trouble(check: str, verdict: Verdict, error: DevenvError) -> Finding:
    """What a command would end with."""
    return Finding(check, verdict, error.what, error.hint)
