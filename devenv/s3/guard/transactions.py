"""Each service call as one transaction: kept whole before it is acknowledged, or taken back and refused."""

from __future__ import annotations

import logging
import sys
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any

from .answers import Answer, storage_failed
from .journal import Journal

Handler = Callable[..., Awaitable[Answer]]

_log = logging.getLogger("guard")


class _Swallowed(logging.Filter):
    """Hears the exceptions that the engine logs and then forgets.

    The engine's persistence answers every failure with a logged line and a success to the client. Inside its
    ``except`` block the exception is still the current one, so the line gives it away.
    """

    def __init__(self) -> None:
        super().__init__()
        self.listening = False
        self.cause: BaseException | None = None

    def filter(self, record: logging.LogRecord) -> bool:
        cause = sys.exc_info()[1]
        if self.listening and self.cause is None and cause is not None and record.levelno >= logging.WARNING:
            self.cause = cause
        return True


class Transactions:
    """Runs service calls one after the other over a journal.

    One that fails leaves disk and memory as they were, and the client an error that names the cause.
    """

    def __init__(self, journal: Journal, data_dir: Path, logger: logging.Logger) -> None:
        self._journal = journal
        self._where = str(data_dir)
        self._swallowed = _Swallowed()
        self._reload: Callable[[], None] = lambda: None
        logger.addFilter(self._swallowed)
        # A quieter level would silence the lines before the filter hears them.
        logger.setLevel(min(logger.getEffectiveLevel(), logging.WARNING))

    def on_failure(self, reload: Callable[[], None]) -> None:
        """``reload`` is called after a transaction was taken back."""
        self._reload = reload

    def listen(self, load: Callable[[], None]) -> None:
        """Call ``load`` and raise what it swallows."""
        self._swallowed.cause, self._swallowed.listening = None, True
        try:
            load()
        finally:
            self._swallowed.listening = False
        if self._swallowed.cause is not None:
            raise self._swallowed.cause

    def run(self, call: Coroutine[Any, Any, Answer], save: Callable[[], None] | None) -> Answer:
        """The call's answer, once all it changed is on disk; or an S3 error, with nothing changed."""
        self._journal.begin()
        self._swallowed.cause, self._swallowed.listening = None, True
        try:
            answer = _run_to_end(call)
            if save is not None:
                save()
            failure: BaseException | None = self._journal.failure or self._swallowed.cause
            if failure is None:
                self._journal.commit()
                return answer
        except Exception as error:
            _log.debug("a service call failed", exc_info=True)
            failure = self._journal.failure or self._swallowed.cause or error
        finally:
            self._swallowed.listening = False
        return self._take_back(failure)

    def _take_back(self, failure: BaseException) -> Answer:
        _log.error("a request was taken back: %s: %s", type(failure).__name__, failure)
        try:
            self._journal.rollback()
            self._reload()
        except Exception as error:
            # Memory and disk disagree and cannot be brought together: only a new start can, by the journal.
            _log.critical("cannot take a request back, stopping: %s", error)
            sys.exit(5)
        return storage_failed(failure, self._where)


def _run_to_end(call: Coroutine[Any, Any, Answer]) -> Answer:
    """Drive a coroutine that never waits. Its calls cannot interleave, which the journal needs."""
    try:
        call.send(None)
    except StopIteration as end:
        answer: Answer = end.value
        return answer
    call.close()
    raise RuntimeError("a service call waited for something")
