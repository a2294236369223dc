"""Reading the log files of services."""

from __future__ import annotations

import contextlib
from pathlib import Path

READ_AT_MOST = 256 * 1024


def size(path: Path) -> int:
    """Bytes in the file; 0 when there is none."""
    with contextlib.suppress(OSError):
        return path.stat().st_size
    return 0


def tail(path: Path, lines: int, *, since: int = 0) -> tuple[str, ...]:
    """The last ``lines`` lines written after byte ``since`` (all, when the file was rotated meanwhile)."""
    length = size(path)
    if not length:
        return ()
    begin = max(since if since <= length else 0, length - READ_AT_MOST)
    with path.open("rb") as handle:
        handle.seek(begin)
        text = handle.read().decode(errors="replace")
    return tuple(line for line in text.splitlines() if line.strip())[-lines:] if lines else ()
