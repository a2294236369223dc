"""JupyterHub's configuration from the settings: values first, then extraConfig, then what is local anyhow."""

from __future__ import annotations

import copy
import getpass
import glob
import importlib
import importlib.metadata
import os
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from jupyterhub.utils import url_path_join
from tornado.httpclient import AsyncHTTPClient
from traitlets.config import Config, LazyConfigValue

from . import extra_config, z2jh
from .exits import MISSING, WRONG_USE, StartError
from .settings import Settings, Traits

# Where a server listens is not the configuration's to say here.
_PLACES = frozenset({"ip", "port", "hub_connect_url", "cert_paths"})

# Where the hub and its proxy listen and how they are reached is local in any case.
_OWN = (
    "ip",
    "port",
    "hub_ip",
    "hub_port",
    "hub_connect_ip",
    "hub_connect_url",
    "ssl_key",
    "ssl_cert",
    "pid_file",
)

_PACKAGES = {
    "nativeauthenticator": "jupyterhub-nativeauthenticator",
    "firstuseauthenticator": "jupyterhub-firstuseauthenticator",
    "tmpauthenticator": "jupyterhub-tmpauthenticator",
    "ltiauthenticator": "jupyterhub-ltiauthenticator",
    "ldapauthenticator": "jupyterhub-ldapauthenticator",
    "native": "jupyterhub-nativeauthenticator",
    "firstuse": "jupyterhub-firstuseauthenticator",
    "tmp": "jupyterhub-tmpauthenticator",
    "ldap": "jupyterhub-ldapauthenticator",
    "oauthenticator": "oauthenticator",
}


# What describes pods and the chart has set before extraConfig, which may add to it.
_MAPPINGS = (
    "common_labels volumes volume_mounts extra_labels extra_annotations node_selector extra_pod_config "
    "storage_extra_labels lifecycle_hooks extra_resource_limits extra_resource_guarantees"
)
_LISTS = (
    "init_containers extra_containers tolerations image_pull_secrets node_affinity_required "
    "node_affinity_preferred pod_affinity_required pod_affinity_preferred pod_anti_affinity_required "
    "pod_anti_affinity_preferred"
)
_PODS: Mapping[str, Any] = {
    **{trait: {} for trait in _MAPPINGS.split()},
    **{trait: [] for trait in _LISTS.split()},
}
_NOTHING = object()


@dataclass(frozen=True)
class Built:
    """The configuration, and what has to be told about it once."""

    config: Config
    notices: tuple[str, ...]


def build(settings: Settings, spawner: type) -> Built:
    """The whole configuration. Raises StartError when extraConfig raises or a class is not there."""
    c = Config()
    notices: list[str] = []
    os.environ.update(settings.hub_environment)
    if settings.github_url:
        os.environ["GITHUB_URL"] = settings.github_url
    _apply(c, settings.config)
    _prepare(c, settings)
    module = _z2jh(settings)
    z2jh.install(module)
    extra_config.run(settings.extra_config, _scope(c, module))
    _apply(c, settings.overrides)
    _choose_spawner(c, spawner, notices)
    _fix(c, settings)
    _require_class(c, "authenticator_class", "jupyterhub.authenticators")
    if settings.servers.accounts is None:
        notices.append(
            f"users' servers run as {getpass.getuser()}, with no isolation: each can read the others' files "
            "and the instance's secrets"
        )
    return Built(c, tuple(notices))


def _apply(c: Config, traits: Traits) -> None:
    for kind, values in traits.items():
        for trait, value in values.items():
            c[kind][trait] = copy.deepcopy(value)


def _prepare(c: Config, settings: Settings) -> None:
    """What the chart has set before extraConfig runs, so that code there can add to it."""
    c.KubeSpawner.setdefault("environment", {})
    for trait, empty in _PODS.items():
        c.KubeSpawner.setdefault(trait, copy.deepcopy(empty))
    # people see the progress of their server at once, not after ten seconds
    c.JupyterHub.setdefault("tornado_settings", {}).setdefault("slow_spawn_timeout", 0)
    c.JupyterHub.setdefault("last_activity_interval", 60)
    c.JupyterHub.setdefault("services", [])
    c.JupyterHub.setdefault("load_roles", [])
    if settings.servers.profiles and "profile_list" not in c.KubeSpawner:
        c.KubeSpawner.profile_list = copy.deepcopy(list(settings.servers.profiles))
    if settings.culler is not None:
        _add_culler(c, settings.culler)
    if "keys" not in c.CryptKeeper:
        c.CryptKeeper.keys = [bytes.fromhex(settings.crypt_key)]


def _add_culler(c: Config, words: Sequence[str]) -> None:
    """As the chart does: a service of the hub with a role of its own, unless the values have one of the name.

    https://github.com/jupyterhub/jupyterhub-idle-culler#as-a-hub-managed-service
    """
    name = "jupyterhub-idle-culler"
    scopes = ["list:users", "read:users:activity", "read:servers", "delete:servers"]
    scopes += ["admin:users"] if "--cull-users" in words else []
    if not any(role.get("name") == name for role in c.JupyterHub.load_roles):
        c.JupyterHub.load_roles.append({"name": name, "scopes": scopes, "services": [name]})
    if not any(service.get("name") == name for service in c.JupyterHub.services):
        command = [sys.executable, "-m", "jupyterhub_idle_culler", *words]
        c.JupyterHub.services.append({"name": name, "command": command})


