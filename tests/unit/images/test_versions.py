"""Incremental versions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devenv.images import versions

REPOSITORY = "habari/s3"


@pytest.mark.parametrize(
    ("references", "expected"),
    [
        pytest.param([], "0.1", id="none yet"),
        pytest.param(["habari/s3:0.1"], "0.2", id="the first is there"),
        pytest.param(["habari/s3:0.9", "habari/s3:0.10"], "0.11", id="ten is after nine"),
        pytest.param(["habari/s3:local", "habari/s3:latest"], "0.1", id="names that move are no versions"),
        pytest.param(
            ["habari/hub:0.7", "registry.example:5000/habari/s3:0.7"], "0.1", id="another repository"
        ),
    ],
)
def test_a_version_follows_the_newest_one(references: list[str], expected: str) -> None:
    assert versions.following(REPOSITORY, references, "0.1") == expected


def test_a_raised_first_version_is_where_the_next_build_goes_on() -> None:
    assert versions.following(REPOSITORY, ["habari/s3:0.4"], "1.0") == "1.0"


@given(st.lists(st.from_regex(r"\A\d{1,3}\.\d{1,3}\Z")))
def test_no_version_is_ever_given_twice(known: list[str]) -> None:
    references = [f"{REPOSITORY}:{version}" for version in known]
    following = versions.following(REPOSITORY, references, "0.1")
    assert f"{REPOSITORY}:{following}" not in references
    assert all(versions.order(following) > versions.order(version) for version in known)
