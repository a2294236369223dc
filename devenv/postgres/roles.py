"""Provisioning, and its undoing: two roles, each with a database that the other cannot reach.

Every step looks first and changes only what differs, so it can be repeated, and go on
where it was killed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from devenv.errors import ConflictError, UnhealthyError
from devenv.postgres import scram
from devenv.postgres.cluster import SUPERUSER

if TYPE_CHECKING:
    import psycopg

    Connection = psycopg.Connection[tuple[Any, ...]]

_SYSTEM_DATABASES = ("postgres", "template0", "template1")


@dataclass(frozen=True)
class Database:
    """A database and the role that owns it."""

    name: str
    user: str
    password: str = field(repr=False)


class Named(Protocol):
    """The names of a database and of its role, whoever knows the password."""

    @property
    def name(self) -> str: ...

    @property
    def user(self) -> str: ...


@dataclass(frozen=True)
class Provisioned:
    """``changes``: what was done, in words. ``left_alone``: what is there but not in the project."""

    changes: tuple[str, ...]
    left_alone: tuple[str, ...]
    postgis: bool


def provision(
    port: int,
    *,
    superuser_password: str,
    hub: Database | None,
    explore: Database | None,
    is_shared: bool = False,
) -> Provisioned:
    """Make the server at 127.0.0.1:``port`` what the project wants; None is a database of another server.

    Each role may log in and nothing more, and owns its database; nobody else may enter the databases,
    those of PostgreSQL's own included. PostGIS comes into ``explore`` where the server has it. Databases
    and roles of earlier names are named, never dropped; on a server that projects share (``is_shared``) they
    are not even named. Raises UnhealthyError when the server does not let the superuser in.
    """
    changes: list[str] = []
    databases = tuple(each for each in (hub, explore) if each)
    with connected(port, SUPERUSER, superuser_password, "postgres") as connection:
        for wanted in databases:
            changes += _role(connection, wanted)
            changes += _database(connection, wanted)
        for name in (*(each.name for each in databases), "postgres", "template1"):
            changes += _closed_to_public(connection, name)
        left_alone = (*_other_databases(connection, *databases), *_other_roles(connection, *databases))
    postgis = False
    if explore:
        with connected(port, SUPERUSER, superuser_password, explore.name) as connection:
            postgis = _available(connection, "postgis")
            if postgis:
                changes += _postgis(connection, explore.name)
    return Provisioned(tuple(changes), () if is_shared else left_alone, postgis)


def drop(port: int, *, superuser_password: str, databases: Iterable[Named]) -> tuple[str, ...]:
    """Drop these databases and their roles from the server at 127.0.0.1:``port``; the words of what went.

    Whoever is connected is put out, and what is gone already is no error. Raises ConflictError for a database
    that another role owns, before anything is dropped, and for a role that others depend on.
    """
    wanted = tuple(databases)
    changes = []
    with connected(port, SUPERUSER, superuser_password, "postgres") as connection:
        there = [each for each in wanted if _is_own(connection, each)]
        for each in there:
            _run(connection, "drop database {} with (force)", each.name)
            changes.append(f"dropped the database {each.name}")
        for each in wanted:
            if (
                connection.execute("select from pg_roles where rolname = %s", (each.user,)).fetchone()
                is not None
            ):
                _drop_role(connection, each.user)
                changes.append(f"dropped the role {each.user}")
    return tuple(changes)


@contextmanager
def connected(port: int, user: str, password: str, database: str) -> Iterator[Connection]:
    """A connection in autocommit mode, over TCP, whatever the user's ``PG*`` variables say."""
    import psycopg

    try:
        connection = psycopg.connect(
            host="127.0.0.1",
            hostaddr="127.0.0.1",
            port=port,
            user=user,
            password=password,
            dbname=database,
            connect_timeout=10,
            sslmode="disable",
            sslrootcert="",
            gssencmode="disable",
            require_auth="scram-sha-256",
            channel_binding="disable",
            target_session_attrs="any",
            load_balance_hosts="disable",
            options="-c client_min_messages=warning",
            autocommit=True,
        )
    except psycopg.OperationalError as error:
        raise UnhealthyError(
            f"PostgreSQL on 127.0.0.1:{port} does not let {user} into {database}",
            hint="Its log tells why: ./dev logs --service postgres",
            details=tuple(str(error).splitlines()[-3:]),
        ) from error
    with connection:
        yield connection


