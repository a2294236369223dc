"""Files that arrive in pieces, as Lab sends everything above 1 MiB: pieces 1, 2, 3 … and the last as -1.

Pieces are collected into parts of a multipart upload, so memory holds two parts at most, and the object
appears whole or not at all. https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html
"""

from __future__ import annotations

import asyncio
import time
import zlib
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from jupyter_buckets.names import Place
from jupyter_buckets.problems import ProblemError
from jupyter_buckets.store import MIB, Store

LAST = -1
# S3 takes 10,000 parts of at least 5 MiB: parts that grow by 8 MiB each thousand reach 430 GiB.
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html
_PART = 8 * MIB
_IDLE_SECONDS = 3600


@dataclass
class _Upload:
    place: Place
    content_type: str | None
    buffer: bytearray = field(default_factory=bytearray)
    size: int = 0
    last: int = 0
    last_checksum: int = 0
    upload_id: str = ""
    parts: list[dict[str, Any]] = field(default_factory=list)
    sending: asyncio.Task[None] | None = None
    touched: float = field(default_factory=time.monotonic)

    @property
    def part_size(self) -> int:
        return _PART * (1 + len(self.parts) // 1000)


class Uploads:
    """Every upload that has begun and not ended."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._open: dict[Place, _Upload] = {}

    async def add(self, place: Place, number: int, content: bytes, content_type: str | None) -> int:
        """Take piece ``number`` of the file; returns the bytes received of it so far.

        Pieces come in order; the one that came last may come once more. Anything else is a 409, the upload is
        dropped, and what the object held before stays.
        """
        if number == 1:
            await self._drop(place)
            await self._drop_idle()
            self._open[place] = _Upload(place, content_type)
        upload = self._open.get(place)
        if upload is None:
            raise ProblemError(
                409, f'"{place.name}": the beginning of this upload is not here; start it again.'
            )
        checksum = zlib.crc32(content)
        if number == upload.last and checksum == upload.last_checksum:
            return upload.size
        if number not in (upload.last + 1, LAST):
            await self._drop(place)
            raise ProblemError(
                409, f'"{place.name}": piece {number} came after piece {upload.last}; start it again.'
            )
        upload.last, upload.last_checksum, upload.touched = number, checksum, time.monotonic()
        upload.buffer += content
        upload.size += len(content)
        try:
            await (self._finish(upload) if number == LAST else self._pass_on(upload))
        except BaseException:
            await self._drop(place)
            raise
        return upload.size

    def size(self, place: Place) -> int | None:
        """Bytes received of an upload that goes on."""
        upload = self._open.get(place)
        return upload.size if upload else None

    async def _pass_on(self, upload: _Upload) -> None:
        """Send what makes a part, while the next pieces come in."""
        if len(upload.buffer) < upload.part_size:
            return
        await self._sent(upload)
        if not upload.upload_id:
            extra: dict[str, Any] = {"ContentType": upload.content_type} if upload.content_type else {}
            made = await self._store.call("create_multipart_upload", upload.place, **extra)
            upload.upload_id = made["UploadId"]
        part, upload.buffer = upload.buffer, bytearray()
        upload.sending = asyncio.create_task(self._send(upload, part))

    async def _send(self, upload: _Upload, part: bytearray) -> None:
        number = len(upload.parts) + 1
        answer = await self._store.call(
            "upload_part", upload.place, patient=True,
            UploadId=upload.upload_id, PartNumber=number, Body=part)  # fmt: skip
        upload.parts.append({"PartNumber": number, "ETag": answer["ETag"]})

    async def _sent(self, upload: _Upload) -> None:
        sending, upload.sending = upload.sending, None
        if sending is not None:
            await sending

    async def _finish(self, upload: _Upload) -> None:
        await self._sent(upload)
        if not upload.upload_id:
            await self._store.put(upload.place, bytes(upload.buffer), upload.content_type)
        else:
            if upload.buffer:
                await self._send(upload, upload.buffer)
            await self._store.call(
                "complete_multipart_upload", upload.place, patient=True,
                UploadId=upload.upload_id, MultipartUpload={"Parts": upload.parts})  # fmt: skip
            upload.upload_id = ""
        self._open.pop(upload.place, None)

    async def _drop(self, place: Place) -> None:
        """Forget an upload, on S3 too: its parts would be stored, and paid for, out of sight."""
        upload = self._open.pop(place, None)
        if upload is None:
            return
        with suppress(ProblemError):
            await self._sent(upload)
        if upload.upload_id:
            with suppress(ProblemError):
                await self._store.call("abort_multipart_upload", place, UploadId=upload.upload_id)

    async def _drop_idle(self) -> None:
        """A browser that was closed sends no last piece."""
        limit = time.monotonic() - _IDLE_SECONDS
        for place in [place for place, upload in self._open.items() if upload.touched < limit]:
            await self._drop(place)
