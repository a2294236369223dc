"""The contents manager: the local home as jupyter_server serves it, and buckets mounted beside its files."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Awaitable
from functools import cached_property
from pathlib import Path
from typing import Any

import nbformat
from jupyter_core.paths import jupyter_data_dir
from jupyter_server.services.contents.largefilemanager import AsyncLargeFileManager
from jupyter_server.services.contents.manager import copy_pat
from traitlets import Dict, Float, Int, List, TraitError, Unicode, default, validate

from jupyter_buckets import models, names
from jupyter_buckets.checkpoints import BucketsCheckpoints
from jupyter_buckets.contents import BucketContents, Settings, missing
from jupyter_buckets.files import BucketFilesHandler
from jupyter_buckets.journal import Journal
from jupyter_buckets.models import Model
from jupyter_buckets.moves import Mover
from jupyter_buckets.names import Place
from jupyter_buckets.problems import ProblemError, denied
from jupyter_buckets.store import MIB, Store, checked
from jupyter_buckets.trees import BucketTree, LocalTree, Tree

# Seconds that the listing of the home gives S3 to tell which buckets can be written to.
_HOME_WAITS = 1.0


class BucketsContentsManager(AsyncLargeFileManager):
    """Local files, and each bucket as a folder of the home.

    Keys, region and address of S3 are botocore's own settings (``AWS_*``). A local file or folder that has a
    root's name is not shown.
    """

    buckets = Dict(
        Unicode(),
        key_trait=Unicode(),
        config=True,
        help="""Names and what they show: {"lake": "some-bucket", "maps": "some-bucket/a/folder"}.
        Without it every variable S3_BUCKET_NAME_<NAME> shows its bucket as <name>.""",
    )
    root_names = Unicode(
        "{name}",
        config=True,
        help="""How a root is named in the file browser, from {name} and {bucket}: "{bucket}" makes Copy Path
        give what s3fs takes, "s3:{bucket}" the names that hybridcontents set-ups often have.""",
    )
    read_only = List(
        Unicode(), config=True, help="Names of buckets that nothing may be written to from here."
    )
    folder_marker = Unicode(
        ".s3keep",
        config=True,
        help="The object that keeps an empty folder; empty for the console's 'folder/'.",
    )
    open_limit_mib = Int(256, config=True, help="Larger objects are not opened; they can be downloaded.")
    list_limit = Int(20_000, config=True, help="A folder shows about this many entries, and no more.")
    s3_seconds = Float(20, config=True, help="How long S3 may be silent.")
    journal_dir = Unicode(config=True, help="The local folder that notes moves of folders while they last.")

    @default("buckets")
    def _default_buckets(self) -> dict[str, str]:
        return names.from_environment(os.environ)

    @default("journal_dir")
    def _default_journal_dir(self) -> str:
        return str(Path(jupyter_data_dir()) / "bucket-moves")

    @default("checkpoints_class")
    def _default_checkpoints_class(self) -> type[BucketsCheckpoints]:
        return BucketsCheckpoints

    @default("files_handler_class")
    def _default_files_handler_class(self) -> type[BucketFilesHandler]:
        return BucketFilesHandler

    @validate("root_names")
    def _validate_root_names(self, proposal: dict[str, Any]) -> str:
        pattern = str(proposal["value"])
        try:
            pattern.format(name="name", bucket="bucket")
        except (KeyError, IndexError, ValueError) as error:
            raise TraitError(f"root_names takes {{name}} and {{bucket}}, not {pattern!r}") from error
        return pattern

    @cached_property
    def roots(self) -> dict[str, names.Root]:
        try:
            return names.make_roots(self.buckets, self.root_names, self.read_only)
        except names.NameRefusedError as error:
            raise TraitError(str(error)) from error

    @cached_property
    def buckets_contents(self) -> BucketContents:
        settings = Settings(self.folder_marker, self.open_limit_mib * MIB, self.list_limit)
        return BucketContents(Store(self.s3_seconds), settings, self._is_listed)

    @cached_property
    def _mover(self) -> Mover:
        return Mover(Journal(Path(self.journal_dir)), self.log, self.folder_marker, self._follow)

    def place(self, path: str) -> Place | None:
        """Where in a bucket an API path lies, None for a local one."""
        return names.locate(path, self.roots)

    def info_string(self) -> str:
        for told in Journal(Path(self.journal_dir)).cut_off():
            self.log.warning("%s", told)
        shown = ", ".join(f"{root.name} ({root.bucket})" for root in self.roots.values())
        hiding = [name for name in self.roots if os.path.lexists(Path(self.root_dir, name))]
        if hiding:
            self.log.warning(
                "Not shown, since buckets have their names: %s in %s", ", ".join(hiding), self.root_dir
            )
        return f"{super().info_string()}, and from S3: {shown or 'nothing'}"

    # What is there

    async def dir_exists(self, path: str) -> bool:
        place = self.place(path)
        return bool(
            await super().dir_exists(path) if place is None else await self.buckets_contents.is_folder(place)
        )

    async def file_exists(self, path: str) -> bool:
        place = self.place(path)
        return bool(
            await super().file_exists(path) if place is None else await self.buckets_contents.is_file(place)
        )

    def exists(self, path: str) -> bool | Awaitable[bool]:  # type: ignore[override]
        # jupyter_server awaits this only where it has to, and needs a plain answer for local files
        place = self.place(path)
        return bool(super().exists(path)) if place is None else self.buckets_contents.exists(place)

    async def is_hidden(self, path: str) -> bool:
        place = self.place(path)
        return bool(await super().is_hidden(path) if place is None else place.hidden)

    async def get_kernel_path(self, path: str, model: Model | None = None) -> str:
        """Kernels of notebooks in buckets start in the home: a bucket is no folder of theirs."""
        return "" if self.place(path) else str(await super().get_kernel_path(path, model))

    # Opening

    async def get(
        self, path: str, content: bool = True, type: str | None = None, format: str | None = None,
        require_hash: bool = False,
    ) -> Model:  # fmt: skip
        place = self.place(path)
        if place is None:
            model: Model = await super().get(path, content, type, format, require_hash)
            if content and not path.strip("/"):
                await self._add_roots(model)
            return model
        if place.hidden and not self.allow_hidden:
            raise missing(place)
        model = await (self._with_content(place, type, format) if content else self._without(place, type))
        if not require_hash:
            model["hash"] = model["hash_algorithm"] = None
        elif model["hash"] is None:
            # a folder has none, and the handler would make a 500 of that
            model["hash"], model["hash_algorithm"] = "", models.HASH
        self.emit(data={"action": "get", "path": place.api_path})
        return model

    async def _add_roots(self, home: Model) -> None:
        asked = [asyncio.ensure_future(self.buckets_contents.writable(root)) for root in self.roots.values()]
        if asked:
            # the home is shown without S3 too
            await asyncio.wait(asked, timeout=_HOME_WAITS)
        shown = [entry for entry in home["content"] if entry["name"] not in self.roots]
        known = self.buckets_contents.known_writable
        roots = [models.folder(Place(root, ""), writable=known(root)) for root in self.roots.values()]
        home["content"] = shown + roots

    async def _without(self, place: Place, kind: str | None) -> Model:
        model = await self.buckets_contents.describe(place, kind)
        _check_type(model, kind)
        return model

    async def _with_content(self, place: Place, kind: str | None, form: str | None) -> Model:
        if kind in (None, "directory"):
            listing = await self.buckets_contents.listing(place)
            if listing is not None:
                return listing
            if kind == "directory":
                _check_type(await self.buckets_contents.describe(place, None), kind)
        model, raw = await self.buckets_contents.read(place, kind)
        if model["type"] == "notebook":
            await self._add_notebook(model, raw)
        else:
            await self.buckets_contents.store.run(lambda: models.add_content(model, raw, form))
        return model

    async def _add_notebook(self, model: Model, raw: bytes) -> None:
        invalid: dict[str, Any] = {}
        try:
            notebook = await self.buckets_contents.store.run(
                lambda: nbformat.reads(raw.decode(), as_version=4, capture_validation_error=invalid)
            )
        except Exception as error:
            # nbformat raises whatever its parser met
            raise ProblemError(400, f'"{model["path"]}" is not a readable notebook: {error!r}') from error
        self.mark_trusted_cells(notebook, model["path"])
        model["content"], model["format"] = notebook, "json"
        self.validate_notebook_model(model, invalid)

    # Saving

    async def save(self, model: Model, path: str = "") -> Model:
        place = self.place(path)
        if place is None:
            return dict(await super().save(model, path))
        if "type" not in model:
            raise ProblemError(400, "No file type provided")
        if place.hidden and not self.allow_hidden:
            raise ProblemError(400, f'"{path}" is a hidden name.')
        piece = model.get("chunk")
        if piece in (None, 1):
            self.run_pre_save_hooks(model=model, path=place.api_path)
        saved = await (
            self._save_whole(model, place) if piece is None else self._save_piece(model, place, piece)
        )
        if piece in (None, -1):
            self.run_post_save_hooks(model=saved, os_path=place.url)
        self.emit(data={"action": "save", "path": place.api_path})
        return saved

    async def _save_whole(self, model: Model, place: Place) -> Model:
        match model["type"]:
            case "directory":
                return await self.buckets_contents.make_folder(place)
            case "file":
                raw = await self.buckets_contents.store.run(lambda: models.content_of(model))
                await self.buckets_contents.check_target(place)
                return await self.buckets_contents.write(place, raw)
            case "notebook":
                return await self._save_notebook_in_bucket(model, place)
        raise ProblemError(400, f"Unhandled contents type: {model['type']}")

    async def _save_notebook_in_bucket(self, model: Model, place: Place) -> Model:
        if "content" not in model:
            raise ProblemError(400, "No file content provided")
        checking = asyncio.ensure_future(self.buckets_contents.check_target(place))
        try:
            content, invalid = await self._notebook_bytes(model, place)
        finally:
            await checking
        saved = await self.buckets_contents.write(place, content)
        saved["type"], saved["mimetype"] = "notebook", None
        self.validate_notebook_model(model, validation_error=invalid)
        if message := model.get("message"):
            saved["message"] = message
        if not await self.checkpoints.list_checkpoints(place.api_path):
            await self.create_checkpoint(place.api_path)
        return saved

    async def _notebook_bytes(self, model: Model, place: Place) -> tuple[bytes, dict[str, Any]]:
        """The notebook as a file, and what its schema has against it."""
        invalid: dict[str, Any] = {}
        try:
            notebook = nbformat.from_dict(model["content"])
            self.check_and_sign(notebook, place.api_path)
            text = await self.buckets_contents.store.run(
                lambda: nbformat.writes(
                    notebook, version=nbformat.NO_CONVERT, capture_validation_error=invalid
                )
            )
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ProblemError(400, f"This is not a notebook: {error!r}") from error
        return (text.rstrip("\n") + "\n").encode(), invalid

    async def _save_piece(self, model: Model, place: Place, number: Any) -> Model:
        if model["type"] != "file":
            raise ProblemError(400, f'File type "{model["type"]}" is not supported for large file transfer')
        if not isinstance(number, int):
            raise ProblemError(400, f"{json.dumps(number)} is not the number of a piece.")
        return await self.buckets_contents.write_piece(place, number, models.content_of(model))

    # Deleting, moving, copying

    async def delete(self, path: str) -> None:
        place = self.place(path)
        if place is None:
            await super().delete(path)
            return
        for gone in await self.buckets_contents.delete(place):
            self._bucket_checkpoints.forget(gone)
        self.emit(data={"action": "delete", "path": place.api_path})

    async def delete_file(self, path: str) -> None:
        place = self.place(path)
        await (super().delete_file(path) if place is None else self.buckets_contents.delete(place))

    async def rename(self, old_path: str, new_path: str) -> None:
        if self.place(old_path) is None and self.place(new_path) is None:
            await super().rename(old_path, new_path)
            return
        await self.rename_file(old_path, new_path)
        source = old_path.strip("/")
        self.emit(data={"action": "rename", "path": new_path.strip("/"), "source_path": source})

    async def rename_file(self, old_path: str, new_path: str) -> None:
        """Move; with a bucket on either side the checkpoints move too."""
        old, new = self.place(old_path), self.place(new_path)
        if old is None and new is None:
            await super().rename_file(old_path, new_path)
            return
        if old_path.strip("/") == new_path.strip("/"):
            return
        await self._refuse_hidden(old_path, new_path)
        if old is not None:
            checked(old)
            await self.buckets_contents.writable(old.root)
            self.buckets_contents.refuse_to_empty(old)
        await self._mover.move(self._tree(old_path), self._target(new_path))
        if old is not None:
            await self.buckets_contents.keep_parent(old)

    async def copy(self, from_path: str, to_path: str | None = None) -> Model:
        """Copy a file or folder, within S3 without its bytes coming here."""
        source = from_path.strip("/")
        folder = source.rpartition("/")[0] if to_path is None else to_path.strip("/")
        if self.place(source) is None and self.place(folder) is None:
            return dict(await super().copy(from_path, to_path))
        target = folder
        # a folder is copied into another one, which is made when it is missing; a file may get a new name
        if await self.dir_exists(folder) or await self.dir_exists(source):
            name = copy_pat.sub(".", source.rpartition("/")[2])
            target = f"{folder}/{await self.increment_filename(name, folder, insert='-Copy')}".strip("/")
        elif to_path is None or not await self.dir_exists(folder.rpartition("/")[0]):
            raise ProblemError(404, f'There is no folder "{folder}" to copy to.')
        await self._refuse_hidden(source, target)
        await self._mover.copy(self._tree(source), self._target(target))
        self.emit(data={"action": "copy", "path": target, "source_path": source})
        return await self.get(target, content=False)

    async def increment_filename(self, filename: str, path: str = "", insert: str = "") -> str:
        place = self.place(path)
        if place is None:
            return str(await super().increment_filename(filename, path, insert))
        return await self.buckets_contents.free_name(place, filename, insert)

    def _tree(self, path: str) -> Tree:
        place = self.place(path)
        if place is None:
            return LocalTree(self._get_os_path(path.strip("/")), path.strip("/"))
        return BucketTree(self.buckets_contents.store, place)

    def _target(self, path: str) -> Tree:
        place = self.place(path)
        if place is not None:
            checked(place)
            if place.root.read_only:
                raise denied(place.bucket, "s3:PutObject", place.key)
        return self._tree(path)

    async def _refuse_hidden(self, *paths: str) -> None:
        if self.allow_hidden:
            return
        for path in paths:
            if await self.is_hidden(path):
                raise ProblemError(400, f'"{path}" is a hidden name.')

    def _follow(self, old: str, new: str) -> None:
        self._bucket_checkpoints.move(old, new)

    @property
    def _bucket_checkpoints(self) -> BucketsCheckpoints:
        # another class for checkpoints would keep those of two buckets in one place
        assert isinstance(self.checkpoints, BucketsCheckpoints), self.checkpoints
        return self.checkpoints

    def _is_listed(self, name: str) -> bool:
        return bool(self.should_list(name) and (self.allow_hidden or not name.startswith(".")))


def _check_type(model: Model, kind: str | None) -> None:
    is_folder = model["type"] == "directory"
    if kind == "directory" and not is_folder:
        raise ProblemError(400, f"{model['path']} is not a directory", reason="bad type")
    if kind in ("file", "notebook") and is_folder:
        raise ProblemError(400, f"{model['path']} is a directory, not a {kind}", reason="bad type")
