"""``images/pins.toml``: which images there are, and what they stand on."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from pathlib import Path

from devenv.errors import UsageError

CHECKOUT = Path(__file__).resolve().parents[2]
FILE = CHECKOUT / "images" / "pins.toml"
ORIGINS = ("registry", "mirrors")
# The base that is made from mirrors; the others of pins.toml are what a registry has.
BASE = "base"


@dataclass(frozen=True)
class Image:
    """One image: ``base`` names what it stands on when its base comes from a registry.

    ``on_request`` is one that is built only by its name: nothing but the cluster needs it.
    """

    name: str
    dockerfile: Path
    base: str
    on_request: bool = False


@dataclass(frozen=True)
class Pins:
    """Everything that is pinned. ``bases`` are references in a registry, ``suite`` is Debian's release.

    ``node`` is a cluster's node in a registry, ``tools`` the version of each program that runs one.
    """

    repository: str
    version: str
    suite: str
    bases: Mapping[str, str]
    images: Mapping[str, Image]
    node: str
    tools: Mapping[str, str]

    def chosen(self, names: Iterable[str]) -> tuple[Image, ...]:
        """The images of these names in the order of the file; for none, all but those on request.

        Raises UsageError for a name that there is not.
        """
        wanted = tuple(names)
        for name in wanted:
            if name not in self.images and name != BASE:
                near = get_close_matches(name, self.images, 1)
                hint = f"Did you mean {near[0]}? " if near else ""
                raise UsageError(
                    f"there is no image {name!r}", hint=f"{hint}There are {', '.join(self.images)}"
                )
        return tuple(
            image
            for image in self.images.values()
            if image.name in wanted or not (wanted or image.on_request)
        )


@cache
def load() -> Pins:
    """The pins of this checkout."""
    found = tomllib.loads(FILE.read_text())
    return Pins(
        repository=found["repository"],
        version=found["version"],
        suite=found["base"]["debian"]["suite"],
        bases={name: base["registry"] for name, base in found["base"].items()},
        images={
            name: Image(name, CHECKOUT / entry["dockerfile"], entry["base"], entry.get("on_request", False))
            for name, entry in found["image"].items()
        },
        node=found["node"]["registry"],
        tools=found["tools"],
    )
