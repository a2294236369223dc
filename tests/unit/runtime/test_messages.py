"""What a failed start, a full disk and a log's last lines are turned into."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from devenv import diagnosis, trouble
from devenv.errors import MissingError


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("OSError: [Errno 98] Address already in use", "its port was taken"),
        (
            "the Jupyter server could not be started because port 8000 is already in use",
            "its port was taken",
        ),
        ("FATAL:  could not write lock file: No space left on device", "the disk is full"),
        ("OSError: [Errno 122] Disk quota exceeded", "the disk is full"),
        ("OSError: [Errno 30] Read-only file system: '/data'", "read-only file system"),
        ("FATAL:  data directory has wrong ownership: Permission denied", "may not be read or written"),
        ("FATAL:  database files are incompatible with server", "another version of PostgreSQL"),
        ("FATAL:  could not map anonymous shared memory: Cannot allocate memory", "not enough memory"),
        ("ModuleNotFoundError: No module named 'ministack'", "its environment is incomplete"),
    ],
)
def test_a_known_last_word_has_a_cause_and_a_remedy(line: str, what: str) -> None:
    cause = diagnosis.of(("2026-11-23 starting", line))

    assert cause is not None
    assert what in cause.what
    assert cause.mend


@pytest.mark.parametrize("lines", [(), ("Lab is serving", "a cell printed 42")], ids=["nothing", "ordinary"])
def test_no_cause_is_made_up(lines: tuple[str, ...]) -> None:
    assert diagnosis.of(lines) is None


def test_the_newest_line_that_says_anything_decides() -> None:
    cause = diagnosis.of(("Address already in use", "No space left on device", "bye"))

    assert cause is not None
    assert cause.what == "the disk is full"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT], ids=["disk", "quota"])
def test_a_full_disk_is_named_by_a_place_on_it(number: int, tmp_path: Path) -> None:
    place = tmp_path / "not" / "made"

    known = trouble.foreseen(OSError(number, os.strerror(number), str(place)), Path("/elsewhere"))

    assert isinstance(known, MissingError)
    assert str(place) in known.what
    assert "full" in known.what


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES, errno.EPERM])
def test_a_place_that_may_not_be_written_is_named_with_the_reason(number: int) -> None:
    known = trouble.foreseen(OSError(number, os.strerror(number), "/data/x"), Path("/elsewhere"))

    assert isinstance(known, MissingError)
    assert "/data/x" in known.what
    assert os.strerror(number) in known.what


def test_an_error_without_a_file_name_names_the_folder_at_hand(tmp_path: Path) -> None:
    known = trouble.foreseen(OSError(errno.ENOSPC, "No space left on device"), tmp_path)

    assert known is not None
    assert str(tmp_path) in known.what


@pytest.mark.parametrize("number", [errno.ENOENT, errno.ECONNREFUSED, None])
def test_any_other_error_is_a_bug(number: int | None) -> None:
    error = OSError(number, "x") if number else OSError("x")

    assert trouble.foreseen(error, Path("/")) is None
