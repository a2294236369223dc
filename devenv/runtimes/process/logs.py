"""Reading the log files of services."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from devenv import waiting

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


def follow(files: Mapping[str, Path]) -> Iterator[tuple[str, str]]:
    """Lines that are written from now on, with the name of their file; a rotated file begins anew."""
    places = {name: size(path) for name, path in files.items()}
    while True:
        waiting.while_true(
            lambda: all(size(files[name]) == place for name, place in places.items()), seconds=3600
        )
        for name, place in places.items():
            length = size(files[name])
            begin = place if length >= place else 0
            places[name] = length
            if length > begin:
                with files[name].open("rb") as handle:
                    handle.seek(begin)
                    for line in handle.read(length - begin).decode(errors="replace").splitlines():
                        yield name, line
