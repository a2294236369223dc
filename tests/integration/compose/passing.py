"""Single containers of our images, made by testcontainers without its reaper, which is pulled.

Each container carries the process that made it. Where that was killed, the next run of the tests removes it.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import psutil
from testcontainers.core.config import testcontainers_config
from testcontainers.core.container import DockerContainer

from devenv.images.engine import Engine

OWNER = "habari.test.owner"


def owner() -> str:
    """This process: a number and when it began, because numbers come again."""
    return f"{os.getpid()}-{psutil.Process().create_time():.2f}"


def reap(docker: Engine) -> None:
    """Remove what tests that are gone have left."""
    form = f'{{{{.ID}}}} {{{{.Label "{OWNER}"}}}}'
    listed = docker.run("ps", "--all", "--filter", f"label={OWNER}", "--format", form)
    for line in listed.stdout.splitlines():
        container, whose = line.split()
        if not _lives(whose):
            docker.run("rm", "--force", "--volumes", container)


@contextlib.contextmanager
def container(
    docker: Engine,
    image: str,
    port: int,
    variables: Mapping[str, str],
    *command: str,
    entrypoint: str | None = None,
    files: Mapping[Path, str] | None = None,
) -> Iterator[DockerContainer]:
    """A container that publishes one port, on a free one of the loopback address; gone afterwards.

    ``files`` of this machine are in it, to be read, at the paths beside them.
    """
    testcontainers_config.ryuk_disabled = True
    reap(docker)
    made = DockerContainer(image, env=dict(variables), labels={OWNER: owner()})
    # with_exposed_ports would publish on every address of the machine
    made.ports = {f"{port}/tcp": ("127.0.0.1", None)}
    if command:
        made.with_command(list(command))
    if entrypoint:
        made.with_kwargs(entrypoint=entrypoint)
    for file, place in (files or {}).items():
        made.with_volume_mapping(str(file), place, "ro")
    try:
        yield made.start()
    finally:
        made.stop()


def _lives(whose: str) -> bool:
    number, _, begun = whose.partition("-")
    with contextlib.suppress(psutil.NoSuchProcess):
        return f"{psutil.Process(int(number)).create_time():.2f}" == begun
    return False
