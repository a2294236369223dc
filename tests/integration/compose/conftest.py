"""An engine, our images on it, one instance that is up by it, and projects that are gone after the tests."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from devenv.errors import DevenvError, MissingError
from devenv.images import engine
from devenv.images.engine import Engine
from integration.compose.building import build
from integration.driving import Dev, free_ports

CHECKOUT = Path(__file__).resolve().parents[3]
SERVICES = ("s3", "explore-db", "jupyter")
DATABASES = ("hub-db", "explore-db")
# What names the engine to Docker's client.
ENGINE_VARIABLES = ("DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH")


def without(what: str, needs: str = "docker") -> None:
    """Skip, loudly; fail where the machine is said to have what is needed."""
    if needs in os.environ.get("DEVENV_REQUIRE", "").split(","):
        pytest.fail(f"DEVENV_REQUIRE names {needs}: {what}")
    pytest.skip(what)


@pytest.fixture(scope="session")
def docker() -> Engine:
    try:
        found = engine.connect(os.environ)
    except MissingError as error:
        without(str(error))
    if found.run("compose", "version").code:
        without("docker compose is not there. Debian: apt-get install docker-compose")
    return found


@pytest.fixture(scope="session")
def images(docker: Engine) -> Engine:
    """The engine with what the compose files take: built from mirrors where it is not there."""
    try:
        build("postgres", "s3", "jupyter")
    except DevenvError as error:
        without("\n".join((str(error), *error.details)))
    return docker


@pytest.fixture(scope="session")
def contained(environ: Mapping[str, str]) -> Mapping[str, str]:
    """The person's environment, with this machine's engine in it: its name may be in nothing else."""
    return {**environ, **{name: os.environ[name] for name in ENGINE_VARIABLES if name in os.environ}}


@pytest.fixture(scope="package")
def shared(images: Engine, data_root: Path, contained: Mapping[str, str]) -> Iterator[Dev]:
    """One instance that is up by this runtime; a test that breaks it heals it again."""
    # a shell of another compose project: what is done there is its own affair
    own = {**contained, "HABARI_DATA_ROOT": str(data_root), "COMPOSE_PROJECT_NAME": "somebody-elses"}
    dev = Dev("contained", data_root, own, ports=free_ports())
    try:
        dev.first = dev("up", "--runtime", "compose", "--verbose")
        yield dev
    finally:
        dev.destroy()


@dataclass
class Compose:
    """One project of a compose file, as a person drives it; its files lie in ``folder``."""

    file: str
    folder: Path
    variables: dict[str, str] = field(default_factory=dict)
    overlays: tuple[str, ...] = ()
    name: str = field(default_factory=lambda: f"habari-test-{secrets.token_hex(4)}")

    def __post_init__(self) -> None:
        for name in ("PORTS_JUPYTER", "PORTS_S3", "EXPLORE_DB_PORT", "HUB_DB_PORT"):
            self.variables.setdefault(f"HABARI_{name}", str(free_port()))

    def __call__(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        environ = {name: value for name, value in os.environ.items() if not name.startswith("HABARI_")}
        files = [word for file in (self.file, *self.overlays) for word in ("--file", str(CHECKOUT / file))]
        done = subprocess.run(
            ("docker", "compose", *files, "--project-directory", str(self.folder), *words),
            env={**environ, **self.variables, "HABARI_COMPOSE_PROJECT": self.name},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert not check or done.returncode == 0, done.stdout + done.stderr + self.logs()
        return done

    def up(self) -> None:
        self("up", "--detach", "--wait", "--wait-timeout", "120")

    def logs(self) -> str:
        return self("logs", "--no-color", "--no-log-prefix", check=False).stdout

    def port(self, name: str) -> int:
        return int(self.variables[f"HABARI_{name}"])

    def containers(self) -> dict[str, dict[str, Any]]:
        """What the engine says of each container, by the service's name."""
        ids = self("ps", "--all", "--quiet").stdout.split()
        told = subprocess.run(("docker", "inspect", *ids), capture_output=True, text=True, check=True).stdout
        return {each["Config"]["Labels"]["com.docker.compose.service"]: each for each in json.loads(told)}

    def destroy(self) -> None:
        full_name = json.loads(self("config", "--format", "json").stdout)["name"]
        self("down", "--volumes", "--remove-orphans", "--timeout", "5")
        for kind in ("container", "volume", "network"):
            argv = (
                "docker",
                kind,
                "ls",
                "--quiet",
                "--filter",
                f"label=com.docker.compose.project={full_name}",
            )
            assert subprocess.run(argv, capture_output=True, text=True, check=True).stdout == ""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def filled(text: str) -> str:
    """The sample of jupyter/.env with secrets in it, as a person fills it in."""
    given = {
        "AWS_ACCESS_KEY_ID": f"AKIA{secrets.token_hex(8).upper()}",
        "AWS_SECRET_ACCESS_KEY": secrets.token_hex(20),
        "EXPLORE_DB_PASSWORD": secrets.token_hex(12),
    }
    lines = []
    for line in text.splitlines():
        name, _, value = line.partition("=")
        lines.append(f"{name}={given[name]}" if name in given and not value else line)
    return "\n".join(lines) + "\n"


ByHand = Callable[..., Compose]


@pytest.fixture(scope="module")
def by_hand(images: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ByHand]:
    """Make projects; each is destroyed at the end of the module, and then nothing of it may be left."""
    made: list[Compose] = []

    def project(file: str, env: str = "", **variables: str) -> Compose:
        folder = tmp_path_factory.mktemp("compose")
        (folder / "jupyter").mkdir()
        (folder / "jupyter" / ".env").write_text(env)
        made.append(Compose(file, folder, variables))
        return made[-1]

    yield project
    for compose in made:
        compose.destroy()
        shutil.rmtree(compose.folder)
