"""An S3 endpoint of one's own: here the S3 of another instance stands in for a service somebody else runs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from integration.conftest import Make
from integration.driving import CHECKOUT, Dev

pytestmark = pytest.mark.integration


def given(owner: Dev, keys: Mapping[str, str]) -> dict[str, str]:
    """What the person who has an endpoint sets, to use the buckets that are there."""
    return {
        "HABARI_S3_PROVIDER": "external",
        "HABARI_S3_ENDPOINT": keys["AWS_ENDPOINT_URL"],
        "HABARI_S3_ACCESS_KEY_ID": keys["AWS_ACCESS_KEY_ID"],
        "HABARI_S3_SECRET_ACCESS_KEY": keys["AWS_SECRET_ACCESS_KEY"],
        "HABARI_BUCKETS_PUBLIC": keys["S3_BUCKET_NAME_PUBLIC"],
        "HABARI_BUCKETS_LAKE": keys["S3_BUCKET_NAME_LAKE"],
        "HABARI_BUCKETS_NOTEBOOKS": keys["S3_BUCKET_NAME_NOTEBOOKS"],
    }


def services(dev: Dev) -> dict[str, Any]:
    return {each["name"]: each for each in json.loads(dev("status", "--json").out)["services"]}


def test_up_uses_the_endpoint_with_the_given_key_and_starts_no_s3_itself(make: Make, shared: Dev) -> None:
    keys = shared("env", "--as", "admin", "--json").json()
    dev = make("external", environ=given(shared, keys))

    dev("up")

    found = services(dev)
    assert (found["s3"]["state"], found["s3"]["pid"]) == ("ready", None)
    assert found["s3"]["address"] == keys["AWS_ENDPOINT_URL"]
    assert dev("env", "--json").json()["AWS_ACCESS_KEY_ID"] == keys["AWS_ACCESS_KEY_ID"]
    before = services(shared)["s3"]["pid"]
    dev("run", str(CHECKOUT / "jupyter" / "samples" / "01-read-write-explore.ipynb"))
    dev("down")
    assert services(shared)["s3"]["pid"] == before, "what is not ours is not stopped"


def test_a_key_that_is_refused_is_one_line_and_nothing_is_left_running(make: Make, shared: Dev) -> None:
    keys = shared("env", "--json").json()
    dev = make("refused", environ={**given(shared, keys), "HABARI_S3_SECRET_ACCESS_KEY": "wrong"})

    said = dev("up", code=5)

    assert "lacks buckets that the given key can list" in said.error
    assert "SignatureDoesNotMatch" in said.err
    assert dev("status", code=3)


def test_an_endpoint_that_is_away_is_named(make: Make, shared: Dev) -> None:
    keys = shared("env", "--json").json()
    dev = make("away", environ={**given(shared, keys), "HABARI_S3_ENDPOINT": "http://127.0.0.1:9"})

    assert "http://127.0.0.1:9" in dev("up", code=3).error
