"""What the hub and the sign-in are started with."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from devenv import project
from devenv.credentials import Vault
from devenv.endpoints import Endpoint, View
from devenv.github.settings import read_settings as read_github
from devenv.hub.settings import read_settings as read_hub
from devenv.services import hub_settings, plan
from devenv.services.service import Site
from devenv.state import FIRST_ACCOUNT, Instance, write_json

PORTS = {
    "postgres": 5434,
    "explore-db": 5434,
    "hub-db": 5434,
    "s3": 9000,
    "proxy": 8000,
    "proxy-api": 8180,
    "hub": 8081,
    "github": 8090,
}
VALUES = """
hub:
  baseUrl: /lab
  db: {url: "postgresql://prod:prod-password@db.example.org/hub", upgrade: true}
  services: {scanner: {apiToken: scanner-token}}
  extraConfig: {mine: "c.KubeSpawner.mem_limit = '1G'"}
  config:
    JupyterHub: {authenticator_class: github}
    Authenticator: {admin_users: [grace]}
    GitHubOAuthenticator:
      client_id: production
      client_secret: prod-secret
      oauth_callback_url: https://hub.example.org/hub/oauth_callback
      allowed_users: [ada]
singleuser:
  extraEnv: {TEAM: data, AWS_ACCESS_KEY_ID: theirs}
  lifecycleHooks: {postStart: {exec: {command: [sh, -c, "true"]}}}
"""


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Site]:
    instance = Instance("habari", tmp_path, tmp_path / "data")
    instance.create()
    vault = Vault(instance.secrets)
    vault.fill()
    vault.keep_s3_key("AKIAUSER", "s3-secret")
    values = tmp_path / "values.yaml"

    def site(text: str = VALUES, *, root: bool = True, proxy: int = 8000, **environ: str) -> Site:
        monkeypatch.setattr(hub_settings.os, "geteuid", lambda: 0 if root else 1000)
        values.write_text(text)
        ports = {**PORTS, "proxy": proxy}
        return Site(
            project=project.load(tmp_path, environ),
            instance=instance,
            vault=vault,
            endpoint=lambda service, view: Endpoint("127.0.0.1", ports[service]),
            view=View.HOST,
            notebook_python=Path("/envs/notebook/bin/python"),
            plan=lambda: plan.read((values,)),
            stamps=instance.root,
        )

    return site


Make = Callable[..., Site]


def test_what_is_written_is_what_the_hub_reads(make: Make, tmp_path: Path) -> None:
    written = hub_settings.hub(make())
    write_json(tmp_path / "hub.json", written)

    read = read_hub(tmp_path / "hub.json")

    assert json.loads(json.dumps(dataclasses.asdict(read))) == json.loads(json.dumps(written))
    assert read.upgrade_db
    assert read.backup and read.backup.command[0].endswith("pg_dump")


def test_addresses_and_secrets_of_production_are_nowhere_in_what_is_applied_last(make: Make) -> None:
    written = hub_settings.hub(make())

    sign_in = written["overrides"]["GitHubOAuthenticator"]
    assert sign_in["oauth_callback_url"] == "http://localhost:8000/lab/hub/oauth_callback"
    assert sign_in["client_secret"] not in ("", "prod-secret")
    assert "client_id" not in sign_in, "production's stays"
    assert "prod-password" not in written["db_url"]
    assert written["config"]["GitHubOAuthenticator"]["allowed_users"] == ["ada"]


def test_what_is_for_servers_lies_where_extra_config_of_the_chart_looks_for_it(make: Make) -> None:
    config = hub_settings.hub(make())["config"]

    assert config["KubeSpawner"]["environment"]["TEAM"] == "data"
    assert config["KubeSpawner"]["mem_guarantee"] == "1G"
    assert config["JupyterHub"]["services"] == [{"name": "scanner", "api_token": "scanner-token"}]


def test_the_contract_is_the_instances_whatever_the_values_say(make: Make) -> None:
    servers = hub_settings.hub(make())["servers"]

    assert servers["contract"]["AWS_ACCESS_KEY_ID"] == "AKIAUSER"
    assert not set(servers["contract"]) & set(servers["environment"])


def test_only_root_gives_people_accounts_of_their_own(make: Make) -> None:
    assert hub_settings.hub(make(root=True))["servers"]["accounts"]["first_uid"] >= FIRST_ACCOUNT
    assert hub_settings.hub(make(root=False))["servers"]["accounts"] is None
    assert hub_settings.github(make(root=False))["notebook_uids"] is None


@pytest.mark.parametrize(
    ("root", "variables", "runs"),
    [(True, {}, True), (False, {}, False), (False, {"HABARI_HUB_POST_START": "true"}, True)],
    ids=["root", "normal user", "normal user who allows it"],
)
def test_production_s_hook_runs_as_somebody_else_or_when_it_is_allowed(
    make: Make, root: bool, variables: dict[str, str], runs: bool
) -> None:
    hook = hub_settings.hub(make(root=root, **variables))["servers"]["post_start"]

    assert bool(hook) is runs


@pytest.mark.parametrize(("port", "host"), [(8000, "localhost:8000"), (8010, "{id}.localhost:8010")])
def test_a_hub_on_another_port_has_a_host_name_of_its_own(make: Make, port: int, host: str) -> None:
    site = make(proxy=port)

    assert hub_settings.public_host(site) == host.format(id=site.instance.id)


def test_the_sign_in_knows_everybody_whom_values_and_project_name(make: Make, tmp_path: Path) -> None:
    (tmp_path / "devenv.yaml").write_text(
        "github:\n  people: [linus]\n  organizations:\n    habari: [ken]\n    habari:data: [ken, ada]\n"
    )
    write_json(tmp_path / "github.json", hub_settings.github(make()))

    read = read_github(tmp_path / "github.json")

    people = {person.login: (person.allowed, person.admin) for person in read.people}
    assert people == {
        "ada": (True, False), "grace": (False, True), "ken": (False, False), "linus": (False, False),
    }  # fmt: skip
    assert (read.organizations, read.teams) == ({"habari": ("ken",)}, {"habari:data": ("ken", "ada")})
    assert read.client_id == "production"
    assert read.redirect_uris == ("http://localhost:8000/lab/hub/oauth_callback",)


def test_a_changed_value_changes_the_digest(make: Make) -> None:
    before = hub_settings.digest(hub_settings.hub(make()))

    assert hub_settings.digest(hub_settings.hub(make())) == before
    assert hub_settings.digest(hub_settings.hub(make(VALUES.replace("TEAM: data", "TEAM: other")))) != before
