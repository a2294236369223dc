"""The main job: up, notebooks, one's own programs, down, and all of it there again."""

from __future__ import annotations

import json
import os
import select
import shlex
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from integration.conftest import HOME_FILES, contents
from integration.driving import CHECKOUT, SERVICES, Dev, describe, kill, pids, wait_until

pytestmark = pytest.mark.integration
SAMPLES = sorted((CHECKOUT / "jupyter" / "samples").glob("*.ipynb"))

# Knows nothing but the variables of ./dev env --as admin.
STRANGER = """
import json, os, boto3, psycopg
from botocore.config import Config
from botocore.exceptions import ClientError

def client(key, secret):
    once = Config(retries={"total_max_attempts": 1})
    return boto3.client("s3", aws_access_key_id=key, aws_secret_access_key=secret, config=once)

def outcome(call, **arguments):
    try:
        call(**arguments)
    except ClientError as error:
        return error.response["Error"]["Code"]
    except psycopg.Error as error:
        return "refused"
    return "done"

env = os.environ
user = client(env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"])
admin = client(env["S3_ADMIN_ACCESS_KEY_ID"], env["S3_ADMIN_SECRET_ACCESS_KEY"])
nobody = client(env["AWS_ACCESS_KEY_ID"], "wrong")
public, lake = env["S3_BUCKET_NAME_PUBLIC"], env["S3_BUCKET_NAME_LAKE"]
said = {
    "user writes lake": outcome(user.put_object, Bucket=lake, Key="stranger", Body=b"x"),
    "user reads public": outcome(user.list_objects_v2, Bucket=public),
    "user writes public": outcome(user.put_object, Bucket=public, Key="stranger", Body=b"x"),
    "user writes .s3keep": outcome(user.put_object, Bucket=public, Key=".s3keep", Body=b""),
    "user lists buckets": outcome(user.list_buckets),
    "admin writes public": outcome(admin.put_object, Bucket=public, Key="by-admin", Body=b"x"),
    "wrong secret": outcome(nobody.list_objects_v2, Bucket=lake),
    "seed": sorted(o["Key"] for o in user.list_objects_v2(Bucket=public)["Contents"] if "/" in o["Key"]),
}
with psycopg.connect(env["EXPLORE_DB_URL"]) as explore:
    explore.execute("create table if not exists stranger (number int)")
    explore.execute("insert into stranger values (42)")
    said["explore"] = explore.execute("select max(number) from stranger").fetchone()[0]
with psycopg.connect(env["POSTGRES_ADMIN_URL"]) as admin:
    rows = admin.execute("select datname from pg_database where not datistemplate order by 1")
    names = [row[0] for row in rows]
said["databases"] = names
for name in names:
    url = env["EXPLORE_DB_URL"].rpartition("/")[0] + "/" + name
    said["explore enters " + name] = outcome(psycopg.connect, conninfo=url)
print(json.dumps(said))
"""

STILL_THERE = """
import boto3, os, psycopg
body = boto3.client("s3").get_object(Bucket=os.environ["S3_BUCKET_NAME_LAKE"], Key="stranger")["Body"].read()
with psycopg.connect(os.environ["EXPLORE_DB_URL"]) as explore:
    print(body, explore.execute("select number from stranger").fetchone())
"""


def run_stranger(variables: dict[str, str]) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-I", "-c", STRANGER], env=variables, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def test_up_shows_every_service_ready_with_its_address_and_what_it_costs(shared: Dev) -> None:
    services = shared.services()

    assert tuple(services) == SERVICES
    for name, row in services.items():
        assert row["state"] == "ready", row
        assert row["address"] == f"127.0.0.1:{shared.ports[name]}"
        assert psutil.Process(row["pid"]).is_running()
        assert row["memory_bytes"] > 2**20
        assert row["since"]
        assert row["restarts"] == 0
    assert "PostGIS" in services["postgres"]["detail"], "the wheel has none, and status says so"


def test_up_twice_is_the_same_as_once(shared: Dev) -> None:
    before = shared.services()

    again = shared("up", "--json").json()

    assert again["started"] is False
    assert pids(shared.services()) == pids(before)
    assert "/lab?token=" in again["url"]


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.stem)
def test_a_sample_notebook_runs(shared: Dev, sample: Path, tmp_path: Path) -> None:
    output = tmp_path / "executed.ipynb"

    said = shared("run", str(sample), "--output", str(output), "--json").json()

    assert said["cells"] >= 5
    assert json.loads(output.read_text())["cells"]
    assert shared.contract()["AWS_SECRET_ACCESS_KEY"] not in output.read_text()


