"""What the contents API does, done in buckets. A notebook is bytes here; the manager knows what is in it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from jupyter_buckets import models
from jupyter_buckets.models import Model
from jupyter_buckets.names import Place, Root, is_shown
from jupyter_buckets.problems import ProblemError, denied
from jupyter_buckets.store import Page, Store, checked
from jupyter_buckets.trees import BucketTree
from jupyter_buckets.uploads import LAST, Uploads

# Where a mistake in a policy is mended, the file browser should follow within minutes.
_RIGHTS_SECONDS = 300
_UNKNOWN_SECONDS = 10
_ANY_NAME = ".jupyter-buckets"


@dataclass(frozen=True)
class Settings:
    """``marker`` is the name of the object that keeps an empty folder; "" stores one named ``folder/``."""

    marker: str
    open_limit: int
    list_limit: int


class BucketContents:
    """Folders and files in buckets. Raises :class:`ProblemError`, with the bucket's name in it."""

    def __init__(self, store: Store, settings: Settings, is_listed: Callable[[str], bool]) -> None:
        self.store = store
        self.settings = settings
        self.uploads = Uploads(store)
        self._is_listed = is_listed
        self._rights: dict[Root, tuple[bool, float]] = {}

    async def is_file(self, place: Place) -> bool:
        return await self.store.head(place) is not None

    async def is_folder(self, place: Place) -> bool:
        return await self.store.has_folder(place)

    async def exists(self, place: Place) -> bool:
        return await BucketTree(self.store, place).exists()

    async def writable(self, root: Root) -> bool:
        """Tell whether this root can be written to, without writing; True as long as nobody knows."""
        if root.read_only:
            return False
        known, until = self._rights.get(root, (True, 0.0))
        if time.monotonic() < until:
            return known
        told = await self.store.may_write(Place(root, _ANY_NAME))
        seconds = _UNKNOWN_SECONDS if told is None else _RIGHTS_SECONDS
        self._rights[root] = (told is not False, time.monotonic() + seconds)
        return told is not False

    def known_writable(self, root: Root) -> bool:
        """The last that is known, without asking."""
        return not root.read_only and self._rights.get(root, (True, 0.0))[0]

    async def describe(self, place: Place, kind: str | None) -> Model:
        """The model of a file or folder, without content; where both have the name, ``kind`` decides."""
        writable, found, is_folder = await asyncio.gather(
            self.writable(place.root), self.store.head(place), self.store.has_folder(place)
        )
        if is_folder and (kind in (None, "directory") or found is None):
            return models.folder(place, writable=writable)
        if found is not None:
            return models.file(place, found, writable=writable, kind=kind)
        raise missing(place)

    async def read(self, place: Place, kind: str | None) -> tuple[Model, bytes]:
        """A file's model and its bytes. Raises a 400 for a folder."""
        try:
            writable, (found, content) = await asyncio.gather(
                self.writable(place.root), self.store.get(place, self.settings.open_limit)
            )
        except ProblemError as problem:
            if problem.code == "NoSuchKey":
                raise await self._no_file(place, kind) from problem
            raise
        return models.file(place, found, writable=writable, kind=kind), content

    async def listing(self, place: Place) -> Model | None:
        """A folder's model with a model for each entry, None when there is no such folder."""
        writable = asyncio.create_task(self.writable(place.root))
        entries: dict[tuple[str, bool], Model] = {}
        modified = models.STARTED
        seen = not place.path
        try:
            async for page in self.store.pages(place):
                seen = seen or bool(page.objects or page.folders)
                may = await writable
                entries |= await self.store.run(partial(self._entries, place, page, may))
                if page.objects:
                    modified = max(modified, max(found.modified for found in page.objects))
                if len(entries) >= self.settings.list_limit:
                    break
        finally:
            may = await writable
        if not seen:
            return None
        model = models.folder(place, writable=may, modified=modified)
        model["content"], model["format"] = list(entries.values()), "json"
        return model

    async def check_target(self, place: Place) -> None:
        """Raise unless a file may be written here, as far as that can be known before."""
        self._refuse_if_protected(place)
        checked(place)
        if await self.store.has_folder(place):
            raise ProblemError(400, f'"{place.api_path}" is a folder.')

    async def write(self, place: Place, content: bytes) -> Model:
        """Write a file where :meth:`check_target` found nothing against it, and return its model."""
        found = await self.store.put(place, content, models.content_type(place.name))
        return models.file(place, found, writable=True, kind="file", hashed=False)

    async def write_piece(self, place: Place, number: int, content: bytes) -> Model:
        """Take a piece of a large file. Until the last one the object is what it was before."""
        if number == 1:
            await self.check_target(place)
            if await self.store.may_write(place) is False:
                # otherwise S3 would tell only when the first part is full
                raise denied(place.bucket, "s3:PutObject", place.key)
        size = await self.uploads.add(place, number, content, models.content_type(place.name))
        return await self.describe(place, "file") if number == LAST else models.pending(place, size)

    async def make_folder(self, place: Place) -> Model:
        """Make an empty folder, which is a marker object; an existing one is left as it is."""
        self._refuse_if_protected(place)
        checked(place)
        if await self.is_file(place):
            raise ProblemError(400, f'"{place.api_path}" is a file.')
        if not await self.store.has_folder(place):
            await self._mark(place)
        return await self.describe(place, "directory")

    async def delete(self, place: Place) -> list[str]:
        """Delete a file, or a folder with all that is in it; returns the paths of the files that are gone."""
        self._refuse_if_protected(place, "s3:DeleteObject")
        if not place.path:
            raise ProblemError(400, f'"{place.api_path}" is a bucket; it cannot be deleted here.')
        tree = BucketTree(self.store, place)
        items = await tree.items()
        if not items:
            raise missing(place)
        remaining = await tree.remove(items)
        if remaining:
            first = next(iter(remaining.values()))
            gone = len(items) - len(remaining)
            told = f"{gone} of {len(items)} files were deleted. " if gone else "Nothing was deleted. "
            raise ProblemError(first.status_code, told + first.message, code=first.code)
        await self.keep_parent(place)
        return [place.api_path + item.suffix for item in items]

    async def keep_parent(self, place: Place) -> None:
        """Keep a folder that has just lost its last file: on a disk it would not vanish either."""
        parent = place.parent
        if parent.path and not await self.store.has_folder(parent):
            try:
                await self._mark(parent)
            except ProblemError as problem:
                if problem.code != "AccessDenied":
                    raise

    async def free_name(self, folder: Place, name: str, insert: str) -> str:
        """A name in the folder that is not taken: ``name``, or with ``insert`` and a number in it."""
        base, dot, extension = name.rpartition(".")
        if extension != "ipynb":
            base, dot, extension = name.partition(".")
        taken: set[str] = set()
        begin = len(folder.folder)
        async for page in self.store.pages(folder, starting=base):
            taken.update(found.key[begin:] for found in page.objects)
            taken.update(prefix[begin:-1] for prefix in page.folders)
        number, free = 0, name
        while free in taken:
            number += 1
            free = f"{base}{insert}{number}{dot}{extension}"
        return free

    async def save_as_local(self, place: Place, file: str) -> None:
        """Write an object to a local file, which is replaced when all of it is there."""
        draft = f"{file}.new"
        await self.store.download(place, draft)
        await asyncio.to_thread(Path(draft).replace, file)

    async def save_from_local(self, file: str, place: Place) -> None:
        """Write a local file to an object."""
        self._refuse_if_protected(place)
        await self.store.upload(file, place, models.content_type(place.name))

    def refuse_to_empty(self, place: Place) -> None:
        """Raise a 403 when it is known already that nothing can be deleted here."""
        if not self.known_writable(place.root):
            raise denied(place.bucket, "s3:DeleteObject", place.key)

    def _entries(self, place: Place, page: Page, writable: bool) -> dict[tuple[str, bool], Model]:
        """Runs in a thread: ten thousand entries take a while."""
        begin = len(place.folder)
        entries: dict[tuple[str, bool], Model] = {}
        for prefix in page.folders:
            name = prefix[begin:-1]
            if self._is_entry(name):
                entries[name, True] = models.folder(place.child(name), writable=writable)
        for found in page.objects:
            name = found.key[begin:]
            if name != self.settings.marker and self._is_entry(name):
                entries[name, False] = models.file(place.child(name), found, writable=writable, hashed=False)
        return entries

    def _is_entry(self, name: str) -> bool:
        return is_shown(name) and self._is_listed(name)

    async def _mark(self, folder: Place) -> None:
        await self.store.put(Place(folder.root, f"{folder.path}/{self.settings.marker}"), b"")

    async def _no_file(self, place: Place, kind: str | None) -> ProblemError:
        if await self.store.has_folder(place):
            told = f"{place.api_path} is a directory, not a {kind or 'file'}"
            return ProblemError(400, told, reason="bad type")
        return missing(place)

    def _refuse_if_protected(self, place: Place, action: str = "s3:PutObject") -> None:
        if place.root.read_only:
            raise denied(place.bucket, action, place.path)


def missing(place: Place) -> ProblemError:
    return ProblemError(404, f'There is no "{place.api_path}".', code="NoSuchKey")
