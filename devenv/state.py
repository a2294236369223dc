"""The state folder: the only place where this toolkit keeps anything.

An instance is a project checked out in one folder; its state lies outside the checkout, so that
cleaning or moving a checkout loses no data. The root may be traversed (0711), because other accounts
run interpreters and the database below it; what is secret has a folder of its own (0700).
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TextIO

from devenv import waiting
from devenv.errors import ConflictError, UsageError
from devenv.project import CLUSTER_NAME

MARK_FILE = "instance.json"
# Above what SSSD gives to accounts of a directory (ldap_idmap_range_max) and systemd to containers
# (https://systemd.io/UIDS-GIDS/), below where numbers have a sign.
FIRST_ACCOUNT, LAST_ACCOUNT = 2_001_000_000, 2**31 - 1
_ACCOUNTS_EACH, _INSTANCES = 1_000, 146_000
# The environment variable by which a process that lost its record is still recognised as ours.
MARK_VARIABLE = "HABARI_DEVENV_MARK"


def data_root(environ: Mapping[str, str]) -> Path:
    """Where state and environments of all instances live.

    ``HABARI_DATA_ROOT`` decides; else root uses a system folder that other accounts can reach, and
    everybody else the XDG data home (https://specifications.freedesktop.org/basedir-spec).
    """
    if chosen := environ.get("HABARI_DATA_ROOT"):
        if not Path(chosen).is_absolute():
            raise UsageError(f"HABARI_DATA_ROOT is {chosen!r}", hint="Give it the whole path of a folder")
        return Path(chosen)
    if os.geteuid() == 0:
        return Path("/var/lib/habari-devenv")
    home = Path(environ.get("XDG_DATA_HOME", ""))
    # the specification wants relative paths ignored
    return (home if home.is_absolute() else Path.home() / ".local" / "share") / "habari-devenv"


@dataclass(frozen=True)
class Instance:
    """One project in one checkout: its id and the folders that belong to it."""

    name: str
    checkout: Path
    data_root: Path

    @cached_property
    def id(self) -> str:
        """Name and a short hash of where it is: neither two checkouts nor two data roots ever meet."""
        places = b"\0".join(os.fsencode(place.resolve()) for place in (self.checkout, self.data_root))
        digest = hashlib.sha256(places).hexdigest()
        return f"{self.name}-{digest[:8]}"

    @property
    def accounts(self) -> range:
        """Ids for people's own accounts, above those of real ones: no other instance gives the same."""
        number = int(hashlib.sha256(self.id.encode()).hexdigest(), 16) % _INSTANCES
        first = FIRST_ACCOUNT + number * _ACCOUNTS_EACH
        return range(first, first + _ACCOUNTS_EACH)

    @property
    def root(self) -> Path:
        return self.data_root / "instances" / self.id

    @property
    def secrets(self) -> Path:
        return self.root / "secrets"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def records(self) -> Path:
        return self.root / "services"

    def log(self, service: str) -> Path:
        return self.logs / f"{service}.log"

    def mark(self, service: str) -> str:
        """What a process of this instance carries in its environment."""
        return f"{self.id}/{service}"

    def exists(self) -> bool:
        return (self.root / MARK_FILE).is_file()

    def create(self) -> None:
        """Make the folders. A folder of that name without our mark is left alone: ConflictError."""
        if (
            self.root.is_dir()
            and not self.exists()
            and any(not _is_draft(each) for each in self.root.iterdir())
        ):
            raise ConflictError(
                f"{self.root} is not a state folder of this instance",
                hint="Move it away, or choose another --instance",
            )
        for folder in (self.data_root, self.root.parent, self.root):
            _make_passable(folder)
        write_json(
            self.root / MARK_FILE,
            {"id": self.id, "name": self.name, "checkout": str(self.checkout)},
            mode=0o644,
        )
        self.secrets.mkdir(mode=0o700, exist_ok=True)
        self.logs.mkdir(mode=0o700, exist_ok=True)
        self.records.mkdir(mode=0o700, exist_ok=True)

    def purge(self) -> bool:
        """Delete the state folder if it carries this instance's mark; tell whether there was one."""
        if not self.root.exists():
            return False
        found = read_json(self.root / MARK_FILE) or {}
        if found.get("id") != self.id:
            raise ConflictError(
                f"{self.root} does not carry the mark of {self.id}",
                hint="Nothing was deleted; look at it yourself",
            )
        # The mark goes last, so that a purge that was killed can be repeated.
        for entry in sorted(self.root.iterdir(), key=lambda path: path.name == MARK_FILE):
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            else:
                entry.unlink()
        self.root.rmdir()
        return True

    @contextlib.contextmanager
    def lock(self, doing: str, on_wait: Callable[[str], None], *, seconds: float = 600) -> Iterator[None]:
        """Hold the instance for one command at a time.

        The lock ends with its holder, however that ends. ``on_wait`` is told once who holds it.
        Raises ConflictError after ``seconds``.
        """
        path = self.data_root / "locks" / f"{self.id}.lock"
        path.parent.mkdir(mode=0o711, parents=True, exist_ok=True)
        with path.open("a+") as handle:
            self._acquire(handle, path, on_wait, seconds)
            _note(handle, f"{doing} (pid {os.getpid()})")
            try:
                yield
            finally:
                _note(handle, "")

    def _acquire(self, handle: Any, path: Path, on_wait: Callable[[str], None], seconds: float) -> None:
        def taken() -> bool:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                return True
            return False

        if not taken():
            return
        holder = path.read_text().strip() or "another command"
        on_wait(f"{holder} is at work on {self.id}; waiting for it")
        if not waiting.while_true(taken, seconds=seconds):
            raise ConflictError(
                f"{holder} still holds {self.id} after {seconds:g} s", hint="Try again when it is done"
            )


def _make_passable(folder: Path) -> None:
    """A folder that other accounts may pass through and not look into, whatever the umask is."""
    if not folder.is_dir():
        folder.mkdir(parents=True)
        folder.chmod(0o711)


def _is_draft(path: Path) -> bool:
    """Whether :func:`write_json` was killed before it could put the file in its place."""
    return path.name.startswith(".") and path.name.endswith(".new")


def _note(handle: TextIO, text: str) -> None:
    """Say who holds the lock. It is for people alone, so a full disk does not matter here."""
    with contextlib.suppress(OSError):
        os.ftruncate(handle.fileno(), 0)
        os.pwrite(handle.fileno(), text.encode(), 0)


def instances_of(checkout: Path, root: Path) -> list[Instance]:
    """Every project's instance of this checkout that has a state folder below the data root.

    The cluster's own is none of a project.
    """
    found = []
    for mark in sorted((root / "instances").glob(f"*/{MARK_FILE}")):
        content = read_json(mark) or {}
        candidate = Instance(str(content.get("name", "")), checkout, root)
        if candidate.id == content.get("id") and candidate.name != CLUSTER_NAME:
            found.append(candidate)
    return found


def read_json(path: Path) -> Any:
    """The file's content, or None when there is no such file or it is not whole JSON."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None


def write_json(path: Path, content: Any, *, mode: int = 0o600) -> None:
    """Replace the file whole, so that a reader or a kill -9 meets the old or the new one."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
        with os.fdopen(descriptor, "w", encoding="utf-8") as handle:
            json.dump(content, handle, indent=1, ensure_ascii=False)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
