"""docker-compose.yaml as a person drives it: Jupyter, S3 and explore, with Docker's own command alone."""

from __future__ import annotations

import re
from pathlib import Path

import psutil
import psycopg
import pytest

from devenv.endpoints import Endpoint
from devenv.services import kernel
from integration.compose.conftest import CHECKOUT, SERVICES, ByHand, Compose, filled

pytestmark = [pytest.mark.integration, pytest.mark.slow]

FILE = "docker-compose.yaml"
SAMPLES = sorted((CHECKOUT / "jupyter" / "samples").glob("*.ipynb"))
WRITE = """
import os, boto3, sqlalchemy
boto3.client("s3").put_object(Bucket=os.environ["S3_BUCKET_NAME_LAKE"], Key="kept.txt", Body=b"{mark}")
with sqlalchemy.create_engine(os.environ["EXPLORE_DB_URL"]).begin() as connection:
    connection.exec_driver_sql("drop table if exists kept")
    connection.exec_driver_sql("create table kept as select '{mark}' as mark")
open(os.path.expanduser("~/kept.txt"), "w").write("{mark}")
"""
READ = """
import os, boto3, sqlalchemy
kept = boto3.client("s3").get_object(Bucket=os.environ["S3_BUCKET_NAME_LAKE"], Key="kept.txt")
print(kept["Body"].read().decode())
with sqlalchemy.create_engine(os.environ["EXPLORE_DB_URL"]).connect() as connection:
    print(connection.exec_driver_sql("select mark from kept").scalar())
print(open(os.path.expanduser("~/kept.txt")).read())
"""


@pytest.fixture(scope="module")
def stack(by_hand: ByHand) -> Compose:
    compose = by_hand(FILE, filled((CHECKOUT / "jupyter" / ".env.dist").read_text()))
    compose.up()
    return compose


def python(compose: Compose, code: str) -> str:
    """What a program prints in the notebook's container, with the notebook's environment."""
    return compose("exec", "-T", "jupyter", "habari-start", "python", "-c", code).stdout


def test_everything_that_is_up_is_healthy(stack: Compose) -> None:
    containers = stack.containers()
    assert sorted(containers) == sorted(SERVICES)
    assert {name: each["State"]["Health"]["Status"] for name, each in containers.items()} == dict.fromkeys(
        SERVICES, "healthy"
    )


def test_every_listener_is_on_the_loopback_address(stack: Compose) -> None:
    ours = {stack.port(name) for name in ("PORTS_JUPYTER", "PORTS_S3", "EXPLORE_DB_PORT")}
    listening = [each.laddr for each in psutil.net_connections("tcp") if each.status == psutil.CONN_LISTEN]
    assert {address.port for address in listening if address.port in ours} == ours
    assert {address.ip for address in listening if address.port in ours} == {"127.0.0.1"}


def test_the_log_has_the_address_and_a_kernel_runs_behind_it(stack: Compose) -> None:
    found = re.search(rf"http://localhost:{stack.port('PORTS_JUPYTER')}/lab\?token=(\w+)", stack.logs())
    assert found
    endpoint = Endpoint("127.0.0.1", stack.port("PORTS_JUPYTER"))
    assert kernel.execute(endpoint, found[1], "print(6 * 7)").strip() == "42"


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.stem)
def test_a_sample_notebook_lies_in_the_home_unchanged_and_runs(stack: Compose, sample: Path) -> None:
    place = f"/home/jovyan/samples/{sample.name}"
    assert stack("exec", "-T", "jupyter", "cat", place).stdout == sample.read_text()
    script = "/opt/habari/bin/execute_notebook.py"
    done = stack("exec", "-T", "jupyter", "habari-start", "python", script, place, check=False)
    assert done.returncode == 0, done.stderr


def test_the_policy_denies_a_write_to_the_public_bucket(stack: Compose) -> None:
    code = """
import os, boto3, botocore
try: boto3.client("s3").put_object(Bucket=os.environ["S3_BUCKET_NAME_PUBLIC"], Key="x", Body=b"")
except botocore.exceptions.ClientError as error: print(error.response["Error"]["Code"])
"""
    assert python(stack, code).strip() == "AccessDenied"


