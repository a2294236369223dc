"""What a copy or a move works on: a file, or a folder with all that is in it, in a bucket or on the disk."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from jupyter_buckets import models
from jupyter_buckets.names import Place, is_shown
from jupyter_buckets.problems import ProblemError
from jupyter_buckets.store import Found, Store

_BATCH = 1000
CHECKPOINTS = ".ipynb_checkpoints"


@dataclass(frozen=True)
class Item:
    """One file of a tree. ``suffix`` is what follows the tree's own path: "" when the tree is that file.

    A suffix that ends with "/" is an empty folder's mark.
    """

    suffix: str
    found: Found


class Tree(Protocol):
    """What both kinds of trees can do."""

    path: str

    async def items(self) -> list[Item]:
        """Every file in it; none when there is no such file or folder."""

    async def exists(self) -> bool:
        """Tell whether a file or folder has this name."""

    async def remove(self, items: Iterable[Item]) -> dict[str, ProblemError]:
        """Delete items; returns the suffixes of those that remain, each with its reason."""


class BucketTree:
    def __init__(self, store: Store, place: Place) -> None:
        self.store, self.place, self.path = store, place, place.api_path

    async def items(self) -> list[Item]:
        found = await self.store.head(self.place)
        if found is not None:
            return [Item("", found)]
        below = len(self.place.folder) - 1
        return [
            Item(entry.key[below:], entry)
            async for page in self.store.pages(self.place, deep=True)
            for entry in page.objects
        ]

    async def exists(self) -> bool:
        file, folder = await asyncio.gather(self.store.head(self.place), self.store.has_folder(self.place))
        return bool(file or folder)

    async def remove(self, items: Iterable[Item]) -> dict[str, ProblemError]:
        remaining: dict[str, ProblemError] = {}
        keys = [self.place.key + item.suffix for item in items]
        for start in range(0, len(keys), _BATCH):
            batch = keys[start : start + _BATCH]
            try:
                failed = await self.store.delete(self.place, batch)
            except ProblemError as problem:
                failed = dict.fromkeys(batch, problem)
            remaining |= {key[len(self.place.key) :]: problem for key, problem in failed.items()}
        return remaining

    def at(self, suffix: str) -> Place:
        return Place(self.place.root, self.place.path + suffix)


class LocalTree:
    """``where`` is the path on disk, ``path`` the one of the server."""

    def __init__(self, where: str, path: str) -> None:
        self.where, self.path = Path(where), path

    async def items(self) -> list[Item]:
        return await asyncio.to_thread(self._items)

    def _items(self) -> list[Item]:
        if self.where.is_file():
            return [Item("", _stat(self.where))]
        found: list[Item] = []
        for folder, folders, files in os.walk(self.where):
            folders[:] = [name for name in folders if name != CHECKPOINTS]
            suffix = folder[len(str(self.where)) :]
            links = [name for name in folders if Path(folder, name).is_symlink()]
            if links:
                raise ProblemError(
                    400, f'"{self.path}{suffix}/{links[0]}" is a link to a folder; a bucket has none.'
                )
            found += [Item(f"{suffix}/{name}", _stat(Path(folder, name))) for name in files]
            if not files and not folders:
                found.append(Item(f"{suffix}/", _stat(Path(folder))))
        return found

    async def exists(self) -> bool:
        return await asyncio.to_thread(os.path.lexists, self.where)

    async def remove(self, items: Iterable[Item]) -> dict[str, ProblemError]:
        return await asyncio.to_thread(self._remove, list(items))

    def _remove(self, items: list[Item]) -> dict[str, ProblemError]:
        remaining: dict[str, ProblemError] = {}
        for item in items:
            if item.suffix.endswith("/"):
                continue
            try:
                Path(f"{self.where}{item.suffix}").unlink(missing_ok=True)
            except OSError as error:
                remaining[item.suffix] = ProblemError(403, f'"{self.path}{item.suffix}": {error.strerror}')
        if self.where.is_dir():
            self._remove_empty_folders()
        return remaining

    def _remove_empty_folders(self) -> None:
        for folder, _, _ in os.walk(self.where, topdown=False):
            if Path(folder).name == CHECKPOINTS:
                shutil.rmtree(folder, ignore_errors=True)
        for folder, _, _ in os.walk(self.where, topdown=False):
            with suppress(OSError):
                Path(folder).rmdir()


def _stat(path: Path) -> Found:
    told = path.stat()
    changed = datetime.fromtimestamp(told.st_mtime, UTC)
    return Found(str(path), told.st_size, changed, f"{told.st_mtime_ns}-{told.st_size}")


async def copy_item(item: Item, source: Tree, target: Tree, marker: str) -> None:
    """Copy one file from tree to tree, whole or not at all."""
    match source, target:
        case BucketTree(), BucketTree():
            await target.store.copy(source.at(item.suffix), item.found, target.at(item.suffix))
        case LocalTree(), BucketTree():
            await _send(item, target, marker)
        case BucketTree(), LocalTree():
            await _fetch(item, source, target, marker)
        case _:
            raise AssertionError("the server copies local files by itself")


async def _send(item: Item, target: BucketTree, marker: str) -> None:
    if item.suffix.endswith("/"):
        await target.store.put(target.at(item.suffix + marker), b"")
        return
    place = target.at(item.suffix)
    try:
        await target.store.upload(item.found.key, place, models.content_type(place.name))
    except OSError as error:
        raise ProblemError(403, f'"{item.found.key}" cannot be read: {error.strerror}') from error


async def _fetch(item: Item, source: BucketTree, target: LocalTree, marker: str) -> None:
    path = Path(f"{target.where}{item.suffix}")
    if item.suffix.endswith(("/", f"/{marker}")):
        (path if item.suffix.endswith("/") else path.parent).mkdir(parents=True, exist_ok=True)
        return
    if not all(is_shown(part) for part in item.suffix.split("/")[1:]):
        raise ProblemError(400, f'"{source.path}{item.suffix}" cannot be the name of a local file.')
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, draft = tempfile.mkstemp(dir=path.parent, prefix=".arriving-")
        os.close(handle)
    except OSError as error:
        raise _local_trouble(target, error) from error
    try:
        await source.store.download(source.at(item.suffix), draft, etag=item.found.etag)
        Path(draft).chmod(0o644)
        Path(draft).replace(path)
    except OSError as error:
        raise _local_trouble(target, error) from error
    finally:
        Path(draft).unlink(missing_ok=True)


def _local_trouble(target: LocalTree, error: OSError) -> ProblemError:
    if isinstance(error, PermissionError):
        return ProblemError(403, f'Permission denied: "{target.path}"')
    return ProblemError(
        507 if error.errno == 28 else 400, f'"{target.path}" cannot be written: {error.strerror}'
    )