def test_a_strangers_script_needs_the_admins_variables_and_nothing_else(shared: Dev) -> None:
    variables = shared.contract(admin=True)
    said = run_stranger(variables)

    databases = {f"explore enters {name}": "refused" for name in said["databases"]}
    databases[f"explore enters {variables['EXPLORE_DB_NAME']}"] = "done"
    assert len(databases) >= 2
    assert said.pop("databases")
    assert said.pop("seed")
    assert said == {
        "user writes lake": "done",
        "user reads public": "done",
        "user writes public": "AccessDenied",
        "user writes .s3keep": "done",
        "user lists buckets": "AccessDenied",
        "admin writes public": "done",
        "wrong secret": "SignatureDoesNotMatch",
        "explore": 42,
        **databases,
    }


def test_data_is_still_there_after_down_and_up(shared: Dev) -> None:
    variables = shared.contract(admin=True)
    run_stranger(variables)
    note = shared.root / "homes" / "jovyan" / "note.txt"
    note.write_text("mine")

    said = shared("down", "--json").json()
    assert said["stopped"] == ["jupyter", "s3", "postgres"]
    shared.expect_nothing_left()
    shared("status", code=3)
    shared.up()

    assert shared.contract(admin=True) == variables, "addresses and keys are the same"
    done = subprocess.run(
        [sys.executable, "-I", "-c", STILL_THERE], env=variables, capture_output=True, text=True, timeout=60
    )
    assert done.stdout == "b'x' (42,)\n", done.stderr
    assert note.read_text() == "mine"


def test_every_listener_is_on_the_loopback(shared: Dev) -> None:
    listeners = [
        (process.name(), connection.laddr.ip)
        for process in shared.processes()
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    ]

    assert len(listeners) >= 3
    assert {address for _, address in listeners} <= {"127.0.0.1", "::1"}


def test_no_secret_is_in_an_argv_a_log_or_what_is_printed_verbosely(shared: Dev) -> None:
    variables = shared.contract(admin=True)
    secrets = {value for name, value in variables.items() if "SECRET" in name or "PASSWORD" in name}
    secrets |= {variables["POSTGRES_ADMIN_URL"].split(":")[2].split("@")[0]}
    private = json.loads((shared.root / "secrets" / "credentials.json").read_text())
    secrets |= {value for name, value in private.items() if not name.endswith("access_key_id")}
    assert len(secrets) == 12

    assert shared.first is not None
    verbose = shared.first.err + shared("status", "--verbose").err + shared("up", "--verbose").err
    argvs = "\n".join(" ".join(process.cmdline()) for process in shared.processes())
    logs = {path: path.read_text(errors="replace") for path in shared.root.rglob("*.log*")}

    assert "\n+ " in f"\n{verbose}", "--verbose shows commands"
    assert len(logs) >= 4
    for secret in secrets:
        assert secret not in verbose
        assert secret not in argvs
        assert not [path for path, text in logs.items() if secret in text]


def test_the_users_world_is_neither_read_nor_written(shared: Dev, home: Path) -> None:
    """All these tests run with a home and an environment that lead astray whoever follows them."""
    found = contents(home)

    assert {name for name, what in found.items() if what != "folder"} == set(HOME_FILES)
    for name, text in HOME_FILES.items():
        assert (home / name).read_text() == text


@pytest.mark.parametrize("role", ["user", "admin"])
def test_env_says_the_same_in_every_format(shared: Dev, role: str) -> None:
    told = shared("env", "--format", "json", "--as", role).json()
    lines = shared("env", "--format", "dotenv", "--as", role).out.splitlines()
    script = shared("env", "--as", role).out + "env"

    assert {name: value.strip("'") for name, value in (line.split("=", 1) for line in lines)} == told
    shell = subprocess.run(
        ["sh", "-c", script], capture_output=True, text=True, env={"PATH": "/usr/bin:/bin"}
    )
    assert set(told.items()) <= {tuple(line.split("=", 1)) for line in shell.stdout.splitlines()}
    assert ("S3_ADMIN_ACCESS_KEY_ID" in told) is (role == "admin")


