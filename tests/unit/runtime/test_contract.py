"""The environment of a notebook: the contract's variables, and nothing of the caller's."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from devenv import project
from devenv.credentials import Vault
from devenv.endpoints import Endpoint, View
from devenv.services import contract, notebook_environment
from devenv.services.jupyter import JupyterService
from devenv.services.postgres import PostgresService
from devenv.services.s3 import S3Service
from devenv.services.service import Site
from devenv.state import Instance

HOSTS = {View.HOST: "127.0.0.1", View.CONTAINER: "db", View.POD: "db.project.svc"}
PORTS = {"postgres": 5434, "explore-db": 5434, "hub-db": 5434, "s3": 9000, "jupyter": 8000}

USER = {
    "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL",
    "S3_BUCKET_NAME_PUBLIC", "S3_BUCKET_NAME_LAKE", "S3_BUCKET_NAME_NOTEBOOKS",
    "EXPLORE_DB_URL", "EXPLORE_DB_USER", "EXPLORE_DB_PASSWORD", "EXPLORE_DB_HOST", "EXPLORE_DB_PORT",
    "EXPLORE_DB_NAME", "DEBUG",
}  # fmt: skip
ADMIN = {
    "S3_ADMIN_ACCESS_KEY_ID", "S3_ADMIN_SECRET_ACCESS_KEY", "POSTGRES_ADMIN_URL",
    "JUPYTER_URL", "JUPYTER_TOKEN",
}  # fmt: skip
FOREIGN = {
    "AWS_PROFILE": "production", "AWS_SESSION_TOKEN": "theirs", "AWS_ACCESS_KEY_ID": "theirs",
    "AWS_ENDPOINT_URL": "https://theirs", "AWS_CONFIG_FILE": "/theirs", "PGPASSWORD": "theirs",
    "PGHOST": "theirs",
    "KUBECONFIG": "/theirs", "PYTHONPATH": "/theirs", "PYTHONSTARTUP": "/theirs", "VIRTUAL_ENV": "/theirs",
    "JUPYTER_CONFIG_DIR": "/theirs", "JUPYTER_TOKEN": "theirs", "IPYTHONDIR": "/theirs",
    "HOME": "/home/theirs",
    "XDG_CONFIG_HOME": "/theirs", "HABARI_S3_SECRET_ACCESS_KEY": "theirs", "LD_PRELOAD": "/theirs",
}  # fmt: skip


@pytest.fixture
def site(tmp_path: Path) -> Site:
    instance = Instance("habari", tmp_path, tmp_path / "data")
    instance.create()
    vault = Vault(instance.secrets)
    vault.fill()
    vault.keep_s3_key("AKIAUSER", "s3-secret")
    return Site(
        project=project.load(tmp_path, {}),
        instance=instance,
        vault=vault,
        endpoint=lambda service, view: Endpoint(HOSTS[view], PORTS[service]),
        view=View.HOST,
        notebook_python=Path("/envs/notebook/bin/python"),
        plan=lambda: pytest.fail("Jupyter alone reads no values"),
        stamps=instance.root,
    )


def test_the_names_of_the_contract_are_these() -> None:
    """Images and notebooks rely on them: a change here is a change of production."""
    assert len(USER) == 14
    assert len(ADMIN) == 5


@pytest.mark.parametrize("view", list(View))
def test_every_view_gets_the_same_names_with_its_own_addresses(site: Site, view: View) -> None:
    variables = contract.user(site, view)

    assert set(variables) == USER
    assert variables["AWS_ENDPOINT_URL"] == f"http://{HOSTS[view]}:9000"
    assert variables["EXPLORE_DB_HOST"] == HOSTS[view]


def test_the_whole_url_and_its_parts_agree(site: Site) -> None:
    variables = contract.user(site, View.HOST)
    url = urlsplit(variables["EXPLORE_DB_URL"])

    assert url.scheme == "postgresql"
    assert unquote(url.username or "") == variables["EXPLORE_DB_USER"]
    assert unquote(url.password or "") == variables["EXPLORE_DB_PASSWORD"]
    assert (url.hostname, str(url.port)) == (variables["EXPLORE_DB_HOST"], variables["EXPLORE_DB_PORT"])
    assert url.path == f"/{variables['EXPLORE_DB_NAME']}"


def test_a_password_with_any_character_survives_the_url() -> None:
    url = urlsplit(contract.database_url(Endpoint("127.0.0.1", 5434), "a b", "p@ss/w:rd?#%", "x y"))

    assert unquote(url.password or "") == "p@ss/w:rd?#%"
    assert (unquote(url.username or ""), unquote(url.path)) == ("a b", "/x y")


def test_the_admins_variables_are_no_part_of_a_notebooks(site: Site) -> None:
    told = [service.admin(site, View.HOST) for service in (PostgresService(), S3Service(), JupyterService())]
    assert {name for variables in told for name in variables} == ADMIN
    built = notebook_environment.build(site, FOREIGN)

    assert not ADMIN & set(built)
    secrets = site.vault.current
    for secret in (secrets.postgres_admin_password, secrets.hub_db_password, secrets.s3_guard_token):
        assert not [name for name, value in built.items() if secret in value]


@pytest.mark.parametrize(("debug", "text"), [("true", "true"), ("false", "")])
def test_debug_is_empty_unless_it_is_on(tmp_path: Path, site: Site, debug: str, text: str) -> None:
    wanted = project.load(tmp_path, {"HABARI_JUPYTER_DEBUG": debug})

    assert contract.user(dataclasses.replace(site, project=wanted), View.HOST)["DEBUG"] == text


def test_nothing_of_the_callers_world_reaches_a_notebook(site: Site) -> None:
    built = notebook_environment.build(site, {**FOREIGN, "PATH": "/usr/bin"})

    assert not [name for name, value in built.items() if "theirs" in value or value == "production"]
    assert built["HOME"] == str(site.instance.root / "homes" / "jovyan")


def test_programs_of_the_notebook_environment_come_first(site: Site) -> None:
    assert notebook_environment.build(site, {"PATH": "/usr/bin"})["PATH"] == "/envs/notebook/bin:/usr/bin"


def test_a_machine_with_an_empty_environment_will_do(site: Site) -> None:
    built = notebook_environment.build(site, {})

    assert built["LANG"] == "C.UTF-8"
    assert built["PATH"].endswith(notebook_environment.SYSTEM_PATH)
    assert "NO_PROXY" not in built


@pytest.mark.parametrize(
    ("environ", "bypass"),
    [
        pytest.param({}, "localhost,127.0.0.1,::1", id="no list"),
        pytest.param({"no_proxy": "corp.example"}, "corp.example,localhost,127.0.0.1,::1", id="lower case"),
        pytest.param({"NO_PROXY": "corp.example"}, "corp.example,localhost,127.0.0.1,::1", id="upper case"),
    ],
)
@pytest.mark.parametrize("proxy", notebook_environment.PROXIES)
def test_the_loopback_bypasses_every_proxy(proxy: str, environ: dict[str, str], bypass: str) -> None:
    built = notebook_environment.machine({proxy: "http://127.0.0.1:9", **environ})

    assert built[proxy] == "http://127.0.0.1:9"
    assert built["no_proxy"] == built["NO_PROXY"] == bypass


def test_a_home_of_ones_own_is_taken(tmp_path: Path, site: Site) -> None:
    wanted = project.load(tmp_path, {"HABARI_JUPYTER_HOME": "work"})

    assert notebook_environment.home(dataclasses.replace(site, project=wanted)) == tmp_path / "work"
