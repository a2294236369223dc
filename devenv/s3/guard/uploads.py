"""Open multipart uploads as files: acknowledged parts survive, and are not held in memory."""

# the engine's paths are strings
# ruff: noqa: PTH103, PTH110, PTH118, PTH123, PTH208
from __future__ import annotations

import json
import mmap
import os
from contextlib import ExitStack
from typing import Any

from .answers import Answer, error_answer
from .exits import MISSING, StartError
from .fixes import parse_tags, tagging_refused
from .journal import Journal

_RECORD = "upload.json"
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html; the last part may be smaller.
_MAX_PARTS = 10_000
_MIN_PART = 5 << 20


class Uploads:
    """``uploads/<account>/<upload id>/``: ``upload.json``, and ``<n>`` with ``<n>.json`` for each part."""

    def __init__(self, s3: Any, folder: str, journal: Journal) -> None:
        self._s3 = s3
        self._folder = folder
        self._journal = journal

    def install(self) -> None:
        """Wrap the module's five multipart calls."""
        s3 = self._s3
        for name in ("_upload_part", "_upload_part_copy"):
            setattr(s3, name, self._part_kept(getattr(s3, name)))
        s3._create_multipart_upload = self._created(s3._create_multipart_upload)
        s3._complete_multipart_upload = self._completed(s3._complete_multipart_upload)
        s3._abort_multipart_upload = self._aborted(s3._abort_multipart_upload)

    def load(self) -> None:
        """Make memory what the folder says. Raises OSError, or StartError for a damaged file."""
        for account in os.listdir(self._folder):
            for upload_id in os.listdir(os.path.join(self._folder, account)):
                folder = os.path.join(self._folder, account, upload_id)
                if os.path.exists(os.path.join(folder, _RECORD)):
                    self._s3._multipart_uploads._data[(account, upload_id)] = _read_upload(folder)

    def _path(self, upload_id: str) -> str:
        from ministack.core.responses import get_account_id

        return os.path.join(self._folder, get_account_id(), upload_id)

    def _write_json(self, upload_id: str, name: str, value: object) -> None:
        self._journal.write(os.path.join(self._path(upload_id), name), json.dumps(value).encode())

    def _created(self, create: Any) -> Any:
        def created(bucket_name: str, key: str, headers: dict[str, str]) -> Any:
            tagging = headers.get("x-amz-tagging", "")
            if refused := tagging_refused(tagging):
                return refused
            answer = create(bucket_name, key, headers)
            if answer[0] == 200:
                (_account, upload_id), record = next(reversed(self._s3._multipart_uploads._data.items()))
                record["tagging"] = tagging
                os.makedirs(self._path(upload_id), mode=0o700, exist_ok=True)
                self._write_json(upload_id, _RECORD, {**record, "parts": None})
            return answer

        return created

    def _part_kept(self, upload: Any) -> Any:
        def kept(bucket_name: str, key: str, *rest: Any) -> Any:
            query = next(each for each in rest if isinstance(each, dict) and "uploadId" in each)
            upload_id, number = query["uploadId"][0], query["partNumber"][0]
            # The engine asks for neither when a part is copied.
            if not self._is_of(upload_id, bucket_name, key):
                return self._no_such_upload(bucket_name)
            if not number.isdecimal() or not 1 <= int(number) <= _MAX_PARTS:
                return error_answer(400, "InvalidArgument", f"Part numbers are 1 to {_MAX_PARTS}.")
            answer = upload(bucket_name, key, *rest)
            if answer[0] == 200:
                part = self._s3._multipart_uploads[upload_id]["parts"][int(number)]
                self._journal.write(os.path.join(self._path(upload_id), str(int(number))), part["body"])
                part["body"] = None
                self._write_json(upload_id, f"{int(number)}.json", part)
            return answer

        return kept

    def _completed(self, complete: Any) -> Any:
        def completed(
            bucket_name: str, key: str, body: bytes, query: dict[str, Any], headers: Any = None
        ) -> Any:
            upload_id = query["uploadId"][0]
            if not self._is_of(upload_id, bucket_name, key):
                return self._completed_before(bucket_name, key, upload_id)
            upload = self._s3._multipart_uploads[upload_id]
            if refused := parts_refused(self._s3, body, upload["parts"]):
                return refused
            with ExitStack() as opened:
                for number, part in upload["parts"].items():
                    part["body"] = _mapped(
                        os.path.join(self._path(upload_id), str(number)), part["size"], opened
                    )
                try:
                    answer = complete(bucket_name, key, body, query, headers)
                finally:
                    for part in upload["parts"].values():
                        part["body"] = None
            if upload_id not in self._s3._multipart_uploads:
                self._journal.remove(self._path(upload_id))
                self._keep_with_object(bucket_name, key, upload_id, upload.get("tagging", ""), answer)
            return answer

        return completed

    def _is_of(self, upload_id: str, bucket_name: str, key: str) -> bool:
        upload = self._s3._multipart_uploads.get(upload_id)
        return upload is not None and (upload["bucket"], upload["key"]) == (bucket_name, key)

    def _no_such_upload(self, bucket_name: str) -> Answer:
        if bucket_name not in self._s3._buckets:
            answer: Answer = self._s3._no_such_bucket(bucket_name)
            return answer
        return error_answer(404, "NoSuchUpload", "The specified multipart upload does not exist.")

    def _keep_with_object(
        self, bucket_name: str, key: str, upload_id: str, tagging: str, answer: Answer
    ) -> None:
        """Keep the upload's tags, and its answer for a client that did not get it.

        https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html
        """
        bucket = self._s3._buckets[bucket_name]
        obj = bucket["objects"][key]
        if tagging:
            self._s3._object_tags[(bucket_name, key, obj.get("version_id"))] = parse_tags(tagging)
        _status, fields, body = answer
        obj["completion"] = {"upload": upload_id, "headers": dict(fields), "body": body.decode()}
        # The engine keeps these for ever, in memory.
        self._s3._completed_multipart_uploads.pop(upload_id, None)
        self._s3._persist_version_state(bucket_name, key, bucket)

    def _completed_before(self, bucket_name: str, key: str, upload_id: str) -> Answer:
        bucket = self._s3._buckets.get(bucket_name) or {"objects": {}}
        completion = bucket["objects"].get(key, {}).get("completion", {})
        if completion.get("upload") != upload_id:
            return self._no_such_upload(bucket_name)
        return 200, dict(completion["headers"]), completion["body"].encode()

    def _aborted(self, abort: Any) -> Any:
        def aborted(bucket_name: str, key: str, query: dict[str, Any]) -> Any:
            answer = abort(bucket_name, key, query)
            if answer[0] == 204:
                self._journal.remove(self._path(query["uploadId"][0]))
            return answer

        return aborted


