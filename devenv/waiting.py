"""The only door through which this toolkit sleeps.

Every wait has a deadline, remembers the last answer, and asks on each turn whether the thing waited
for is alive at all: a dead child ends the wait at once.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from devenv.errors import UnhealthyError

T = TypeVar("T")


class NotYet(Exception):  # noqa: N818 - an answer, not an error
    """What a probe raises while the thing is still starting; its text is the last answer."""


def until(
    probe: Callable[[], T],
    *,
    what: str,
    seconds: float,
    alive: Callable[[], None] | None = None,
    tail: Callable[[], tuple[str, ...]] | None = None,
    longest_pause: float = 0.05,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> T:
    """Call ``probe`` until it returns instead of raising :class:`NotYet`, and return its answer.

    ``alive`` raises when there is nothing left to wait for. After
    ``seconds`` an :class:`UnhealthyError` tells what was awaited, the last answer and ``tail`` (the
    last lines of a log). Pauses grow from 10 ms to ``longest_pause`` seconds.
    """
    end = clock() + seconds
    pause = 0.01
    while True:
        try:
            return probe()
        except NotYet as answer:
            last = str(answer)
        if alive:
            alive()
        if clock() >= end:
            raise UnhealthyError(
                f"{what} is still starting after {seconds:g} s; its last answer: {last}",
                hint="It may only be slow; its log tells: ./dev logs",
                details=tail() if tail else (),
            )
        sleep(pause)
        pause = min(pause * 1.5, longest_pause)


def while_true(
    condition: Callable[[], bool],
    *,
    seconds: float,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> bool:
    """Wait for ``condition`` to turn false, at most ``seconds``; tell whether it did."""
    end = clock() + seconds
    while condition():
        if clock() >= end:
            return False
        sleep(0.02)
    return True
