"""The Python environments, each made from a lock: the toolkit's own, the notebooks', the S3 engine's.

An environment is built in its final place, since one cannot be moved, and its stamp (a copy of the
lock) is written last: whatever stops a build, the next one finds no stamp and starts over. A mark is
written first, and only a folder that carries it is ever emptied. The lock on it (flock) ends with its
owner, so nobody waits for the dead.

The toolkit's environment is made by this too, before any package is there: standard library only.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from devenv import commands, pip_settings
from devenv.errors import ConflictError, MissingError

Progress = Callable[[str], None]

CHECKOUT = Path(__file__).resolve().parent.parent
LOCKS = {
    "notebook": CHECKOUT / "jupyter" / "requirements.lock",
    "s3": CHECKOUT / "requirements" / "s3.lock",
    "hub": CHECKOUT / "requirements" / "hub.lock",
}
TOOLKIT_LOCK = CHECKOUT / "requirements" / "toolkit.lock"

# `dev` reads the first two.
_MARK = "devenv-environment"
_STAMP = "devenv-installed.lock"
_LOG = "devenv-install.log"
_BUSY = "devenv-busy"

# A child holds this lock for as long as it runs, even when its starter is killed: nobody empties the
# folder under it.
_HOLDING = (
    "import fcntl,os,sys; held=os.open(sys.argv[1],os.O_RDWR|os.O_CREAT,0o644); "
    "fcntl.flock(held,fcntl.LOCK_EX); os.set_inheritable(held,True); os.execv(sys.argv[2],sys.argv[2:])"
)

_DISK_FULL = re.compile(
    r"no space left on device|os error 28\b|errno 28\b|disk quota exceeded", re.IGNORECASE
)
_OFFLINE = re.compile(
    r"dns error|name resolution|name or service not known|nodename nor servname|connect error|tcp connect|"
    r"connection (refused|reset|timed out|error)|network is unreachable|no route to host|ProxyError|"
    r"error sending request|operation timed out|ConnectTimeout|NewConnectionError|Max retries exceeded",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Environment:
    """What is to be installed (``lock``: requirements with hashes) and where (``home``)."""

    name: str
    lock: Path
    home: Path


def locate(name: str, data_root: Path) -> Environment:
    """Return the environment called ``name`` ("notebook" or "s3") below ``data_root``.

    The folder's name follows from the lock, the Python and the platform: checkouts with the same lock
    share one, and another lock gets one beside it.
    """
    lock = LOCKS[name]
    build = f"{sys.implementation.cache_tag} {sysconfig.get_platform()}\n".encode()
    key = sha256(build + lock.read_bytes()).hexdigest()[:12]
    # resolved, so that the same folder reached by a link is not taken for one that was moved
    return Environment(name, lock, (data_root / "envs").resolve() / f"{name}-{key}")


def toolkit() -> Environment:
    """Return the environment that ``dev`` keeps in the checkout."""
    return Environment("toolkit", TOOLKIT_LOCK, CHECKOUT / ".venv")


def python(environment: Environment) -> Path:
    """Return where the environment's interpreter is, or will be."""
    return environment.home / "bin" / "python"


def is_current(environment: Environment) -> bool:
    """Tell whether the environment is whole, of this lock, and made in this place. Reads three files."""
    home = environment.home
    try:
        return (
            (home / _STAMP).read_bytes() == environment.lock.read_bytes()
            and (home / _MARK).read_text().rstrip("\n") == str(home)
            and os.access(python(environment), os.X_OK)
        )
    except OSError:
        return False


def ensure(environment: Environment, on_progress: Progress, environ: Mapping[str, str]) -> Path:
    """Make the environment unless it is current, and return its interpreter.

    ``environ`` is the user's environment, for the programs that install. Two at once are fine: the
    second waits for the first. Raises :class:`MissingError` when the packages cannot be had (network,
    disk, permission) and :class:`ConflictError` when something else is in the environment's place.
    """
    if is_current(environment):
        return python(environment)
    try:
        with _alone(environment, on_progress):
            if not is_current(environment):
                _Build(environment, on_progress, environ).make()
    except OSError as error:
        raise _not_writable(environment, error) from error
    return python(environment)


@contextmanager
def _alone(environment: Environment, on_progress: Progress) -> Iterator[None]:
    home = environment.home
    mark = home / _MARK
    home.mkdir(parents=True, exist_ok=True)
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


