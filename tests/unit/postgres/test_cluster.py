from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from devenv import commands
from devenv.errors import ConflictError, DevenvError, MissingError
from devenv.postgres import binaries, cluster
from devenv.postgres.account import Account
from devenv.postgres.binaries import Binaries

PROGRAMS = Binaries(Path("/opt/pg/bin"), 18, "18.6", "wheel")
PASSWORD = "tell-nobody"


class Initdb:
    """Stands in for ``commands.run``: notes each argv and makes a data folder, unless told to fail."""

    def __init__(self, *failures: str) -> None:
        self.failures = list(failures)
        self.argvs: list[tuple[str, ...]] = []
        self.passwords: list[tuple[str, int]] = []

    def __call__(self, argv: commands.Argv, **_: object) -> commands.Completed:
        words = tuple(map(str, argv))
        self.argvs.append(words)
        options = dict(word.split("=", 1) for word in words[1:] if "=" in word)
        secret = Path(options["--pwfile"])
        self.passwords.append((secret.read_text(), secret.stat().st_mode & 0o777))
        data = Path(options["--pgdata"])
        data.mkdir()
        if self.failures:
            raise commands.CommandFailedError(commands.Completed(words, 1, "", self.failures.pop(0)))
        (data / "PG_VERSION").write_text("18\n")
        return commands.Completed(words, 0, "", "")


@pytest.fixture
def initdb(monkeypatch: pytest.MonkeyPatch) -> Initdb:
    made = Initdb()
    monkeypatch.setattr(commands, "run", made)
    return made


def _create(data: Path) -> bool:
    return cluster.create(PROGRAMS, data, superuser_password=PASSWORD, account=None)


def test_data_are_made_once(initdb: Initdb, tmp_path: Path) -> None:
    data = tmp_path / "data"
    assert _create(data)
    assert not _create(data)
    assert len(initdb.argvs) == 1
    assert cluster.major_of(data) == 18


def test_the_password_goes_by_a_private_file_that_is_removed(initdb: Initdb, tmp_path: Path) -> None:
    _create(tmp_path / "data")
    assert initdb.passwords == [(PASSWORD, 0o600)]
    assert PASSWORD not in " ".join(initdb.argvs[0])
    assert [each.name for each in tmp_path.iterdir()] == ["data"]


def test_what_a_killed_initdb_left_is_cleared_away(initdb: Initdb, tmp_path: Path) -> None:
    left = tmp_path / "data.new-0a1b2c3d" / "data"
    left.mkdir(parents=True)
    (left / "PG_VERSION").write_text("18\n")
    assert _create(tmp_path / "data")
    assert [each.name for each in tmp_path.iterdir()] == ["data"]


def test_a_failed_initdb_leaves_nothing_and_is_tried_again(initdb: Initdb, tmp_path: Path) -> None:
    initdb.failures = ["initdb: error: something odd"]
    with pytest.raises(DevenvError):
        _create(tmp_path / "data")
    assert list(tmp_path.iterdir()) == []
    assert _create(tmp_path / "data")


def test_a_locale_that_the_system_lacks_gives_way_to_c(initdb: Initdb, tmp_path: Path) -> None:
    initdb.failures = ['initdb: error: invalid locale name "C.UTF-8"']
    assert _create(tmp_path / "data")
    assert ["--locale=C" in argv for argv in initdb.argvs] == [False, True]


