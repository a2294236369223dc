"""Checkpoints of files in buckets, kept on the local disk, a folder for each bucket.

Not in the bucket: there a glob over ``**/*.csv`` would read each checkpoint as data. A name is the key's
digest, since a key may be longer than a file's name, and two roots must never share one.
"""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path
from typing import Any

from jupyter_core.paths import jupyter_data_dir
from jupyter_server.services.contents.filecheckpoints import AsyncFileCheckpoints
from traitlets import Unicode, default

from jupyter_buckets.names import Place


class BucketsCheckpoints(AsyncFileCheckpoints):
    """One checkpoint a file: beside a local file, in ``bucket_checkpoints`` for one in a bucket."""

    bucket_checkpoints = Unicode(
        config=True, help="The local folder that keeps the checkpoints of files in buckets."
    )

    @default("bucket_checkpoints")
    def _default_bucket_checkpoints(self) -> str:
        return str(Path(jupyter_data_dir()) / "bucket-checkpoints")

    def checkpoint_path(self, checkpoint_id: str, path: str) -> str:
        manager: Any = self.parent
        place: Place | None = manager.place(path)
        if place is None:
            return str(super().checkpoint_path(checkpoint_id, path))
        digest = hashlib.sha256(place.key.encode()).hexdigest()
        folder = Path(self.bucket_checkpoints, place.bucket, digest[:2])
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return str(folder / f"{digest}-{checkpoint_id}")

    async def create_checkpoint(self, contents_mgr: Any, path: str) -> dict[str, Any]:
        place: Place | None = contents_mgr.place(path)
        if place is None:
            return dict(await super().create_checkpoint(contents_mgr, path))
        kept = self.checkpoint_path("checkpoint", path)
        await contents_mgr.buckets_contents.save_as_local(place, kept)
        return dict(await self.checkpoint_model("checkpoint", kept))

    async def restore_checkpoint(self, contents_mgr: Any, checkpoint_id: str, path: str) -> None:
        place: Place | None = contents_mgr.place(path)
        if place is None:
            await super().restore_checkpoint(contents_mgr, checkpoint_id, path)
            return
        kept = self.checkpoint_path(checkpoint_id, path)
        if not Path(kept).is_file():
            self.no_such_checkpoint(path, checkpoint_id)
        await contents_mgr.buckets_contents.save_from_local(kept, place)

    def move(self, old: str, new: str) -> None:
        """Let the checkpoint follow its file, if there is one."""
        source = Path(self.checkpoint_path("checkpoint", old))
        if source.is_file():
            shutil.move(source, self.checkpoint_path("checkpoint", new))

    def forget(self, path: str) -> None:
        """Remove the checkpoint of a deleted file, if there is one."""
        Path(self.checkpoint_path("checkpoint", path)).unlink(missing_ok=True)
