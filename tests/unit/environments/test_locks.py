"""A lock names packages and hashes, never a place."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from devenv import locks
from devenv.environments import LOCKS
from devenv.errors import UsageError


@pytest.mark.parametrize(
    "line",
    [
        "--index-url https://me:s3cret@mirror/simple",
        "--find-links /opt/wheels",
        "thing @ https://me:s3cret@host/thing-1.whl",
    ],
)
def test_an_address_in_a_lock_is_refused_and_not_shown_whole(line: str) -> None:
    with pytest.raises(UsageError, match="line 2") as raised:
        locks.refuse_addresses(Path("x.lock"), f"uv==1 \\\n{line}\n")
    assert "s3cret" not in "".join(raised.value.details)


def test_hashes_and_markers_are_no_addresses() -> None:
    locks.refuse_addresses(Path("x.lock"), "uv==1 ; python_version < '4' \\\n    --hash=sha256:00\n")


def test_a_place_in_the_lock_of_npm_is_refused_and_not_shown_whole() -> None:
    lock = {"packages": {"": {}, "node_modules/x": {"resolved": "https://me:s3cret@host/x.tgz"}}}
    with pytest.raises(UsageError, match="node_modules/x") as raised:
        locks.refuse_resolved(Path("package-lock.json"), json.dumps(lock))
    assert "s3cret" not in "".join(raised.value.details)


def test_without_npm_its_lock_is_left_and_that_is_said() -> None:
    said: list[str] = []
    lock = LOCKS["proxy"]
    before = lock.read_bytes()
    assert not locks._recompile_with_npm(lock, said.append, {"PATH": "/nonexistent"}, upgrade=False)
    assert lock.read_bytes() == before
    assert "was left" in said[0]
