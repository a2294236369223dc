"""docker-compose.postgres.yaml as a person drives it: the hub's and the explore database, on the loopback."""

from __future__ import annotations

import secrets

import psutil
import psycopg
import pytest

from devenv.images.engine import Engine
from integration.compose.conftest import DATABASES, ByHand, Compose

pytestmark = [pytest.mark.integration, pytest.mark.slow]

FILE = "docker-compose.postgres.yaml"
PORTS = {"hub-db": "HUB_DB_PORT", "explore-db": "EXPLORE_DB_PORT"}


@pytest.fixture(scope="module")
def databases(by_hand: ByHand) -> Compose:
    compose = by_hand(
        FILE,
        HABARI_HUB_DB_PASSWORD=secrets.token_hex(12),
        # what a shell and a connection string would stumble over
        HABARI_EXPLORE_DB_PASSWORD='it\'s "a" $ecret\\n %41',
    )
    compose.up()
    return compose


def connected(compose: Compose, service: str) -> psycopg.Connection[tuple[object, ...]]:
    role = service.removesuffix("-db")
    return psycopg.connect(
        host="127.0.0.1",
        port=compose.port(PORTS[service]),
        user=role,
        password=compose.variables[f"HABARI_{role.upper()}_DB_PASSWORD"],
        dbname="habari-dev",
        autocommit=True,
    )


@pytest.mark.parametrize("service", DATABASES)
def test_a_role_enters_its_database_from_this_machine(databases: Compose, service: str) -> None:
    with connected(databases, service) as connection:
        assert connection.execute("select current_user::text").fetchone() == (service.removesuffix("-db"),)


def test_explore_alone_has_postgis(databases: Compose) -> None:
    query = "select count(*) from pg_extension where extname = 'postgis'"
    for service, expected in (("explore-db", 1), ("hub-db", 0)):
        with connected(databases, service) as connection:
            assert connection.execute(query).fetchone() == (expected,)


def test_no_listener_is_open_to_the_network(databases: Compose) -> None:
    ours = {databases.port(name) for name in PORTS.values()}
    listening = [each.laddr for each in psutil.net_connections("tcp") if each.status == psutil.CONN_LISTEN]
    assert {address.ip for address in listening if address.port in ours} == {"127.0.0.1"}


@pytest.mark.parametrize("service", DATABASES)
@pytest.mark.parametrize("user", ["postgres", "nobody-knows"])
def test_nobody_else_enters_by_the_network(databases: Compose, service: str, user: str) -> None:
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(
            host="127.0.0.1",
            port=databases.port(PORTS[service]),
            user=user,
            password="postgres",
            dbname="postgres",
        )


def test_no_password_is_in_a_log(databases: Compose) -> None:
    logs = databases.logs()
    for name in ("HABARI_HUB_DB_PASSWORD", "HABARI_EXPLORE_DB_PASSWORD"):
        assert databases.variables[name] not in logs


@pytest.mark.parametrize("service", DATABASES)
def test_committed_rows_are_there_after_a_kill_and_after_down(databases: Compose, service: str) -> None:
    with connected(databases, service) as connection:
        connection.execute("drop table if exists kept")
        connection.execute("create table kept as select 42 as n")
    databases("kill", "--signal", "KILL", service)
    databases.up()
    databases("down")
    databases.up()
    with connected(databases, service) as connection:
        assert connection.execute("select n from kept").fetchone() == (42,)


def test_a_changed_password_is_the_password_from_then_on(databases: Compose) -> None:
    databases.variables["HABARI_HUB_DB_PASSWORD"] = secrets.token_hex(12)
    databases.up()
    with connected(databases, "hub-db") as connection:
        assert connection.execute("select 1").fetchone() == (1,)


def test_an_empty_password_ends_the_service_with_the_command_that_fills_it(by_hand: ByHand) -> None:
    compose = by_hand(FILE)
    assert compose("up", "--detach", "--wait", "--wait-timeout", "60", check=False).returncode != 0
    said = compose("logs", "--no-color", "--no-log-prefix", "hub-db").stdout.strip().splitlines()
    assert len(said) == 1
    assert "HUB_DB_PASSWORD is empty" in said[0]
    assert ">>.env" in said[0]


def test_a_volume_of_another_major_version_is_left_alone(images: Engine, docker: Engine) -> None:
    volume = f"habari-test-{secrets.token_hex(4)}"
    mount = f"{volume}:/var/lib/postgresql"
    image = "habari/postgres:local"
    try:
        make_old = (
            "mkdir -p /var/lib/postgresql/16/docker && echo 16 >/var/lib/postgresql/16/docker/PG_VERSION"
        )
        assert docker.run("run", "--rm", "-v", mount, "--entrypoint", "sh", image, "-c", make_old).code == 0
        done = docker.run("run", "--rm", "-v", mount, "-e", "DB_FOR=hub", "-e", "HUB_DB_PASSWORD=x", image)
        assert done.code == 6
        assert "made by PostgreSQL 16, this image is 17" in done.stderr
    finally:
        docker.run("volume", "rm", volume)


def test_an_account_of_the_callers_choice_may_run_it_on_a_volume_of_its_own(
    images: Engine, docker: Engine
) -> None:
    done = docker.run(
        "run", "--rm", "--user", "12345:12345", "--tmpfs", "/var/lib/postgresql:uid=12345",
        "-e", "DB_FOR=hub", "-e", "HUB_DB_PASSWORD=x", "habari/postgres:local", "sh", "-c", "id -u",
    )  # fmt: skip
    assert done.stdout.split() == ["12345"]
