"""An undo journal for a folder: a transaction's changes stay whole, or are taken back, through a kill -9.

Before a path is first changed in a transaction, a line in ``journal/active`` says what was there, and what
was there is *moved* into ``journal/``. Moving, unlike a hard link, works on every file system and for folders
too; nobody sees the gap, because one thread serves all requests. Emptying ``active`` is the commit. A start
that finds lines in it moves everything back; a move is atomic, so recovery may be killed and repeated.

The promise covers the death of the process. It does not cover power loss: nothing is synced to the disk.
"""

# strings, not Path: this runs in every write
# ruff: noqa: PTH103, PTH104, PTH108, PTH112, PTH118, PTH119, PTH123, PTH208
from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

_ACTIVE = "active"
_MOVED = "moved"
_ABSENT = "absent"


class JournalDamagedError(Exception):
    """``journal/active`` holds a complete line that no version of this module writes."""


class Journal:
    """Transactions over the files below ``root``; one at a time, from one thread."""

    def __init__(self, root: Path) -> None:
        self._root = os.path.realpath(root)
        self._folder = os.path.join(self._root, "journal")
        self._active = os.path.join(self._folder, _ACTIVE)
        self._prefix = os.path.join(self._root, "")
        self._fd = -1
        self._noted: dict[str, str | None] = {}
        self._serial = 0
        self._open = False
        self._failure: OSError | None = None

    @property
    def touched(self) -> bool:
        """Whether the open transaction has changed anything."""
        return bool(self._noted)

    @property
    def failure(self) -> OSError | None:
        """The first error of the open transaction; after one, it accepts no further change."""
        return self._failure

    def recover(self) -> int:
        """Take back what a killed process left unfinished; returns how many paths it put back.

        Raises OSError when the disk refuses, JournalDamagedError when the journal cannot be read.
        """
        os.makedirs(self._folder, mode=0o700, exist_ok=True)
        undone = self._undo(list(self._read_active()))
        self._fd = os.open(self._active, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        os.ftruncate(self._fd, 0)
        for leftover in os.listdir(self._folder):
            if leftover != _ACTIVE:
                _discard(os.path.join(self._folder, leftover))
        return undone

    def begin(self) -> None:
        """Open a transaction. Costs nothing until something is changed."""
        if self._open:
            raise RuntimeError("a transaction is open already")
        self._open = True

    def commit(self) -> None:
        """Make the transaction's changes final."""
        moved = [backup for backup in self._noted.values() if backup]
        if self._noted:
            os.ftruncate(self._fd, 0)
        self._close()
        for backup in moved:
            with contextlib.suppress(OSError):  # the next start clears it
                _discard(backup)

    def rollback(self) -> None:
        """Take the transaction's changes back. Raises OSError when the disk refuses; a start repeats it."""
        entries = [(path, backup) for path, backup in self._noted.items()]
        self._undo(entries)
        os.ftruncate(self._fd, 0)
        self._close()

    def write(self, path: str, data: bytes | memoryview) -> None:
        """Put a file with ``data`` at ``path`` (mode 0600). Raises OSError."""
        with self._failing():
            self._note(path)
            # In place: what was there has been moved, and a half-written file is taken back.
            _write_whole(path, data)

    def remove(self, path: str) -> None:
        """Remove the file or folder at ``path``, when there is one. Raises OSError."""
        with self._failing():
            if os.path.lexists(path):
                if path in self._noted:
                    _discard(path)  # the transaction's own; what was there before has been moved
                else:
                    self._note(path)

    def _failing(self) -> _Failing:
        if not self._open:
            raise RuntimeError("a change outside a transaction")
        if self._failure is not None:
            raise self._failure
        return _Failing(self)

    def _note(self, path: str) -> None:
        if path in self._noted:
            return
        relative = self._relative(path)
        if not os.path.lexists(path):
            self._append([_ABSENT, relative])
            self._noted[path] = None
            return
        backup = self._new_name()
        self._append([_MOVED, relative, os.path.basename(backup)])
        self._noted[path] = backup
        os.rename(path, backup)

    def _append(self, entry: list[str]) -> None:
        line = json.dumps(entry).encode() + b"\n"
        if os.write(self._fd, line) != len(line):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), self._active)

    def _read_active(self) -> Iterator[tuple[str, str | None]]:
        try:
            with open(self._active, "rb") as file:
                lines = file.read().split(b"\n")
        except FileNotFoundError:
            return
        # What follows the last newline is a line whose change had not begun.
        for line in lines[:-1]:
            try:
                kind, relative, *backup = json.loads(line)
                path = os.path.join(self._root, relative)
                if kind == _ABSENT and not backup:
                    yield path, None
                elif kind == _MOVED and len(backup) == 1:
                    yield path, os.path.join(self._folder, os.path.basename(backup[0]))
                else:
                    raise ValueError(kind)
            except (ValueError, TypeError) as error:
                raise JournalDamagedError(f"{self._active} holds a line that is not the journal's") from error

    def _undo(self, entries: list[tuple[str, str | None]]) -> int:
        undone = 0
        for path, backup in reversed(entries):
            if backup is None:
                if os.path.lexists(path):
                    _discard(path)
                    undone += 1
            elif os.path.lexists(backup):
                if os.path.isdir(backup) and os.path.lexists(path):
                    _discard(path)
                os.rename(backup, path)
                undone += 1
        return undone

    def _relative(self, path: str) -> str:
        if path.startswith(self._prefix):
            return path[len(self._prefix) :]
        return os.path.relpath(os.path.realpath(path), self._root)

    def _close(self) -> None:
        self._noted = {}
        self._open = False
        self._failure = None

    def _new_name(self) -> str:
        self._serial += 1
        return os.path.join(self._folder, str(self._serial))


class _Failing:
    """Remember a block's OSError as the transaction's, and let it pass."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, OSError):
            self._journal._failure = error


def _write_whole(path: str, data: bytes | memoryview) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(fd, view) :]
    finally:
        os.close(fd)


def _discard(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        return
    except (IsADirectoryError, PermissionError):
        if not os.path.isdir(path):
            raise
        shutil.rmtree(path)
