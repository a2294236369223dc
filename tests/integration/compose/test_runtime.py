"""What is the compose runtime's own: containers, volumes, and a switch from one runtime to the other."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import psycopg
import pytest

from devenv.images.engine import Engine
from integration.compose.looking import NAMES, containers, docker, volumes
from integration.conftest import Make
from integration.driving import Dev, wait_until
from integration.process.test_everyday import STILL_THERE, notebook, run_stranger

pytestmark = [pytest.mark.integration, pytest.mark.slow]


def still_there(variables: Mapping[str, str]) -> str:
    """What a program finds of run_stranger's data."""
    argv = (sys.executable, "-I", "-c", STILL_THERE)
    return subprocess.run(argv, env=dict(variables), capture_output=True, text=True, check=True).stdout


def in_jupyter(dev: Dev, *words: str) -> str:
    return docker("exec", containers(dev)["jupyter"]["Id"], *words)


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

    assert {name for name in inside if inside[name] != outside[name]} == {
        "AWS_ENDPOINT_URL", "EXPLORE_DB_HOST", "EXPLORE_DB_PORT", "EXPLORE_DB_URL",
    }  # fmt: skip


def test_explore_has_postgis_as_production_has(shared: Dev) -> None:
    with psycopg.connect(shared.contract()["EXPLORE_DB_URL"]) as explore:
        (found,) = explore.execute("select st_astext(st_buffer(st_point(0, 0), 0))").fetchone() or ("",)

    assert found == "POLYGON EMPTY"


def test_logs_can_be_followed_until_ctrl_c(shared: Dev) -> None:
    child = shared.begin("logs", "--follow", "--lines", "0")
    write = ("bash", "-c", "echo a line of this test >/proc/1/fd/2")

    def write_until_seen() -> str:
        in_jupyter(shared, *write)
        assert child.stdout is not None
        return child.stdout.readline() if select.select([child.stdout], [], [], 0.5)[0] else ""

    assert wait_until(lambda: write_until_seen() == "jupyter   a line of this test\n", seconds=20)
    os.killpg(child.pid, signal.SIGINT)
    _, err = child.communicate(timeout=10)

    assert child.returncode == 130
    assert "Traceback" not in err


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL], ids=["Ctrl-C", "kill -9"])
def test_a_notebook_ends_with_the_command_that_runs_it(
    shared: Dev, tmp_path: Path, how: signal.Signals
) -> None:
    file = notebook(tmp_path / "long.ipynb", "open('/tmp/begun', 'w').close()", "import time; time.sleep(99)")
    child = shared.begin("run", file)
    assert wait_until(lambda: "begun" in in_jupyter(shared, "ls", "/tmp").split(), seconds=60)

    if how is signal.SIGINT:
        os.killpg(child.pid, how)
    else:
        child.kill()
    child.wait(20)

    def runs() -> bool:
        return "long.ipynb" in docker("top", containers(shared)["jupyter"]["Id"])

    gone = wait_until(lambda: not runs(), seconds=20)
    in_jupyter(shared, "rm", "/tmp/begun")
    child.communicate()
    assert gone
    assert child.returncode == (130 if how is signal.SIGINT else -9)


def test_no_secret_is_in_what_is_printed_verbosely_or_in_an_argv(shared: Dev) -> None:
    private = json.loads((shared.root / "secrets" / "credentials.json").read_text())
    secrets = {value for name, value in private.items() if not name.endswith("access_key_id")}
    ids = [each["Id"] for each in containers(shared).values()]
    argvs = "".join(docker("top", each) for each in ids)
    logs = shared("logs", "--lines", "1000").out

    assert shared.first
    assert "\n+ docker compose" in shared.first.err
    assert len(secrets) > 5
    assert not [value for value in secrets if value in shared.first.err + argvs]
    # the log of a start by hand has the address with the token; who reads it may use the engine anyhow
    assert not [value for value in secrets - {private["jupyter_token"]} if value in logs]


def test_the_other_runtime_is_refused_while_this_one_runs(shared: Dev) -> None:
    said = shared("up", "--runtime", "process", code=6)

    assert "run by the runtime compose" in said.error
    assert "./dev down first" in said.error


@pytest.mark.parametrize("victim", NAMES)
def test_a_killed_container_is_healed_alone_and_the_data_are_there(shared: Dev, victim: str) -> None:
    variables = shared.contract(admin=True)
    run_stranger(variables)
    before = containers(shared)
    docker("kill", before[NAMES[victim]]["Id"])
    assert shared.services(code=4)[victim]["state"] == "crashed"

    shared.up()

    after = containers(shared)
    assert still_there(variables).startswith("b'x'")
    others = [name for name in NAMES.values() if name != NAMES[victim]]
    assert {name: after[name]["State"]["Pid"] for name in others} == {
        name: before[name]["State"]["Pid"] for name in others
    }


def test_the_runtime_is_remembered_and_what_it_kept_is_there_after_down_and_up(shared: Dev) -> None:
    variables = shared.contract(admin=True)
    run_stranger(variables)
    in_jupyter(shared, "bash", "-c", "echo mine >note.txt")

    said = shared("down", "--json").json()
    assert said["stopped"] == ["jupyter", "s3", "postgres"]
    assert (containers(shared), len(volumes(shared))) == ({}, 3)
    shared("status", code=3)
    shared.up()

    assert shared.contract(admin=True) == variables, "addresses and keys are the same"
    assert still_there(variables).startswith("b'x'")
    assert in_jupyter(shared, "cat", "note.txt") == "mine\n"


def test_down_with_purge_leaves_nothing(images: Engine, make: Make, contained: Mapping[str, str]) -> None:
    dev = make("short", environ=contained)
    dev("up", "--runtime", "compose")
    assert (set(containers(dev)), len(volumes(dev))) == (set(NAMES.values()), 3)

    dev("down", "--purge")

    assert (containers(dev), volumes(dev)) == ({}, [])
    assert docker("network", "ls", "--quiet", "--filter", f"label=habari.instance={dev.instance.id}") == ""
    assert not dev.root.exists()
