"""How an environment is built, whatever is installed into it.

It is built in its final place, since few can be moved, and its stamp (a copy of the lock) is written
last: whatever stops a build, the next one finds no stamp and starts over. A mark is written first, and
only a folder that carries it is ever emptied. The lock on it (flock) ends with its owner, so nobody
waits for the dead.

The toolkit's environment is made by this too, before any package is there: standard library only.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import stat
import sys
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from devenv import commands, pip_settings
from devenv.errors import ConflictError, MissingError

Progress = Callable[[str], None]

# `dev` reads the first two.
_MARK = "devenv-environment"
_STAMP = "devenv-installed.lock"
_LOG = "devenv-install.log"
_BUSY = "devenv-busy"

# A child holds this lock for as long as it runs, even when its starter is killed: nobody empties the
# folder under it. What root installs is for other accounts too, whatever his umask is.
_HOLDING = (
    "import fcntl,os,sys; held=os.open(sys.argv[1],os.O_RDWR|os.O_CREAT,0o644); "
    "fcntl.flock(held,fcntl.LOCK_EX); os.set_inheritable(held,True); "
    "os.geteuid() or os.umask(0o022); os.execv(sys.argv[2],sys.argv[2:])"
)

_DISK_FULL = re.compile(
    r"no space left on device|os error 28\b|errno 28\b|disk quota exceeded|\b(ENOSPC|EDQUOT)\b", re.IGNORECASE
)
_OFFLINE = re.compile(
    r"dns error|name resolution|name or service not known|nodename nor servname|connect error|tcp connect|"
    r"connection (refused|reset|timed out|error)|network is unreachable|no route to host|ProxyError|"
    r"error sending request|operation timed out|ConnectTimeout|NewConnectionError|Max retries exceeded|"
    # npm's, which are node's: https://nodejs.org/api/errors.html#common-system-errors
    r"\b(ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|EHOSTUNREACH|ERR_SOCKET_TIMEOUT)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Environment:
    """What is to be installed (``lock``: exact versions with hashes) and where (``home``).

    ``program`` is the one that the environment is there for. ``base`` is the Python that it is made
    with, None for the one that runs this.
    """

    name: str
    lock: Path
    home: Path
    program: Path
    base: Path | None = None

    @property
    def log(self) -> Path:
        """What its installation said."""
        return self.home / _LOG


def is_current(environment: Environment) -> bool:
    """Tell whether the environment is whole, of this lock, and made in this place. Reads three files."""
    home = environment.home
    try:
        return (
            (home / _STAMP).read_bytes() == environment.lock.read_bytes()
            and (home / _MARK).read_text().rstrip("\n") == str(home)
            and os.access(environment.program, os.X_OK)
        )
    except OSError:
        return False


@contextmanager
def alone(environment: Environment, on_progress: Progress) -> Iterator[None]:
    """Hold the environment's folder, which is made when it is not there.

    Waits for whoever holds it. Raises :class:`ConflictError` when the folder is somebody else's.
    """
    home = environment.home
    mark = home / _MARK
    _make_folder(home)
    if not mark.exists() and any(home.iterdir()) and not mark.exists():
        raise ConflictError(
            f"{home} was not made by this toolkit",
            hint="Move it away (or remove it when it is not needed), then try again",
        )
    with mark.open("a") as owned, (home / _BUSY).open("a") as busy:
        for held in (owned, busy):
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                on_progress(f"waiting for another process that is making {home}")
                fcntl.flock(held, fcntl.LOCK_EX)
        fcntl.flock(busy, fcntl.LOCK_UN)
        yield


class Build(ABC):
    """One attempt at making an environment. Whoever makes it holds the environment's folder."""

    # where the packages come from, and the command that shows how that was configured
    source = ""
    settings = ""

    def __init__(self, environment: Environment, on_progress: Progress, environ: Mapping[str, str]) -> None:
        self.environment = environment
        self.home = environment.home
        self.lock = environment.lock.read_text()
        self.on_progress = on_progress
        # Nothing may send packages elsewhere than into this environment, or let others in.
        self.environ = {k: value for k, value in environ.items() if k not in {"PYTHONHOME", "PYTHONPATH"}}
        self.said: list[str] = []

    def make(self) -> None:
        """Make it. Raises :class:`MissingError` when the packages cannot be had."""
        whole = (self.home / _STAMP).exists() and os.access(self.environment.program, os.X_OK)
        moved = (self.home / _MARK).read_text().rstrip("\n") != str(self.home)
        with suppress(FileNotFoundError):
            (self.home / _STAMP).unlink()
        if moved or not whole:
            self._empty()
            self.begin()
        if not self.install():
            raise self.failed()
        self.finish()
        _replace(self.home / _STAMP, self.lock)

    @abstractmethod
    def begin(self) -> None:
        """Lay the ground in the empty folder."""

    @abstractmethod
    def install(self) -> bool:
        """Install what the lock names, no more and no less; tell whether that worked."""

    def finish(self) -> None:  # noqa: B027 - mostly nothing is left to do
        """Do what is left once all is installed."""

    def run(
        self, argv: commands.Argv, variables: Mapping[str, str] | None = None, cwd: Path | None = None
    ) -> bool:
        """Run a program that installs something; its words go to the log, without passwords."""
        held = (sys.executable, "-I", "-c", _HOLDING, self.home / _BUSY, *argv)
        with self.environment.log.open("a") as log:

            def note(line: str) -> None:
                self.said.append(pip_settings.masked(line))
                log.write(self.said[-1] + "\n")

            return commands.stream(held, note, env={**self.environ, **(variables or {})}, cwd=cwd) == 0

    @property
    def has_filled_the_disk(self) -> bool:
        """Whether a program said so."""
        return bool(_DISK_FULL.search("\n".join(self.said)))

    @property
    def is_offline(self) -> bool:
        """Whether a program could not reach where the packages are."""
        return bool(_OFFLINE.search("\n".join(self.said)))

    def failed(self) -> MissingError:
        """What went wrong, in one line."""
        if self.has_filled_the_disk:
            return _disk_full(self.environment, self.environ)
        if self.is_offline:
            return MissingError(
                f"No connection to the {self.source}; the {self.environment.name} environment was not made",
                hint=f"Check the network and `{self.settings}`, then try again (log: {self.environment.log})",
            )
        return MissingError(
            f"The packages of the {self.environment.name} environment could not be installed",
            hint=f"The last lines of {self.environment.log}:",
            details=tuple(self.said[-12:]),
        )

    def _empty(self) -> None:
        for entry in self.home.iterdir():
            if entry.name in {_MARK, _BUSY}:
                continue
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            else:
                entry.unlink()
        # In place: the lock is held on this very file.
        (self.home / _MARK).write_text(f"{self.home}\n")


