"""What the engine answers otherwise than S3 documents, mended; and reads that copy no more than they send."""

# the engine's paths are strings
# ruff: noqa: PTH123
from __future__ import annotations

import mmap
from typing import Any
from urllib.parse import parse_qsl

from .actions import split_source
from .answers import Answer, error_answer

_MAX_TAGS = 10
_CHUNK = 1 << 20
# Below this an object is read whole: one call costs less than a mapping.
_MAP_FROM = 1 << 18


def parse_tags(tagging: str) -> dict[str, str]:
    """The tags of an ``x-amz-tagging`` header, which is worded as URL query parameters."""
    return dict(parse_qsl(tagging, keep_blank_values=True))


def tagging_refused(tagging: str) -> Answer | None:
    """The refusal of an ``x-amz-tagging`` header with more tags than an object can have, None for a good one.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-tagging.html
    """
    if len(parse_tags(tagging)) > _MAX_TAGS:
        return error_answer(400, "BadRequest", "Object tags cannot be greater than 10")
    return None


def install(s3: Any) -> None:
    """Wrap the S3 module's reads, lists and its PutObject."""
    _list_from_the_marker_on(s3)
    _refuse_tags_before_writing(s3)
    _read_lazily(s3)
    _serve_parts(s3)
    _copy_the_null_version(s3)


def name_condition(headers: dict[str, str], answer: Answer) -> Answer:
    """Add to a 412 which condition failed, as S3 does; s3fs tells an exclusive create's failure by it.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
    """
    status, fields, body = answer
    named = next((name for name in ("If-None-Match", "If-Match", "If-Unmodified-Since", "If-Modified-Since")
                  if name.lower() in headers), None)  # fmt: skip
    if status != 412 or named is None or not isinstance(body, bytes) or b"<Condition>" in body:
        return answer
    body = body.replace(b"</Message>", f"</Message><Condition>{named}</Condition>".encode(), 1)
    fields.pop("Content-Length", None)
    return status, fields, body


def _list_from_the_marker_on(s3: Any) -> None:
    """Keep the pages behind a list's marker out of its sorting; the engine sorts all keys for each page."""
    collect = s3._collect_list_entries

    def collect_list_entries(
        bucket_objects: dict[str, Any], prefix: str, delimiter: str, max_keys: int, start_after: str
    ) -> Any:
        # A common prefix sorts before its keys, so no row after the marker comes from a key before it.
        ahead = [key for key in bucket_objects if key > start_after] if start_after else bucket_objects
        return collect(ahead, prefix, delimiter, max_keys, start_after)

    s3._collect_list_entries = collect_list_entries


def _refuse_tags_before_writing(s3: Any) -> None:
    put = s3._put_object

    def put_object(bucket_name: str, key: str, body: bytes, headers: dict[str, str]) -> Answer:
        # The engine counts the tags after it has replaced the object in memory.
        answer: Answer = tagging_refused(headers.get("x-amz-tagging", "")) or put(
            bucket_name, key, body, headers
        )
        return answer

    s3._put_object = put_object


def _read_lazily(s3: Any) -> None:
    """Map large objects for GetObject: a range copies its own bytes, a whole object is sent in pieces."""
    from ministack.core.responses import StreamingResponse

    read_whole, get = s3._read_body, s3._get_object
    getting = False

    def read_body(bucket_name: str, key: str, obj: dict[str, Any]) -> bytes | mmap.mmap:
        if not getting or obj.get("body") is not None or obj["size"] < _MAP_FROM:
            whole: bytes = read_whole(bucket_name, key, obj)
            return whole
        with open(s3._object_disk_path(bucket_name, key), "rb") as file:
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)

    def get_object(bucket_name: str, key: str, headers: dict[str, str], query_params: Any = None) -> Answer:
        nonlocal getting
        getting = True
        try:
            status, fields, body = get(bucket_name, key, headers, query_params)
        finally:
            getting = False
        if isinstance(body, mmap.mmap):
            body = StreamingResponse(_in_pieces(body))
        return status, fields, body

    s3._read_body = read_body
    s3._get_object = get_object


