"""What is the compose runtime's own: containers, volumes, and a switch from one runtime to the other."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import boto3
import psycopg
import pytest
from integration.conftest import Make
from integration.driving import Dev, wait_until

from devenv.images.engine import Engine

pytestmark = pytest.mark.integration
NAMES = {"s3": "s3", "postgres": "explore-db", "jupyter": "jupyter"}


def docker(*words: str) -> str:
    return subprocess.run(("docker", *words), check=True, capture_output=True, text=True).stdout


def containers(dev: Dev) -> dict[str, dict[str, Any]]:
    """Each container of the instance, by the name of its service in the compose file."""
    ids = docker("ps", "--all", "--quiet", "--filter", f"label=habari.instance={dev.instance.id}").split()
    found = json.loads(docker("inspect", *ids)) if ids else []
    return {each["Config"]["Labels"]["com.docker.compose.service"]: each for each in found}


def volumes(dev: Dev) -> list[str]:
    return docker("volume", "ls", "--quiet", "--filter", f"label=habari.instance={dev.instance.id}").split()


def put(dev: Dev, body: bytes) -> None:
    client(dev).put_object(Bucket=dev.contract()["S3_BUCKET_NAME_LAKE"], Key="kept", Body=body)


def got(dev: Dev) -> bytes:
    found = client(dev).get_object(Bucket=dev.contract()["S3_BUCKET_NAME_LAKE"], Key="kept")
    return bytes(found["Body"].read())


def client(dev: Dev) -> Any:
    env = dev.contract()
    return boto3.client(
        "s3",
        endpoint_url=env["AWS_ENDPOINT_URL"],
        region_name=env["AWS_DEFAULT_REGION"],
        aws_access_key_id=env["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=env["AWS_SECRET_ACCESS_KEY"],
    )


def test_every_port_is_published_on_the_loopback_alone(shared: Dev) -> None:
    published = [
        (name, binding["HostIp"])
        for name, each in containers(shared).items()
        for bindings in each["NetworkSettings"]["Ports"].values()
        for binding in bindings or ()
    ]

    assert {name for name, _ in published} == set(NAMES.values())
    assert {address for _, address in published} == {"127.0.0.1"}


def test_a_notebooks_addresses_are_names_of_the_network(shared: Dev) -> None:
    inside = shared("env", "--view", "container", "--json").json()
    outside = shared.contract()

    assert inside["AWS_ENDPOINT_URL"] == "http://s3:9000"
    assert (inside["EXPLORE_DB_HOST"], inside["EXPLORE_DB_PORT"]) == ("explore-db", "5432")
    assert {name for name in inside if inside[name] != outside[name]} == {
        "AWS_ENDPOINT_URL", "EXPLORE_DB_HOST", "EXPLORE_DB_PORT", "EXPLORE_DB_URL",
    }  # fmt: skip


def test_explore_has_postgis_as_production_has(shared: Dev) -> None:
    with psycopg.connect(shared.contract()["EXPLORE_DB_URL"]) as explore:
        (found,) = explore.execute("select st_astext(st_buffer(st_point(0, 0), 0))").fetchone() or ("",)

    assert found == "POLYGON EMPTY"


@pytest.mark.parametrize("victim", NAMES)
def test_a_killed_container_is_healed_alone_and_the_data_are_there(shared: Dev, victim: str) -> None:
    put(shared, victim.encode())
    before = containers(shared)
    docker("kill", before[NAMES[victim]]["Id"])
    assert wait_until(lambda: shared.services(code=4)[victim]["state"] == "crashed", seconds=5)

    shared.up()

    after = containers(shared)
    assert got(shared) == victim.encode()
    others = [name for name in NAMES.values() if name != NAMES[victim]]
    assert [after[name]["State"]["Pid"] for name in others] == [
        before[name]["State"]["Pid"] for name in others
    ]


def test_no_secret_is_in_what_is_printed_verbosely(shared: Dev) -> None:
    assert shared.first
    secrets = [
        value for name, value in shared.contract(admin=True).items() if "SECRET" in name or "PASSWORD" in name
    ]

    assert secrets
    assert not [value for value in secrets if value in shared.first.err]


def test_the_other_runtime_is_refused_while_this_one_runs(shared: Dev) -> None:
    said = shared("up", "--runtime", "process", code=6)

    assert "run by the runtime compose" in said.error
    assert shared.services()


def test_the_runtime_is_remembered_and_purge_leaves_nothing(images: Engine, make: Make) -> None:
    dev = make("short")
    dev("up", "--runtime", "compose")
    assert len(volumes(dev)) == 3
    dev("down")
    assert not containers(dev)
    assert len(volumes(dev)) == 3

    dev("up")
    assert set(containers(dev)) == set(NAMES.values())

    dev("down", "--purge")
    assert (containers(dev), volumes(dev)) == ({}, [])


def test_a_container_under_our_name_that_somebody_else_made_is_left_alone(images: Engine, make: Make) -> None:
    dev = make("foreign")
    project = f"com.docker.compose.project={dev.instance.id}"
    theirs = docker(
        "create", "--label", project, "--label", "com.docker.compose.service=s3", "habari/s3:local"
    ).strip()
    try:
        said = dev("up", "--runtime", "compose", code=6)

        assert "made by somebody else" in said.error
        assert docker("inspect", theirs)
    finally:
        docker("rm", theirs)


def test_without_an_engine_there_is_one_line(make: Make) -> None:
    dev = make("lonely", environ={"DOCKER_HOST": "unix:///nowhere.sock"})

    said = dev("up", "--runtime", "compose", code=5)

    assert "no Docker engine answers" in said.error
    assert "--runtime process" in said.error


def test_an_image_that_is_missing_is_named_with_the_command_that_builds_it(
    images: Engine, make: Make
) -> None:
    dev = make("unbuilt", environ={"HABARI_JUPYTER_IMAGE": "habari/jupyter:never"})

    said = dev("up", "--runtime", "compose", code=5)

    assert "habari/jupyter:never" in said.error
    assert "images.build" in said.error