def open_to_others(folder: Path) -> None:
    """Let other accounts read all below, and run what may be run.

    A umask does not suffice: uv links files from its cache, which have the modes of the day they came.
    """
    for place, _, names in os.walk(folder):
        for path in (place, *(os.path.join(place, name) for name in names)):  # noqa: PTH118 - a hundred thousand
            mode = os.lstat(path).st_mode
            wanted = mode | (0o555 if mode & stat.S_IXUSR else 0o444)
            if mode != wanted and not stat.S_ISLNK(mode):
                os.chmod(path, wanted)  # noqa: PTH101


def not_writable(environment: Environment, error: OSError) -> MissingError:
    """``error``, which came up where the environment is to be, as one line."""
    if _DISK_FULL.search(str(error)):
        return _disk_full(environment, {})
    return MissingError(
        f"The {environment.name} environment cannot be made in {environment.home}: "
        f"{error.strerror} ({error.filename})",
        hint="Check the permissions of that folder",
    )


def _make_folder(folder: Path) -> None:
    """Make it and what is missing above it; root's can be passed by other accounts, whatever the umask."""
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    if os.geteuid() == 0:
        for each in missing:
            each.chmod(0o755)


def _replace(path: Path, text: str) -> None:
    draft = path.with_name(f"{path.name}.new")
    draft.write_text(text)
    draft.replace(path)


def _disk_full(environment: Environment, environ: Mapping[str, str]) -> MissingError:
    """Name the fullest of the places that an installation writes to."""
    cache = environ.get("UV_CACHE_DIR") or environ.get("XDG_CACHE_HOME") or environ.get("HOME")
    places = [environment.home, Path(tempfile.gettempdir()), *([Path(cache)] if cache else [])]
    free, place = min((shutil.disk_usage(place).free, place) for place in places if place.exists())
    return MissingError(
        f"The file system of {place} is full ({free // 2**20} MiB free): "
        f"the {environment.name} environment could not be made",
        hint="Free some space there, then try again",
    )
