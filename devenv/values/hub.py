"""The values as the configuration of a hub with no cluster, as the chart's hub would make it of them.

https://github.com/jupyterhub/zero-to-jupyterhub-k8s/blob/4.4.0/jupyterhub/files/hub/jupyterhub_config.py
is the rule; what it gives to Kubernetes alone is named in ``unapplied``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from devenv.values import variables
from devenv.values.culler import Culler, culler
from devenv.values.keys import KEYS, Ignored, Trait, at, defaults, entry, leaves, table
from devenv.values.local import authenticator
from devenv.values.merge import Tree, coalesce
from devenv.yaml_lines import KeyPath

if TYPE_CHECKING:
    from devenv.values.files import Origin

Traits = dict[str, dict[str, Any]]

# Traits of hub.config that the chart takes from its secret instead, and so does the instance.
OWN_SECRETS: tuple[KeyPath, ...] = (
    ("JupyterHub", "cookie_secret"),
    ("JupyterHub", "proxy_auth_token"),
    ("ConfigurableHTTPProxy", "auth_token"),
    ("CryptKeeper", "keys"),
)
# Traits of hub.config that say where things run. The toolkit decides that, whatever the values say.
OWN_PLACES: tuple[KeyPath, ...] = tuple(
    ("JupyterHub", name)
    for name in (
        "spawner_class", "proxy_class", "db_url", "bind_url", "ip", "port", "hub_bind_url", "hub_connect_url",
        "hub_ip", "hub_port", "hub_connect_ip", "hub_connect_port", "cleanup_servers", "cleanup_proxy",
        "internal_ssl", "ssl_key", "ssl_cert", "subdomain_host", "data_files_path", "cookie_secret_file",
    )
)  # fmt: skip
# What any spawner has: https://jupyterhub.readthedocs.io/en/stable/reference/api/spawner.html
SPAWNER_TRAITS = frozenset((
    "apply_user_options", "args", "auth_state_hook", "cmd", "consecutive_failure_limit", "cpu_guarantee",
    "cpu_limit", "debug", "default_url", "disable_user_config", "env_keep", "environment", "group_overrides",
    "http_timeout", "mem_guarantee", "mem_limit", "notebook_dir", "oauth_client_allowed_scopes",
    "oauth_roles", "options_form", "options_from_form", "poll_interval", "poll_jitter",
    "post_stop_hook", "pre_spawn_hook", "profile_list", "progress_ready_hook", "server_token_scopes",
    "start_timeout",
))  # fmt: skip

_OWN_SECRET = "the instance has a secret of its own"  # noqa: S105 - a reason, not a secret
_OWN_PLACE = "the toolkit decides where things run and how they find one another"
_HELD = "nothing holds a process to it; the server is told, no more"


@dataclass(frozen=True)
class ExtraConfig:
    """One entry of hub.extraConfig; ``file`` and ``line`` say where its first line of code stands."""

    name: str
    code: str = field(repr=False)
    file: str = ""
    line: int = 1


@dataclass(frozen=True)
class Unapplied:
    """A key of the values that has no effect with no cluster, and why."""

    path: str
    why: str


@dataclass(frozen=True)
class HubConfiguration:
    """What a hub with no cluster is told.

    ``config`` has the mapped keys and, over them, hub.config for any class; ``extra_config`` runs after
    it, in order. ``templated`` names the variables whose text has braces: KubeSpawner fills in
    ``{username}`` and the like, and ``{{`` means ``{``. ``limits`` are keys whose trait is set although
    nothing holds the limit.
    """

    authenticator: str
    config: Traits = field(repr=False)
    extra_config: tuple[ExtraConfig, ...] = ()
    hub_environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    spawner_environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    templated: tuple[str, ...] = ()
    post_start: tuple[str, ...] | None = None
    profiles: tuple[Mapping[str, Any], ...] = ()
    culler: Culler | None = None
    services: tuple[Mapping[str, Any], ...] = field(default=(), repr=False)
    load_roles: tuple[Mapping[str, Any], ...] = ()
    upgrade_db: bool = False
    limits: tuple[str, ...] = ()
    unapplied: tuple[Unapplied, ...] = ()


def with_defaults(tree: Mapping[str, Any]) -> Tree:
    """The merged files over the chart's defaults that matter here: what z2jh.get_config reads."""
    return coalesce(tree, defaults())


def configuration(
    tree: Mapping[str, Any], origins: Mapping[KeyPath, Origin] | None = None
) -> HubConfiguration:
    """The merged values as a hub configuration; ``origins`` give extraConfig its files and lines.

    The tree must have passed :func:`devenv.values.check.require`.
    """
    values = with_defaults(tree)
    servers = variables.read(at(values, ("singleuser", "extraEnv")))
    hub = variables.read(at(values, ("hub", "extraEnv")))
    return HubConfiguration(
        authenticator=authenticator(values),
        config=_config(values),
        extra_config=_extra_config(values, origins or {}),
        hub_environment=hub.texts,
        spawner_environment=servers.texts,
        templated=tuple(name for name, text in servers.texts.items() if "{" in text or "}" in text),
        post_start=_post_start(values),
        profiles=tuple(deepcopy(at(values, ("singleuser", "profileList")) or ())),
        culler=culler(values),
        services=tuple(_named(at(values, ("hub", "services")))),
        load_roles=tuple(_named(at(values, ("hub", "loadRoles")))),
        upgrade_db=at(values, ("hub", "db", "upgrade")) is True,
        limits=tuple(
            f"singleuser.{kind}.{name}"
            for kind in ("memory", "cpu")
            for name in ("limit", "guarantee")
            if at(tree, ("singleuser", kind, name)) is not None
        ),
        unapplied=tuple(_unapplied(tree, values)),
    )


def unapplied_leaves(tree: Mapping[str, Any]) -> Iterator[tuple[KeyPath, Any, str]]:
    """Each value of the files that has no effect, with its path and the reason."""
    for path, value in leaves(tree):
        reason = _reason(path)
        if reason and value is not None and value != {}:
            yield path, value, reason


def _config(values: Mapping[str, Any]) -> Traits:
    config: Traits = {}
    for key in KEYS:
        value = at(values, key.parts)
        if isinstance(key.local, Trait) and value is not None:
            config.setdefault(key.local.section, {})[key.local.name] = deepcopy(value)
    command = at(values, ("singleuser", "cmd"))
    if command is not None and command != table()["singleuser", "cmd"].default:
        config.setdefault("Spawner", {})["cmd"] = deepcopy(command)
    if at(values, ("debug", "enabled")):
        config.setdefault("JupyterHub", {})["log_level"] = "DEBUG"
        config.setdefault("Spawner", {})["debug"] = True
    for section, traits in (at(values, ("hub", "config")) or {}).items():
        for name, value in (traits if isinstance(traits, dict) else {}).items():
            if _config_reason((section, name)) is None:
                config.setdefault(section, {})[name] = deepcopy(value)
    return config


def _extra_config(values: Mapping[str, Any], origins: Mapping[KeyPath, Origin]) -> tuple[ExtraConfig, ...]:
    found = []
    for name, code in sorted((at(values, ("hub", "extraConfig")) or {}).items()):
        if not isinstance(code, str):
            continue
        origin = origins.get(("hub", "extraConfig", name))
        place = (str(origin.file), origin.text_line) if origin else ("", 1)
        found.append(ExtraConfig(name, code, *place))
    return tuple(found)


def _post_start(values: Mapping[str, Any]) -> tuple[str, ...] | None:
    command = at(values, ("singleuser", "lifecycleHooks", "postStart", "exec", "command"))
    if not isinstance(command, list) or not command:
        return None
    return tuple(variables.text_of(word) for word in command)


def _named(given: Any) -> Iterator[dict[str, Any]]:
    """A mapping of mappings as JupyterHub's list, the key being the name; ``apiToken`` is its api_token."""
    for key, value in (given if isinstance(given, dict) else {}).items():
        if not isinstance(value, dict):
            continue
        found = {"name": key, **deepcopy(value)}
        token = found.pop("apiToken", None)
        if token:
            found.setdefault("api_token", token)
        yield found


def _unapplied(tree: Mapping[str, Any], values: Mapping[str, Any]) -> Iterator[Unapplied]:
    seen: dict[str, str] = {}
    for path, _, reason in unapplied_leaves(tree):
        key = entry(path)
        covered = key is not None and isinstance(key.local, Ignored)
        seen.setdefault(key.path if key and covered else ".".join(path), reason)
    for name in ("hub", "singleuser"):
        found = variables.read(at(values, (name, "extraEnv")))
        for each, reason in (found.unusable | found.remarks).items():
            seen.setdefault(f"{name}.extraEnv.{each}", reason)
    yield from (Unapplied(path, seen[path]) for path in sorted(seen))


def _reason(path: KeyPath) -> str | None:
    if path[:2] == ("hub", "config"):
        return _config_reason(path[2:])
    if path[:2] == ("singleuser", "lifecycleHooks") and path[2:5] != ("postStart", "exec", "command"):
        return "only postStart.exec runs with no cluster"
    key = entry(path)
    if key is None:
        return "the toolkit does not know this key"
    return key.local.why if isinstance(key.local, Ignored) else None


def _config_reason(path: KeyPath) -> str | None:
    """Why a trait of hub.config is not applied; None when it is."""
    if path[:2] in OWN_SECRETS:
        return _OWN_SECRET
    if path[:2] in OWN_PLACES or path[:1] == ("ConfigurableHTTPProxy",):
        return _OWN_PLACE
    if path[:2] == ("JupyterHub", "services"):
        return "the chart ignores it as well: hub.services is the place"
    if path[:1] == ("KubeSpawner",) and len(path) > 1 and path[1] not in SPAWNER_TRAITS:
        return "describes pods; the hub, its proxy and people's servers run as processes"
    return None
