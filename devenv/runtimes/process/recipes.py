"""How each service is run as a process: what has to lie on disk first, and its argv and environment."""

from __future__ import annotations

import hashlib
import shutil
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from devenv import environments, project
from devenv.endpoints import View
from devenv.postgres import account, binaries, cluster, stale
from devenv.postgres.account import Account
from devenv.postgres.binaries import Binaries
from devenv.s3 import ministack
from devenv.s3.provider import KeyPair
from devenv.services import hub_settings, notebook_environment
from devenv.services.service import Site
from devenv.state import Instance, read_json, write_json

# Tells whether the credentials are still those that the data were made with.
MADE_WITH = "postgres.superuser.json"
JUPYTER = Path(__file__).resolve().parents[3] / "jupyter"
SAMPLES = JUPYTER / "samples"
DEVENV = Path(__file__).resolve().parents[2]
# Both run alone, each as a folder: the hub in an environment of its own.
GITHUB = DEVENV / "github" / "__main__.py"
HUB = DEVENV / "hub" / "__main__.py"


@dataclass(frozen=True)
class Launch:
    """A program to start: no secret is in ``argv``."""

    argv: tuple[str, ...]
    env: Mapping[str, str]
    cwd: Path
    account: str | None = None


def postgres(site: Site) -> Launch:
    """The database server, as an unprivileged account when root starts it."""
    folder = site.instance.root / "postgres"
    data = folder / "data"
    owner = account.choose(data)
    # root works in this folder, so it is root's; the data in it are the account's
    folder.mkdir(mode=0o711, exist_ok=True)
    found = binaries.find(site.project.postgres.binaries, major=cluster.major_of(data))
    programs = binaries.placed(found, site.instance.data_root / "programs", owner)
    secrets = site.vault.current
    password = secrets.postgres_admin_password
    if cluster.create(programs, data, superuser_password=password, account=owner):
        write_json(site.instance.root / MADE_WITH, _digest(password))
    stale.clear(data, name=site.instance.id, uid=account.uid_of(owner))
    _match_password(site, programs, data, owner)
    port = site.endpoint("postgres", View.HOST).port
    argv = cluster.argv(programs, data, port=port, name=site.instance.id)
    return Launch(argv, cluster.ENVIRONMENT, data, owner.name if owner else None)


def _match_password(site: Site, programs: Binaries, data: Path, owner: Account | None) -> None:
    """Give the superuser the present password when the data were made with one that has been lost."""
    password = site.vault.current.postgres_admin_password
    stamp = site.instance.root / MADE_WITH
    if read_json(stamp) != _digest(password):
        cluster.reset_superuser_password(programs, data, password, owner)
        write_json(stamp, _digest(password))


def _digest(password: str) -> dict[str, str]:
    return {"sha256": hashlib.sha256(password.encode()).hexdigest()}


def s3(site: Site) -> Launch:
    """The S3 guard with its engine; its secrets are in a 0600 file."""
    secrets = site.vault.current
    data = site.instance.root / "s3" / "data"
    data.mkdir(parents=True, exist_ok=True, mode=0o700)
    config = ministack.write_config(
        site.instance.secrets,
        port=site.endpoint("s3", View.HOST).port,
        data_dir=data,
        root=KeyPair(secrets.s3_admin_access_key_id, secrets.s3_admin_secret_access_key),
        admin_token=secrets.s3_guard_token,
        instance=site.instance.id,
    )
    environment = environments.locate("s3", site.instance.data_root)
    environ = notebook_environment.machine({})
    return Launch(ministack.argv(environments.python(environment), config), environ, data)