@pytest.mark.parametrize(
    ("free", "said"),
    [
        pytest.param(10**9, "No space left on device", id="that says so"),
        pytest.param(
            20 * 2**20, "PANIC:  cannot abort transaction 1, it was already committed", id="that does not"
        ),
    ],
)
def test_a_full_disk_is_named(
    free: int, said: str, initdb: Initdb, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    initdb.failures = [said]
    monkeypatch.setattr(cluster.shutil, "disk_usage", lambda _folder: SimpleNamespace(free=free))
    with pytest.raises(MissingError, match=rf"the disk that holds {tmp_path} is full: \d+ MB are free"):
        _create(tmp_path / "data")


def test_a_folder_that_the_account_cannot_enter_is_named(initdb: Initdb, tmp_path: Path) -> None:
    initdb.failures = ["initdb: error: could not open file: Permission denied"]
    me = Account("server", os.getuid(), os.getgid())
    with pytest.raises(MissingError, match="the account server, which PostgreSQL runs as, cannot enter"):
        cluster.create(PROGRAMS, tmp_path / "data", superuser_password=PASSWORD, account=me)


def test_a_folder_that_cannot_be_written_is_named(initdb: Initdb, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(MissingError, match="cannot be made"):
        _create(tmp_path / "file" / "data")


def test_an_empty_folder_is_taken(initdb: Initdb, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    assert _create(tmp_path / "data")


def test_a_folder_with_something_else_in_it_is_left_alone(initdb: Initdb, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "thesis.txt").touch()
    with pytest.raises(ConflictError, match="left alone"):
        _create(tmp_path / "data")
    assert (tmp_path / "data" / "thesis.txt").exists()


@pytest.fixture
def old_data(tmp_path: Path) -> Path:
    (tmp_path / "PG_VERSION").write_text("15\n")
    return tmp_path


def test_data_of_another_major_are_refused_with_the_server_that_reads_them(
    initdb: Initdb, monkeypatch: pytest.MonkeyPatch, old_data: Path
) -> None:
    fitting = Binaries(Path("/usr/lib/postgresql/15/bin"), 15, "15.18", "system")
    monkeypatch.setattr(binaries, "installed", lambda: (PROGRAMS, fitting))
    with pytest.raises(ConflictError) as caught:
        _create(old_data)
    assert "PostgreSQL 15" in caught.value.what
    assert "PostgreSQL 18.6" in caught.value.what
    assert str(fitting.bin) in caught.value.hint
    assert initdb.argvs == []


def test_data_of_another_major_are_refused_where_no_server_reads_them(
    monkeypatch: pytest.MonkeyPatch, old_data: Path
) -> None:
    monkeypatch.setattr(binaries, "installed", lambda: (PROGRAMS,))
    with pytest.raises(ConflictError, match="Install PostgreSQL 15"):
        cluster.check_major(PROGRAMS, old_data)


def test_data_of_the_same_major_and_no_data_pass(old_data: Path) -> None:
    cluster.check_major(PROGRAMS, old_data / "none")
    (old_data / "PG_VERSION").write_text("18\n")
    cluster.check_major(PROGRAMS, old_data)


def test_the_server_listens_on_loopback_only_and_bears_the_instances_name() -> None:
    argv = cluster.argv(PROGRAMS, Path("/s p/dåta"), port=5999, name="habari-0a")
    assert argv[:3] == ("/opt/pg/bin/postgres", "-D", "/s p/dåta")
    for setting in (
        "listen_addresses=127.0.0.1",
        "unix_socket_directories=",
        "port=5999",
        "cluster_name=habari-0a",
    ):
        assert setting in argv


def test_the_servers_environment_knows_nothing_of_the_users(monkeypatch: pytest.MonkeyPatch) -> None:
    assert set(cluster.ENVIRONMENT) == {"LC_ALL", "TZ", "PATH"}
    assert cluster.ENVIRONMENT["PATH"] == os.defpath


def test_a_lost_superuser_password_is_set_anew_without_showing_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    heard: list[tuple[str, str]] = []

    def run(argv: commands.Argv, *, stdin: str, **_: object) -> commands.Completed:
        heard.append((" ".join(map(str, argv)), stdin))
        return commands.Completed((), 0, "", "")

    monkeypatch.setattr(commands, "run", run)
    cluster.reset_superuser_password(PROGRAMS, tmp_path, PASSWORD, None)
    [(argv, stdin)] = heard
    assert "SCRAM-SHA-256$4096:" in stdin
    assert PASSWORD not in argv + stdin


def test_a_reset_that_the_server_refuses_is_not_taken_for_done(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    said = commands.Completed((), 0, "", 'ERROR:  role "postgres" does not exist')
    monkeypatch.setattr(commands, "run", lambda *_, **__: said)
    with pytest.raises(DevenvError, match="could not be set anew"):
        cluster.reset_superuser_password(PROGRAMS, tmp_path, PASSWORD, None)
