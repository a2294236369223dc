"""Trouble of the machine that may hit any line of code, turned into one line."""

from __future__ import annotations

import errno
import os
import shutil
from contextlib import suppress
from pathlib import Path

from devenv.errors import DevenvError, MissingError

_FULL = (errno.ENOSPC, errno.EDQUOT)
_FORBIDDEN = (errno.EROFS, errno.EACCES, errno.EPERM)


def foreseen(error: OSError, folder: Path) -> DevenvError | None:
    """The error as a DevenvError, or None when it is a bug. ``folder`` stands in for a missing file name."""
    place = os.fspath(error.filename) if isinstance(error.filename, str | Path) else str(folder)
    if error.errno in _FULL:
        return MissingError(
            f"the disk that holds {place} is full ({free_bytes(Path(place)) // 2**20} MB left)",
            hint="Free some space, then repeat the command: it goes on where it was",
        )
    if error.errno in _FORBIDDEN:
        return MissingError(
            f"{place} may not be used: {os.strerror(error.errno)}",
            hint="Check its owner and permissions, or set HABARI_DATA_ROOT to a folder that is yours",
        )
    return None


def free_bytes(path: Path) -> int:
    """What is left on the disk that holds ``path``, or will hold it; 0 when that cannot be told."""
    while not path.exists() and path != path.parent:
        path = path.parent
    with suppress(OSError):
        return shutil.disk_usage(path).free
    return 0
