"""What the contents API tells about an object or a folder.

https://jupyter-server.readthedocs.io/en/latest/developers/contents.html
"""

from __future__ import annotations

import base64
import binascii
import mimetypes
from datetime import UTC, datetime
from typing import Any

from jupyter_buckets.names import Place
from jupyter_buckets.problems import ProblemError
from jupyter_buckets.store import Found

Model = dict[str, Any]

# S3 does not tell when a folder was made; a time that stays the same keeps Lab from redrawing.
STARTED = datetime.now(UTC).replace(microsecond=0)
# S3's ETag changes with the content, which is all that Lab wants to know of a hash.
HASH = "s3-etag"


def file(
    place: Place, found: Found, *, writable: bool, kind: str | None = None, hashed: bool = True
) -> Model:
    """A file or notebook, without content."""
    is_notebook = kind == "notebook" or (kind is None and place.name.endswith(".ipynb"))
    return {
        "name": place.name,
        "path": place.api_path,
        # for Lab's Copy Path; the API allows keys of one's own
        "s3_address": place.url,
        "type": "notebook" if is_notebook else "file",
        "created": found.modified,
        "last_modified": found.modified,
        "size": found.size,
        "mimetype": None if is_notebook else mimetypes.guess_type(place.name)[0],
        "writable": writable,
        "format": None,
        "content": None,
        "hash": found.etag if hashed else None,
        "hash_algorithm": HASH if hashed else None,
    }


def pending(place: Place, size: int) -> Model:
    """A file of which ``size`` bytes have arrived, and more will."""
    return file(
        place, Found(place.key, size, datetime.now(UTC), ""), writable=True, kind="file", hashed=False
    )


def folder(place: Place, *, writable: bool, modified: datetime = STARTED) -> Model:
    """A folder, without its listing."""
    return {
        "name": place.name,
        "path": place.api_path,
        "s3_address": place.url,
        "type": "directory",
        "created": modified,
        "last_modified": modified,
        "size": None,
        "mimetype": None,
        "writable": writable,
        "format": None,
        "content": None,
        "hash": None,
        "hash_algorithm": None,
    }


def add_content(model: Model, content: bytes, wanted: str | None) -> None:
    """Put the content in, as UTF-8 text where it is that and ``wanted`` is not "base64"."""
    if wanted != "base64":
        try:
            model["content"], model["format"] = content.decode(), "text"
        except UnicodeDecodeError as error:
            if wanted == "text":
                raise ProblemError(
                    400, f'"{model["path"]}" is not UTF-8 encoded.', reason="bad format"
                ) from error
    if model["format"] is None:
        model["content"], model["format"] = base64.encodebytes(content).decode(), "base64"
    if model["mimetype"] is None:
        model["mimetype"] = "text/plain" if model["format"] == "text" else "application/octet-stream"


def content_of(model: Model) -> bytes:
    """The bytes of a model that is to be saved."""
    if "content" not in model:
        raise ProblemError(400, "No file content provided")
    content, how = model["content"], model.get("format")
    if how not in ("text", "base64"):
        raise ProblemError(400, "Must specify format of file contents as 'text' or 'base64'")
    try:
        return content.encode() if how == "text" else base64.b64decode(content)
    except (AttributeError, TypeError, UnicodeEncodeError, binascii.Error, ValueError) as error:
        raise ProblemError(400, f"The content is not {how}: {error}") from error


def content_type(name: str) -> str | None:
    """The type that an object of this name is stored with."""
    return "application/x-ipynb+json" if name.endswith(".ipynb") else mimetypes.guess_type(name)[0]
