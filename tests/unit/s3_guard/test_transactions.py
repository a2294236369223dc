"""A service call as a transaction: what it changed is kept and acknowledged, or neither."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from devenv.s3.guard.answers import Answer
from devenv.s3.guard.journal import Journal
from devenv.s3.guard.transactions import Transactions

DONE: Answer = (200, {}, b"done")


class Service:
    """An engine in small: one value in memory, kept in one file."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "file"
        self.file.write_text("old")
        self.memory = "old"
        self.journal = Journal(folder)
        self.journal.recover()
        self.logger = logging.getLogger(f"service-{folder}")
        self.transactions = Transactions(self.journal, folder, self.logger)
        self.transactions.on_failure(self.reload)

    def reload(self) -> None:
        self.memory = self.file.read_text()

    async def put(self, value: str, then: Callable[[], Any] = lambda: None) -> Answer:
        self.memory = value
        self.journal.write(str(self.file), value.encode())
        then()
        return DONE

    def run(
        self, value: str, then: Callable[[], Any] = lambda: None, save: Callable[[], None] | None = None
    ) -> Answer:
        return self.transactions.run(self.put(value, then), save)

    @property
    def state(self) -> tuple[str, str]:
        return self.memory, self.file.read_text()


@pytest.fixture
def service(tmp_path: Path) -> Service:
    return Service(tmp_path)


def fail(number: int = errno.ENOSPC) -> None:
    raise OSError(number, os.strerror(number))


def test_a_call_that_succeeds_is_kept(service: Service) -> None:
    assert service.run("new") == DONE
    assert service.state == ("new", "new")


def test_a_swallowed_exception_takes_the_call_back(service: Service) -> None:
    def swallow() -> None:
        try:
            fail()
        except OSError as error:
            service.logger.warning("Failed to persist: %s", error)

    status, _headers, body = service.run("new", swallow)
    assert (status, service.state) == (507, ("old", "old"))
    assert b"No space left on device" in body
    assert str(service.file.parent).encode() in body


def test_a_swallowed_exception_is_heard_at_every_level(tmp_path: Path) -> None:
    logging.getLogger(f"service-{tmp_path}").setLevel(logging.CRITICAL)
    test_a_swallowed_exception_takes_the_call_back(Service(tmp_path))


def test_a_call_that_raises_is_taken_back(service: Service) -> None:
    status, _headers, body = service.run("new", lambda: 1 / 0)
    assert (status, service.state) == (500, ("old", "old"))
    assert b"ZeroDivisionError" in body


def test_a_state_that_cannot_be_saved_takes_the_call_back(service: Service) -> None:
    status, _headers, _body = service.run("new", save=lambda: fail(errno.EACCES))
    assert (status, service.state) == (500, ("old", "old"))


def test_a_warning_without_an_exception_is_no_failure(service: Service) -> None:
    assert service.run("new", lambda: service.logger.warning("a bucket without a region")) == DONE


def test_a_call_that_waits_is_refused_since_others_could_come_between(service: Service) -> None:
    async def waiting() -> Answer:
        service.memory = "new"
        service.journal.write(str(service.file), b"new")
        await asyncio.sleep(0)
        return DONE

    assert service.transactions.run(waiting(), None)[0] == 500
    assert service.state == ("old", "old")


def test_the_next_call_is_served_after_a_failure(service: Service) -> None:
    service.run("new", lambda: fail())
    assert service.run("newer") == DONE
    assert service.state == ("newer", "newer")


def test_the_server_stops_when_memory_and_disk_cannot_be_brought_together(service: Service) -> None:
    service.transactions.on_failure(lambda: fail(errno.EIO))
    with pytest.raises(SystemExit) as stopped:
        service.run("new", lambda: fail())
    assert stopped.value.code == 5
