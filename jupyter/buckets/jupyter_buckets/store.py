"""The door to S3: boto3 in a few threads, so that the server's loop never waits for it or parses its answers.

Threads rather than aiobotocore, by measurement: as fast, and the loop is held for 5 ms instead of 130 ms by
a large body's checksum, for 34 ms instead of 115 ms by a list of 1,000 keys.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError

from jupyter_buckets import names, problems
from jupyter_buckets.names import Place

T = TypeVar("T")

CALLS = 16
CONNECT_SECONDS = 5
# Completing a large upload and copying take S3 a while.
PATIENT_SECONDS = 300
MIB = 1 << 20
# Larger objects are copied in parts, by S3 itself; it takes no more than 5 GiB in one go.
# https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html
_PARTS_FROM = 256 * MIB
# What a HEAD says with its status alone: a bad or expired key, a denied action, a busy S3.
_UNTOLD = ("400", "403", "500", "503")
_PROBE = "jupyter-buckets-asks-whether-it-may"


@dataclass(frozen=True, slots=True)
class Found:
    """An object: its size in bytes, when it was written, and its ETag without quotes."""

    key: str
    size: int
    modified: datetime
    etag: str


@dataclass(frozen=True)
class Page:
    """A piece of a listing, with the token that asks for the next one."""

    objects: list[Found]
    folders: list[str]
    token: str | None


class Store:
    """Calls to S3; each raises :class:`problems.ProblemError`, and ends within about ``seconds``."""

    def __init__(self, seconds: float = 20, **client_arguments: Any) -> None:
        self.seconds = seconds
        self._arguments = client_arguments
        self._pool = ThreadPoolExecutor(CALLS, thread_name_prefix="s3")
        self._making = threading.Lock()
        self._clients: dict[bool, Any] = {}

    async def call(self, operation: str, place: Place, *, patient: bool = False, **arguments: Any) -> Any:
        """Call the client's method ``operation`` on the object at the place."""
        return await self.run(partial(self._call, operation, place, patient, arguments), patient=patient)

    async def run(self, work: Callable[[], T], *, patient: bool = False) -> T:
        """Do blocking work in a thread. It is given up, not stopped, when its time is over."""
        future = asyncio.wrap_future(self._pool.submit(work))
        # the client's own time-outs and one retry come first, unless all threads are held by a silent S3
        limit = PATIENT_SECONDS * 12 if patient else 2 * (self.seconds + CONNECT_SECONDS) + 2
        try:
            return await asyncio.wait_for(future, limit)
        except TimeoutError:
            raise problems.late(self.endpoint(), limit) from None

    async def head(self, place: Place) -> Found | None:
        """The object at the place, None when there is none."""
        if not place.path:
            return None
        try:
            answer = await self.call("head_object", place)
        except problems.ProblemError as problem:
            if problem.status_code == 404:
                return None
            raise
        return Found(place.key, answer["ContentLength"], answer["LastModified"], answer["ETag"].strip('"'))

    async def get(self, place: Place, limit: int) -> tuple[Found, bytes]:
        """The object and its content, refused with a 413 when that is more than ``limit`` bytes."""
        return await self.run(partial(self._get, place, limit))

    async def put(self, place: Place, content: bytes, content_type: str | None = None) -> Found:
        """Write an object, and tell what it is now; its date is the answer's, which saves asking again."""
        extra = {"ContentType": content_type} if content_type else {}
        patient = len(content) > 16 * MIB
        answer = await self.call("put_object", place, patient=patient, Body=content, **extra)
        written = answer["ResponseMetadata"]["HTTPHeaders"].get("date")
        modified = parsedate_to_datetime(written) if written else datetime.now(UTC).replace(microsecond=0)
        return Found(place.key, len(content), modified, answer["ETag"].strip('"'))

    async def has_folder(self, place: Place) -> bool:
        """Tell whether anything is in the folder, a marker included; a root is always there."""
        if not place.path:
            return True
        page = await self.page(place, most=1)
        return bool(page.objects or page.folders)

    async def page(
        self,
        place: Place,
        *,
        deep: bool = False,
        starting: str = "",
        token: str | None = None,
        most: int = 1000,
    ) -> Page:
        """List what is in a folder: objects and folders, or with ``deep`` the objects of all levels."""
        arguments: dict[str, Any] = {"Prefix": place.folder + starting, "MaxKeys": most}
        if not deep:
            arguments["Delimiter"] = "/"
        if token:
            arguments["ContinuationToken"] = token
        return await self.run(partial(self._page, place, arguments))

    async def pages(self, place: Place, *, deep: bool = False, starting: str = "") -> AsyncIterator[Page]:
        token: str | None = None
        while True:
            page = await self.page(place, deep=deep, starting=starting, token=token)
            yield page
            token = page.token
            if token is None:
                return

    async def copy(self, source: Place, found: Found, target: Place) -> None:
        """Copy within S3, only what ``found`` describes: a 409 when it was changed meanwhile."""
        await self.run(partial(self._copy, source, found, target), patient=True)

    async def upload(self, file: str, target: Place, content_type: str | None) -> None:
        """Send a local file, in parts when it is large."""
        await self.run(partial(self._upload, file, target, content_type), patient=True)

    async def download(self, source: Place, file: str, *, etag: str | None = None) -> None:
        """Write an object to a local file: as it is now, or a 409 when it no longer has this ``etag``."""
        await self.run(partial(self._download, source, file, etag), patient=True)

    async def delete(self, bucket: Place, keys: list[str]) -> dict[str, problems.ProblemError]:
        """Delete up to 1,000 keys; returns those that remain, each with its reason."""
        return await self.run(partial(self._delete, bucket, keys), patient=True)

    async def may_write(self, place: Place) -> bool | None:
        """Ask, without writing, whether the policy allows s3:PutObject here; None when nobody knows.

        A part for an upload that does not exist can never be stored, but S3 looks at the policy first:
        https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html#mpuAndPermissions
        """
        try:
            await self.call("upload_part", place, UploadId=_PROBE, PartNumber=1, Body=b"")
        except problems.ProblemError as problem:
            if problem.code == "AccessDenied":
                return False
            return True if problem.code == "NoSuchUpload" else None
        return True

    def endpoint(self) -> str:
        made = next(iter(self._clients.values()), None)
        return str(made.meta.endpoint_url) if made else "its address"

    def _client(self, patient: bool) -> Any:
        with self._making:
            if patient not in self._clients:
                from jupyter_buckets import sdk

                self._clients[patient] = sdk.client(
                    connect_seconds=CONNECT_SECONDS,
                    read_seconds=PATIENT_SECONDS if patient else self.seconds,
                    calls=CALLS,
                    **self._arguments,
                )
            return self._clients[patient]

    def _told(self, patient: bool, operation: str, place: Place, work: Callable[[Any], T]) -> T:
        try:
            return work(self._client(patient))
        except ClientError as error:
            whole = operation == "list_objects_v2"
            raise problems.from_client_error(
                error, operation, place.bucket, "" if whole else place.key
            ) from error
        except (BotoCoreError, HTTPClientError) as error:
            seconds = PATIENT_SECONDS if patient else self.seconds
            raise problems.from_trouble(error, self.endpoint(), seconds) from error
        except ValueError as error:
            # botocore's own check of addresses and names
            raise problems.ProblemError(502, f"S3 cannot be used: {error}") from error

    def _call(self, operation: str, place: Place, patient: bool, arguments: dict[str, Any]) -> Any:
        def work(client: Any) -> Any:
            try:
                return getattr(client, operation)(Bucket=place.bucket, Key=place.key, **arguments)
            except ClientError as error:
                if operation == "head_object" and error.response["Error"]["Code"] in _UNTOLD:
                    # a HEAD is answered without a body: only a GET tells the reason
                    client.get_object(Bucket=place.bucket, Key=place.key, Range="bytes=0-0")["Body"].close()
                raise

        return self._told(patient, operation, place, work)

    def _get(self, place: Place, limit: int) -> tuple[Found, bytes]:
        def work(client: Any) -> tuple[Found, bytes]:
            answer = client.get_object(Bucket=place.bucket, Key=place.key)
            with closing(answer["Body"]) as body:
                size = answer["ContentLength"]
                if size > limit:
                    raise problems.ProblemError(
                        413,
                        f'"{place.name}" has {size / MIB:,.0f} MiB, too much to open in the browser'
                        f" (the limit is {limit / MIB:,.0f} MiB)."
                        f" Download it, or read {place.url} in a notebook.",
                    )
                found = Found(place.key, size, answer["LastModified"], answer["ETag"].strip('"'))
                return found, body.read()

        return self._told(False, "get_object", place, work)

    def _page(self, place: Place, arguments: dict[str, Any]) -> Page:
        def work(client: Any) -> Page:
            answer = client.list_objects_v2(Bucket=place.bucket, **arguments)
            objects = [
                Found(item["Key"], item["Size"], item["LastModified"], item["ETag"].strip('"'))
                for item in answer.get("Contents", ())
            ]
            folders = [item["Prefix"] for item in answer.get("CommonPrefixes", ())]
            return Page(objects, folders, answer.get("NextContinuationToken"))

        return self._told(False, "list_objects_v2", place, work)

    def _copy(self, source: Place, found: Found, target: Place) -> None:
        from jupyter_buckets import sdk

        where = {"Bucket": source.bucket, "Key": found.key}

        def work(client: Any) -> None:
            if found.size < _PARTS_FROM:
                client.copy_object(
                    CopySource=where, CopySourceIfMatch=found.etag, Bucket=target.bucket, Key=target.key
                )
                return
            # a copy in parts keeps no headers by itself
            head = client.head_object(Bucket=source.bucket, Key=found.key, IfMatch=found.etag)
            kept = {
                name: head[name] for name in ("ContentType", "ContentEncoding", "Metadata") if name in head
            }
            parts = sdk.in_parts(above=_PARTS_FROM, of=128 * MIB)
            client.copy(where, target.bucket, target.key, ExtraArgs=kept, Config=parts)

        self._told(True, "copy_object", target, work)

    def _upload(self, file: str, target: Place, content_type: str | None) -> None:
        from jupyter_buckets import sdk

        extra = {"ContentType": content_type} if content_type else {}
        parts = sdk.in_parts(above=16 * MIB, of=8 * MIB)

        def work(client: Any) -> None:
            with Path(file).open("rb") as source:
                client.upload_fileobj(source, target.bucket, target.key, ExtraArgs=extra, Config=parts)

        self._told(True, "put_object", target, work)

    def _download(self, source: Place, file: str, etag: str | None) -> None:
        condition = {"IfMatch": etag} if etag else {}

        def work(client: Any) -> None:
            answer = client.get_object(Bucket=source.bucket, Key=source.key, **condition)
            with closing(answer["Body"]) as body, Path(file).open("wb") as target:
                for piece in body.iter_chunks(MIB):
                    target.write(piece)

        self._told(True, "get_object", source, work)

    def _delete(self, place: Place, keys: list[str]) -> dict[str, problems.ProblemError]:
        def work(client: Any) -> dict[str, problems.ProblemError]:
            wanted = {"Objects": [{"Key": key} for key in keys], "Quiet": True}
            answer = client.delete_objects(Bucket=place.bucket, Delete=wanted)
            return {
                failed["Key"]: problems.from_client_error(
                    ClientError({"Error": failed}, "DeleteObjects"),
                    "delete_objects",
                    place.bucket,
                    failed["Key"],
                )
                for failed in answer.get("Errors", ())
            }

        return self._told(True, "delete_objects", place, work)


def checked(place: Place) -> Place:
    """The place, refused with a 400 when its name cannot be one."""
    try:
        names.check(place)
    except names.NameRefusedError as error:
        raise problems.ProblemError(400, f"{error}.") from error
    return place
