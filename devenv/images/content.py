"""What a build sends, and a key of it: the same content has the same key on every machine.

The key stands on the image as a label, so a build that would make the same image again is not begun.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from devenv.images.pins import CHECKOUT, Image


def files(image: Image, root: Path = CHECKOUT) -> tuple[Path, ...]:
    """The files that the image's .dockerignore lets through, below ``root`` and sorted.

    Such a file here is an allow-list: ``*`` first, then ``!`` with a path or a pattern of names, then ``**/``
    with a name that is left out wherever it is. Raises ValueError for any other line.
    """
    chosen: set[Path] = set()
    left_out: set[str] = set()
    for line in _lines(Path(f"{image.dockerfile}.dockerignore")):
        if line.startswith("!"):
            chosen.update(_below(root, line[1:]))
        elif line.startswith("**/") and "*" not in line[3:]:
            left_out.add(line[3:])
        elif line != "*":
            raise ValueError(f"{image.dockerfile.name}.dockerignore has a line of another kind: {line}")
    return tuple(sorted(path for path in chosen if left_out.isdisjoint(path.relative_to(root).parts)))


def key(image: Image, base: str, root: Path = CHECKOUT) -> str:
    """A digest of the Dockerfile, of each file that is sent with its path and mode, and of ``base``."""
    digest = hashlib.sha256(f"{base}\n".encode())
    for path in (image.dockerfile, *files(image, root)):
        mode = "x" if os.access(path, os.X_OK) else "-"
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        digest.update(f"{path.relative_to(root)}\0{mode}\0{content}\n".encode())
    return digest.hexdigest()[:16]


def _lines(file: Path) -> Iterator[str]:
    for line in file.read_text().splitlines():
        if line.strip() and not line.startswith("#"):
            yield line.strip()


def _below(root: Path, pattern: str) -> Iterator[Path]:
    for found in root.glob(pattern):
        if found.is_file():
            yield found
        elif found.is_dir():
            yield from (path for path in found.rglob("*") if path.is_file())
