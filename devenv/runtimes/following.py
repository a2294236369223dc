"""Log lines of several services as they come, where each can be followed by itself."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable, Iterator

from devenv.errors import DevenvError


def together(services: tuple[str, ...], follow: Callable[[str], Iterator[str]]) -> Iterator[tuple[str, str]]:
    """The service and the line, until ``follow`` has ended for all of them; trouble ends one alone."""
    lines: queue.Queue[tuple[str, str] | None] = queue.Queue()

    def read(service: str) -> None:
        with contextlib.suppress(OSError, DevenvError):
            for line in follow(service):
                lines.put((service, line))
        lines.put(None)

    for service in services:
        threading.Thread(target=read, args=(service,), daemon=True).start()
    ended = 0
    while ended < len(services):
        found = lines.get()
        if found is None:
            ended += 1
        else:
            yield found
