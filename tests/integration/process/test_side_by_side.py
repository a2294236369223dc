"""Several commands, instances and checkouts at once, and ports that somebody else holds."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import boto3
import psycopg
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from integration.conftest import Make
from integration.driving import Dev, Said, by_name, copy_checkout, pids

pytestmark = [pytest.mark.integration, pytest.mark.slow]


def finish(dev: Dev, *children: object) -> list[Said]:
    ended = []
    for child in children:
        out, err = child.communicate(timeout=180)  # type: ignore[attr-defined]
        ended.append(Said(("up",), child.returncode, out, err))  # type: ignore[attr-defined]
    return ended


@pytest.fixture(scope="module")
def pair(make: Make, scratch: Path) -> Iterator[tuple[Dev, Dev]]:
    """Two instances of one name in two checkouts, started at the same time, with no port fixed."""
    other = copy_checkout(scratch / "other checkout")
    first, second = make("twin", ports={}), make("twin", ports={}, checkout=other)
    starts = [dev.begin("up", "--json") for dev in (first, second)]
    for said in finish(first, *starts):
        assert said.code == 0, said
    yield first, second


def test_two_instances_at_once_have_addresses_and_keys_of_their_own(pair: tuple[Dev, Dev]) -> None:
    services = [dev.services() for dev in pair]
    contracts = [dev.contract(admin=True) for dev in pair]

    addresses = [row["address"] for each in services for row in each.values()]
    assert len(set(addresses)) == 6
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "EXPLORE_DB_PASSWORD", "JUPYTER_TOKEN"):
        assert len({contract[name] for contract in contracts}) == 2


def test_the_keys_of_one_instance_do_not_open_another(pair: tuple[Dev, Dev]) -> None:
    ours, theirs = (dev.contract() for dev in pair)
    client = boto3.client(
        "s3",
        endpoint_url=theirs["AWS_ENDPOINT_URL"],
        region_name="us-east-1",
        aws_access_key_id=ours["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=ours["AWS_SECRET_ACCESS_KEY"],
        config=Config(retries={"total_max_attempts": 1}, proxies={}),
    )

    with pytest.raises(ClientError, match="InvalidAccessKeyId"):
        client.list_objects_v2(Bucket=theirs["S3_BUCKET_NAME_LAKE"])
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(
            host=theirs["EXPLORE_DB_HOST"],
            port=theirs["EXPLORE_DB_PORT"],
            dbname=theirs["EXPLORE_DB_NAME"],
            user=theirs["EXPLORE_DB_USER"],
            password=ours["EXPLORE_DB_PASSWORD"],
        )


def test_two_ups_of_one_instance_both_succeed_with_one_set_of_processes(pair: tuple[Dev, Dev]) -> None:
    dev, other = pair
    dev("down")
    neighbours = pids(other.services())

    said = finish(dev, *(dev.begin("up", "--json") for _ in range(2)))

    assert [each.code for each in said] == [0, 0], said
    assert sorted(each.json()["started"] for each in said) == [False, True]
    assert pids(by_name(said[0].json())) == pids(by_name(said[1].json()))
    assert any("is at work on" in each.err and "waiting for it" in each.err for each in said)
    dev.expect_no_strays()
    assert pids(other.services()) == neighbours, "nobody else's process was touched"


def test_down_and_purge_of_one_leave_the_other_alone(pair: tuple[Dev, Dev]) -> None:
    dev, other = pair
    neighbours = pids(other.services())
    foreign = dev.data_root / "instances" / "somebody-elses-folder"
    foreign.mkdir(exist_ok=True)
    (foreign / "file").write_text("theirs")

    dev("down", "--purge")

    dev.expect_nothing_left()
    assert not dev.root.exists()
    assert pids(other.services()) == neighbours
    assert (foreign / "file").read_text() == "theirs"
    assert dev.data_root.joinpath("envs").is_dir(), "environments are shared, and stay"


@pytest.fixture
def listener() -> Iterator[int]:
    """A port that the test itself holds."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        held.listen()
        yield held.getsockname()[1]


def test_a_fixed_port_that_is_taken_is_a_conflict_and_the_holder_is_named(make: Make, listener: int) -> None:
    dev = make("fixed")
    dev.ports["s3"] = listener

    said = dev("up", code=6)

    assert f"port {listener} of s3 is taken by" in said.error
    assert f"pid {os.getpid()}" in said.error
    dev.expect_nothing_left()


def test_a_taken_port_that_is_not_fixed_gives_way_to_the_next_free_one(pair: tuple[Dev, Dev]) -> None:
    _, dev = pair
    had = int(dev.contract()["AWS_ENDPOINT_URL"].rpartition(":")[2])
    dev("down")
    with socket.socket() as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(("127.0.0.1", had))
        held.listen()

        said = dev("up", "--json")

    taken = f"port {had} is taken by"
    assert any(taken in line and f"pid {os.getpid()}" in line for line in said.err.splitlines()), said
    moved = by_name(said.json())["s3"]["address"]
    assert moved != f"127.0.0.1:{had}"
    assert dev.contract()["AWS_ENDPOINT_URL"] == f"http://{moved}"
