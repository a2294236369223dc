"""A local GitHub as tests use it: by calls, or on an ephemeral port."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest
from unit.github.browsing import SETTINGS, Clock, Site

from devenv.github.server import Server


@pytest.fixture
def site() -> Site:
    """One that no browser has entered yet."""
    return Site(Clock())


@pytest.fixture
def entered(site: Site) -> Site:
    """One whose browser followed the link."""
    site.enter()
    return site


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """The real server on a free port."""
    with Server(replace(SETTINGS, port=0)) as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()
