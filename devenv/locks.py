"""``./dev lock``: the locks, resolved anew from what is asked for in the .in files and package.json."""

from __future__ import annotations

import json
import shutil
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from devenv import commands, node, pip_settings
from devenv.environments import CHECKOUT, LOCKS, TOOLKIT_LOCK
from devenv.errors import MissingError, UsageError

# The oldest Python that is supported; --universal takes care of the newer ones and of other systems.
_PYTHON = "3.11"
_HOW = ("--universal", "--python-version", _PYTHON, "--generate-hashes", "--no-header", "--no-annotate")


def recompile(
    on_progress: Callable[[str], None], environ: Mapping[str, str], *, upgrade: bool = False
) -> tuple[Path, ...]:
    """Resolve every lock again and return those that changed.

    Pins that still fit stay as they are unless ``upgrade``. ``environ`` is the user's environment.
    Raises :class:`UsageError` when an address would end up in a lock, and :class:`CommandFailedError`
    when there is no resolution.
    """
    uv = Path(sysconfig.get_path("scripts")) / "uv"
    if not uv.exists():
        raise MissingError("uv is not in the toolkit's environment", hint="pip install uv, then try again")
    listing = commands.run((sys.executable, "-I", "-m", "pip", "config", "list"), env=environ).stdout
    settings = pip_settings.for_uv(listing, environ)
    argv = (
        str(uv),
        "pip",
        "compile",
        "--quiet",
        *_HOW,
        *settings.arguments,
        *(("--upgrade",) if upgrade else ()),
    )
    changed = []
    for lock in (TOOLKIT_LOCK, *LOCKS.values()):
        on_progress(f"resolving {lock.relative_to(CHECKOUT)}")
        if lock == LOCKS["proxy"]:
            differs = _recompile_with_npm(lock, on_progress, environ, upgrade=upgrade)
        else:
            differs = _recompile_with_uv(lock, argv, {**environ, **settings.variables})
        if differs:
            changed.append(lock)
    return tuple(changed)


def _recompile_with_npm(
    lock: Path, on_progress: Callable[[str], None], environ: Mapping[str, str], *, upgrade: bool
) -> bool:
    machine = node.of_machine(environ)
    if machine is None:
        on_progress(f"{lock.relative_to(CHECKOUT)} was left: this needs npm and node {node.OLDEST} or newer")
        return False
    before = lock.read_text() if lock.exists() else ""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(lock.with_name("package.json"), folder)
        draft = Path(folder, lock.name)
        if before and not upgrade:
            draft.write_text(before)
        how = ("install", "--package-lock-only", "--omit-lockfile-registry-resolved", *node.OPTIONS)
        commands.run((*machine.npm, *how), env=environ, cwd=Path(folder), timeout=900)
        after = draft.read_text()
    refuse_resolved(lock, after)
    if after != before:
        lock.write_text(after)
    return after != before


def _recompile_with_uv(lock: Path, argv: tuple[str, ...], environ: Mapping[str, str]) -> bool:
    before = lock.read_text() if lock.exists() else ""
    with tempfile.TemporaryDirectory() as folder:
        draft = Path(folder, lock.name)
        draft.write_text(before)
        commands.run((*argv, "--output-file", draft, lock.with_suffix(".in")), env=environ, timeout=900)
        after = draft.read_text()
    refuse_addresses(lock, after)
    if after != before:
        lock.write_text(after)
    return after != before


def refuse_addresses(lock: Path, text: str) -> None:
    """Raise :class:`UsageError` when a line of the lock names a place: a lock must fit any mirror."""
    for number, line in enumerate(text.splitlines(), start=1):
        if "://" in line or line.startswith("--"):
            raise UsageError(
                f"{lock.name} line {number} would name an address or an option of pip",
                hint="Ask for packages by name and version only; the lock was left as it was",
                details=(pip_settings.masked(line),),
            )


def refuse_resolved(lock: Path, text: str) -> None:
    """As :func:`refuse_addresses`, for the lock of npm, whose entries name their place as "resolved".

    https://docs.npmjs.com/cli/configuring-npm/package-lock-json#packages
    """
    for name, package in json.loads(text)["packages"].items():
        if "resolved" in package:
            raise UsageError(
                f"{lock.name} would name where {name} comes from",
                hint="Ask for packages by name and version only; the lock was left as it was",
                details=(pip_settings.masked(str(package["resolved"])),),
            )
