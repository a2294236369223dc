"""The environments, each made from a lock: the toolkit's own, the notebooks', the S3 engine's, the hub's.

Two are not Python's: "proxy" is JupyterHub's proxy, installed by npm, and "node" is there to run it on
machines that have no node. :mod:`devenv.builds` has how any of them is made.

The toolkit's environment is made by this too, before any package is there: standard library only.
"""

from __future__ import annotations

import os
import re
import sys
import sysconfig
import tempfile
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

from devenv import builds, commands, interpreters, node, pip_settings
from devenv.builds import Build, Environment, Progress, is_current
from devenv.errors import MissingError
from devenv.node import Node, NpmBuild

__all__ = [
    "LOCKS",
    "Environment",
    "barrier",
    "ensure",
    "find_node",
    "is_current",
    "is_shareable",
    "locate",
    "proxy_argv",
    "python",
    "require_shareable",
    "required_by_proxy",
    "toolkit",
]

CHECKOUT = Path(__file__).resolve().parent.parent
LOCKS = {
    "notebook": CHECKOUT / "jupyter" / "requirements.lock",
    "s3": CHECKOUT / "requirements" / "s3.lock",
    "hub": CHECKOUT / "requirements" / "hub.lock",
    "node": CHECKOUT / "requirements" / "node.lock",
    "proxy": CHECKOUT / "requirements" / "proxy" / "package-lock.json",
}
TOOLKIT_LOCK = CHECKOUT / "requirements" / "toolkit.lock"

# Those that other accounts run when root makes them: each user's server has an account of its own.
_SHARED = frozenset({"notebook"})


def locate(name: str, data_root: Path) -> Environment:
    """Return the environment called ``name`` (a key of LOCKS) below ``data_root``.

    The folder's name follows from the lock, the Python and the platform: checkouts with the same lock
    share one, and another lock gets one beside it.
    """
    lock = LOCKS[name]
    base = interpreters.shareable() if _is_shared(name) else None
    version = interpreters.version(base or interpreters.own())
    # What only root can run stays apart from what all can.
    tag = f"{base.name} for all" if base else sys.implementation.cache_tag
    build = f"{tag} {sysconfig.get_platform()}\n".encode()
    key = sha256(build + lock.read_bytes()).hexdigest()[:12]
    # resolved, so that the same folder reached by a link is not taken for one that was moved
    home = (data_root / "envs").resolve() / f"{name}-{key}"
    if name == "proxy":
        return Environment(name, lock, home, home / node.PROXY)
    if name == "node":
        return Environment(name, lock, home, node.program_in(home, version))
    return Environment(name, lock, home, home / "bin" / "python", base)


def toolkit() -> Environment:
    """Return the environment that ``dev`` keeps in the checkout."""
    home = CHECKOUT / ".venv"
    return Environment("toolkit", TOOLKIT_LOCK, home, home / "bin" / "python")


def python(environment: Environment) -> Path:
    """Return where the environment's interpreter is, or will be."""
    return environment.home / "bin" / "python"


def ensure(environment: Environment, on_progress: Progress, environ: Mapping[str, str]) -> Path:
    """Make the environment unless it is current, and return its program (mostly its interpreter).

    ``environ`` is the user's environment, for the programs that install. Two at once are fine: the
    second waits for the first. The proxy's makes "node" first, where that is needed. Raises
    :class:`MissingError` when the packages cannot be had (network, disk, permission) and
    :class:`ConflictError` when something else is in the environment's place.
    """
    if is_current(environment):
        return environment.program
    try:
        build = _build(environment, on_progress, environ)
        with builds.alone(environment, on_progress):
            if not is_current(environment):
                build.make()
    except OSError as error:
        raise builds.not_writable(environment, error) from error
    return environment.program


def required_by_proxy(environ: Mapping[str, str]) -> tuple[str, ...]:
    """The environments that the proxy takes, in the order in which they are made.

    ``environ`` is the user's environment; its PATH decides whether the machine has a node. Runs it.
    """
    return ("proxy",) if node.of_machine(environ) else ("node", "proxy")


def proxy_argv(data_root: Path, environ: Mapping[str, str]) -> tuple[str, ...]:
    """How configurable-http-proxy is started; its options come behind.

    By the machine's node, or the environment's. Raises :class:`MissingError` when there is neither.
    """
    return (str(find_node(data_root, environ).program), str(locate("proxy", data_root).program))


def find_node(data_root: Path, environ: Mapping[str, str]) -> Node:
    """The node that runs the proxy: the machine's, or the environment's. Raises MissingError for neither."""
    if found := node.of_machine(environ):
        return found
    environment = locate("node", data_root)
    if is_current(environment):
        return node.in_environment(environment)
    raise MissingError(
        f"This machine has no node {node.OLDEST} or newer with npm, and the node environment was not made",
        hint="Start the hub once with a network, or install nodejs and npm",
    )


def is_shareable(environment: Environment) -> bool:
    """Tell whether other accounts can run the environment, or will be able to. Looks at modes alone."""
    return barrier(environment) is None


def barrier(environment: Environment) -> Path | None:
    """The first file or folder that keeps other accounts from running the environment; None for none."""
    # the base too, since the program is no link to it before it is made
    base = environment.base or interpreters.own()
    bases = (base,) if environment.program == python(environment) else ()
    places = (*bases, environment.home, environment.program)
    return next((found for place in places if (found := interpreters.barrier(place))), None)


