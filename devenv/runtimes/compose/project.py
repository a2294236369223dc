"""The compose project of one instance: its name, its variables, and the CLI that brings it up and down."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from devenv import commands, formats
from devenv.endpoints import View
from devenv.environments import CHECKOUT
from devenv.errors import ConflictError, DevenvError, MissingError, UnhealthyError
from devenv.services import contract
from devenv.services.service import Service, Site

FILE = CHECKOUT / "docker-compose.yaml"
OLDEST = (2, 20)
# The services of the compose file, and the port that each listens at in the network of the project.
NAMES = {"s3": "s3", "postgres": "explore-db", "jupyter": "jupyter"}
PORTS = {"s3": 9000, "postgres": 5432, "jupyter": 8888}
_PORT_VARIABLES = {
    "s3": "HABARI_PORTS_S3",
    "postgres": "HABARI_EXPLORE_DB_PORT",
    "jupyter": "HABARI_PORTS_JUPYTER",
}
NOTEBOOK_FILE = "notebook.env"
_DISK_FULL = re.compile(r"no space left on device", re.IGNORECASE)
_NAME_TAKEN = re.compile(r'container name "?/?([\w.-]+)"? is already in use', re.IGNORECASE)


def variables(site: Site, services: Sequence[Service]) -> dict[str, str]:
    """What docker-compose.yaml wants to be told; secrets stay in the environment of the CLI."""
    project, secrets = site.project, site.vault.current
    ports = {
        variable: str(site.endpoint(name, View.HOST).port)
        for name, variable in _PORT_VARIABLES.items()
        if not (name == "s3" and project.s3.endpoint)
    }
    fingerprints = {f"HABARI_FINGERPRINT_{each.name.upper()}": each.fingerprint(site) for each in services}
    return {
        "HABARI_INSTANCE": site.instance.id,
        # for compose's own --wait alone, which the toolkit does without
        "HABARI_HEALTH_INTERVAL": "30s",
        "HABARI_NAME": project.name,
        "HABARI_NOTEBOOK_ENV": str(notebook_file(site)),
        "HABARI_PUBLIC_WRITABLE": "true" if project.public_writable else "false",
        "HABARI_POSTGRES_ADMIN_PASSWORD": secrets.postgres_admin_password,
        "HABARI_S3_ADMIN_ACCESS_KEY_ID": secrets.s3_admin_access_key_id,
        "HABARI_S3_ADMIN_SECRET_ACCESS_KEY": secrets.s3_admin_secret_access_key,
        "HABARI_S3_GUARD_TOKEN": secrets.s3_guard_token,
        "HABARI_JUPYTER_TOKEN": secrets.jupyter_token,
        **ports,
        **fingerprints,
    }


def notebook_file(site: Site) -> Path:
    """The contract as containers see it; docker-compose.yaml reads it instead of jupyter/.env."""
    return site.instance.secrets / NOTEBOOK_FILE


def write_notebook_file(site: Site) -> None:
    """Whole, readable by the owner alone."""
    path = notebook_file(site)
    draft = path.with_name(f".{path.name}.new")
    draft.touch(mode=0o600)
    draft.write_text(formats.render(contract.user(site, View.CONTAINER), "dotenv"), encoding="utf-8")
    draft.replace(path)


def images(environ: Mapping[str, str], services: Iterable[str] = NAMES) -> dict[str, str]:
    """The image of each of these services, as the file and the caller's variables have it."""
    # names alone are asked for, so no secret is needed
    values = {**environ, "HABARI_NOTEBOOK_ENV": "/dev/null"}
    done = commands.run(_words("habari", "config", "--format", "json"), env=values, timeout=30)
    found = json.loads(done.stdout)["services"]
    return {NAMES[name]: found[NAMES[name]]["image"] for name in services}


def require_compose(environ: Mapping[str, str]) -> str:
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


def create(site: Site, services: Sequence[Service], environ: Mapping[str, str]) -> None:
    """Make these services' containers, and the network and volumes that are missing; nothing is started."""
    names = [NAMES[each.name] for each in services]
    said: list[str] = []
    argv = _words(site.instance.id, "up", "--no-start", "--no-deps", "--no-build", "--no-color", *names)
    code = commands.stream(argv, said.append, env={**environ, **variables(site, services)})
    if code:
        raise _trouble(said)


def down(instance_id: str, environ: Mapping[str, str], *, volumes: bool = False) -> None:
    """Remove the containers and the network of the project; with ``volumes`` the data too."""
    options = ("--volumes",) if volumes else ()
    values = {**environ, "HABARI_NOTEBOOK_ENV": "/dev/null"}
    commands.run(_words(instance_id, "--profile", "*", "down", *options), env=values, timeout=180)


def _words(instance_id: str, *words: str) -> tuple[str, ...]:
    """The project is named in each call: COMPOSE_PROJECT_NAME would win over the name in the file."""
    return ("docker", "compose", "--project-name", instance_id, "--file", str(FILE), *words)


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
