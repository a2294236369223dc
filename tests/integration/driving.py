"""Driving ``./dev`` as a person does, and looking at what it left on the machine."""

from __future__ import annotations

import json
import os
import pwd
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import psutil

from devenv import environments
from devenv.state import MARK_VARIABLE, Instance, write_json

CHECKOUT = Path(__file__).parents[2]
SERVICES = ("postgres", "s3", "jupyter")
# What a checkout needs to run; no tests, no history.
_PARTS = ("dev", "tasks.py", "pyproject.toml", "devenv", "jupyter", "requirements")


@dataclass(frozen=True)
class Said:
    """How one command came out."""

    words: tuple[str, ...]
    code: int
    out: str
    err: str

    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def error(self) -> str:
        """The one line of trouble; fails when there is none, several, or a traceback."""
        lines = [line for line in self.err.splitlines() if line.startswith("error:")]
        assert len(lines) == 1, self
        assert not any(line.startswith("Traceback") for line in self.err.splitlines()), self
        return lines[0]

    def __str__(self) -> str:
        return f"./dev {' '.join(self.words)} ended with {self.code}\n{self.out}\n{self.err}"


@dataclass
class Dev:
    """One instance of one checkout, with an environment of its own."""

    name: str
    data_root: Path
    environ: Mapping[str, str]
    checkout: Path = CHECKOUT
    account: str | None = None
    ports: dict[str, int] = field(default_factory=dict)
    # what the first ``up`` printed
    first: Said | None = None
    begun: list[subprocess.Popen[str]] = field(default_factory=list)

    @property
    def instance(self) -> Instance:
        return Instance(self.name, self.checkout, self.data_root)

    @property
    def root(self) -> Path:
        return self.instance.root

    def __call__(self, *words: str, code: int | None = 0, seconds: float = 180, **variables: str) -> Said:
        """Run a command to its end. ``code`` is the exit code that is expected; None for any."""
        child = self.begin(*words, **variables)
        try:
            out, err = child.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            raise AssertionError(f"./dev {words} took more than {seconds} s: {child.communicate()}") from None
        said = Said(words, child.returncode, out, err)
        assert code is None or said.code == code, said
        return said

    def begin(self, *words: str, **variables: str) -> subprocess.Popen[str]:
        """Start a command in a process group of its own, as a shell does for what is typed."""
        child = subprocess.Popen(
            [str(self.checkout / "dev"), words[0], "--instance", self.name, *words[1:]],
            env={**self.environ, **self._port_variables(), **variables},
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            **as_account(self.account),
        )
        self.begun.append(child)
        return child

    def up(self, **variables: str) -> dict[str, dict[str, Any]]:
        """Bring it up and return its services by name."""
        return by_name(self("up", "--json", **variables).json())

    def services(self, code: int | None = 0) -> dict[str, dict[str, Any]]:
        return by_name(self("status", "--json", code=code).json())

    def contract(self, *, admin: bool = False) -> dict[str, str]:
        role = ("--as", "admin") if admin else ()
        return dict(self("env", "--json", *role).json())

    def interrupted(self, child: subprocess.Popen[str], *, at_line: int) -> list[str]:
        """Read the progress until the line of that number has come; the lines."""
        assert child.stderr is not None
        lines: list[str] = []
        for line in child.stderr:
            if line.startswith("["):
                lines.append(line)
            if len(lines) == at_line:
                break
        return lines

    def processes(self) -> list[psutil.Process]:
        """All of this instance: by the mark, by PostgreSQL's titles, by the state folder, by their home."""
        instance = self.instance
        return [each for each in psutil.process_iter() if _is_of(instance, each)]

    def expect_nothing_left(self, *, within: float = 5) -> None:
        assert wait_until(lambda: not self.processes(), seconds=within), describe(self.processes())

    def expect_no_strays(self) -> None:
        """Whatever carries the mark belongs to a service that ``status`` shows, or keeps the logs."""

        def strays() -> list[psutil.Process]:
            known = {int(row["pid"]) for row in self.services().values()}
            found = [each for each in self.processes() if not known & lineage(each)]
            return [each for each in found if not is_keeper(each)] + keepers(found)[1:]

        assert wait_until(lambda: not strays(), seconds=5), describe(strays())

    def destroy(self) -> None:
        """Leave nothing, whatever a test did; fails when ``down --purge`` could not do it alone."""
        for child in self.begun:
            if child.stdout and not child.stdout.closed:
                child.kill()
                child.communicate()
        if not self.root.exists() and not self.processes():
            return
        said = self("down", "--purge", code=None)
        wait_until(lambda: not self.processes(), seconds=5)
        left = self.processes()
        told = describe(left)
        for process in left:
            kill(process.pid)
        assert said.code == 0, said
        assert not left, told

    def _port_variables(self) -> dict[str, str]:
        return {f"HABARI_PORTS_{name.upper()}": str(port) for name, port in self.ports.items()}


