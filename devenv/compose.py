"""The compose CLI: one project of containers, made and removed; asking and starting is the engine's."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from devenv import commands
from devenv.errors import ConflictError, DevenvError, MissingError, UnhealthyError

OLDEST = (2, 20)
_DISK_FULL = re.compile(r"no space left on device", re.IGNORECASE)
_NAME_TAKEN = re.compile(r'container name "?/?([\w.-]+)"? is already in use', re.IGNORECASE)


@dataclass(frozen=True)
class ComposeProject:
    """A project's name and its files, the later ones laid over the earlier."""

    name: str
    files: tuple[Path, ...]

    def words(self, *words: str) -> tuple[str, ...]:
        """The project is named in each call: COMPOSE_PROJECT_NAME would win over the name in the file."""
        files = [word for file in self.files for word in ("--file", str(file))]
        return ("docker", "compose", "--project-name", self.name, *files, *words)

    def services(self, environ: Mapping[str, str]) -> dict[str, Any]:
        """The services as the files and the caller's variables have them."""
        done = commands.run(self.words("config", "--format", "json"), env=environ, timeout=30)
        found: dict[str, Any] = json.loads(done.stdout)["services"]
        return found

    def create(self, services: Sequence[str], environ: Mapping[str, str]) -> None:
        """Make these services' containers, and what networks and volumes they lack; nothing is started."""
        said: list[str] = []
        argv = self.words("up", "--no-start", "--no-deps", "--no-build", "--no-color", *services)
        if commands.stream(argv, said.append, env=environ):
            raise _trouble(said)

    def down(self, environ: Mapping[str, str], *, volumes: bool = False) -> None:
        """Remove the containers and the networks of the project; with ``volumes`` the data too."""
        options = ("--volumes",) if volumes else ()
        commands.run(self.words("--profile", "*", "down", *options), env=environ, timeout=180)


def require(environ: Mapping[str, str]) -> str:
    """The version of compose. Raises MissingError unless it is at hand, 2.20 or newer."""
    hint = "Install the plugin (Debian: docker-compose; else https://docs.docker.com/compose/install/)"
    try:
        done = commands.run(("docker", "compose", "version", "--short"), env=environ, timeout=30, check=False)
    except MissingError:
        raise MissingError(
            "the Docker CLI is not there", hint="Install docker-cli and its compose plugin"
        ) from None
    if done.code:
        raise MissingError("the Docker CLI has no compose", hint=hint)
    found = tuple(int(part) for part in re.findall(r"\d+", done.stdout)[:2])
    if found < OLDEST:
        raise MissingError(f"docker compose is {done.stdout.strip()}, 2.20 is needed", hint=hint)
    return done.stdout.strip()


def _trouble(said: Sequence[str]) -> DevenvError:
    text = "\n".join(said)
    details = tuple(line for line in said if line.strip())[-8:]
    if _DISK_FULL.search(text):
        return MissingError(
            "the disk of the Docker engine is full",
            hint="Free some space there (docker system df shows what takes it)",
            details=details,
        )
    if found := _NAME_TAKEN.search(text):
        return ConflictError(
            f"a container called {found[1]} is somebody else's",
            hint="Nothing was touched; rename or remove it, or choose another --instance",
        )
    return UnhealthyError(
        "docker compose could not make the containers", hint="Its last words:", details=details
    )
