"""Open multipart uploads as files: acknowledged parts survive, and are not held in memory."""

# the engine's paths are strings
# ruff: noqa: PTH103, PTH110, PTH118, PTH123, PTH208
from __future__ import annotations

import json
import mmap
import os
from contextlib import ExitStack
from typing import Any

from .exits import MISSING, StartError
from .fixes import parse_tags, tagging_refused
from .journal import Journal

_RECORD = "upload.json"


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
        def kept(*arguments: Any) -> Any:
            answer = upload(*arguments)
            if answer[0] == 200:
                query = next(a for a in arguments if isinstance(a, dict) and "uploadId" in a)
                upload_id, number = query["uploadId"][0], int(query.get("partNumber", ["1"])[0])
                part = self._s3._multipart_uploads[upload_id]["parts"][number]
                self._journal.write(os.path.join(self._path(upload_id), str(number)), part["body"])
                part["body"] = None
                self._write_json(upload_id, f"{number}.json", part)
            return answer

        return kept

    def _completed(self, complete: Any) -> Any:
        def completed(
            bucket_name: str, key: str, body: bytes, query: dict[str, Any], headers: Any = None
        ) -> Any:
            upload_id = query["uploadId"][0]
            upload = self._s3._multipart_uploads.get(upload_id)
            if upload is None:
                return complete(bucket_name, key, body, query, headers)
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
                self._tag(bucket_name, key, upload.get("tagging", ""))
            return answer

        return completed

    def _tag(self, bucket_name: str, key: str, tagging: str) -> None:
        if not tagging:
            return
        bucket = self._s3._buckets[bucket_name]
        version = bucket["objects"][key].get("version_id")
        self._s3._object_tags[(bucket_name, key, version)] = parse_tags(tagging)
        self._s3._persist_version_state(bucket_name, key, bucket)

    def _aborted(self, abort: Any) -> Any:
        def aborted(bucket_name: str, key: str, query: dict[str, Any]) -> Any:
            answer = abort(bucket_name, key, query)
            if answer[0] == 204:
                self._journal.remove(self._path(query["uploadId"][0]))
            return answer

        return aborted


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