def _in_pieces(body: mmap.mmap) -> Any:
    async def run(send: Any, _receive: Any) -> None:
        with body:
            for start in range(0, len(body), _CHUNK):
                more = start + _CHUNK < len(body)
                await send(
                    {"type": "http.response.body", "body": body[start : start + _CHUNK], "more_body": more}
                )

    return run


def _serve_parts(s3: Any) -> None:
    """Answer ``partNumber`` for every object: the part's bytes, or 416 when there is no such part.

    https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html
    """
    get, head = s3._get_object, s3._head_object

    def served(read: Any, *, ranged: bool) -> Any:
        def serve(bucket_name: str, key: str, headers: Any = None, query_params: Any = None) -> Answer:
            headers, query = headers or {}, dict(query_params or {})
            wanted = (query.pop("partNumber", None) or [None])[0]
            obj = _addressed(s3, bucket_name, key, query) if wanted is not None else None
            if obj is None:
                answer: Answer = read(bucket_name, key, headers, query)
                return answer
            if "range" in headers:
                return error_answer(
                    400, "InvalidRequest", "Cannot specify both Range header and partNumber query parameter"
                )
            extent = _extent(obj, wanted)
            if extent is None:
                return _no_such_part(obj, wanted)
            first, size = extent
            asked = {**headers, "range": f"bytes={first}-{first + size - 1}"} if ranged and size else headers
            return _as_part(read(bucket_name, key, asked, query), obj, first, size)

        return serve

    s3._get_object = served(get, ranged=True)
    s3._head_object = served(head, ranged=False)


def _copy_the_null_version(s3: Any) -> None:
    """Let a copy name an object without versions by ``versionId=null``, as a read may.

    https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html
    """

    def named(copy: Any) -> Any:
        def copied(*arguments: Any) -> Answer:
            *addressed, headers = arguments
            source = headers.get("x-amz-copy-source", "")
            if _names_the_current_one(s3, *split_source(source)):
                headers = {**headers, "x-amz-copy-source": source.partition("?")[0]}
            answer: Answer = copy(*addressed, headers)
            return answer

        return copied

    s3._copy_object = named(s3._copy_object)
    s3._upload_part_copy = named(s3._upload_part_copy)


def _names_the_current_one(s3: Any, bucket_name: str, key: str, version: str) -> bool:
    if version != "null" or bucket_name not in s3._buckets:
        return False
    if any(entry["version_id"] == "null" for entry in s3._object_versions.get((bucket_name, key)) or ()):
        return False
    current = s3._buckets[bucket_name]["objects"].get(key)
    return current is not None and current.get("version_id") in (None, "null")


def _addressed(s3: Any, bucket_name: str, key: str, query: dict[str, Any]) -> dict[str, Any] | None:
    """The object a read addresses; None for what the engine refuses or answers by version itself."""
    bucket = s3._buckets.get(bucket_name)
    if bucket is None or "versionId" in query:
        return None
    found: dict[str, Any] | None = bucket["objects"].get(key)
    return found


def _extent(obj: dict[str, Any], wanted: str) -> tuple[int, int] | None:
    if not obj.get("parts"):
        return (0, obj["size"]) if wanted == "1" else None
    first = 0
    for part in obj["parts"]:
        if str(part["PartNumber"]) == wanted:
            return first, part["Size"]
        first += part["Size"]
    return None


def _no_such_part(obj: dict[str, Any], wanted: str) -> Answer:
    return error_answer(
        416, "InvalidPartNumber", "The requested partnumber is not satisfiable",
        PartNumberRequested=wanted, ActualPartCount=str(len(obj.get("parts") or [1])),
    )  # fmt: skip


def _as_part(answer: Answer, obj: dict[str, Any], first: int, size: int) -> Answer:
    status, fields, body = answer
    if status not in (200, 206):
        return answer
    fields = {name: value for name, value in fields.items() if not name.startswith("x-amz-checksum-")}
    fields["Content-Length"] = str(size)
    if size:
        fields["Content-Range"] = f"bytes {first}-{first + size - 1}/{obj['size']}"
    if obj.get("parts"):
        fields["x-amz-mp-parts-count"] = str(len(obj["parts"]))
    return 206, fields, body