def require_shareable(environment: Environment) -> None:
    """Raise :class:`MissingError` when other accounts cannot run the environment."""
    found = barrier(environment)
    if found is None:
        return
    if found == environment.home or found in environment.home.parents:
        hint = f"chmod o+x {found}, or set HABARI_DATA_ROOT to a folder that they may pass"
    else:
        oldest = f"3.{interpreters.OLDEST_MINOR}"
        hint = f"Install a Python {oldest} or newer for all of the machine (Debian: apt-get install python3)"
    raise MissingError(
        f"The {environment.name} environment can be run by root alone: other accounts may not pass {found}",
        hint=hint,
    )


def _is_shared(name: str) -> bool:
    return name in _SHARED and os.geteuid() == 0


def _build(environment: Environment, on_progress: Progress, environ: Mapping[str, str]) -> Build:
    if environment.name != "proxy":
        return _PythonBuild(environment, on_progress, environ)
    found = node.of_machine(environ)
    if not found:
        wheel = locate("node", environment.home.parents[1])
        ensure(wheel, on_progress, environ)
        found = node.in_environment(wheel)
    return NpmBuild(environment, on_progress, environ, found)


class _PythonBuild(Build):
    """A virtual environment, installed by uv, or by pip where uv cannot."""

    source = "package index"
    settings = "pip config list"

    def __init__(self, environment: Environment, on_progress: Progress, environ: Mapping[str, str]) -> None:
        super().__init__(environment, on_progress, environ)
        self.environ |= {"PIP_USER": "0", "PIP_REQUIRE_VIRTUALENV": "0", "PIP_NO_INPUT": "1"}
        self.python = python(environment)
        self.base = environment.base or interpreters.own()

    def begin(self) -> None:
        self.on_progress(f"making {self.home} with {self.base}")
        own = self._has_own_pip()
        wheel = interpreters.pip_wheel() if own else None
        by_venv = () if own and not wheel else ("--without-pip",)
        made = self.run((self.base, "-I", "-m", "venv", *by_venv, self.home))
        if not (made and (wheel is None or self._unpack(wheel))):
            raise self.failed()

    def install(self) -> bool:
        return self._install_with_uv() or self._install_with_pip()

    def finish(self) -> None:
        if _is_shared(self.environment.name):
            builds.open_to_others(self.home)

    def _unpack(self, wheel: Path) -> bool:
        """pip is whole once it lies there. venv would install it, mostly to compile it: four seconds."""
        packages = sysconfig.get_path("purelib", "venv", vars={"base": str(self.home)})
        if not self.run((self.base, "-I", "-m", "zipfile", "--extract", wheel, packages)):
            return False
        # for whoever activates the environment: the next pip on the path would install somewhere else
        program = self.python.with_name("pip")
        program.write_text('#!/bin/sh\nexec "${0%/*}/python" -m pip "$@"\n')
        program.chmod(0o755)
        return True

    def _has_own_pip(self) -> bool:
        # The toolkit's pip and uv make the other environments. Another base may have no ensurepip.
        is_own = self.base == interpreters.own()
        return self.environment == toolkit() or (is_own and self._uv() is None)

    def _install_with_uv(self) -> bool:
        uv = self._uv() or self._fetch_uv()
        if uv is None:
            return False
        self.on_progress(f"installing {self._count()} packages")
        settings = pip_settings.for_uv(self._pip_listing(), self.environ)
        # Any index will do for a package, as with pip: the hash is what is trusted.
        options = ("--require-hashes", *self._compiling(), "--index-strategy", "unsafe-best-match")
        sync = (uv, "pip", "sync", "--no-progress", "--python", self.python)
        return self.run((*sync, *options, *settings.arguments, self.environment.lock), settings.variables)

    def _compiling(self) -> tuple[str, ...]:
        """Whoever waits for the toolkit uses a part of it, which compiles as it is imported.

        The others serve checkouts and accounts that may not write to them.
        """
        return () if self.environment == toolkit() else ("--compile-bytecode",)

    def _install_with_pip(self) -> bool:
        if self.has_filled_the_disk:
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
        if not self._pip_install(wanted, "--only-binary", ":all:") and self.is_offline:
            raise self.failed()
        return self._uv()

    def _pip_install(self, wanted: str, *options: str) -> bool:
        with tempfile.NamedTemporaryFile("w", dir=self.home, prefix="devenv-", suffix=".lock") as file:
            file.write(wanted)
            file.flush()
            quiet = ("--progress-bar", "off", "--disable-pip-version-check", "--retries", "2")
            install = (*self._pip(), "install", "--require-hashes", "--no-deps", *quiet)
            return self.run((*install, *options, "-r", file.name))

    def _pip(self) -> tuple[str | Path, ...]:
        if any(self.home.glob("lib/python3*/site-packages/pip")):
            return (self.python, "-I", "-m", "pip")
        return (sys.executable, "-I", "-m", "pip", "--python", self.python)

    def _pip_listing(self) -> str:
        return commands.run((*self._pip(), "config", "list"), env=self.environ, check=False).stdout

    def _count(self) -> int:
        return len(re.findall(r"^\S+==", self.lock, re.MULTILINE))


def _only(lock: str, package: str) -> str:
    found = re.search(rf"^{re.escape(package)}==.*\n(?:[ \t].*\n?)*", lock, re.MULTILINE)
    return found.group() if found else ""


def _without(lock: str, package: str) -> str:
    return lock.replace(_only(lock, package), "")
