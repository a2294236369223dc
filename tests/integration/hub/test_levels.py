"""Down and up again, and the other level: one set of data, keys and homes."""

from __future__ import annotations

from collections.abc import Callable

import boto3
import psycopg
import pytest
from botocore.config import Config

from integration.driving import pids
from integration.hub.conftest import Hub, kill_service, servers_of, start

pytestmark = [pytest.mark.integration, pytest.mark.slow]
SERVICES = ("postgres", "s3", "github", "proxy", "hub")


@pytest.fixture(scope="module")
def levels(make_hub: Callable[[str], Hub]) -> Hub:
    """An instance that tests bring down and up as either level."""
    return make_hub("levels")


@pytest.fixture
def running(levels: Hub) -> dict[str, int]:
    levels.people.clear()
    return pids(start(levels.dev))


def test_down_stops_the_hub_first_and_leaves_nothing(levels: Hub, running: dict[str, int]) -> None:
    dev = levels.dev
    levels.people.clear()
    levels.user("ada").kernel()

    said = dev("down")

    order = [line.split()[-2] for line in said.err.splitlines() if line.endswith(" stopping")]
    assert order == ["hub", "proxy", "github", "s3", "postgres"], said
    dev.expect_nothing_left()
    assert {row["state"] for row in dev.services(code=3).values()} == {"stopped"}


def test_down_after_a_kill_of_all_services_ends_the_servers_that_are_left(
    levels: Hub, running: dict[str, int]
) -> None:
    dev = levels.dev
    levels.people.clear()
    levels.user("ada").kernel()
    kill_service(dev, *SERVICES)
    assert servers_of(dev, "ada"), "nobody told it to end"

    dev("down")

    dev.expect_nothing_left()
    levels.people.clear()


def test_up_and_hub_refuse_each_other_while_one_runs(levels: Hub, running: dict[str, int]) -> None:
    dev = levels.dev

    refused = dev("up", code=6)
    assert "./dev down first" in refused.error
    assert "hub" in refused.error
    assert pids(dev.services()) == running

    dev("down")
    up = pids(dev.up())
    refused = dev("hub", code=6)
    assert "jupyter" in refused.error
    assert "./dev down first" in refused.error
    assert pids(dev.services()) == up
    dev("down")
    dev.expect_nothing_left()


def test_up_and_hub_share_keys_objects_and_tables_and_homes_stay(levels: Hub) -> None:
    dev = levels.dev
    start(dev)
    levels.people.clear()
    levels.user("ada").kernel().run("open('kept.txt', 'w').write('in my home')")
    account = servers_of(dev, "ada")[0].uids()
    dev("down")
    dev.up()
    contract = dev.contract()
    client = boto3.client(
        "s3",
        endpoint_url=contract["AWS_ENDPOINT_URL"],
        region_name=contract["AWS_DEFAULT_REGION"],
        aws_access_key_id=contract["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=contract["AWS_SECRET_ACCESS_KEY"],
        config=Config(proxies={}),
    )
    client.put_object(Bucket=contract["S3_BUCKET_NAME_LAKE"], Key="at-up", Body=b"an object of up")
    with psycopg.connect(contract["EXPLORE_DB_URL"], autocommit=True) as explore:
        explore.execute("create table at_up as select 'a row of up' as text")
    dev("down")

    start(dev)

    assert dev.contract() == contract
    levels.people.clear()
    printed = (
        levels.user("ada")
        .kernel()
        .run(
            "import os, boto3, psycopg2\n"
            "lake = os.environ['S3_BUCKET_NAME_LAKE']\n"
            "print(boto3.client('s3').get_object(Bucket=lake, Key='at-up')['Body'].read().decode())\n"
            "cursor = psycopg2.connect(os.environ['EXPLORE_DB_URL']).cursor()\n"
            "cursor.execute('select text from at_up')\n"
            "print(cursor.fetchone()[0])\n"
            "print(open('kept.txt').read())\n"
        )
    )
    assert printed.splitlines() == ["an object of up", "a row of up", "in my home"]
    assert servers_of(dev, "ada")[0].uids() == account
