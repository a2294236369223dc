"""The hub's database: waiting for it, which JupyterHub made it, and JupyterHub's own upgrade of it.

https://jupyterhub.readthedocs.io/en/stable/howto/upgrading.html
"""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .exits import CONFLICT, UNHEALTHY, StartError
from .settings import Backup

EMPTY, CURRENT, OLDER, NEWER = "empty", "current", "older", "newer"


@dataclass(frozen=True)
class State:
    """What the database is for the JupyterHub at hand; revisions are Alembic's, '' where there is none."""

    state: str
    found: str
    wanted: str


def usable_url(url: str) -> str:
    """The URL with a driver that is installed: production's psycopg2, else psycopg 3.

    SQLAlchemy takes the one for a plain ``postgresql://`` before 2.1 and the other from there on.
    """
    scheme, separator, rest = url.partition("://")
    if scheme == "postgresql":
        scheme += "+psycopg2" if importlib.util.find_spec("psycopg2") else "+psycopg"
    return scheme + separator + rest


def wait(url: str, tell: Callable[[str], None], *, seconds: float = 60) -> None:
    """Return once the database takes our connection; StartError (exit code 4) with its last answer otherwise.

    A role or a database that is not there yet is waited for too: the first start makes them meanwhile.
    """
    from sqlalchemy import create_engine
    from sqlalchemy.exc import OperationalError

    engine = create_engine(url)
    until, pause, told = time.monotonic() + seconds, 0.05, False
    try:
        while True:
            try:
                with engine.connect():
                    return
            except OperationalError as error:
                answer = _answer(error)
            if time.monotonic() > until:
                raise StartError(UNHEALTHY, f"the hub database did not answer within {seconds:g} s: {answer}")
            if not told:
                tell(f"waiting for the hub database: {answer}")
                told = True
            time.sleep(pause)
            pause = min(pause * 1.5, 0.5)
    finally:
        engine.dispose()


def _answer(error: Any) -> str:
    """The driver's own words in one line; they hold no password."""
    return " ".join(str(error.orig or error).split())[:300]


def examine(url: str) -> State:
    """Which state the database is in. Raises StartError (exit code 4) when it does not answer."""
    from sqlalchemy import create_engine, inspect, text
    from sqlalchemy.exc import OperationalError

    revisions = known_revisions()
    engine = create_engine(url)
    try:
        with engine.connect() as connection:
            tables = set(inspect(connection).get_table_names())
            rows = (
                connection.execute(text("SELECT version_num FROM alembic_version")).scalars().all()
                if ("alembic_version" in tables)
                else []
            )
    except OperationalError as error:
        raise StartError(UNHEALTHY, f"the hub database does not answer: {_answer(error)}") from None
    finally:
        engine.dispose()
    return judge(tables, str(rows[0]) if rows else "", revisions)


def judge(tables: set[str], found: str, revisions: dict[str, str | None]) -> State:
    """The state from the tables' names and the revision; ``revisions`` maps each to the one before it."""
    wanted = head(revisions)
    if not found:
        # JupyterHub takes tables without a revision for its present ones from 0.8 on, for older ones before
        made = "users" in tables
        return State((CURRENT if "spawners" in tables else OLDER) if made else EMPTY, "", wanted)
    if found == wanted:
        return State(CURRENT, found, wanted)
    return State(OLDER if found in revisions else NEWER, found, wanted)


def head(revisions: dict[str, str | None]) -> str:
    """The revision that no other comes after."""
    ends = revisions.keys() - set(revisions.values())
    if len(ends) != 1:
        raise ValueError(f"JupyterHub's revisions have {len(ends)} ends")
    return ends.pop()


def known_revisions() -> dict[str, str | None]:
    """The installed JupyterHub's revisions, each with the one before it; read as text, which is quick."""
    spec = importlib.util.find_spec("jupyterhub")
    assert spec is not None and spec.origin is not None
    folder = Path(spec.origin).parent / "alembic" / "versions"
    return dict(read_revision(path.read_text(encoding="utf-8")) for path in folder.glob("*.py"))


def read_revision(source: str) -> tuple[str, str | None]:
    """The revision of a migration script, and the one before it."""
    found = dict(re.findall(r"^(revision|down_revision)\s*=\s*['\"]?(\w+)['\"]?", source, re.MULTILINE))
    before = found.get("down_revision")
    return found["revision"], None if before in (None, "None") else before


def prepare(url: str, *, upgrade: bool, backup: Backup | None, tell: Callable[[str], None]) -> None:
    """Bring the database to this JupyterHub's revision, or say why not (StartError, exit code 6).

    Before an upgrade the database is saved; without a backup there is no upgrade (exit code 4).
    """
    state = examine(url)
    if state.state == NEWER:
        raise StartError(
            CONFLICT,
            f"the hub database was made by a newer JupyterHub (revision {state.found}, this one's is "
            f"{state.wanted}); restore a backup or run that version",
        )
    if state.state != OLDER:
        return
    told = f"made by an older JupyterHub (revision {state.found or 'none'}, wanted {state.wanted})"
    if not upgrade:
        raise StartError(
            CONFLICT, f"the hub database was {told}; hub.db.upgrade: true in the values upgrades it"
        )
    if backup:
        tell(f"the hub database was saved to {save(url, backup, state.found)}")
    tell(f"upgrading the hub database, {told}")
    _upgrade(url)


def save(url: str, backup: Backup, revision: str) -> Path:
    """Write the whole database to an archive for pg_restore and return its path; all of it, or StartError."""
    from sqlalchemy import make_url

    place = make_url(url)
    folder = Path(backup.folder)
    folder.mkdir(mode=0o700, exist_ok=True)
    archive = folder / f"hub-{revision or 'none'}-{time.strftime('%Y%m%dT%H%M%S')}.dump"
    draft = archive.with_suffix(".new")
    # by the environment, not by words that every account can read
    connection = {
        "PGHOST": place.host or "",
        "PGPORT": str(place.port or 5432),
        "PGUSER": place.username or "",
        "PGPASSWORD": place.password or "",
        "PGDATABASE": place.database or "",
    }
    words = (*backup.command, "--format=custom", "--no-password", f"--file={draft}")
    environ = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    try:
        done = subprocess.run(
            words, env={**environ, **connection}, capture_output=True, text=True, check=False
        )
    except OSError as error:
        raise StartError(
            UNHEALTHY, f"the hub database cannot be saved: {words[0]}: {error.strerror}"
        ) from None
    if done.returncode:
        draft.unlink(missing_ok=True)
        said = " ".join(done.stderr.split())[-300:]
        raise StartError(UNHEALTHY, f"the hub database cannot be saved, so it was left as it is: {said}")
    draft.replace(archive)
    return archive


def _upgrade(url: str) -> None:
    from subprocess import CalledProcessError

    from jupyterhub import dbutil, orm
    from sqlalchemy import create_engine

    # JupyterHub calls alembic by its name
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    engine = create_engine(url)
    try:
        # gives a database from before 0.8 the revision it has; telling a mismatch is what it does besides
        orm.check_db_revision(engine)
    except orm.DatabaseSchemaMismatch:
        pass
    finally:
        engine.dispose()
    try:
        dbutil.upgrade(url)
    except CalledProcessError as error:
        raise StartError(
            CONFLICT,
            f"JupyterHub's upgrade of the hub database failed: alembic ended with {error.returncode}",
        ) from None
