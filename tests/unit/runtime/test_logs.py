"""Log files: their tails, their new lines, and that they stay small while they are written to."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from devenv import waiting
from devenv.runtimes.process import logkeeper, logs


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "s3.log"


@pytest.mark.parametrize(
    ("content", "lines", "since", "expected"),
    [
        pytest.param(b"a\nb\nc\n", 2, 0, ("b", "c"), id="the last lines, oldest first"),
        pytest.param(b"a\n\n  \nb\n", 5, 0, ("a", "b"), id="empty lines are left out"),
        pytest.param(b"old\nnew\n", 5, 4, ("new",), id="only what came since"),
        pytest.param(b"new\n", 5, 400, ("new",), id="rotated since: all of it"),
        pytest.param(b"a\nb", 5, 0, ("a", "b"), id="the last line is not whole yet"),
        pytest.param(b"\xff\n", 5, 0, ("\ufffd",), id="not UTF-8"),
        pytest.param(b"a\n", 0, 0, (), id="no lines"),
        pytest.param(b"", 5, 0, (), id="empty"),
    ],
)
def test_a_tail_is_the_newest_lines(
    log: Path, content: bytes, lines: int, since: int, expected: tuple[str, ...]
) -> None:
    log.write_bytes(content)

    assert logs.tail(log, lines, since=since) == expected


def test_a_log_that_is_not_there_is_empty(log: Path) -> None:
    assert logs.tail(log, 5) == ()
    assert logs.size(log) == 0


def test_a_tail_of_a_huge_log_reads_little_of_it(log: Path) -> None:
    log.write_bytes(b"x" * 99 + b"\n" + b"y" * (logs.READ_AT_MOST - 2) + b"\nz")

    assert logs.tail(log, 5)[-1] == "z"
    assert sum(map(len, logs.tail(log, 5))) <= logs.READ_AT_MOST


def test_following_gives_new_lines_and_begins_anew_when_a_log_was_rotated(
    log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log.write_text("before\n")
    writes = iter([lambda: log.write_text("before\none\ntwo\n"), lambda: log.write_text("three\n")])

    def until_written(condition: Callable[[], bool], **_: Any) -> bool:
        assert condition(), "nothing is new yet"
        next(writes)()
        assert not condition()
        return True

    monkeypatch.setattr(waiting, "while_true", until_written)
    lines = logs.follow({"s3": log})

    assert [next(lines) for _ in range(3)] == [("s3", "one"), ("s3", "two"), ("s3", "three")]


def test_a_log_below_the_limit_is_left_alone(log: Path) -> None:
    log.write_text("small")

    assert not logkeeper.rotate(log, limit=5)
    assert not logkeeper.rotate(log.with_name("not-there.log"))
    assert log.read_text() == "small"


def test_a_writer_goes_on_in_the_emptied_file(log: Path) -> None:
    with log.open("ab", buffering=0) as writer:
        writer.write(b"long enough")
        assert logkeeper.rotate(log, limit=5)
        writer.write(b"new")

    assert log.read_bytes() == b"new"
    assert log.with_name("s3.log.1").read_bytes() == b"long enough"


def test_only_so_many_old_logs_are_kept(log: Path) -> None:
    for number in range(6):
        log.write_text(f"log {number}")
        logkeeper.rotate(log, limit=1, keep=3)

    kept = {path.name: path.read_text() for path in log.parent.iterdir() if path != log}
    assert kept == {"s3.log.1": "log 5", "s3.log.2": "log 4", "s3.log.3": "log 3"}


def test_a_full_disk_does_not_keep_a_log_from_being_emptied(
    log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(logkeeper.shutil, "copyfile", full)
    log.write_text("long enough")

    assert logkeeper.rotate(log, limit=5)
    assert log.read_text() == ""


@pytest.mark.parametrize(
    ("recorded", "runs"),
    [
        pytest.param({}, False, id="nothing was started"),
        pytest.param({"s3": {"status": "stopped", "pid": 0}}, False, id="stopped"),
        pytest.param({"s3": {"status": "running", "pid": os.getpid()}}, True, id="running"),
        # an hour ahead: the suite may run for long after these are read
        pytest.param(
            {"s3": {"status": "starting", "pid": 0, "since": time.time() + 3600}}, True, id="about to run"
        ),
        pytest.param({"s3": {"status": "starting", "pid": 0, "since": 0.0}}, False, id="killed in its start"),
        pytest.param({"s3": {"status": "running", "pid": 2**22 + 1}}, False, id="crashed"),
        pytest.param({"logkeeper": {"status": "running", "pid": os.getpid()}}, False, id="itself alone"),
        pytest.param({"s3": "damaged"}, False, id="damaged"),
    ],
)
def test_the_keeper_stays_for_as_long_as_a_service_runs(
    tmp_path: Path, recorded: dict[str, Any], runs: bool
) -> None:
    for name, record in recorded.items():
        text = json.dumps(record) if isinstance(record, dict) else "{"
        (tmp_path / f"{name}.json").write_text(text)

    assert logkeeper.anything_runs(tmp_path) is runs


def test_the_keeper_looks_at_every_log_and_ends_with_the_last_service(
    log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log.write_text("x" * 11)
    monkeypatch.setattr(logkeeper.time, "sleep", lambda seconds: None)
    monkeypatch.setattr(logkeeper.rotate, "__kwdefaults__", {"limit": 10, "keep": 1})

    logkeeper.main(log.parent, log.parent)

    assert log.read_text() == ""
