"""One hub for all tests that leave it as it was, in a checkout with values and people of its own."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
import pytest
import yaml

from integration.conftest import Make
from integration.driving import Dev, Said, by_name, copy_checkout, free_ports, kill, settle_hub_ports
from integration.hub.person import Person

needs_root = pytest.mark.skipif(
    os.geteuid() != 0, reason="not root: that users are kept apart by accounts is NOT tested"
)
CROWD = ("annie", "barbara", "dorothy", "edith", "hedy", "irene", "katherine", "lise", "marie", "rosalind")
VALUES = {
    "hub": {
        "allowNamedServers": True,
        "db": {"type": "postgres", "url": "postgresql://theirs:theirs@db.example.org:5432/hub"},
        "config": {
            "JupyterHub": {"authenticator_class": "github"},
            "Authenticator": {
                "admin_users": ["Chief"],
                "allowed_users": ["ada", "grace", "joan", "Mary-Ann", *CROWD],
            },
            "GitHubOAuthenticator": {
                "client_id": "Iv1.production",
                "client_secret": "of production",
                "oauth_callback_url": "https://habari.example.org/hub/oauth_callback",
                "allowed_organizations": ["habari-data", "habari-lab:analysts"],
                "scope": ["read:org"],
            },
        },
    },
    "singleuser": {"extraEnv": {"GREETING": "hello", "S3_BUCKET_NAME_LAKE": "production-lake"}},
}
PROJECT = """
github:
  people: [mallory]
  organizations:
    habari-data: [olga]
    habari-lab: [lara]
    habari-lab:analysts: [tina]
    elsewhere: [eve]
"""


@dataclass
class Hub:
    """A hub that runs, and the people at it."""

    dev: Dev
    people: dict[str, Person] = field(default_factory=dict)

    @cached_property
    def contract(self) -> dict[str, str]:
        return self.dev.contract(admin=True)

    @property
    def url(self) -> str:
        return self.contract["HUB_URL"]

    def visitor(self, name: str) -> Person:
        """Somebody at a browser of their own, not signed in."""
        return Person(hub=self.url, link=self.contract["HUB_SIGN_IN_URL"], name=name)

    def user(self, name: str) -> Person:
        """Somebody who is signed in and has a server; the same one each time."""
        if name not in self.people:
            person = self.visitor(name)
            page = person.sign_in()
            assert page.status == 200, page
            person.start_server()
            self.people[name] = person
        return self.people[name]


def start(dev: Dev, *words: str, **variables: str) -> dict[str, dict[str, Any]]:
    """Bring the hub up and return its services by name."""
    return by_name(dev("hub", "--json", *words, **variables).json())


def values_file(place: Path, *changes: Mapping[str, Any]) -> Path:
    """A file of the usual values with ``changes`` over them."""
    tree: Any = VALUES
    for change in changes:
        tree = _merged(tree, change)
    place.write_text(yaml.safe_dump(tree))
    place.chmod(0o600)
    return place


def _merged(below: Any, above: Any) -> Any:
    if not (isinstance(below, dict) and isinstance(above, Mapping)):
        return above
    return {**below, **{key: _merged(below.get(key), value) for key, value in above.items()}}


def servers_of(dev: Dev, user: str) -> list[psutil.Process]:
    """The user's Jupyter servers; their kernels are not among them."""
    found = []
    for process in dev.processes():
        try:
            if "jupyterhub.singleuser" in process.cmdline() and process.environ()["JUPYTERHUB_USER"] == user:
                found.append(process)
        except psutil.Error:
            continue
    return found


def secrets_of(hub: Hub) -> list[str]:
    """Everything secret that the instance made for itself."""
    written = json.loads((hub.dev.instance.secrets / "credentials.json").read_text())
    return [text for text in _texts(written) if len(text) > 15]


def _texts(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for each in value.values() for text in _texts(each)]
    return [value] if isinstance(value, str) else []


def api_port(hub: Hub) -> int:
    """Where the proxy takes its routes."""
    (proxy,) = (p for p in hub.dev.processes() if "configurable-http-proxy" in " ".join(p.cmdline()))
    ports = [each.laddr.port for each in proxy.net_connections() if each.status == psutil.CONN_LISTEN]
    (api,) = set(ports) - {urlsplit(hub.url).port}
    return api


def kill_service(dev: Dev, *names: str) -> None:
    services = dev.services()
    for name in names:
        kill(int(services[name]["pid"]))


@pytest.fixture(scope="package")
def hub(scratch: Path, data_root: Path, environ: Mapping[str, str]) -> Iterator[Hub]:
    """As a stranger has it: a checkout, the project's own values in their place, one command."""
    checkout = copy_checkout(scratch / "checkout with a hub")
    (checkout / "devenv.yaml").write_text(PROJECT)
    values_file(checkout / "jupyter" / "project_config.yaml")
    variables = {**environ, "HABARI_DATA_ROOT": str(data_root)}
    dev = settle_hub_ports(Dev("hub", data_root, variables, checkout, ports=free_ports()))
    try:
        dev.first = dev("hub")
        yield Hub(dev)
    finally:
        dev.destroy()


@pytest.fixture(scope="module")
def values(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A values file that a module's own hub is started with, and that its tests may edit."""
    return values_file(tmp_path_factory.mktemp("values") / "values.yaml")


@pytest.fixture(scope="module")
def make_hub(make: Make, values: Path) -> Callable[[str], Hub]:
    """Make an instance for a module, with ``values`` as its values file; not started yet."""

    def instance(name: str) -> Hub:
        return Hub(settle_hub_ports(make(name, environ={"HABARI_HUB_VALUES": str(values)})))

    return instance


def words_of(said: Said) -> str:
    """All that a command printed, on one line."""
    return " ".join((said.out + said.err).split())
