"""The Docker engine as these tasks ask it: through Docker's own client, so its context and settings hold."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from devenv import commands, pip_settings
from devenv.errors import DevenvError, MissingError, UnhealthyError

INSTALL = (
    "Debian: apt-get install docker.io docker-cli docker-buildx docker-compose;"
    " elsewhere see https://docs.docker.com/engine/install/"
)


@dataclass(frozen=True)
class Stored:
    """An image that the engine has. ``created`` is ISO 8601, ``size`` in bytes."""

    id: str
    references: tuple[str, ...]
    digests: tuple[str, ...]
    labels: Mapping[str, str]
    created: str
    size: int


@dataclass(frozen=True)
class Engine:
    """``environ`` is the user's environment, which names the engine; ``builder`` builds inside it."""

    environ: Mapping[str, str]
    builder: str

    def run(self, *words: str | Path, timeout: float = 60) -> commands.Completed:
        """A call of the client, whatever it comes to."""
        return commands.run(("docker", *words), env=self.environ, timeout=timeout, check=False)

    def images(self, **labels: str) -> tuple[Stored, ...]:
        """The tagged images with these labels: ``habari_image="s3"`` is habari.image=s3, "" is any value."""
        filters = [
            word
            for name, value in labels.items()
            for word in ("--filter", f"label={name.replace('_', '.')}" + (f"={value}" if value else ""))
        ]
        listed = self.run("image", "ls", "--quiet", "--no-trunc", *filters)
        ids = tuple(dict.fromkeys(listed.stdout.split()))
        return self._inspected(*ids) if ids else ()

    def image(self, reference: str) -> Stored | None:
        """The image of this name, None when the engine has none."""
        found = self._inspected(reference)
        return found[0] if found else None

    def tag(self, image: str, reference: str) -> None:
        """Give an image one more name."""
        done = self.run("image", "tag", image, reference)
        if done.code:
            raise UnhealthyError(f"{reference} could not be tagged", details=_last(done))

    def _inspected(self, *references: str) -> tuple[Stored, ...]:
        done = self.run("image", "inspect", *references)
        found: list[dict[str, Any]] = json.loads(done.stdout or "[]")
        return tuple(_stored(each) for each in found)


def connect(environ: Mapping[str, str]) -> Engine:
    """The engine of the user's context, with buildx. Raises MissingError that names what is missing."""
    asked = _client(environ, "version", "--format", "{{.Server.Version}}")
    if asked.code:
        raise trouble(asked.stderr or asked.stdout)
    if _client(environ, "buildx", "version").code:
        raise MissingError("Docker's buildx plug-in is not there", hint=INSTALL)
    if environ.get("DOCKER_HOST"):
        return Engine(environ, "default")
    # A builder in a container of its own, if that is the user's choice elsewhere, has none of our bases.
    context = _client(environ, "context", "inspect", "--format", "{{.Name}}")
    return Engine(environ, context.stdout.strip() or "default")


def trouble(said: str) -> DevenvError:
    """What the client said when no engine answered, as one line."""
    last = pip_settings.masked(said.strip().splitlines()[-1]) if said.strip() else ""
    if re.search(r"permission denied", said, re.IGNORECASE):
        return MissingError(
            "this account may not use the Docker engine",
            hint="sudo usermod -aG docker $USER, then sign in again; or name another engine by DOCKER_HOST",
            details=(last,),
        )
    return MissingError(
        "no Docker engine answers", hint="Start it (systemctl start docker, or .ci/docker)", details=(last,)
    )


def _client(environ: Mapping[str, str], *words: str) -> commands.Completed:
    try:
        return commands.run(("docker", *words), env=environ, timeout=30, check=False)
    except MissingError:
        raise MissingError("Docker's client is not there", hint=INSTALL) from None


def _stored(found: dict[str, Any]) -> Stored:
    return Stored(
        id=found["Id"],
        references=tuple(found.get("RepoTags") or ()),
        digests=tuple(found.get("RepoDigests") or ()),
        labels=(found.get("Config") or {}).get("Labels") or {},
        created=found.get("Created", ""),
        size=int(found.get("Size", 0)),
    )


def _last(done: commands.Completed) -> tuple[str, ...]:
    return tuple((done.stderr or done.stdout).strip().splitlines()[-3:])