class _Build:
    """One attempt at making an environment. Whoever makes it holds the environment's lock."""

    def __init__(self, environment: Environment, on_progress: Progress, environ: Mapping[str, str]) -> None:
        self.environment = environment
        self.home = environment.home
        self.python = python(environment)
        self.lock = environment.lock.read_text()
        self.on_progress = on_progress
        # Nothing may send packages elsewhere than into this environment, or let others in.
        kept = {name: value for name, value in environ.items() if name not in {"PYTHONHOME", "PYTHONPATH"}}
        self.environ = {**kept, "PIP_USER": "0", "PIP_REQUIRE_VIRTUALENV": "0", "PIP_NO_INPUT": "1"}
        self.said: list[str] = []

    def make(self) -> None:
        whole = (self.home / _STAMP).exists() and os.access(self.python, os.X_OK)
        moved = (self.home / _MARK).read_text().rstrip("\n") != str(self.home)
        with suppress(FileNotFoundError):
            (self.home / _STAMP).unlink()
        if moved or not whole:
            self._start_over()
        if not (self._install_with_uv() or self._install_with_pip()):
            raise self._failed()
        _replace(self.home / _STAMP, self.lock)

    def _start_over(self) -> None:
        for entry in self.home.iterdir():
            if entry.name in {_MARK, _BUSY}:
                continue
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            else:
                entry.unlink()
        # In place: the lock is held on this very file.
        (self.home / _MARK).write_text(f"{self.home}\n")
        base = os.path.realpath(getattr(sys, "_base_executable", None) or sys.executable)
        self.on_progress(f"making {self.home} with {base}")
        pip = () if self._has_own_pip() else ("--without-pip",)
        if not self._run((base, "-I", "-m", "venv", *pip, self.home)):
            raise self._failed()

    def _has_own_pip(self) -> bool:
        # The toolkit's pip and uv make the other environments.
        return self.environment == toolkit() or self._uv() is None

    def _install_with_uv(self) -> bool:
        uv = self._uv() or self._fetch_uv()
        if uv is None:
            return False
        self.on_progress(f"installing {self._count()} packages")
        settings = pip_settings.for_uv(self._pip_listing(), self.environ)
        # Any index will do for a package, as with pip: the hash is what is trusted.
        options = ("--require-hashes", "--compile-bytecode", "--index-strategy", "unsafe-best-match")
        sync = (uv, "pip", "sync", "--no-progress", "--python", self.python)
        return self._run((*sync, *options, *settings.arguments, self.environment.lock), settings.variables)

    def _install_with_pip(self) -> bool:
        if _DISK_FULL.search("\n".join(self.said)):
            return False
        self.on_progress(f"uv could not do it; installing {self._count()} packages with pip, which is slower")
        wanted = self.lock if self._uv() else _without(self.lock, "uv")
        return self._pip_install(wanted)

    def _uv(self) -> Path | None:
        """uv is in the toolkit's environment: the one that is made, or the one this runs in."""
        for folder in (self.python.parent, Path(sysconfig.get_path("scripts"))):
            if os.access(folder / "uv", os.X_OK):
                return folder / "uv"
        return None

    def _fetch_uv(self) -> Path | None:
        wanted = _only(self.lock, "uv")
        if not wanted:
            return None
        self.on_progress("fetching uv with pip")
        if not self._pip_install(wanted, "--only-binary", ":all:") and _OFFLINE.search("\n".join(self.said)):
            raise self._failed()
        return self._uv()

    def _pip_install(self, wanted: str, *options: str) -> bool:
        with tempfile.NamedTemporaryFile("w", dir=self.home, prefix="devenv-", suffix=".lock") as file:
            file.write(wanted)
            file.flush()
            quiet = ("--progress-bar", "off", "--disable-pip-version-check", "--retries", "2")
            install = (*self._pip(), "install", "--require-hashes", "--no-deps", *quiet)
            return self._run((*install, *options, "-r", file.name))

    def _pip(self) -> tuple[str | Path, ...]:
        if any(self.home.glob("lib/python3*/site-packages/pip")):
            return (self.python, "-I", "-m", "pip")
        return (sys.executable, "-I", "-m", "pip", "--python", self.python)

    def _pip_listing(self) -> str:
        return commands.run((*self._pip(), "config", "list"), env=self.environ, check=False).stdout

    def _run(self, argv: commands.Argv, variables: Mapping[str, str] | None = None) -> bool:
        held = (sys.executable, "-I", "-c", _HOLDING, self.home / _BUSY, *argv)
        with (self.home / _LOG).open("a") as log:

            def note(line: str) -> None:
                self.said.append(pip_settings.masked(line))
                log.write(self.said[-1] + "\n")

            return commands.stream(held, note, env={**self.environ, **(variables or {})}) == 0

    def _count(self) -> int:
        return len(re.findall(r"^\S+==", self.lock, re.MULTILINE))

    def _failed(self) -> MissingError:
        said = "\n".join(self.said)
        if _DISK_FULL.search(said):
            return _disk_full(self.environment, self.environ)
        if _OFFLINE.search(said):
            return MissingError(
                f"No connection to the package index; the {self.environment.name} environment was not made",
                hint=f"Check the network and `pip config list`, then try again (log: {self.home / _LOG})",
            )
        return MissingError(
            f"The packages of the {self.environment.name} environment could not be installed",
            hint=f"The last lines of {self.home / _LOG}:",
            details=tuple(self.said[-12:]),
        )


def _replace(path: Path, text: str) -> None:
    draft = path.with_name(f"{path.name}.new")
    draft.write_text(text)
    draft.replace(path)


def _only(lock: str, package: str) -> str:
    found = re.search(rf"^{re.escape(package)}==.*\n(?:[ \t].*\n?)*", lock, re.MULTILINE)
    return found.group() if found else ""


def _without(lock: str, package: str) -> str:
    return lock.replace(_only(lock, package), "")


def _not_writable(environment: Environment, error: OSError) -> MissingError:
    if _DISK_FULL.search(str(error)):
        return _disk_full(environment, {})
    return MissingError(
        f"The {environment.name} environment cannot be made in {environment.home}: "
        f"{error.strerror} ({error.filename})",
        hint="Check the permissions of that folder",
    )


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
