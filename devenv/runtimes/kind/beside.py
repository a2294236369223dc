"""The containers beside the cluster: the servers that projects share, and each project's sign-in."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from devenv import commands
from devenv.cluster.place import Place
from devenv.compose import ComposeProject
from devenv.containers import Engine
from devenv.endpoints import View
from devenv.environments import CHECKOUT
from devenv.errors import MissingError
from devenv.project import Project
from devenv.services import hub_settings
from devenv.services.service import Site
from devenv.state import Instance, write_json

SHARED = ("hub-db", "explore-db", "s3")
GITHUB = "github"
_SHARED_FILES = (CHECKOUT / "docker-compose.postgres.yaml", CHECKOUT / "docker-compose.cluster.yaml")
_GITHUB_FILES = (CHECKOUT / "docker-compose.github.yaml",)
_SEED_IN_IMAGE = "/opt/seed/."
_PORT_VARIABLES = {
    "hub-db": "HABARI_HUB_DB_PORT",
    "explore-db": "HABARI_EXPLORE_DB_PORT",
    "s3": "HABARI_PORTS_S3",
}


def used_by(wanted: Project) -> tuple[str, ...]:
    """Those of the shared servers that the project uses: not S3 where it has an endpoint of its own."""
    return tuple(name for name in SHARED if not (name == "s3" and wanted.s3.endpoint))


class Beside:
    """The compose project of the shared servers and the one of a project's sign-in."""

    def __init__(self, place: Place, instance: Instance, engine: Engine, environ: Mapping[str, str]) -> None:
        self._place = place
        self._instance = instance
        self._engine = engine
        self._environ = environ
        self.shared = ComposeProject(place.id, _SHARED_FILES)
        self.github = ComposeProject(f"{instance.id}-{GITHUB}", _GITHUB_FILES)

    def project_of(self, service: str) -> ComposeProject:
        return self.github if service == GITHUB else self.shared

    def host_of(self, service: str) -> str:
        """The name that the service's container has in the network."""
        return f"{GITHUB}-{self._instance.name}" if service == GITHUB else service

    def images(self) -> dict[str, str]:
        """The image of each service, as the files and the caller's variables have it."""
        shared = self.shared.services(self._nameless())
        github = self.github.services(self._nameless())
        found = {name: shared[name]["image"] for name in SHARED}
        return {**found, GITHUB: github[GITHUB]["image"]}

    def require_own(self) -> None:
        """Raise ConflictError for containers or volumes of our names that somebody else made."""
        for project in (self.shared, self.github):
            self._engine.require_own(project.name, project.name)

    def create_shared(self, site: Site) -> None:
        """Make the containers of the shared servers that the project uses; nothing is started."""
        self.shared.create(used_by(site.project), {**self._environ, **self._shared_variables(site)})

    def create_github(self, site: Site, fingerprint: str) -> None:
        """Write the sign-in's settings and make its container."""
        write_json(self._config, hub_settings.github(site))
        variables = {
            **self._nameless(),
            "HABARI_INSTANCE": self.github.name,
            "HABARI_FINGERPRINT_GITHUB": fingerprint,
        }
        variables["HABARI_PORTS_GITHUB"] = str(site.endpoint(GITHUB, View.HOST).port)
        self.github.create((GITHUB,), variables)

    def take_seed(self) -> Path:
        """The public bucket's sample data out of the image of S3, once."""
        if not (self._place.seed / "taken").exists():
            container = self._engine.container(self.shared.name, "s3")
            if container is None:
                raise MissingError("the container of s3 is gone", hint="Run ./dev kind again")
            self._place.seed.mkdir(exist_ok=True)
            argv = ("docker", "cp", f"{container.id}:{_SEED_IN_IMAGE}", self._place.seed)
            commands.run(argv, env=self._environ)
            (self._place.seed / "taken").touch()
        return self._place.seed

    def remove_github(self) -> None:
        """Remove the project's sign-in, and with it who is signed in there."""
        self.github.down(self._nameless())

    def remove(self, *, volumes: bool = False) -> None:
        """Remove the containers; with ``volumes`` the data of all projects too."""
        self.github.down(self._nameless())
        self.shared.down(self._nameless(), volumes=volumes)

    def _shared_variables(self, site: Site) -> dict[str, str]:
        secrets = site.vault.current
        ports = {
            _PORT_VARIABLES[name]: str(site.endpoint(name, View.HOST).port) for name in used_by(site.project)
        }
        return {
            **self._nameless(),
            "HABARI_INSTANCE": self._place.id,
            # for compose's own --wait alone
            "HABARI_HEALTH_INTERVAL": "30s",
            "HABARI_POSTGRES_ADMIN_PASSWORD": secrets.postgres_admin_password,
            "HABARI_S3_ADMIN_ACCESS_KEY_ID": secrets.s3_admin_access_key_id,
            "HABARI_S3_ADMIN_SECRET_ACCESS_KEY": secrets.s3_admin_secret_access_key,
            "HABARI_S3_GUARD_TOKEN": secrets.s3_guard_token,
            **ports,
        }

    def _nameless(self) -> dict[str, str]:
        """For calls that start nothing: the files insist on what only a start needs."""
        return {
            **self._environ,
            "HABARI_INSTANCE": self._place.id,
            "HABARI_CLUSTER": self._place.id,
            "HABARI_NAME": self._instance.name,
            "HABARI_GITHUB_CONFIG": str(self._config),
            "HABARI_POSTGRES_ADMIN_PASSWORD": "-",
            "HABARI_S3_ADMIN_ACCESS_KEY_ID": "-",
            "HABARI_S3_ADMIN_SECRET_ACCESS_KEY": "-",
            "HABARI_S3_GUARD_TOKEN": "-",
        }

    @property
    def _config(self) -> Path:
        return self._instance.secrets / "github.container.json"
