"""One instance by the compose runtime, for all tests that leave it as it was."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from integration.compose.conftest import docker, images
from integration.driving import Dev, free_ports

from devenv.images.engine import Engine

__all__ = ["docker", "images"]


@pytest.fixture(scope="session")
def shared(images: Engine, data_root: Path, environ: Mapping[str, str]) -> Iterator[Dev]:
    """One instance that is up by this runtime; a test that breaks it heals it again."""
    own = {**environ, "HABARI_DATA_ROOT": str(data_root)}
    if host := os.environ.get("DOCKER_HOST"):
        own["DOCKER_HOST"] = host
    dev = Dev("contained", data_root, own, ports=free_ports())
    try:
        dev.first = dev("up", "--runtime", "compose", "--verbose")
        yield dev
    finally:
        dev.destroy()
