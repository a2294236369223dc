"""What a record says about a start that was killed at one step or another."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from devenv import processes
from devenv.processes import Identity
from devenv.runtimes.process import records
from devenv.runtimes.process.records import RUNNING, STARTING, STOPPED, Record
from devenv.state import Instance

MYSELF = processes.identify(os.getpid()) or Identity(0, "")
RECYCLED = Identity(MYSELF.pid, f"{MYSELF.birth}0")
OTHER_BOOT = Identity(MYSELF.pid, "another-boot:1")


@pytest.fixture
def instance(tmp_path: Path) -> Instance:
    made = Instance("habari", tmp_path, tmp_path)
    made.create()
    return made


@pytest.mark.parametrize(
    ("record", "running", "may_have_strays", "was_up"),
    [
        pytest.param(Record(), False, True, False, id="never started, or its folder was deleted"),
        pytest.param(Record(STARTING), False, True, True, id="killed before its pid was known"),
        pytest.param(Record(RUNNING, MYSELF.pid, MYSELF.birth), True, True, True, id="runs"),
        pytest.param(Record(RUNNING, RECYCLED.pid, RECYCLED.birth), False, True, True, id="crashed"),
        pytest.param(Record(RUNNING, OTHER_BOOT.pid, OTHER_BOOT.birth), False, True, False, id="rebooted"),
        pytest.param(Record(STOPPED), False, False, False, id="stopped in good order"),
        pytest.param(Record(STARTING, MYSELF.pid, MYSELF.birth), False, True, True, id="being replaced"),
    ],
)
def test_a_record_tells_what_may_be_left(
    record: Record, running: bool, may_have_strays: bool, was_up: bool
) -> None:
    assert record.is_running() is running
    assert record.may_have_strays() is may_have_strays
    assert record.was_up() is was_up


@pytest.mark.parametrize(
    ("before", "restarts"),
    [
        pytest.param(Record(), 0, id="first start"),
        pytest.param(Record(STOPPED, restarts=0), 0, id="after a stop"),
        pytest.param(Record(RUNNING, RECYCLED.pid, RECYCLED.birth, restarts=2), 3, id="after a crash"),
        pytest.param(Record(RUNNING, OTHER_BOOT.pid, OTHER_BOOT.birth, restarts=2), 0, id="after a reboot"),
    ],
)
def test_a_start_counts_as_a_restart_unless_it_was_stopped(before: Record, restarts: int) -> None:
    assert before.next_start(8000, 0).restarts == restarts


def test_the_next_start_forgets_the_pid_of_the_last_one() -> None:
    begun = Record(RUNNING, RECYCLED.pid, RECYCLED.birth, 8000).next_start(8001, 77)

    assert (begun.status, begun.identity, begun.port, begun.log_from) == (STARTING, None, 8001, 77)


def test_a_record_is_read_as_it_was_written(instance: Instance) -> None:
    record = Record().next_start(8000, 5).started(MYSELF)

    records.write(instance, "s3", record)

    assert records.read(instance, "s3") == record
    assert records.read(instance, "postgres") == Record()


@pytest.mark.parametrize(
    "text", ["", "{", '{"pid": 1, "invented_later": 2}'], ids=["empty", "cut off", "a later version's"]
)
def test_a_record_that_cannot_be_understood_means_that_there_may_be_strays(
    instance: Instance, text: str
) -> None:
    (instance.records / "s3.json").write_text(text)

    record = records.read(instance, "s3")

    assert record.may_have_strays()
    assert not record.is_running()
