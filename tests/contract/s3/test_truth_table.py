"""The seed policy's truth table against every provider."""

from __future__ import annotations

import os

import pytest

from contract.s3.behaviours import BEHAVIOURS
from contract.s3.conftest import LIMITS
from contract.s3.providers import PROVIDERS
from contract.s3.rows import ROWS, Row
from contract.s3.world import BODY, Answer, World

pytestmark = pytest.mark.contract


def test_a_call_is_answered_as_aws_documents_it(
    world: World, row: Row, results: dict[str, dict[str, str]]
) -> None:
    bucket, key = world.buckets[row.bucket], world.key(row.key)
    if key and row.bucket not in ("missing", "fresh"):
        if row.put:
            world.admin_s3.put_object(Bucket=bucket, Key=key, Body=BODY)
        else:
            world.admin_s3.delete_object(Bucket=bucket, Key=key)
    seen = row.call(world, bucket, key)
    right = _agrees(row.expect, seen)
    told = results[world.provider]
    told[row.id] = str(seen) if row.observed else "right" if right else "wrong"
    assert right or row.observed, (
        f"{row.id}: {seen}, but AWS: {row.expect} ({row.source.says}: {row.source.url})"
    )


def test_every_row_has_an_id_of_its_own_and_a_page_of_aws() -> None:
    ids = [row.id for row in ROWS]
    assert sorted(set(ids)) == sorted(ids)
    assert all(row.source.url.startswith("https://docs.aws.amazon.com/") for row in ROWS)


@pytest.mark.parametrize("name", LIMITS)
def test_every_limit_names_rows_that_there_are(name: str) -> None:
    known = {entry.id for entry in (*ROWS, *BEHAVIOURS)} | {"refused-condition"}
    named = [row for limit in LIMITS[name] for row in limit.rows]
    assert set(named) <= known
    assert len(set(named)) == len(named)


def test_a_service_of_ones_own_is_under_contract_too() -> None:
    if "external" not in PROVIDERS:
        missing = "no S3 service of one's own: DEVENV_TEST_S3_ENDPOINT is not set (docs/s3.md)"
        if "external-s3" in os.environ.get("DEVENV_REQUIRE", "").split(","):
            pytest.fail(missing)
        pytest.skip(missing)


def _agrees(expected: Answer, seen: Answer) -> bool:
    if expected == Answer(200):
        return 200 <= seen.status < 300 and not seen.code
    if expected.code == "*":
        return seen.status == expected.status
    return seen == expected
