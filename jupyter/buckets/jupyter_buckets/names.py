"""Which bucket and key an API path means, and which names a bucket can hold so that Lab can show them.

Standard library alone: a kernel and a test can use this without a server.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

# https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html: at most 1,024 bytes of UTF-8
KEY_BYTES = 1024
_VARIABLE = re.compile(r"S3_BUCKET_NAME_(\w+)")


class NameRefusedError(ValueError):
    """A name that a bucket, or a path of the server, cannot hold; the text tells why."""


@dataclass(frozen=True)
class Root:
    """A bucket, or a folder of one, under its name in the file browser. ``prefix`` is "" or ends with "/"."""

    name: str
    bucket: str
    prefix: str = ""
    read_only: bool = False


@dataclass(frozen=True)
class Place:
    """An object or a folder: ``path`` is relative to its root, without slashes around it; "" is the root."""

    root: Root
    path: str

    @property
    def bucket(self) -> str:
        return self.root.bucket

    @property
    def key(self) -> str:
        """The object's key."""
        return self.root.prefix + self.path

    @property
    def folder(self) -> str:
        """What the keys of everything inside begin with."""
        return f"{self.key}/" if self.path else self.root.prefix

    @property
    def api_path(self) -> str:
        return f"{self.root.name}/{self.path}".strip("/")

    @property
    def name(self) -> str:
        return self.api_path.rpartition("/")[2]

    @property
    def parent(self) -> Place:
        """The folder it is in; a root is its own."""
        return Place(self.root, self.path.rpartition("/")[0])

    @property
    def hidden(self) -> bool:
        return any(part.startswith(".") for part in self.path.split("/"))

    @property
    def url(self) -> str:
        """The address that s3fs, pandas and polars take."""
        return f"s3://{self.bucket}/{self.key}"

    def child(self, name: str) -> Place:
        return Place(self.root, f"{self.path}/{name}" if self.path else name)


def from_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Buckets by name, out of the variables ``S3_BUCKET_NAME_<NAME>``; an empty one names no bucket."""
    found = ((_VARIABLE.fullmatch(variable), bucket) for variable, bucket in environ.items())
    return {match[1].lower(): bucket for match, bucket in found if match and bucket}


def make_roots(
    buckets: Mapping[str, str], pattern: str = "{name}", read_only: Iterable[str] = ()
) -> dict[str, Root]:
    """Roots by their name in the file browser.

    ``buckets`` maps a name to a bucket or to ``bucket/folder``; ``pattern`` makes the name that is shown from
    ``{name}`` and ``{bucket}``. Raises :class:`NameRefusedError` for a root that could not be shown.
    """
    protected = frozenset(read_only)
    roots: dict[str, Root] = {}
    for name, target in buckets.items():
        bucket, _, folder = target.partition("/")
        shown = pattern.format(name=name, bucket=bucket)
        if not bucket or not shown or shown in (".", "..") or "/" in shown:
            raise NameRefusedError(f"{shown!r} (bucket {target!r}) cannot be the name of a root")
        if shown in roots:
            raise NameRefusedError(f"two buckets would both be shown as {shown!r}")
        folder = folder.strip("/")
        roots[shown] = Root(shown, bucket, f"{folder}/" if folder else "", name in protected)
    return roots


def locate(api_path: str, roots: Mapping[str, Root]) -> Place | None:
    """The place that an API path means, None when it is one of the local home. Any name is taken as it is."""
    first, _, rest = api_path.strip("/").partition("/")
    root = roots.get(first)
    return None if root is None else Place(root, rest)


def check(place: Place) -> None:
    """Raise :class:`NameRefusedError` unless the place can be written and afterwards opened again."""
    if not place.path:
        raise NameRefusedError(f"{place.root.name} is a bucket, it can only be opened")
    for part in place.path.split("/"):
        if part in ("", ".", ".."):
            raise NameRefusedError(f"{place.api_path!r} has a part named {part!r}")
    if "\0" in place.path:
        raise NameRefusedError(f"{place.api_path!r} has a NUL character")
    try:
        size = len(place.key.encode())
    except UnicodeEncodeError as error:
        raise NameRefusedError(f"{place.api_path!r} is not valid Unicode") from error
    if size > KEY_BYTES:
        raise NameRefusedError(f"{place.name!r} makes a key of {size} bytes; S3 takes {KEY_BYTES}")


def is_shown(part: str) -> bool:
    """Tell whether a part of a key can be a name in a listing: a path with any other could not be opened."""
    return part not in ("", ".", "..") and "\0" not in part


def address(api_path: str, environ: Mapping[str, str] = os.environ) -> str:
    """Turn what Lab's Copy Path gives (``lake/a folder/b.csv``) into what pandas and s3fs take (``s3://…``).

    For roots that come from the contract's variables under their plain names. Raises :class:`KeyError` when
    the path is not in one of them.
    """
    roots = make_roots(from_environment(environ))
    place = locate(api_path, roots)
    if place is None:
        raise KeyError(f"{api_path!r} is not in a bucket; the buckets are {', '.join(roots) or 'not set'}")
    return place.url
