"""Where the engine touches the disk: its own functions, replaced by journalled ones that keep more."""

# the engine's paths are strings
# ruff: noqa: PTH103, PTH113, PTH118, PTH120, PTH123
from __future__ import annotations

import json
import logging
import os
from pathlib import Path
from typing import Any

from .exits import MISSING, StartError
from .journal import Journal

_log = logging.getLogger("guard")


class Storage:
    """The data folder: ``objects`` and ``uploads`` hold bytes, ``state`` what else the engine knows."""

    def __init__(self, data_dir: Path, journal: Journal) -> None:
        self.objects = str(data_dir / "objects")
        self.uploads = str(data_dir / "uploads")
        self._state = str(data_dir / "state")
        self._journal = journal
        self._written: dict[str, bytes] = {}
        for folder in (self.objects, self.uploads, self._state):
            os.makedirs(folder, mode=0o700, exist_ok=True)

    def save(self, service: str, state: object) -> None:
        """Keep a service's state, when it is another than the one kept last. Raises OSError."""
        from ministack.core import persistence

        wrapped = {"__ministack_format__": persistence._state_format_version(service), "payload": state}
        data = json.dumps(wrapped, default=persistence._json_default).encode()
        if self._written.get(service) != data:
            self._journal.write(os.path.join(self._state, f"{service}.json"), data)
            self._written[service] = data

    def load(self, service: str) -> Any:
        """A service's kept state, None when there is none yet.

        Raises :class:`StartError` when it cannot be read: starting empty would lose what was acknowledged.
        """
        from ministack.core import persistence

        self._written.pop(service, None)
        path = os.path.join(self._state, f"{service}.json")
        try:
            with open(path, "rb") as file:
                data = file.read()
            kept = json.loads(data, object_hook=persistence._json_object_hook)
            version, payload = kept["__ministack_format__"], kept["payload"]
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StartError(MISSING, f"cannot read {path}: {error.strerror}") from None
        except (ValueError, KeyError, TypeError):
            raise StartError(
                MISSING, f"{path} is damaged; put back a copy, or remove it to lose what it held"
            ) from None
        if version > persistence._state_format_version(service):
            raise StartError(MISSING, f"{path} was written by a newer engine")
        return payload


def install(s3: Any, storage: Storage, journal: Journal) -> None:
    """Send the S3 module's changes of files through the journal."""
    s3.DATA_DIR = storage.objects
    s3.S3_PERSIST = True

    def atomic_write(fpath: str, data: Any, *, text: bool = False) -> None:
        journal.write(fpath, data.encode() if text else data)

    def remove_key_files(fpath: str | None) -> None:
        # A folder at a key's own path holds other keys: only files are the key's.
        for path in (fpath, f"{fpath}.meta.json"):
            if path is not None and os.path.isfile(path):
                journal.remove(path)

    def delete_version_file(bucket_name: str, key: str, version_id: str) -> None:
        path = s3._version_disk_path(bucket_name, key, version_id)
        if path is not None:
            journal.remove(path)

    def delete_persisted_bucket(name: str) -> None:
        from ministack.core.responses import get_account_id

        account = get_account_id()
        for folder in (
            os.path.join(storage.objects, account),
            os.path.join(storage.objects, ".versions", account),
        ):
            path = os.path.join(folder, name)
            # The engine checked the name when the bucket was made; a slip here is costly.
            if os.path.dirname(os.path.normpath(path)) == folder:
                journal.remove(path)

    s3._atomic_write = atomic_write
    s3._remove_key_files = remove_key_files
    s3._delete_version_file = delete_version_file
    s3._delete_persisted_bucket = delete_persisted_bucket
    _keep_more_in_sidecars(s3)


def _keep_more_in_sidecars(s3: Any) -> None:
    """Add to the sidecars what the engine keeps in memory alone."""
    kept_of_object = ("parts", "checksum_type", "completion")
    meta_from_record, history_meta = s3._object_meta_from_record, s3._key_history_meta
    load_history, entry_from_record = s3._load_persisted_history, s3._version_entry_from_record
    record_from_version = s3._object_record_from_version
    locks = (("retention", s3._object_retention), ("legal_hold", s3._object_legal_hold))

    def object_meta_from_record(obj: dict[str, Any]) -> dict[str, Any]:
        extra = {name: obj[name] for name in kept_of_object if obj.get(name)}
        return {**meta_from_record(obj), **extra}

    def key_history_meta(bucket_name: str, key: str) -> dict[str, Any]:
        # "tags" is always there: the loader reads a history only of a sidecar that has one.
        meta = {"tags": {}, **history_meta(bucket_name, key)}
        versions = [entry["version_id"] for entry in s3._object_versions.get((bucket_name, key)) or []]
        for name, store in locks:
            found = {version or "": store.get((bucket_name, key, version)) for version in [None, *versions]}
            if kept := {version: value for version, value in found.items() if value is not None}:
                meta[name] = kept
        return meta

    def load_persisted_history(
        account_id: str, bucket: dict[str, Any], bucket_name: str, key: str, meta: dict[str, Any]
    ) -> None:
        load_history(account_id, bucket, bucket_name, key, meta)
        current = bucket["objects"].get(key)
        if current is not None:
            current.update({name: meta[name] for name in kept_of_object if name in meta})
        for name, store in locks:
            for version, value in meta.get(name, {}).items():
                store._data[(account_id, (bucket_name, key, version or None))] = value

    def version_entry_from_record(obj: dict[str, Any], version_id: str, _data: object) -> dict[str, Any]:
        # Every version's bytes are in a file by now; keeping them would hold each version in memory for good.
        entry: dict[str, Any] = entry_from_record(obj, version_id, None)
        return {**entry, "checksum_type": obj.get("checksum_type")}

    def object_record_from_version(entry: dict[str, Any]) -> dict[str, Any]:
        extra = {name: entry[name] for name in ("parts", "checksum_type") if entry.get(name)}
        return {**record_from_version(entry), **extra}

    def kept(name: str) -> Any:
        change = getattr(s3, name)

        def changed(bucket_name: str, key: str, *rest: Any, **named: Any) -> Any:
            answer = change(bucket_name, key, *rest, **named)
            if answer[0] == 200:
                s3._persist_version_state(bucket_name, key, s3._buckets[bucket_name])
            return answer

        return changed

    s3._object_meta_from_record = object_meta_from_record
    s3._key_history_meta = key_history_meta
    s3._load_persisted_history = load_persisted_history
    s3._version_entry_from_record = version_entry_from_record
    s3._object_record_from_version = object_record_from_version
    s3._put_object_retention = kept("_put_object_retention")
    s3._put_object_legal_hold = kept("_put_object_legal_hold")
