"""The server's data folder and the argv it is started with."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
from pathlib import Path

from devenv import commands
from devenv.errors import ConflictError, DevenvError, MissingError
from devenv.postgres import binaries as programs
from devenv.postgres import scram
from devenv.postgres.account import Account, give
from devenv.postgres.binaries import Binaries

SUPERUSER = "postgres"
# Fast shutdown: sessions are ended, data are flushed. SIGTERM would wait for every client to leave.
STOP_SIGNAL = signal.SIGINT
# All that the server and initdb need; PG* variables of the user's must not reach them.
ENVIRONMENT = {"LC_ALL": "C", "TZ": "UTC", "PATH": os.defpath}

# What an empty data folder takes, with the first write-ahead log.
_DATA_MEGABYTES = 60

_SETTINGS = (
    "listen_addresses=127.0.0.1",
    # A socket's path may have 107 bytes, and the state folder's may be longer.
    "unix_socket_directories=",
    "password_encryption=scram-sha-256",
    "max_connections=100",
    "shared_buffers=64MB",
    "max_wal_size=256MB",
    # Asking for them ends in a bus error in containers that promise huge pages and have none.
    "huge_pages=off",
    "timezone=UTC",
    "log_timezone=UTC",
    "lc_messages=C",
    # A statement that fails may hold a secret.
    "log_min_error_statement=panic",
    "log_line_prefix=%m [%p] %q%u@%d ",
)


def create(binaries: Binaries, data: Path, *, superuser_password: str, account: Account | None) -> bool:
    """Make the data folder unless it is there; tell whether it was made.

    It appears whole or not at all: ``initdb`` works in a folder beside it, which is then renamed, so a
    kill at any moment leaves nothing that the next call does not clear away. The caller holds the
    instance's lock. Raises ConflictError for data of another major version, or a folder that holds
    something else; MissingError when the disk is full or read-only.
    """
    # an initdb whose starter was killed may write for some seconds more: each call clears away
    for left in data.parent.glob(f"{data.name}.new-*"):
        shutil.rmtree(left, ignore_errors=True)
    if (data / "PG_VERSION").is_file():
        check_major(binaries, data)
        return False
    try:
        _refuse_other_content(data)
        draft = data.with_name(f"{data.name}.new-{secrets.token_hex(4)}")
        draft.mkdir(mode=0o700)
        try:
            _initdb(binaries, draft, superuser_password, account)
            (draft / "data").rename(data)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    except OSError as error:
        raise MissingError(
            f"the PostgreSQL data folder {data} cannot be made: {error.strerror or error}",
            hint=f"Its folder must be there, writable, and on a disk with {_DATA_MEGABYTES} MB to spare",
        ) from error
    return True


def major_of(data: Path) -> int | None:
    """The major version that made ``data``; None when there are no data."""
    try:
        return int((data / "PG_VERSION").read_text().strip())
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None


def check_major(binaries: Binaries, data: Path) -> None:
    """Raise ConflictError when the data are another major version's: PostgreSQL reads its own only."""
    made_by = major_of(data)
    if made_by is None or made_by == binaries.major:
        return
    fitting = next((each for each in programs.installed() if each.major == made_by), None)
    if fitting:
        hint = f"This machine has {fitting}: set postgres.binaries in devenv.yaml to {fitting.bin}"
    else:
        hint = (
            f"Install PostgreSQL {made_by} and name its bin folder in devenv.yaml (postgres.binaries), "
            "or start anew with down --purge, which removes the data"
        )
    raise ConflictError(
        f"the data in {data} were made by PostgreSQL {made_by}, and {binaries} cannot read them", hint=hint
    )


def argv(binaries: Binaries, data: Path, *, port: int, name: str) -> tuple[str, ...]:
    """The command that runs the server in the foreground, on loopback only.

    ``name`` (ASCII, at most 63 characters) is the instance's mark: the server tells it to whoever logs
    in, and every process of it shows it in its title. Start it in a folder its account can enter.
    """
    settings = (*_SETTINGS, f"cluster_name={name}", f"port={port}")
    return (str(binaries.bin / "postgres"), "-D", str(data), *(w for s in settings for w in ("-c", s)))


def reset_superuser_password(binaries: Binaries, data: Path, password: str, account: Account | None) -> None:
    """Give the superuser of a *stopped* server another password, for when its secret was lost.

    PostgreSQL's single-user mode asks for none. Raises DevenvError when it fails.
    """
    quiet = ("-c", "log_min_error_statement=panic", "-c", "logging_collector=off")
    said = commands.run(
        (binaries.bin / "postgres", "--single", "-D", data, *quiet, "postgres"),
        stdin=f"ALTER ROLE {SUPERUSER} PASSWORD '{scram.verifier(password)}'\n",
        env=ENVIRONMENT,
        cwd=data,
        account=account.name if account else None,
    )
    # Single-user mode goes on after an error and ends with 0.
    if "ERROR:" in said.stdout + said.stderr:
        raise DevenvError(f"the superuser's password of {data} could not be set anew")


def _refuse_other_content(data: Path) -> None:
    if data.is_dir():
        if any(data.iterdir()):
            raise ConflictError(
                f"{data} holds something that is not PostgreSQL's data, and it was left alone",
                hint="Move it away",
            )
        data.rmdir()


def _initdb(binaries: Binaries, draft: Path, password: str, account: Account | None) -> None:
    secret = draft / "password"
    secret.touch(mode=0o600)
    secret.write_text(password)
    give(secret, account)
    # Only now: root must not write in a folder in which the account can plant links.
    give(draft, account)
    try:
        _run_initdb_in_some_locale(binaries, draft, account)
    except commands.CommandFailedError as error:
        raise _explained(error, draft.parent, account) from error


def _run_initdb_in_some_locale(binaries: Binaries, draft: Path, account: Account | None) -> None:
    try:
        _run_initdb(binaries, draft, account, "C.UTF-8")
    except commands.CommandFailedError as error:
        if "invalid locale name" not in error.completed.stderr:
            raise
        # Older macOS has no C.UTF-8; C sorts the same way.
        shutil.rmtree(draft / "data", ignore_errors=True)
        _run_initdb(binaries, draft, account, "C")


def _run_initdb(binaries: Binaries, draft: Path, account: Account | None, locale: str) -> None:
    commands.run(
        (
            binaries.bin / "initdb",
            f"--pgdata={draft / 'data'}",
            f"--username={SUPERUSER}",
            f"--pwfile={draft / 'password'}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            f"--locale={locale}",
            "--no-instructions",
            # A kill loses nothing that the system holds already, and a power cut is not promised for.
            "--no-sync",
        ),
        env=ENVIRONMENT,
        cwd=draft,
        timeout=300,
        account=account.name if account else None,
    )


def _explained(error: commands.CommandFailedError, folder: Path, account: Account | None) -> DevenvError:
    if account and "Permission denied" in error.completed.stderr:
        return MissingError(
            f"the account {account.name}, which PostgreSQL runs as, cannot enter {folder}",
            hint="Open the folders above it for that account (chmod o+x), or keep the state elsewhere",
        )
    # A full disk has many texts, and initdb has already removed what filled it: the space decides too.
    free = shutil.disk_usage(folder).free // 2**20
    if free < _DATA_MEGABYTES or "No space left on device" in error.completed.stderr:
        return MissingError(
            f"the disk that holds {folder} is full: {free} MB are free, {_DATA_MEGABYTES} are needed"
        )
    return error