def _role(connection: Connection, wanted: Database) -> list[str]:
    row = connection.execute(
        "select rolpassword, rolcanlogin and not (rolsuper or rolcreatedb or rolcreaterole or rolreplication"
        " or rolbypassrls) from pg_authid where rolname = %s",
        (wanted.user,),
    ).fetchone()
    verifier = _Text(scram.verifier(wanted.password))
    if row is None:
        _run(connection, "create role {} login password {}", wanted.user, verifier)
        return [f"made the role {wanted.user}"]
    changes = []
    if not scram.matches(row[0], wanted.password):
        _run(connection, "alter role {} password {}", wanted.user, verifier)
        changes.append(f"set the password of the role {wanted.user} anew")
    if not row[1]:
        limits = "login nosuperuser nocreatedb nocreaterole noreplication nobypassrls"
        _run(connection, f"alter role {{}} {limits}", wanted.user)
        changes.append(f"took the role {wanted.user} back to what it may do")
    return changes


def _database(connection: Connection, wanted: Database) -> list[str]:
    row = connection.execute(
        "select pg_get_userbyid(datdba) from pg_database where datname = %s", (wanted.name,)
    ).fetchone()
    if row is None:
        # template1 may be in use, and may hold what somebody put there; template0 is neither.
        _run(connection, "create database {} owner {} template template0", wanted.name, wanted.user)
        return [f"made the database {wanted.name}"]
    if row[0] != wanted.user:
        _run(connection, "alter database {} owner to {}", wanted.name, wanted.user)
        return [f"gave the database {wanted.name} to the role {wanted.user}, it was {row[0]}'s"]
    return []


def _is_own(connection: Connection, wanted: Named) -> bool:
    """Whether the database is there. Raises ConflictError when it is somebody else's."""
    row = connection.execute(
        "select pg_get_userbyid(datdba) from pg_database where datname = %s", (wanted.name,)
    ).fetchone()
    if row is not None and row[0] != wanted.user:
        raise ConflictError(
            f"the database {wanted.name} is owned by the role {row[0]}, not by {wanted.user}",
            hint="Nothing was dropped; look at it yourself",
        )
    return row is not None


def _drop_role(connection: Connection, user: str) -> None:
    from psycopg import errors

    try:
        _run(connection, "drop role {}", user)
    except errors.DependentObjectsStillExist as error:
        raise ConflictError(
            f"the role {user} has things in other databases, so it was not dropped",
            hint="Give them to another role (reassign owned), then try again",
            details=tuple((error.diag.message_detail or "").splitlines()[:5]),
        ) from None


def _closed_to_public(connection: Connection, name: str) -> list[str]:
    open_to_all = connection.execute(
        "select exists (select from aclexplode(coalesce(datacl, acldefault('d', datdba))) where grantee = 0)"
        " from pg_database where datname = %s",
        (name,),
    ).fetchone()
    if open_to_all != (True,):
        return []
    _run(connection, "revoke all on database {} from public", name)
    return [f"closed the database {name} to other roles"]


def _other_databases(connection: Connection, *wanted: Database) -> tuple[str, ...]:
    known = [*_SYSTEM_DATABASES, *(each.name for each in wanted)]
    rows = connection.execute("select datname from pg_database where datname <> all(%s) order by 1", (known,))
    return tuple(f"the database {row[0]} is not in the project and was left alone" for row in rows)


def _other_roles(connection: Connection, *wanted: Database) -> tuple[str, ...]:
    known = [SUPERUSER, *(each.user for each in wanted)]
    rows = connection.execute(
        r"select rolname from pg_roles where rolname <> all(%s) and rolname not like 'pg\_%%' order by 1",
        (known,),
    )
    return tuple(f"the role {row[0]} is not in the project and was left alone" for row in rows)


def _available(connection: Connection, extension: str) -> bool:
    row = connection.execute("select from pg_available_extensions where name = %s", (extension,)).fetchone()
    return row is not None


def _postgis(connection: Connection, database: str) -> list[str]:
    if connection.execute("select from pg_extension where extname = 'postgis'").fetchone() is not None:
        return []
    _run(connection, "create extension if not exists postgis")
    return [f"put PostGIS into the database {database}"]


class _Text(str):
    """A value among names: quoted as a literal."""

    __slots__ = ()


def _run(connection: Connection, statement: str, *parts: str) -> None:
    from psycopg import sql

    quoted = [sql.Literal(str(p)) if isinstance(p, _Text) else sql.Identifier(p) for p in parts]
    connection.execute(sql.SQL(statement).format(*quoted))