def _z2jh(settings: Settings) -> z2jh.Z2jh:
    hub, proxy = urlsplit(settings.api_url), urlsplit(settings.proxy_api_url)
    public = urlsplit(settings.public_url)
    names = {}
    for name, place in (("HUB", hub), ("PROXY_API", proxy), ("PROXY_PUBLIC", public)):
        names[f"{name}_SERVICE_HOST"] = place.hostname or ""
        names[f"{name}_SERVICE_PORT"] = str(place.port or (443 if place.scheme == "https" else 80))
    secrets = {
        "hub.config.JupyterHub.cookie_secret": settings.cookie_secret,
        "hub.config.ConfigurableHTTPProxy.auth_token": settings.proxy_token,
        "hub.config.CryptKeeper.keys": settings.crypt_key,
    }
    return z2jh.Z2jh(settings.values, secrets=secrets, names=names)


def _scope(c: Config, module: z2jh.Z2jh) -> dict[str, Any]:
    names: dict[str, Any] = {name: getattr(module, name) for name in z2jh.PUBLIC}
    names |= {
        "camelCaseify": _camel_case,
        "AsyncHTTPClient": AsyncHTTPClient,
        "c": c,
        "os": os,
        "re": re,
        "sys": sys,
        "glob": glob,
        "url_path_join": url_path_join,
    }
    return {"__name__": "hub.extraConfig", **names}


def _camel_case(name: str) -> str:
    """``some_name`` as a key of the chart: ``someName``."""
    return re.sub(r"_([a-z])", lambda found: found[1].upper(), name)


def _choose_spawner(c: Config, spawner: type, notices: list[str]) -> None:
    """Take over what c.KubeSpawner has for any spawner, and name the rest."""
    wanted = c.JupyterHub.pop("spawner_class", None)
    kept = {None, spawner, "kubespawner.KubeSpawner", "kubespawner.spawner.KubeSpawner", "kubespawner"}
    if wanted not in kept:
        told = wanted if isinstance(wanted, str) else getattr(wanted, "__name__", repr(wanted))
        notices.append(
            f"JupyterHub.spawner_class: {told} is not used; with no cluster servers are local processes"
        )
    known = set(spawner.class_trait_names(config=True)) - _PLACES  # type: ignore[attr-defined]
    mine, given = c[spawner.__name__], c.KubeSpawner
    left = []
    for trait, value in given.items():
        if trait in known:
            mine[trait] = value
        elif value != _PODS.get(trait, _NOTHING) and (
            not isinstance(value, LazyConfigValue) or value.to_dict()
        ):
            left.append(trait)
    if left:
        notices.append(f"KubeSpawner.{{{','.join(sorted(left))}}}: not applied, they need a cluster")
    c.JupyterHub.spawner_class = spawner


def _fix(c: Config, settings: Settings) -> None:
    for trait in _OWN:
        c.JupyterHub.pop(trait, None)
    for service in c.JupyterHub.services:
        if isinstance(service, Mapping) and service.get("command"):
            service["environment"] = {
                **service.get("environment", {}),
                settings.servers.mark_variable: settings.mark,
            }
    c.JupyterHub.update(
        {
            "bind_url": url_path_join(settings.public_url, settings.base_url, "/"),
            "hub_bind_url": settings.api_url,
            "db_url": settings.db_url,
            "cookie_secret": bytes.fromhex(settings.cookie_secret),
            # a hub that ends, however it ends, leaves everybody's kernels alone
            "cleanup_servers": False,
            "cleanup_proxy": False,
            "proxy_class": "jupyterhub.proxy.ConfigurableHTTPProxy",
            "upgrade_db": False,  # done before the start, see database.py
        }
    )
    # a server that started while no hub ran answers after up to a minute; nobody else's login waits for it
    c.JupyterHub.setdefault("init_spawners_timeout", 1)
    # JupyterHub ends after so many failed starts in a row; in a cluster it would be started again
    for kind in ("Spawner", "KubeSpawner", "UserServer"):
        c[kind].pop("consecutive_failure_limit", None)
    c.ConfigurableHTTPProxy.update(
        {
            "should_start": False,
            "api_url": settings.proxy_api_url,
            "auth_token": settings.proxy_token,
        }
    )


def _require_class(c: Config, trait: str, group: str) -> None:
    """Raise StartError when the class that a trait names cannot be had, with what to install."""
    named = c.JupyterHub.get(trait)
    if not isinstance(named, str):
        return
    place = f"JupyterHub.{trait}: {named!r}"
    entries = importlib.metadata.entry_points(group=group)
    target = next((each.value.replace(":", ".") for each in entries if each.name == named.lower()), named)
    module, _, attribute = target.rpartition(".")
    try:
        if not module:
            raise ModuleNotFoundError(name=named)
        getattr(importlib.import_module(module), attribute)
    except ModuleNotFoundError as error:
        package = _PACKAGES.get((error.name or "").partition(".")[0].lower())
        what = package or f"the package that brings {error.name or target}"
        raise StartError(
            MISSING,
            f"{place} is not installed in the hub's environment; add {what} to requirements/hub.in and "
            "run ./dev lock",
        ) from None
    except AttributeError:
        raise StartError(WRONG_USE, f"{place}: {module} has no {attribute}") from None
    except ImportError as error:
        raise StartError(MISSING, f"{place} cannot be imported: {error}") from None
