"""Ctrl-C: the first asks for an orderly end, the second ends at once."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
INTERRUPTED = 130


@contextlib.contextmanager
def orderly() -> Iterator[None]:
    """Within the block the first signal raises KeyboardInterrupt, the second leaves without a clean-up.

    What a hard end leaves behind is written down: the next ``up`` or ``down`` heals it.
    """
    seen = 0

    def handle(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - the signature of a handler
        nonlocal seen
        seen += 1
        if seen > 1:
            os.write(2, b"ended at once; ./dev up or ./dev down puts things in order\n")
            os._exit(INTERRUPTED)
        # not by the reporter: its lock may be held by whom the signal interrupted
        os.write(2, b"\nstopping in good order; once more ends it at once\n")
        raise KeyboardInterrupt

    # nohup and a shell's & ask for some of them to be ignored
    heeded = [number for number in SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, handle) for number in heeded}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
