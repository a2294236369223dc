"""An archive of images without the layers that its taker has already.

The engine writes each layer of an image as a file named by its digest
(https://github.com/opencontainers/image-spec/blob/main/image-layout.md). A store that has that digest takes
the image without the file.
"""

from __future__ import annotations

import tarfile
from collections.abc import Set
from typing import IO

_FOLDER = "blobs/sha256/"
_BUFFER_BYTES = 1 << 20


def leave_out(source: IO[bytes], target: IO[bytes], digests: Set[str]) -> None:
    """Copy an archive without the blobs of ``digests`` (``sha256:...``), as it comes.

    Raises tarfile.TarError when ``source`` ends too early, OSError as ``target`` does.
    """
    with (
        tarfile.open(fileobj=source, mode="r|", bufsize=_BUFFER_BYTES) as whole,
        tarfile.open(fileobj=target, mode="w|", bufsize=_BUFFER_BYTES) as rest,
    ):
        for entry in whole:
            if f"sha256:{entry.name.removeprefix(_FOLDER)}" not in digests:
                rest.addfile(entry, whole.extractfile(entry) if entry.isreg() else None)
