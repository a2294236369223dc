"""What the hub and the sign-in are started with: the values files' wishes, local addresses and secrets."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from devenv import project
from devenv.endpoints import PUBLIC_PORT, Endpoint, View
from devenv.github.names import is_login
from devenv.github.settings import Person
from devenv.github.settings import Settings as GitHubSettings
from devenv.hub import settings as hub_side
from devenv.postgres import binaries, cluster
from devenv.project import Project
from devenv.services import checkout_files, contract, notebook_environment
from devenv.services.service import Cluster, Site
from devenv.state import FIRST_ACCOUNT, LAST_ACCOUNT, MARK_VARIABLE, read_json

if TYPE_CHECKING:
    from devenv.values.hub import HubConfiguration
    from devenv.values.local import Local

HUB_FILE = "hub.json"
GITHUB_FILE = "github.json"


def public_host(site: Site) -> str:
    """The host and port of the address that a browser opens.

    Cookies ignore ports (RFC 6265, 8.5), so a hub on another port than the usual one has a host name of its
    own; browsers take every name below ``localhost`` for the loopback address (RFC 6761, 6.3).
    """
    port = site.endpoint("proxy", View.HOST).port
    return f"localhost:{port}" if port == PUBLIC_PORT else f"{site.instance.id}.localhost:{port}"


def base_url(site: Site) -> str:
    """hub.baseUrl as the hub of this instance was last started with it."""
    if site.cluster:
        return wanted_base_url(site)
    written = read_json(site.instance.secrets / HUB_FILE) or {}
    return str(written.get("base_url", "/"))


def public_url(site: Site) -> str:
    """Where a browser finds the hub."""
    return f"http://{public_host(site)}{base_url(site)}"


def github_url(site: Site) -> str:
    """The sign-in as the browser sees it: another host than the hub's, so its cookie stays here."""
    return site.endpoint("github", View.HOST).url()


def local(site: Site) -> Local:
    """The addresses and secrets that stand in for production's."""
    from devenv.values.local import Local

    base = wanted_base_url(site)
    in_cluster = _of_cluster(site.cluster) if site.cluster else {}
    return Local(
        hub_db_url=contract.hub_database_url(site, site.view),
        public_url=f"http://{public_host(site)}{base}",
        callback_url=f"http://{public_host(site)}{base}hub/oauth_callback",
        github_url=site.endpoint("github", site.view).url(),
        authorize_url=f"{github_url(site)}/login/oauth/authorize",
        client_secret=site.vault.current.github_client_secret,
        contract=contract.user(site, site.view),
        runs_post_start=site.cluster is not None or runs_post_start(site.project),
        **in_cluster,
    )


def _of_cluster(cluster: Cluster) -> dict[str, Any]:
    """Where the release listens, and what its pods may reach beside the cluster."""
    return {
        "cluster_cidr": cluster.server_range(),
        "ports": (5432, 9000),
        # the API server listens at the node's own address
        "hub_ports": (5432, 8090, 6443),
        "node_port": cluster.node_port(),
        "images": cluster.images(),
    }


def hub(site: Site) -> dict[str, Any]:
    """The hub's settings file."""
    from devenv.values.hub import with_defaults
    from devenv.values.local import sign_in

    wanted, facts, secrets = site.plan().configuration, local(site), site.vault.current
    tree = site.plan().loaded.tree
    settings = hub_side.Settings(
        db_url=facts.hub_db_url,
        api_url=site.endpoint("hub", View.HOST).url(),
        proxy_api_url=site.endpoint("proxy-api", View.HOST).url(),
        proxy_token=secrets.proxy_auth_token,
        public_url=f"http://{public_host(site)}",
        cookie_secret=secrets.hub_cookie_secret,
        crypt_key=secrets.hub_crypt_key,
        data=str(data(site)),
        mark=site.instance.mark("hub"),
        servers=_servers(site),
        base_url=wanted_base_url(site),
        values=with_defaults(tree),
        config=_config(wanted),
        extra_config=tuple(
            hub_side.ExtraConfig(each.name, each.code, each.file, each.line) for each in wanted.extra_config
        ),
        hub_environment=wanted.hub_environment,
        overrides=sign_in(tree, facts),
        github_url=facts.github_url,
        culler=wanted.culler.arguments if wanted.culler else None,
        upgrade_db=wanted.upgrade_db,
        backup=_backup(site),
    )
    return dataclasses.asdict(settings)