def jupyter(site: Site) -> Launch:
    """JupyterLab in the notebook environment, in a home of its own; the token goes by the environment."""
    home = notebook_environment.home(site)
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    copy_samples(home)
    environ = notebook_environment.build(site, project.environment())
    argv = (
        str(site.notebook_python),
        str(JUPYTER / "etc" / "start_server.py"),
        "jupyterlab",
        "--no-browser",
        "--allow-root",
        "--ServerApp.ip=127.0.0.1",
        f"--ServerApp.port={site.endpoint('jupyter', View.HOST).port}",
        # another port than the one that was promised would be worse than an error
        "--ServerApp.port_retries=0",
        f"--ServerApp.root_dir={home}",
    )
    own = {"JUPYTER_TOKEN": site.vault.current.jupyter_token, "JUPYTER_CONFIG_PATH": str(JUPYTER / "etc")}
    return Launch(argv, {**environ, **own}, home)


def github(site: Site) -> Launch:
    """The local sign-in, by the toolkit's own interpreter."""
    file = site.instance.secrets / hub_settings.GITHUB_FILE
    write_json(file, hub_settings.github(site))
    argv = (sys.executable, "-I", str(GITHUB), str(file))
    return Launch(argv, notebook_environment.machine({}), site.instance.root)


def proxy(site: Site) -> Launch:
    """configurable-http-proxy; https://github.com/jupyterhub/configurable-http-proxy#command-line-options"""
    base = hub_settings.wanted_base_url(site)
    public, api = site.endpoint("proxy", View.HOST), site.endpoint("proxy-api", View.HOST)
    argv = (
        *environments.proxy_argv(site.instance.data_root, project.environment()),
        f"--ip={public.host}",
        f"--port={public.port}",
        f"--api-ip={api.host}",
        f"--api-port={api.port}",
        f"--error-target={site.endpoint('hub', View.HOST).url(f'{base}hub/error')}",
    )
    environ = {
        **notebook_environment.machine({}),
        "CONFIGPROXY_AUTH_TOKEN": site.vault.current.proxy_auth_token,
    }
    return Launch(argv, environ, site.instance.root)


def hub(site: Site) -> Launch:
    """JupyterHub in its own environment; its secrets are in a 0600 file."""
    file = site.instance.secrets / hub_settings.HUB_FILE
    write_json(file, hub_settings.hub(site))
    hub_settings.data(site).mkdir(mode=0o700, exist_ok=True)
    (site.instance.logs / "users").mkdir(mode=0o700, exist_ok=True)
    environment = environments.locate("hub", site.instance.data_root)
    argv = (str(environments.python(environment)), "-I", str(HUB), str(file))
    return Launch(argv, notebook_environment.machine(project.environment()), site.instance.root / "hub")


def clear_leftovers(instance: Instance, service: str) -> bool:
    """End what a killed server left that carries no mark any more; tell whether there was anything."""
    data = instance.root / "postgres" / "data"
    if service != "postgres" or not data.is_dir():
        return False
    return bool(stale.clear(data, name=instance.id, uid=account.uid_of(account.choose(data))))


def copy_samples(home: Path) -> None:
    """Give the home each sample notebook that it lacks; what a person changed stays as it is."""
    target = home / "samples"
    target.mkdir(exist_ok=True)
    for sample in SAMPLES.glob("*.ipynb"):
        if not (target / sample.name).exists():
            draft = target / f".{sample.name}.new"
            shutil.copyfile(sample, draft)
            draft.replace(target / sample.name)


RECIPES: Mapping[str, Callable[[Site], Launch]] = {
    "postgres": postgres,
    "s3": s3,
    "jupyter": jupyter,
    "github": github,
    "proxy": proxy,
    "hub": hub,
}

_ENVIRONMENTS: Mapping[str, tuple[str, ...]] = {
    "s3": ("s3",),
    "jupyter": ("notebook",),
    "proxy": ("proxy",),
    "hub": ("hub", "notebook"),
}


def environments_of(services: Iterable[str]) -> tuple[str, ...]:
    """The environments that these services run in, each once."""
    return tuple(dict.fromkeys(name for service in services for name in _ENVIRONMENTS.get(service, ())))
