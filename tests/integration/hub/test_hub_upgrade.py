"""A hub database that an older JupyterHub made."""

from __future__ import annotations

import contextlib
from pathlib import Path

import psycopg
import pytest

from devenv.credentials import Vault
from integration.conftest import Make
from integration.driving import Dev, settle_hub_ports

pytestmark = pytest.mark.integration

# What JupyterHub's last migration adds, and the revision before it (jupyterhub/alembic/versions).
ADDED = "managed_by_auth"
TABLES = ("group_role_map", "roles", "service_role_map", "user_role_map")
BEFORE = "3c2384c5aae1"


@pytest.fixture(scope="module")
def older(make: Make) -> Dev:
    """An instance that is down, with a database of before the last migration and a user in it."""
    dev = settle_hub_ports(make("upgrade"))
    dev("hub")
    with hub_database(dev) as connection:
        connection.execute("insert into users (name, admin, cookie_id) values ('oldtimer', false, 'x')")
        for table in TABLES:
            connection.execute(f"alter table {table} drop column {ADDED}")
        connection.execute("update alembic_version set version_num = %s", [BEFORE])
    dev("down")
    return dev


@contextlib.contextmanager
def hub_database(dev: Dev):
    project, secrets = dev.name.replace("-", "_"), Vault(dev.instance.secrets).current
    port = dev.ports["postgres"]
    with psycopg.connect(
        host="127.0.0.1", port=port, dbname=f"{project}_hub", user=f"{project}_hub",
        password=secrets.hub_db_password, autocommit=True,
    ) as connection:  # fmt: skip
        yield connection


def archives(dev: Dev) -> list[Path]:
    return sorted((dev.root / "backups").glob("*.dump"))


def test_an_older_database_is_left_alone_and_upgraded_with_a_backup_when_the_values_say_so(
    older: Dev, tmp_path: Path
) -> None:
    refused = older("hub", code=6)
    assert "made by an older JupyterHub" in refused.error
    assert "hub.db.upgrade: true" in refused.error
    assert not archives(older)

    asked = tmp_path / "upgrade.yaml"
    asked.write_text("hub: {db: {upgrade: true}}\n")
    sample = older.checkout / "jupyter" / "sample_project_config.yaml"
    done = older("hub", "--values", str(sample), "--values", str(asked))

    assert "notice" not in done.out
    assert "hub: the hub database was saved to" in done.err
    (archive,) = archives(older)
    assert archive.stat().st_mode & 0o077 == 0
    assert archive.read_bytes().startswith(b"PGDMP")
    with hub_database(older) as connection:
        assert connection.execute("select name from users where name = 'oldtimer'").fetchone()
        assert connection.execute(f"select {ADDED} from roles").fetchone()


def test_a_database_that_is_current_is_not_saved_again(older: Dev) -> None:
    before = archives(older)

    older("down")
    older("hub")

    assert archives(older) == before
