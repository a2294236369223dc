"""Whom the server runs as: PostgreSQL refuses to run as root."""

from __future__ import annotations

import os
import pwd
from dataclasses import dataclass
from pathlib import Path

from devenv.errors import MissingError

_CANDIDATES = ("postgres", "nobody")


@dataclass(frozen=True)
class Account:
    """A name from the machine's user list with its numbers."""

    name: str
    uid: int
    gid: int


def choose(data: Path) -> Account | None:
    """The account for the server of ``data``; None as a normal user, who runs it himself.

    As root it is the owner of the data when there are any, since PostgreSQL starts for nobody else, else
    ``postgres``, else ``nobody``. Raises MissingError when none of them is in the user list.
    """
    if os.geteuid() != 0:
        return None
    if (data / "PG_VERSION").is_file():
        return _owner(data)
    for name in _CANDIDATES:
        try:
            return _account(pwd.getpwnam(name))
        except KeyError:
            continue
    raise MissingError(
        "PostgreSQL refuses to run as root, and this machine has neither an account postgres nor nobody",
        hint="Add one (useradd --system postgres), or run this as a normal user",
    )


def give(path: Path, account: Account | None) -> None:
    """Make ``path`` the account's own; nothing to do for None."""
    if account:
        os.chown(path, account.uid, account.gid)


def uid_of(account: Account | None) -> int:
    """The user id that the server's processes have."""
    return account.uid if account else os.geteuid()


def _owner(data: Path) -> Account:
    uid = data.stat().st_uid
    try:
        entry = pwd.getpwuid(uid)
    except KeyError:
        raise MissingError(
            f"the PostgreSQL data in {data} belong to user id {uid}, which this machine has no account for",
            hint="Give the folder to an account that it has: chown -R postgres",
        ) from None
    if uid == 0:
        raise MissingError(
            f"the PostgreSQL data in {data} belong to root, and PostgreSQL refuses to run as root",
            hint="Give the folder to an unprivileged account: chown -R postgres",
        )
    return _account(entry)


def _account(entry: pwd.struct_passwd) -> Account:
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)
