"""Ports for servers that will listen in a while.

Between the choice and the moment a server listens lie seconds, on a busy machine many. In that time the
system hands the ports of its own range to any connection that is made and to whoever asks for "any" port, so
a port of that range would be lost now and then. Those below it are taken only by who names them.
"""

from __future__ import annotations

import random
import re
import socket
from pathlib import Path

_HOST = "127.0.0.1"
_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
# IANA's, where the system does not tell: https://www.rfc-editor.org/rfc/rfc6335#section-6
_FIRST_OF_THE_SYSTEM = 49152
# Registered ports and those that the toolkit's services ask for first lie below.
_LOWEST = 20000
_TRIES = 200


class NoPortError(Exception):
    """No free port was found."""


class Ports:
    """Ports that were given out and are not used yet: nobody gets one twice."""

    def __init__(self, candidates: range | None = None) -> None:
        self._candidates = candidates if candidates is not None else below_the_systems()
        self._given: set[int] = set()

    def take(self) -> int:
        """A port that nobody listens on. Raises NoPortError."""
        for _ in range(_TRIES):
            # a start that fails must not meet the same obstacle again
            port = random.choice(self._candidates)  # noqa: S311 - no secret
            if port not in self._given and is_free(port):
                self._given.add(port)
                return port
        raise NoPortError(f"no free port was found between {self._candidates[0]} and {self._candidates[-1]}")

    def give_back(self, port: int) -> None:
        """The server listens by now, or never will."""
        self._given.discard(port)


def is_free(port: int) -> bool:
    """Whether a server could listen on it now."""
    with socket.socket() as probe:
        # as servers do: a connection that has ended some time ago is in nobody's way
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_HOST, port))
        except OSError:
            return False
    return True


def below_the_systems(text: str | None = None) -> range:
    """The ports from 20000 up to the range that the system hands out; ``text`` is /proc's line of that range.

    Where that range begins so low that next to nothing is left, the ports above it, else all from 20000.
    """
    low, high = _systems(text)
    for place in (range(_LOWEST, low), range(high + 1, 65536)):
        if len(place) >= 1000:
            return place
    return range(_LOWEST, 65536)


def _systems(text: str | None) -> tuple[int, int]:
    if text is None:
        try:
            text = _RANGE.read_text()
        except OSError:
            text = ""
    found = re.fullmatch(r"(\d+)\s+(\d+)\s*", text)
    return (int(found[1]), int(found[2])) if found else (_FIRST_OF_THE_SYSTEM, 65535)
