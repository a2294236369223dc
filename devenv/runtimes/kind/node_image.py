"""Which image the cluster's node is made of."""

from __future__ import annotations

from collections.abc import Mapping

from devenv.images import pins, versions
from devenv.images.engine import Engine

VARIABLE = "HABARI_NODE_IMAGE"


def is_named(environ: Mapping[str, str]) -> bool:
    """Whether it is one of the user's own choice, which may hold more than a node needs."""
    return bool(environ.get(VARIABLE))


def choose(engine: Engine, environ: Mapping[str, str]) -> str:
    """The one that HABARI_NODE_IMAGE names, else the newest that was built here, else the pinned kind's own.

    kind fetches the last one from its registry when the engine does not have it.
    """
    if named := environ.get(VARIABLE):
        return named
    name = f"{pins.load().repository}/node"
    references = [ref for stored in engine.images(habari_image="node") for ref in stored.references]
    version = versions.newest(name, references)
    return f"{name}:{version}" if version else pins.load().node