def github(site: Site) -> dict[str, Any]:
    """The local sign-in's settings file: people of the values and of the project file."""
    from devenv.values.local import client_id
    from devenv.values.people import people

    facts, secrets, project_side = local(site), site.vault.current, site.project.github
    tree = site.plan().loaded.tree
    named = people(tree)
    logins = {each for each in (*named.allowed, *named.admins) if is_login(each)}
    logins.update(project_side.people, *project_side.organizations.values())
    groups = dict(project_side.organizations)
    endpoint = site.endpoint("github", View.HOST)
    settings = GitHubSettings(
        **_listening(site, endpoint),
        instance=site.instance.id,
        key=secrets.github_page_key,
        client_id=client_id(tree),
        client_secret=facts.client_secret,
        redirect_uris=(facts.callback_url,),
        hub_url=facts.public_url,
        people=tuple(
            Person(login, admin=login in named.admins, allowed=login in named.allowed)
            for login in sorted(logins)
        ),
        organizations={name: each for name, each in groups.items() if ":" not in name},
        teams={name: each for name, each in groups.items() if ":" in name},
    )
    return dataclasses.asdict(settings)


def _listening(site: Site, endpoint: Endpoint) -> dict[str, Any]:
    """Here, where accounts of notebooks are kept off; or in a container, published at ``endpoint``."""
    if site.cluster is None:
        uids = (FIRST_ACCOUNT, LAST_ACCOUNT) if _is_root() else None
        return {"port": endpoint.port, "notebook_uids": uids}
    inside = site.endpoint("github", View.POD)
    hosts = (str(inside), str(endpoint), f"localhost:{endpoint.port}")
    # the container's own network: what is published is compose's matter
    return {"port": inside.port, "host": "0.0.0.0", "hosts": hosts}  # noqa: S104


def data(site: Site) -> Path:
    """The hub's own folder: nobody else may look into it."""
    return site.instance.root / "hub"


def homes(site: Site) -> Path:
    """Where each user has a home."""
    return site.instance.root / "users"


def _config(wanted: HubConfiguration) -> dict[str, dict[str, Any]]:
    """As the chart has it: what is for servers is on KubeSpawner, where extraConfig looks for it."""
    found = {kind: dict(traits) for kind, traits in wanted.config.items()}
    spawner = found.setdefault("KubeSpawner", {})
    spawner["environment"] = {**wanted.spawner_environment, **spawner.get("environment", {})}
    hub_traits = found.setdefault("JupyterHub", {})
    for trait, given in (("services", wanted.services), ("load_roles", wanted.load_roles)):
        hub_traits[trait] = [*given, *hub_traits.get(trait, [])]
    return found


def _backup(site: Site) -> hub_side.Backup:
    found = binaries.find(
        site.project.postgres.binaries, major=cluster.major_of(site.instance.root / "postgres" / "data")
    )
    return hub_side.Backup((str(found.bin / "pg_dump"),), str(site.instance.root / "backups"))


def _servers(site: Site) -> hub_side.Servers:
    wanted = site.plan().configuration
    jupyter = checkout_files.for_others(site) if _is_root() else checkout_files.JUPYTER
    environ = notebook_environment.of_anybody(site, project.environment(), jupyter / "buckets")
    contract_side = contract.user(site, site.view)
    hook = wanted.post_start if runs_post_start(site.project) else None
    start = str(jupyter / "etc" / "start_server.py")
    return hub_side.Servers(
        command=(str(site.notebook_python), start, "jupyterhub.singleuser", "--ServerApp.ip=127.0.0.1"),
        environment={
            **{name: value for name, value in environ.items() if name not in contract_side},
            "JUPYTER_CONFIG_PATH": str(jupyter / "etc"),
        },
        contract=contract_side,
        homes=str(homes(site)),
        logs=str(site.instance.logs / "users"),
        mark_variable=MARK_VARIABLE,
        mark=site.instance.mark("server"),
        samples=str(jupyter / "samples"),
        accounts=_accounts(site) if _is_root() else None,
        post_start=hub_side.PostStart(hook) if hook else None,
        profiles=wanted.profiles,
    )


def _accounts(site: Site) -> hub_side.Accounts:
    ids = site.instance.accounts
    return hub_side.Accounts(str(data(site) / "accounts.json"), ids.start, len(ids), ids.start)


def runs_post_start(wanted: Project) -> bool:
    """It is written for an image: as root it runs as the person's own account, else only when allowed."""
    return _is_root() or wanted.hub.post_start


def _is_root() -> bool:
    return os.geteuid() == 0


def wanted_base_url(site: Site) -> str:
    """hub.baseUrl of the values, with a slash at both ends."""
    found = site.plan().configuration.config.get("JupyterHub", {}).get("base_url", "/")
    return f"/{str(found).strip('/')}/".replace("//", "/")


def digest(settings: Mapping[str, Any]) -> str:
    """What tells one state of the settings from another, and nothing of what is in them."""
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()
