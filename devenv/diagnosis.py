"""The likely cause of a failed start, read from the last lines of a log."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Cause:
    """What probably happened, and what mends it."""

    what: str
    mend: str


_CAUSES = (
    (
        r"address already in use|EADDRINUSE|port \d+ is already in use|is taken",
        Cause(
            "its port was taken between the choice and the start", "Run ./dev up again: it takes another port"
        ),
    ),
    (
        r"no space left on device|disk quota exceeded|disk full",
        Cause(
            "the disk is full", "Free some space (./dev doctor shows how much is left where), then ./dev up"
        ),
    ),
    (
        r"read-only file system",
        Cause(
            "its folder is on a read-only file system",
            "Make it writable, or set HABARI_DATA_ROOT to another folder",
        ),
    ),
    (
        r"could not (access|change) .*permission denied|permission denied",
        Cause(
            "a file or folder may not be read or written",
            "Look at the owner of the state folder (./dev status shows it)",
        ),
    ),
    (
        r"database files are incompatible with server",
        Cause("the data belong to another version of PostgreSQL", "Set postgres.binaries to that version's"),
    ),
    (
        r"could not map anonymous shared memory|cannot allocate memory|out of memory|MemoryError",
        Cause("there was not enough memory", "End something else that needs memory, then ./dev up"),
    ),
    (
        r"ModuleNotFoundError|ImportError|No module named",
        Cause(
            "its environment is incomplete", "Delete the environment that ./dev doctor names, then ./dev up"
        ),
    ),
)


def of(lines: tuple[str, ...]) -> Cause | None:
    """The first known cause that the lines speak of, looked for from the newest line on."""
    for line in reversed(lines):
        for pattern, cause in _CAUSES:
            if re.search(pattern, line, re.IGNORECASE):
                return cause
    return None