def parts_refused(s3: Any, body: bytes, parts: dict[int, Any]) -> Answer | None:
    """The refusal of a completion whose parts are out of order or too small, None for a good one.

    https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html
    """
    try:
        named = [element for element in s3.fromstring(body) if element.tag.rpartition("}")[2] == "Part"]
        numbers = [int(s3._find_xml_tag(element, "PartNumber").text) for element in named]
    except (ValueError, SyntaxError, LookupError, AttributeError, TypeError):
        numbers = []
    if not numbers:
        return error_answer(400, "MalformedXML", "The list of parts is not valid.")
    if numbers != sorted(set(numbers)):
        return error_answer(400, "InvalidPartOrder", "The list of parts was not in ascending order.")
    for number in numbers[:-1]:
        if number in parts and parts[number]["size"] < _MIN_PART:
            return error_answer(
                400, "EntityTooSmall", "Your proposed upload is smaller than the minimum allowed size",
                ProposedSize=str(parts[number]["size"]), MinSizeAllowed=str(_MIN_PART),
                PartNumber=str(number), ETag=parts[number]["etag"].strip('"'),
            )  # fmt: skip
    return None


def _read_upload(folder: str) -> dict[str, Any]:
    upload: dict[str, Any] = _read_json(os.path.join(folder, _RECORD))
    upload["parts"] = {}
    for name in os.listdir(folder):
        number = name.removesuffix(".json")
        if number != name and number.isdigit():
            upload["parts"][int(number)] = _read_json(os.path.join(folder, name))
    return upload


def _read_json(path: str) -> Any:
    try:
        with open(path, "rb") as file:
            return json.load(file)
    except ValueError:
        raise StartError(MISSING, f"{path} is damaged; remove its folder to abort this upload") from None


def _mapped(path: str, size: int, opened: ExitStack) -> bytes | mmap.mmap:
    if size == 0:
        return b""  # an empty file cannot be mapped
    with open(path, "rb") as file:
        return opened.enter_context(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
