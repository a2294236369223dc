"""The compose project of one instance: its name, its variables, and the CLI that brings it up and down."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from devenv import formats
from devenv.compose import ComposeProject
from devenv.endpoints import View
from devenv.environments import CHECKOUT
from devenv.services import contract
from devenv.services.service import Service, Site

FILE = CHECKOUT / "docker-compose.yaml"
# The services of the compose file, and the port that each listens at in the network of the project.
NAMES = {"s3": "s3", "postgres": "explore-db", "jupyter": "jupyter"}
PORTS = {"s3": 9000, "postgres": 5432, "jupyter": 8888}
_PORT_VARIABLES = {
    "s3": "HABARI_PORTS_S3",
    "postgres": "HABARI_EXPLORE_DB_PORT",
    "jupyter": "HABARI_PORTS_JUPYTER",
}
NOTEBOOK_FILE = "notebook.env"


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
    found = _project("habari").services(_nameless(environ))
    return {NAMES[name]: found[NAMES[name]]["image"] for name in services}


def create(site: Site, services: Sequence[Service], environ: Mapping[str, str]) -> None:
    """Make these services' containers, and the network and volumes that are missing; nothing is started."""
    names = [NAMES[each.name] for each in services]
    _project(site.instance.id).create(names, {**environ, **variables(site, services)})


def down(instance_id: str, environ: Mapping[str, str], *, volumes: bool = False) -> None:
    """Remove the containers and the network of the project; with ``volumes`` the data too."""
    _project(instance_id).down(_nameless(environ), volumes=volumes)


def _project(name: str) -> ComposeProject:
    return ComposeProject(name, (FILE,))


def _nameless(environ: Mapping[str, str]) -> dict[str, str]:
    """For calls that start nothing, and so need no secret."""
    return {**environ, "HABARI_NOTEBOOK_ENV": "/dev/null"}
