"""Which of this machine's images the cluster gets, and which of them stand in for what is not here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from devenv.images import pins, versions
from devenv.images.engine import Engine
from devenv.values.keys import at

# Where the values name an image, and which of ours has the same in it.
_PLACES = {
    "singleuser": (("singleuser", "image"), "jupyter"),
    "hub": (("hub", "image"), "hub"),
    "proxy": (("proxy", "chp", "image"), "proxy"),
}


@dataclass(frozen=True)
class Images:
    """``ids`` are the engine's ids of what is to be loaded, by name; ``stand_ins`` name and tag by section.

    ``pulled`` are names that the node has to get from a registry by itself.
    """

    ids: Mapping[str, str]
    stand_ins: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    pulled: tuple[str, ...] = ()


def choose(tree: Mapping[str, Any], engine: Engine) -> Images:
    """What the merged values need: their own images where the engine has them, else the newest of ours."""
    ids: dict[str, str] = {}
    stand_ins: dict[str, tuple[str, str]] = {}
    pulled: list[str] = []
    for section, (path, ours) in _PLACES.items():
        wanted = _named(at(tree, path))
        if wanted and (found := _id(engine, wanted)):
            ids[wanted] = found
            continue
        if newest := _newest(engine, ours):
            name, tag = newest
            stand_ins[section] = (name, tag)
            ids[f"{name}:{tag}"] = _id(engine, f"{name}:{tag}")
        else:
            pulled.append(wanted or f"the chart's image for {'.'.join(path)}")
    for name in _of_profiles(tree):
        if found := _id(engine, name):
            ids[name] = found
        else:
            pulled.append(name)
    return Images(ids, stand_ins, tuple(pulled))


def _named(given: Any) -> str:
    """``name:tag`` when the values say both."""
    if not isinstance(given, dict) or not given.get("name") or not given.get("tag"):
        return ""
    return f"{given['name']}:{given['tag']}"


def _id(engine: Engine, name: str) -> str:
    stored = engine.image(name)
    return stored.id if stored else ""


def _newest(engine: Engine, image: str) -> tuple[str, str] | None:
    """The version that was built last: never ``local``, which may become another one."""
    name = f"{pins.load().repository}/{image}"
    references = [ref for stored in engine.images(habari_image=image) for ref in stored.references]
    version = versions.newest(name, references)
    return (name, version) if version else None


def _of_profiles(tree: Mapping[str, Any]) -> Iterator[str]:
    """Images of singleuser.profileList, in whatever depth."""

    def search(thing: Any) -> Iterator[str]:
        if isinstance(thing, dict):
            override = thing.get("kubespawner_override")
            if isinstance(override, dict) and isinstance(override.get("image"), str):
                yield override["image"]
            for each in thing.values():
                yield from search(each)
        elif isinstance(thing, list):
            for each in thing:
                yield from search(each)

    found = search(at(tree, ("singleuser", "profileList")))
    yield from dict.fromkeys(found)
