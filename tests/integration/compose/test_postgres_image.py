"""What holds for PostgreSQL as a process holds for its image: the very same tests, each on a container."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from testcontainers.core.container import DockerContainer

from devenv import waiting
from devenv.images.engine import Engine
from devenv.postgres import ask, cluster, roles
from devenv.postgres.wire import Login
from integration.compose.passing import OWNER, container, reap
from integration.process.test_postgres_server import (
    ADMIN,
    EXPLORE,
    HUB,
    NAME,
    test_explore_owns_its_database_and_reaches_no_other,
    test_provisioning_does_not_heed_the_users_variables,
    test_provisioning_twice_is_the_same_as_once,
    test_what_differs_is_put_right_and_earlier_names_are_named_not_dropped,
)

__all__ = [
    "test_explore_owns_its_database_and_reaches_no_other",
    "test_provisioning_does_not_heed_the_users_variables",
    "test_provisioning_twice_is_the_same_as_once",
    "test_what_differs_is_put_right_and_earlier_names_are_named_not_dropped",
]
pytestmark = [pytest.mark.integration, pytest.mark.slow]

IMAGE = "habari/postgres:local"
NAMED = ("postgres", "-c", f"cluster_name={NAME}")


class Server:
    """A server in a container, as those tests drive it."""

    def __init__(self, made: DockerContainer) -> None:
        self.port = int(made.get_exposed_port(5432))
        waiting.until(lambda: ask.prove(self.admin(), name=NAME), what="PostgreSQL", seconds=60)

    def provision(self, hub: roles.Database = HUB, explore: roles.Database = EXPLORE) -> roles.Provisioned:
        return roles.provision(self.port, superuser_password=ADMIN, hub=hub, explore=explore)

    def admin(self) -> Login:
        return Login(self.port, cluster.SUPERUSER, ADMIN, "postgres")

    def explore(self, database: str = EXPLORE.name) -> Login:
        return Login(self.port, EXPLORE.user, EXPLORE.password, database)

    def connect(self, login: Login | None = None) -> psycopg.Connection[tuple[object, ...]]:
        who = login or self.explore()
        return psycopg.connect(
            host="127.0.0.1",
            port=who.port,
            user=who.user,
            password=who.password,
            dbname=who.database,
            autocommit=True,
        )


@pytest.fixture
def server(images: Engine) -> Iterator[Server]:
    with container(images, IMAGE, 5432, {"POSTGRES_PASSWORD": ADMIN}, *NAMED) as made:
        yield Server(made)


def test_what_killed_tests_have_left_is_removed_and_what_runs_is_left(images: Engine) -> None:
    def left(whose: str) -> str:
        return images.run("create", "--label", f"{OWNER}={whose}", IMAGE).stdout.strip()

    # pid 1 is there, and was not there at the beginning of time
    gone = left("1-0.00")
    with container(images, IMAGE, 5432, {"POSTGRES_PASSWORD": ADMIN}) as ours:
        reap(images)

        assert images.run("inspect", gone).code != 0
        bindings = ours.get_wrapped_container().attrs["HostConfig"]["PortBindings"]["5432/tcp"]
        assert {each["HostIp"] for each in bindings} == {"127.0.0.1"}
        assert images.run("inspect", str(ours.get_wrapped_container().id)).code == 0


@pytest.mark.parametrize(("password", "code"), [("", 0), ("wrong", 2)], ids=["its own password", "another"])
def test_a_server_for_several_projects_is_healthy_by_its_administrators_word(
    images: Engine, password: str, code: int
) -> None:
    with container(images, IMAGE, 5432, {"POSTGRES_PASSWORD": ADMIN}, *NAMED) as made:
        Server(made)
        name = str(made.get_wrapped_container().id)
        given = ("--env", f"POSTGRES_PASSWORD={password}") if password else ()

        assert images.run("exec", *given, name, "usable").code == code