def test_env_can_be_evaluated_by_a_shell(shared: Dev) -> None:
    command = shlex.join([str(CHECKOUT / "dev"), "env", "--instance", shared.name])

    said = subprocess.run(
        ["sh", "-c", f'eval "$({command})"; echo "$S3_BUCKET_NAME_LAKE"'],
        env=shared.environ, capture_output=True, text=True,
    )  # fmt: skip

    assert said.stdout == f"{shared.name}-lake\n"


def test_env_for_containers_is_what_the_compose_file_reads(shared: Dev) -> None:
    inside = shared("env", "--view", "container", "--json").json()

    assert inside["AWS_ENDPOINT_URL"] == "http://s3:9000"
    assert f"@explore-db:5432/{inside['EXPLORE_DB_NAME']}" in inside["EXPLORE_DB_URL"]
    assert inside["AWS_ACCESS_KEY_ID"] == shared.contract()["AWS_ACCESS_KEY_ID"]


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("env", "--format", "xml"), 2, "there is no format 'xml'"),
        (("env", "--as", "root"), 2, "there is no role 'root'"),
        (("env", "--view", "moon"), 2, "there is no view 'moon'"),
        (("env", "--view", "pod"), 2, "a pod cannot reach"),
        (("logs", "--service", "mysql"), 2, "there is no service 'mysql'"),
        (("run", "/not/there.ipynb"), 2, "there is no notebook /not/there.ipynb"),
        (("run", "/etc/hostname"), 2, "is not a notebook"),
        (("up", "--runtime", "vm"), 2, "there is no runtime 'vm'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_wrong_use_is_one_line(shared: Dev, words: tuple[str, ...], code: int, message: str) -> None:
    assert message in shared(*words, code=code).error


def test_logs_shows_the_last_lines_of_each_service(shared: Dev) -> None:
    every = shared("logs", "--lines", "500").out
    jupyter = shared("logs", "--service", "jupyter", "--lines", "1").out

    assert {line.split()[0] for line in every.splitlines()} >= {"postgres", "jupyter"}
    assert len(jupyter.splitlines()) == 1


def notebook(path: Path, *cells: str) -> str:
    empty = {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None}
    content = {
        "cells": [{**empty, "id": f"cell-{n}", "source": source} for n, source in enumerate(cells)],
        "metadata": {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    path.write_text(json.dumps(content))
    return str(path)


def test_logs_can_be_followed_until_ctrl_c(shared: Dev) -> None:
    child = shared.begin("logs", "--follow", "--lines", "0")
    log = shared.instance.log("s3")

    def write_until_seen() -> str:
        with log.open("a") as handle:
            handle.write("a line of this test\n")
        assert child.stdout is not None
        return child.stdout.readline() if select.select([child.stdout], [], [], 0.3)[0] else ""

    assert wait_until(lambda: "a line of this test" in write_until_seen(), seconds=10)
    os.killpg(child.pid, signal.SIGINT)
    _, err = child.communicate(timeout=10)

    assert child.returncode == 130
    assert "Traceback" not in err


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL], ids=["Ctrl-C", "kill -9"])
def test_a_notebook_ends_with_the_command_that_runs_it(
    shared: Dev, tmp_path: Path, how: signal.Signals
) -> None:
    begun = tmp_path / "begun"
    file = notebook(
        tmp_path / "long.ipynb", f"open({str(begun)!r}, 'w').close()", "import time; time.sleep(99)"
    )
    before = {process.pid for process in shared.processes()}
    child = shared.begin("run", file)
    assert wait_until(begun.exists, seconds=30)

    if how is signal.SIGINT:
        os.killpg(child.pid, how)
    else:
        child.kill()
    child.wait(20)

    def added() -> list[psutil.Process]:
        return [process for process in shared.processes() if process.pid not in before]

    gone = wait_until(lambda: not added(), seconds=10)
    told = describe(added())
    for process in added():
        kill(process.pid)
    child.communicate()
    assert gone, told
    assert child.returncode == (130 if how is signal.SIGINT else -9)


def test_a_cell_that_fails_is_shown_and_no_secret_with_it(shared: Dev, tmp_path: Path) -> None:
    file = notebook(
        tmp_path / "fails.ipynb",
        "x = 1",
        "import os\nraise ValueError(os.environ['EXPLORE_DB_PASSWORD'])",
        "x = 2",
    )

    said = shared("run", file, code=4)

    assert "fails.ipynb failed in cell [2] of 3: ValueError: ********" in said.error
    assert "raise ValueError(os.environ['EXPLORE_DB_PASSWORD'])" in said.err
    assert shared.contract()["EXPLORE_DB_PASSWORD"] not in said.err + said.out
