"""What an image stands on: a reference in a registry, or a Debian that is made here from a package mirror."""

from __future__ import annotations

import hashlib
import re
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from devenv import commands, pip_settings
from devenv.errors import MissingError
from devenv.images import sources
from devenv.images.engine import Engine
from devenv.images.pins import BASE, Image, Pins

NEEDED_BYTES = 1 << 30
_RECIPE = (
    "--variant=minbase",
    "--dpkgopt=path-exclude=/usr/share/man/*",
    "--dpkgopt=path-exclude=/usr/share/info/*",
    "--dpkgopt=path-exclude=/usr/share/locale/*",
    "--dpkgopt=path-exclude=/usr/share/doc/*",
    "--dpkgopt=path-include=/usr/share/doc/*/copyright",
    # Neither the mirror's address nor its lists; `apt-get update` needs a source again.
    '--customize-hook=rm -rf "$1"/etc/apt/sources.list "$1"/etc/apt/sources.list.d/*',
    '--customize-hook=rm -rf "$1"/etc/apt/apt.conf.d/99mmdebstrap "$1"/var/lib/apt/lists/* "$1"/var/log/*',
    '--customize-hook=rm -rf "$1"/etc/resolv.conf "$1"/etc/hostname',
)
_STEP = re.compile(r"I: ((?:running apt-get|downloading|extracting|installing|creating) .*?)(?:\.\.\.)?$")


@dataclass(frozen=True)
class Base:
    """``reference`` is what FROM gets; ``key`` changes when, and only when, the base is meant to."""

    reference: str
    key: str


def wanted(pins: Pins, image: Image, origin: str) -> Base:
    """The base of an image when bases come from ``origin``."""
    if origin == "mirrors":
        return debian(pins)
    reference = pins.bases[image.base]
    return Base(reference, reference)


def debian(pins: Pins) -> Base:
    """The Debian that is made from mirrors."""
    digest = hashlib.sha256("\0".join((pins.suite, *_RECIPE)).encode()).hexdigest()[:16]
    return Base(f"{pins.repository}/{BASE}:{pins.suite}-{digest[:8]}", digest)


def make_debian(engine: Engine, pins: Pins, say: Callable[[str], None]) -> bool:
    """Make that Debian unless the engine has it; tell whether it was made.

    It is imported in one step from a whole archive, so none is ever half built. Raises MissingError.
    """
    base = debian(pins)
    if engine.image(base.reference) is not None:
        return False
    mirror = sources.require_mirror(engine.environ, pins.suite)
    if not shutil.which("mmdebstrap", path=engine.environ.get("PATH")):
        raise MissingError(
            "mmdebstrap, which makes a Debian from a mirror, is not there", hint="apt-get install mmdebstrap"
        )
    with tempfile.TemporaryDirectory(prefix="habari-base-", dir=_roomy()) as folder:
        archive = Path(folder, "base.tar")
        _bootstrap(engine, pins.suite, mirror, archive, say)
        say("importing")
        labels = (f"LABEL habari.image={BASE} habari.key={base.key} habari.from=mirrors", 'CMD ["/bin/sh"]')
        changes = [word for label in labels for word in ("--change", label)]
        done = engine.run("image", "import", *changes, archive, base.reference, timeout=600)
        if done.code:
            raise MissingError("the base could not be imported", details=tuple(done.stderr.splitlines()[-3:]))
    return True


def _bootstrap(engine: Engine, suite: str, mirror: str, archive: Path, say: Callable[[str], None]) -> None:
    said: list[str] = []

    def take(line: str) -> None:
        said.append(pip_settings.masked(line))
        if step := _STEP.match(line):
            say(step[1][:80])

    listed = archive.with_suffix(".list")
    listed.touch(mode=0o600)
    listed.write_text(mirror)
    argv = ("mmdebstrap", *_RECIPE, suite, archive, listed)
    if commands.stream(argv, take, env=engine.environ):
        raise MissingError(
            f"a Debian {suite} could not be made from this machine's mirror",
            hint="See what apt-get update says, or name another mirror: HABARI_DEBIAN_MIRROR",
            details=tuple(line for line in said if not line.startswith("I:"))[-8:],
        )


def _roomy() -> str:
    """The folder for temporary files; raises MissingError when a base does not fit there."""
    folder = tempfile.gettempdir()
    free = shutil.disk_usage(folder).free
    if free < NEEDED_BYTES:
        raise MissingError(
            f"{folder} has {free >> 20} MiB left, a base needs {NEEDED_BYTES >> 20} MiB while it is made",
            hint="Free some space, or set TMPDIR to a larger place",
        )
    return folder
