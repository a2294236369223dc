"""Who users' servers run as, and their homes.

As root each user gets an account id of their own, which needs no entry in the machine's list of accounts, and
a home that nobody else may enter. As a normal user everybody runs as that user.
"""

from __future__ import annotations

import json
import os
import pwd
import stat
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from .exits import CONFLICT, StartError
from .names import folder_name


@dataclass(frozen=True)
class Account:
    """Numbers alone: neither has to be in the machine's lists."""

    uid: int
    gid: int


class Accounts:
    """The ids that were given out, in a file that is written before an id is used.

    A user keeps the id for as long as the file or the home is there. Ids that the machine's own accounts or
    other homes have are passed over.
    """

    def __init__(self, file: Path, *, first_uid: int, count: int, gid: int, homes: Path) -> None:
        self._file, self._first, self._count, self._gid, self._homes = file, first_uid, count, gid, homes

    def account(self, user: str) -> Account:
        """The user's account, given out now when there is none. Raises StartError for an unreadable file."""
        given = self._read()
        if user not in given:
            given[user] = self._choose(user, given)
            self._write(given)
        return Account(given[user], self._gid)

    def _choose(self, user: str, given: dict[str, int]) -> int:
        owners = _owners(self._homes)
        mine = owners.pop(folder_name(user), 0)
        taken = {*given.values(), *owners.values()}
        if mine >= self._first and mine not in taken:
            return mine  # the file was lost, the home was not
        uid = max([self._first - 1, *(each for each in taken if each >= self._first)]) + 1
        while _is_known(uid):
            uid += 1
        if uid >= self._first + self._count:
            raise StartError(CONFLICT, f"all {self._count} account ids of this hub are given out")
        return uid

    def _read(self) -> dict[str, int]:
        try:
            found = json.loads(self._file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise StartError(CONFLICT, f"the accounts in {self._file} cannot be read: {error}") from None
        if not isinstance(found, dict) or not all(isinstance(uid, int) and uid > 0 for uid in found.values()):
            raise StartError(CONFLICT, f"the accounts in {self._file} are not names and ids")
        return found

    def _write(self, given: dict[str, int]) -> None:
        draft = self._file.with_name(f".{self._file.name}.new")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(given, file, indent=1, sort_keys=True)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self._file)


def _owners(homes: Path) -> dict[str, int]:
    if not homes.is_dir():
        return {}
    with os.scandir(homes) as entries:
        return {each.name: each.stat(follow_symlinks=False).st_uid for each in entries}


def _is_known(uid: int) -> bool:
    with suppress(KeyError):
        pwd.getpwuid(uid)
        return True
    return False


def make_home(
    homes: Path, user: str, account: Account | None, *, own: Callable[[int, int, int], None] = os.fchown
) -> Path:
    """The user's home below ``homes``, 0700 and owned by the account; made when it is missing.

    No link is followed: a user who could put one into ``homes`` would get somebody else's folder. Only root
    (or the one normal user) may write there. Raises StartError when the home is somebody else's. ``own`` is
    for tests.
    """
    mode = 0o711 if account else 0o700
    if not homes.is_dir():
        homes.mkdir(parents=True, exist_ok=True)
        homes.chmod(mode)
    name = folder_name(user)
    parent = os.open(homes, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        with suppress(FileExistsError):
            os.mkdir(name, 0o700, dir_fd=parent)
        try:
            home = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=parent)
        except OSError as error:
            raise StartError(CONFLICT, f"{homes / name} is no folder: {error.strerror}") from None
        try:
            _hand_over(home, account, homes / name, own)
        finally:
            os.close(home)
    finally:
        os.close(parent)
    return homes / name


def _hand_over(home: int, account: Account | None, path: Path, own: Callable[[int, int, int], None]) -> None:
    found = os.fstat(home)
    allowed: Iterable[int] = {os.geteuid(), account.uid} if account else {os.geteuid()}
    if found.st_uid not in allowed:
        raise StartError(CONFLICT, f"the home {path} belongs to account {found.st_uid}, not to its user")
    if stat.S_IMODE(found.st_mode) != 0o700:
        os.fchmod(home, 0o700)
    if account and (found.st_uid, found.st_gid) != (account.uid, account.gid):
        own(home, account.uid, account.gid)
