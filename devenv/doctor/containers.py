"""Docker, for an instance whose services are containers; for any other a notice at most."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from devenv import commands, docker_engine, trouble
from devenv.doctor import finding
from devenv.doctor.finding import Finding, Verdict
from devenv.errors import DevenvError
from devenv.session import Session

if TYPE_CHECKING:
    from devenv.images.engine import Engine
    from devenv.images.pins import Pins

MAKE = "./dev images.build makes it (from package mirrors alone: --from mirrors)"
# What images.build --from mirrors takes, with its caches; a registry's Jupyter image takes as much again.
BUILD_BYTES = 5 * 1024**3
RUN_BYTES = 1024**3
# The SDK's address of an engine behind a local socket: https://docker-py.readthedocs.io/en/stable/api.html
_LOCAL = "http+docker://localhost"


def examine(session: Session) -> Iterator[Finding]:
    """Docker's parts in the order of their needs. What is missing is a notice where nothing needs it."""
    is_needed = session.choice.runtime in ("compose", "kind")
    if not is_needed and not docker_engine.answers(session.environ):
        yield Finding("docker", Verdict.NOTE, "no engine answers here; the process runtime needs none")
        return
    absent = Verdict.MISSING if is_needed else Verdict.NOTE
    try:
        client = _client(session.environ)
        yield Finding("docker", Verdict.OK, f"engine {client.version()['Version']}")
    except DevenvError as error:
        yield finding.trouble("docker", absent, error)
        return
    compose = _compose(session.environ, absent)
    yield compose
    yield _buildx(session.environ)
    found = [] if compose.verdict is not Verdict.OK else list(_images(session, absent))
    yield from found
    yield from _disk(
        client, BUILD_BYTES if any(each.verdict is not Verdict.OK for each in found) else RUN_BYTES
    )


def _client(environ: Mapping[str, str]) -> Any:
    """The SDK's client, for the engine that the compose runtime would ask. Raises MissingError."""
    from devenv.containers import Engine as Asked

    return Asked(environ).client


def _compose(environ: Mapping[str, str], absent: Verdict) -> Finding:
    from devenv import compose

    try:
        return Finding("docker compose", Verdict.OK, compose.require(environ))
    except DevenvError as error:
        return finding.trouble("docker compose", absent, error)


def _buildx(environ: Mapping[str, str]) -> Finding:
    """Images alone need it, so a notice is enough."""
    from devenv.images import engine

    done = commands.run(("docker", "buildx", "version"), env=environ, timeout=30, check=False)
    if done.code:
        return Finding("docker buildx", Verdict.NOTE, "not there, and images.build needs it", engine.INSTALL)
    return Finding("docker buildx", Verdict.OK, " ".join(done.stdout.split()[1:2]))


def _images(session: Session, absent: Verdict) -> Iterator[Finding]:
    """What the compose files take, as the caller's variables have it."""
    from devenv.images import pins
    from devenv.images.engine import Engine
    from devenv.runtimes.compose import project as compose

    docker, pinned = Engine(session.environ, "default"), pins.load()
    is_cluster = session.choice.runtime == "kind"
    try:
        wanted = _beside_cluster(session) if is_cluster else compose.images(session.environ)
    except DevenvError as error:
        yield finding.trouble("images", absent, error)
        return
    for reference in dict.fromkeys(wanted.values()):
        yield _image(docker, pinned, reference, absent)


def _beside_cluster(session: Session) -> dict[str, str]:
    """Those of the containers there. What runs in it is the values' choice, and fetched when not here."""
    from devenv.cluster.place import Place
    from devenv.containers import Engine as Asked
    from devenv.runtimes.kind.beside import GITHUB, Beside, used_by

    place, environ = Place.of(session.instance), session.environ
    images = Beside(place, session.instance, Asked(environ), environ).images()
    return {name: images[name] for name in (*used_by(session.project), GITHUB)}


def _image(docker: Engine, pinned: Pins, reference: str, absent: Verdict) -> Finding:
    from devenv.images import work

    check = f"image {reference}"
    stored = docker.image(reference)
    if stored is None:
        return Finding(check, absent, "not here", MAKE)
    image = pinned.images.get(stored.labels.get("habari.image", ""))
    if image is None:
        return Finding(check, Verdict.OK, "not built by this toolkit")
    version = stored.labels.get("habari.version", "")
    if differs := work.difference(pinned, image, stored):
        return Finding(check, Verdict.NOTE, f"version {version}: {differs}", _again(stored.labels))
    return Finding(check, Verdict.OK, f"version {version}")


def _again(labels: Mapping[str, str]) -> str:
    origin = " --from mirrors" if labels.get("habari.from") == "mirrors" else ""
    return f"./dev images.build --name {labels['habari.image']}{origin}"


def _disk(client: Any, wanted: int) -> Iterator[Finding]:
    """Where images and volumes lie, when that is a disk of this machine: an engine does not tell its room."""
    folder = Path(client.info()["DockerRootDir"])
    if client.api.base_url != _LOCAL or not folder.exists():
        return
    free = trouble.free_bytes(folder)
    detail = f"{free / 2**30:.1f} GiB left for {folder}"
    if free < wanted:
        yield Finding(
            "disk of docker",
            Verdict.NOTE,
            f"{detail}, {wanted / 2**30:.0f} may be needed",
            "docker system df tells what takes it",
        )
    else:
        yield Finding("disk of docker", Verdict.OK, detail)
