"""Moves that have begun, written down: one that a crash cut off is told at the next start."""

from __future__ import annotations

import fcntl
import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class Journal:
    """A folder with one small file for each move under way, locked by the process that moves."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @contextmanager
    def open(self, source: str, target: str, files: int) -> Iterator[None]:
        """Note a move for as long as it takes. A move that ends in an error has told it by that error."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        entry = self._folder / f"{uuid.uuid4().hex}.json"
        with entry.open("w") as note:
            fcntl.flock(note, fcntl.LOCK_EX)
            note.write(json.dumps({"source": source, "target": target, "files": files}))
            note.flush()
            try:
                yield
            finally:
                entry.unlink(missing_ok=True)

    def cut_off(self) -> list[str]:
        """A sentence for each move whose process has died; each is told once."""
        told = []
        for entry in sorted(self._folder.glob("*.json")):
            try:
                with entry.open() as note:
                    fcntl.flock(note, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    told.append(_sentence(**json.load(note)))
            except BlockingIOError:
                continue
            except (OSError, TypeError, ValueError):
                pass
            entry.unlink(missing_ok=True)
        return told


def _sentence(source: str, target: str, files: int) -> str:
    return (
        f'The move of {files} files from "{source}" to "{target}" was cut off. No file is lost: what is not'
        " in the second is in the first. Compare the two, then delete the one that is not whole."
    )