def test_explore_has_postgis_and_a_role_that_is_no_superuser(stack: Compose) -> None:
    code = """
import os, sqlalchemy
with sqlalchemy.create_engine(os.environ["EXPLORE_DB_URL"]).connect() as connection:
    print(connection.exec_driver_sql("select ST_AsText(ST_Point(1, 2))").scalar())
    print(connection.exec_driver_sql("select rolsuper from pg_roles where rolname = current_user").scalar())
"""
    assert python(stack, code).split() == ["POINT(1", "2)", "False"]


def test_ipythons_start_up_folder_is_there_though_a_volume_hides_the_home(stack: Compose) -> None:
    listed = stack("exec", "-T", "jupyter", "ls", "/home/jovyan/.ipython/profile_default/startup").stdout
    assert "README.md" in listed.split()


def test_a_changed_sample_stays_as_it_was_left(stack: Compose) -> None:
    changed = f"/home/jovyan/samples/{SAMPLES[0].name}"
    stack("exec", "-T", "jupyter", "sh", "-c", f"echo mine >{changed}")
    stack("exec", "-T", "jupyter", "habari-home")
    assert stack("exec", "-T", "jupyter", "cat", changed).stdout == "mine\n"
    stack("exec", "-T", "jupyter", "rm", changed)
    stack("exec", "-T", "jupyter", "habari-home")


def test_up_again_changes_nothing(stack: Compose) -> None:
    before = {name: each["State"]["StartedAt"] for name, each in stack.containers().items()}
    stack.up()
    assert {name: each["State"]["StartedAt"] for name, each in stack.containers().items()} == before


@pytest.mark.parametrize("service", SERVICES)
def test_what_was_acknowledged_is_there_after_a_kill(stack: Compose, service: str) -> None:
    python(stack, WRITE.format(mark=service))
    stack("kill", "--signal", "KILL", service)
    stack.up()
    assert python(stack, READ).split() == [service] * 3


def test_what_was_acknowledged_is_there_after_down_and_up(stack: Compose) -> None:
    python(stack, WRITE.format(mark="stopped"))
    stack("down")
    assert not stack("ps", "--all", "--quiet").stdout
    stack.up()
    assert python(stack, READ).split() == ["stopped"] * 3


def test_a_new_key_in_the_file_is_the_key_from_then_on(by_hand: ByHand) -> None:
    compose = by_hand(FILE, filled((CHECKOUT / "jupyter" / ".env.dist").read_text()))
    compose("up", "--detach", "--wait", "--wait-timeout", "120", "s3", "explore-db")
    other = filled((CHECKOUT / "jupyter" / ".env.dist").read_text())
    (compose.folder / "jupyter" / ".env").write_text(other)
    compose("up", "--detach", "--wait", "--wait-timeout", "120", "s3", "explore-db")
    password = re.search("EXPLORE_DB_PASSWORD=(.+)", other)
    assert password
    with psycopg.connect(
        host="127.0.0.1", port=compose.port("EXPLORE_DB_PORT"), user="habari_explore",
        password=password[1], dbname="habari_explore",
    ) as connection:  # fmt: skip
        assert connection.execute("select 1").fetchone() == (1,)


@pytest.mark.parametrize("service", ["s3", "explore-db"])
def test_an_empty_secret_ends_the_service_with_the_command_that_fills_it(
    by_hand: ByHand, service: str
) -> None:
    compose = by_hand(FILE, (CHECKOUT / "jupyter" / ".env.dist").read_text())
    assert compose("up", "--detach", "--wait", "--wait-timeout", "60", service, check=False).returncode != 0
    said = compose("logs", "--no-color", "--no-log-prefix", service).stdout.strip().splitlines()
    assert len(said) == 1
    assert "./dev env --format dotenv --view container > jupyter/.env" in said[0]