def _is_of(instance: Instance, process: psutil.Process) -> bool:
    if process.pid == os.getpid():
        return False
    root = str(instance.root)
    try:
        words = process.cmdline()
        if any(word.startswith(f"postgres: {instance.id}:") or root in word for word in words):
            return True
        environ = process.environ()
        is_marked = environ.get(MARK_VARIABLE, "").startswith(f"{instance.id}/")
        return is_marked or environ.get("HOME", "").startswith(root)
    except (psutil.Error, OSError):
        return False


def as_account(account: str | None) -> dict[str, Any]:
    """Popen's arguments for another account; none for one's own."""
    if account is None:
        return {}
    entry = pwd.getpwnam(account)
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def by_name(told: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    return {row["name"]: row for row in told["services"]}


def pids(services: Mapping[str, Mapping[str, Any]]) -> dict[str, int]:
    return {name: int(row["pid"]) for name, row in services.items()}


def lineage(process: psutil.Process) -> set[int]:
    try:
        return {process.pid, *(parent.pid for parent in process.parents())}
    except psutil.Error:
        return set()


def is_keeper(process: psutil.Process) -> bool:
    try:
        return any(word.endswith("logkeeper.py") for word in process.cmdline())
    except psutil.Error:
        return False


def keepers(processes: Iterable[psutil.Process]) -> list[psutil.Process]:
    return [each for each in processes if is_keeper(each)]


def describe(processes: Iterable[psutil.Process]) -> list[str]:
    return [f"{each.pid}: {' '.join(each.cmdline())}" for each in processes if each.is_running()]


def kill(pid: int) -> None:
    """kill -9, and wait until it is gone; a zombie is, whenever its parent looks."""
    try:
        process = psutil.Process(pid)
        process.kill()
        wait_until(lambda: process.status() == psutil.STATUS_ZOMBIE, seconds=10)
    except psutil.NoSuchProcess:
        return


def wait_until(condition: Callable[[], bool], *, seconds: float) -> bool:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.1)
    return True


def free_ports() -> dict[str, int]:
    """A free port for each service, below those that the system hands out by itself."""
    found: list[int] = []
    while len(found) < len(SERVICES):
        port = random.randint(20000, 30000)
        with socket.socket() as probe:
            if port not in found and probe.connect_ex(("127.0.0.1", port)) != 0:
                found.append(port)
    return dict(zip(SERVICES, found, strict=True))


def settle_hub_ports(dev: Dev) -> Dev:
    """Give the hub's other addresses, which no setting fixes, ports that no other test's hub takes."""
    dev.instance.create()
    names = ("hub", "github", "proxy-api")
    ports = dict(zip(names, free_ports().values(), strict=True))
    write_json(dev.root / "ports.json", {"ports": ports, "claimed": 0}, mode=0o644)
    return dev


def needed_environments() -> tuple[str, ...]:
    """Those that the levels take on this machine."""
    return ("s3", "notebook", "hub", *environments.required_by_proxy(os.environ))


def furnish(data_root: Path, machine_root: Path, python: Path | None = None) -> None:
    """Give a data root the environments that the machine has already, so that nothing is installed anew.

    ``python`` is as for :func:`borrow_environment`.
    """
    # where somebody looks for them depends on whether he is root
    whoever = mock.patch("os.geteuid", return_value=1) if python else nullcontext()
    for name in needed_environments():
        there = environments.locate(name, machine_root).home
        with whoever:
            here = environments.locate(name, data_root).home
        is_python = (there / "pyvenv.cfg").exists()
        borrow_environment(there, here, python if is_python else None)


def borrow_environment(there: Path, here: Path, python: Path | None = None) -> None:
    """Make an environment at ``here`` out of links to the one at ``there``.

    ``python`` is another interpreter of the same version, for accounts that cannot reach the first.
    """
    own = {"devenv-environment", "devenv-installed.lock", "devenv-busy"}
    here.mkdir(parents=True)
    for entry in there.iterdir():
        if entry.name not in own:
            (here / entry.name).symlink_to(entry)
    if python:
        (here / "bin").unlink()
        (here / "bin").mkdir()
        (here / "bin" / "python").symlink_to(python)
        (here / "pyvenv.cfg").unlink()
        (here / "pyvenv.cfg").write_text(f"home = {python.parent}\ninclude-system-site-packages = false\n")
    shutil.copyfile(there / "devenv-installed.lock", here / "devenv-installed.lock")
    (here / "devenv-environment").write_text(f"{here}\n")


def copy_checkout(place: Path, python: Path | None = None) -> Path:
    """A second checkout of the same files, with the first one's packages."""
    place.mkdir(parents=True)
    for part in _PARTS:
        source = CHECKOUT / part
        if source.is_dir():
            shutil.copytree(source, place / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, place / part)
    borrow_environment(CHECKOUT / ".venv", place / ".venv", python)
    return place


def python_for(account: str) -> Path | None:
    """An interpreter of this version that the account may run."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    usual = (Path("/usr/local/bin") / version, Path("/usr/bin") / version)
    candidates = (Path(sys.executable).resolve(), *usual)
    for candidate in candidates:
        try:
            subprocess.run([candidate, "-I", "-c", ""], check=True, **as_account(account))
        except (OSError, subprocess.CalledProcessError):
            continue
        return candidate
    return None
