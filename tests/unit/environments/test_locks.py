"""A lock names packages and hashes, never a place."""

from __future__ import annotations

from pathlib import Path

import pytest

from devenv import locks
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
