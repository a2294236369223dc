"""Programs whose output somebody reads as it comes."""

from __future__ import annotations

import sys
from typing import IO

import pytest

from devenv import commands

WRITE = "import sys; sys.stdout.write('x' * 300_000); sys.stderr.write('said'); sys.exit(3)"


def test_what_a_program_writes_is_read_and_how_it_came_out_is_told() -> None:
    read: list[bytes] = []

    done = commands.pipe((sys.executable, "-c", WRITE), lambda source: read.append(source.read()))

    assert (len(read[0]), done.code, done.stderr) == (300_000, 3, "said")


def test_a_program_ends_though_nobody_wants_all_that_it_writes() -> None:
    done = commands.pipe((sys.executable, "-c", WRITE), lambda source: source.read(1))

    assert done.code == 3


def test_a_program_is_ended_when_its_reader_fails() -> None:
    def fail(source: IO[bytes]) -> None:
        source.read(1)
        raise OSError("no space left on device")

    endless = "import sys\nwhile True: sys.stdout.write('x')"
    with pytest.raises(OSError, match="no space left"):
        commands.pipe((sys.executable, "-c", endless), fail)
