"""The chart's keys that this toolkit knows: one table, from which checks, defaults and renderings are made.

The chart is Zero to JupyterHub 4.4.0. A key that is not here is unknown to the toolkit, not wrong: the
chart's own schema has some four hundred. An entry covers the keys below it that have no entries of their
own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from typing import Any

from devenv.yaml_lines import KeyPath

CHART_VERSION = "4.4.0"
REFERENCE = "https://z2jh.jupyter.org/en/stable/resources/reference.html"


@dataclass(frozen=True)
class Kind:
    """A type of values; null is always allowed, because it deletes the default."""

    words: str
    types: tuple[type, ...]
    choices: tuple[str, ...] = ()

    def fits(self, value: Any) -> bool:
        if value is None:
            return True
        if self.choices:
            return value in self.choices
        if isinstance(value, bool):
            return bool in self.types
        if isinstance(value, float) and float not in self.types:
            return int in self.types and value.is_integer()
        return isinstance(value, self.types)


def one_of(*choices: str) -> Kind:
    return Kind(f"one of {', '.join(choices)}", (str,), choices)


TEXT = Kind("text", (str,))
WHOLE = Kind("a whole number", (int,))
NUMBER = Kind("a number", (int, float))
TRUTH = Kind("true or false", (bool,))
LIST = Kind("a list", (list,))
MAP = Kind("keys with values", (dict,))
SIZE = Kind("a number of bytes, or text such as 2G", (int, float, str))
WORDS = Kind("text or a list of texts", (str, list))
VARIABLES = Kind("variables with their values", (dict, list))


@dataclass(frozen=True)
class Trait:
    """The value becomes this trait as it is."""

    section: str
    name: str


@dataclass(frozen=True)
class Applied:
    """The value has a meaning with no cluster; ``how`` says which."""

    how: str


@dataclass(frozen=True)
class Ignored:
    """The value means nothing with no cluster; ``why`` says what takes its place, if anything."""

    why: str


@dataclass(frozen=True)
class Key:
    """A key of the chart: its path, type, the chart's default, and what it means with no cluster.

    Of a ``free`` mapping nothing below the key is checked. Of an ``open`` one only what has entries is.
    """

    path: str
    kind: Kind
    default: Any
    local: Trait | Applied | Ignored
    free: bool = False
    open: bool = False

    @property
    def parts(self) -> KeyPath:
        return tuple(self.path.split("."))

    @property
    def link(self) -> str:
        """The key's place in the chart's reference."""
        return link(self.parts)


def link(path: KeyPath) -> str:
    """Where the chart's reference describes a key, by the rule of Sphinx for the ids of headings."""
    return f"{REFERENCE}#{'-'.join(path).lower()}"


_NO_PODS = Ignored("describes pods; the hub, its proxy and people's servers run as processes")
_NO_IMAGE = Ignored("no image runs; servers use the toolkit's notebook environment")
_NO_NODES = Ignored("there are no nodes to choose from")
_NO_KUBERNETES = Ignored("describes objects of Kubernetes")
_NO_NETWORK = Ignored("a process has no network policy: notebooks reach what this machine reaches")
_NO_STORAGE = Ignored("people's homes are folders of the instance")
_PLAIN_PROXY = Ignored("the local proxy listens on the loopback address, with plain HTTP")
_NO_SCHEDULER = Ignored("nothing has to be scheduled")
_NO_PULLER = Ignored("there are no images to pull")
_NO_PROBES = Ignored("the toolkit asks for itself whether the hub is well")
_NO_FILES = Ignored("files are not put into the place where the pod would have them")
_OWN_SECRET = Ignored("the instance has a secret of its own")
_HUB_SECTION = Applied("the traits of any class, over all that is mapped")


def _prefix(path: str, local: Applied | Ignored, kind: Kind = MAP) -> Key:
    """A key whose default and inside do not matter here."""
    return Key(path, kind, None, local, free=True)


KEYS: tuple[Key, ...] = (
    # hub: what JupyterHub itself is told
    Key("hub.baseUrl", TEXT, "/", Trait("JupyterHub", "base_url")),
    Key("hub.concurrentSpawnLimit", WHOLE, 64, Trait("JupyterHub", "concurrent_spawn_limit")),
    Key("hub.activeServerLimit", WHOLE, None, Trait("JupyterHub", "active_server_limit")),
    Key("hub.allowNamedServers", TRUTH, False, Trait("JupyterHub", "allow_named_servers")),
    Key("hub.namedServerLimitPerUser", WHOLE, None, Trait("JupyterHub", "named_server_limit_per_user")),
    Key("hub.authenticatePrometheus", TRUTH, None, Trait("JupyterHub", "authenticate_prometheus")),
    Key("hub.redirectToServer", TRUTH, None, Trait("JupyterHub", "redirect_to_server")),
    Key("hub.shutdownOnLogout", TRUTH, None, Trait("JupyterHub", "shutdown_on_logout")),
    Key("hub.templatePaths", LIST, [], Trait("JupyterHub", "template_paths")),
    Key("hub.templateVars", MAP, {}, Trait("JupyterHub", "template_vars"), free=True),
    Key(
        "hub.consecutiveFailureLimit",
        WHOLE,
        5,
        Ignored("a hub that ends is not started again here, so it does not end for that"),
    ),
    Key(
        "hub.config",
        MAP,
        {"JupyterHub": {"admin_access": True, "authenticator_class": "dummy"}},
        _HUB_SECTION,
        free=True,
    ),
    Key("hub.extraConfig", MAP, {}, Applied("Python code, run in the order of the names"), free=True),
    Key("hub.extraEnv", VARIABLES, {}, Applied("variables of the hub"), free=True),
    Key("hub.services", MAP, {}, Applied("JupyterHub.services"), free=True),
    Key("hub.loadRoles", MAP, {}, Applied("JupyterHub.load_roles"), free=True),
    Key(
        "hub.db.type",
        one_of("sqlite-pvc", "sqlite-memory", "mysql", "postgres", "other"),
        "sqlite-pvc",
        Applied("the hub's state lies in the instance's PostgreSQL"),
    ),
    Key("hub.db.url", TEXT, None, Applied("the instance's hub database takes its place")),
    Key("hub.db.password", TEXT, None, Applied("the instance's own password takes its place")),
    Key("hub.db.upgrade", TRUTH, None, Applied("a database of an older JupyterHub is upgraded")),
    _prefix("hub.db.pvc", _NO_STORAGE),
    Key("hub.cookieSecret", TEXT, None, _OWN_SECRET),
    Key("hub.existingSecret", TEXT, None, Ignored("there are no secrets of Kubernetes to read")),
    _prefix("hub.extraFiles", _NO_FILES),
    _prefix("hub.image", Ignored("the hub runs in the toolkit's own hub environment")),
    _prefix("hub.command", _NO_PODS, LIST),
    _prefix("hub.args", _NO_PODS, LIST),
    _prefix("hub.service", _NO_KUBERNETES),
    _prefix("hub.serviceAccount", _NO_KUBERNETES),
    _prefix("hub.networkPolicy", _NO_NETWORK),
    _prefix("hub.pdb", _NO_KUBERNETES),
    _prefix("hub.labels", _NO_KUBERNETES),
    _prefix("hub.annotations", _NO_KUBERNETES),
    _prefix("hub.revisionHistoryLimit", _NO_KUBERNETES, WHOLE),
    _prefix("hub.deploymentStrategy", _NO_KUBERNETES),
    _prefix("hub.nodeSelector", _NO_NODES),
    _prefix("hub.tolerations", _NO_NODES, LIST),
    _prefix("hub.resources", Ignored("a process has no limits")),
    _prefix("hub.lifecycle", _NO_PODS),
    _prefix("hub.initContainers", _NO_PODS, LIST),
    _prefix("hub.extraContainers", _NO_PODS, LIST),
    _prefix("hub.extraVolumes", _NO_PODS, LIST),
    _prefix("hub.extraVolumeMounts", _NO_PODS, LIST),
    _prefix("hub.extraPodSpec", _NO_PODS),
    _prefix("hub.podSecurityContext", _NO_PODS),
    _prefix("hub.containerSecurityContext", _NO_PODS),
    _prefix("hub.livenessProbe", _NO_PROBES),
    _prefix("hub.readinessProbe", _NO_PROBES),
    # singleuser: people's servers
    Key("singleuser.startTimeout", WHOLE, 300, Trait("KubeSpawner", "start_timeout")),
    Key("singleuser.defaultUrl", TEXT, None, Trait("Spawner", "default_url")),
    Key("singleuser.cmd", WORDS, "jupyterhub-singleuser", Applied("KubeSpawner.cmd where it is another")),
    Key("singleuser.memory.limit", SIZE, None, Trait("KubeSpawner", "mem_limit")),
    Key("singleuser.memory.guarantee", SIZE, "1G", Trait("KubeSpawner", "mem_guarantee")),
    Key("singleuser.cpu.limit", NUMBER, None, Trait("KubeSpawner", "cpu_limit")),
    Key("singleuser.cpu.guarantee", NUMBER, None, Trait("KubeSpawner", "cpu_guarantee")),
    Key("singleuser.extraEnv", VARIABLES, {}, Applied("variables of the servers"), free=True),
    Key("singleuser.profileList", LIST, [], Applied("the form and its choice"), free=True),
    Key("singleuser.lifecycleHooks", MAP, {}, Applied("postStart runs as the server's account"), free=True),
    Key("singleuser.image.name", TEXT, "quay.io/jupyterhub/k8s-singleuser-sample", _NO_IMAGE),
    Key("singleuser.image.tag", TEXT, None, _NO_IMAGE),
    _prefix("singleuser.image.pullPolicy", _NO_IMAGE, one_of("", "IfNotPresent", "Always", "Never")),
    _prefix("singleuser.image.pullSecrets", _NO_IMAGE, LIST),
    Key("singleuser.storage.type", one_of("dynamic", "static", "none"), "dynamic", _NO_STORAGE),
    Key("singleuser.storage.capacity", TEXT, "10Gi", _NO_STORAGE),
    Key("singleuser.storage.homeMountPath", TEXT, "/home/jovyan", _NO_STORAGE),
    _prefix("singleuser.storage.dynamic", _NO_STORAGE),
    _prefix("singleuser.storage.static", _NO_STORAGE),
    _prefix("singleuser.storage.extraLabels", _NO_STORAGE),
    _prefix("singleuser.storage.extraVolumes", _NO_STORAGE, VARIABLES),
    _prefix("singleuser.storage.extraVolumeMounts", _NO_STORAGE, VARIABLES),
    Key("singleuser.networkPolicy.enabled", TRUTH, True, _NO_NETWORK),
    Key("singleuser.networkPolicy.egress", LIST, [], _NO_NETWORK),
    Key("singleuser.networkPolicy", MAP, None, _NO_NETWORK, open=True),
    Key("singleuser.cloudMetadata.blockWithIptables", TRUTH, True, _NO_NETWORK),
    Key("singleuser.cloudMetadata.ip", TEXT, "169.254.169.254", _NO_NETWORK),
    _prefix("singleuser.networkTools", _NO_NETWORK),
    _prefix("singleuser.extraFiles", _NO_FILES),
    Key("singleuser.uid", WHOLE, 1000, Ignored("as root each person has an account id of their own")),
    Key("singleuser.fsGid", WHOLE, 100, Ignored("as root each person has an account id of their own")),
    Key("singleuser.allowPrivilegeEscalation", TRUTH, False, _NO_PODS),
    Key("singleuser.events", TRUTH, True, _NO_KUBERNETES),
    _prefix("singleuser.podNameTemplate", _NO_PODS, TEXT),
    _prefix("singleuser.serviceAccountName", _NO_KUBERNETES, TEXT),
    _prefix("singleuser.extraAnnotations", _NO_KUBERNETES),
    _prefix("singleuser.extraLabels", _NO_KUBERNETES),
    _prefix("singleuser.initContainers", _NO_PODS, LIST),
    _prefix("singleuser.extraContainers", _NO_PODS, LIST),
    _prefix("singleuser.extraPodConfig", _NO_PODS),
    _prefix("singleuser.extraResource", _NO_PODS),
    _prefix("singleuser.nodeSelector", _NO_NODES),
    _prefix("singleuser.extraTolerations", _NO_NODES, LIST),
    _prefix("singleuser.extraNodeAffinity", _NO_NODES),
    _prefix("singleuser.extraPodAffinity", _NO_NODES),
    _prefix("singleuser.extraPodAntiAffinity", _NO_NODES),
    # cull: https://github.com/jupyterhub/jupyterhub-idle-culler
    Key("cull.enabled", TRUTH, True, Applied("whether jupyterhub-idle-culler runs")),
    Key("cull.users", TRUTH, False, Applied("--cull-users")),
    Key("cull.adminUsers", TRUTH, True, Applied("--cull-admin-users")),
    Key("cull.removeNamedServers", TRUTH, False, Applied("--remove-named-servers")),
    Key("cull.timeout", WHOLE, 3600, Applied("--timeout")),
    Key("cull.every", WHOLE, 600, Applied("--cull-every")),
    Key("cull.concurrency", WHOLE, 10, Applied("--concurrency")),
    Key("cull.maxAge", WHOLE, 0, Applied("--max-age")),
    # proxy
    Key("proxy.secretToken", TEXT, None, _OWN_SECRET),
    Key("proxy.https.enabled", TRUTH, False, _PLAIN_PROXY),
    Key(
        "proxy.https.type",
        one_of("", "letsencrypt", "manual", "offload", "secret"),
        "letsencrypt",
        _PLAIN_PROXY,
    ),
    Key("proxy.https.hosts", LIST, [], _PLAIN_PROXY),
    _prefix("proxy.https.letsencrypt", _PLAIN_PROXY),
    _prefix("proxy.https.manual", _PLAIN_PROXY),
    _prefix("proxy.https.secret", _PLAIN_PROXY),
    Key(
        "proxy.service.type",
        one_of("ClusterIP", "NodePort", "LoadBalancer", "ExternalName"),
        "LoadBalancer",
        _PLAIN_PROXY,
    ),
    Key("proxy.service", MAP, None, _PLAIN_PROXY, open=True),
    _prefix("proxy.chp", _PLAIN_PROXY),
    _prefix("proxy.traefik", _PLAIN_PROXY),
    _prefix("proxy.secretSync", _PLAIN_PROXY),
    _prefix("proxy.labels", _NO_KUBERNETES),
    _prefix("proxy.annotations", _NO_KUBERNETES),
    _prefix("proxy.deploymentStrategy", _NO_KUBERNETES),
    # what Kubernetes alone has
    Key("scheduling.userScheduler.enabled", TRUTH, True, _NO_SCHEDULER),
    Key("scheduling.userScheduler", MAP, None, _NO_SCHEDULER, open=True),
    Key("scheduling.podPriority.enabled", TRUTH, False, _NO_SCHEDULER),
    Key("scheduling.podPriority", MAP, None, _NO_SCHEDULER, open=True),
    Key("scheduling.userPlaceholder.enabled", TRUTH, True, _NO_SCHEDULER),
    Key("scheduling.userPlaceholder.replicas", WHOLE, 0, _NO_SCHEDULER),
    Key("scheduling.userPlaceholder", MAP, None, _NO_SCHEDULER, open=True),
    _prefix("scheduling.corePods", _NO_NODES),
    _prefix("scheduling.userPods", _NO_NODES),
    Key("prePuller.hook.enabled", TRUTH, True, _NO_PULLER),
    Key("prePuller.hook", MAP, None, _NO_PULLER, open=True),
    Key("prePuller.continuous.enabled", TRUTH, True, _NO_PULLER),
    Key("prePuller.continuous", MAP, None, _NO_PULLER, open=True),
    _prefix("prePuller.extraImages", _NO_PULLER),
    _prefix("prePuller.pullProfileListImages", _NO_PULLER, TRUTH),
    _prefix("prePuller.pause", _NO_PULLER),
    _prefix("prePuller.labels", _NO_PULLER),
    _prefix("prePuller.annotations", _NO_PULLER),
    _prefix("prePuller.resources", _NO_PULLER),
    _prefix("prePuller.containerSecurityContext", _NO_PULLER),
    _prefix("prePuller.extraTolerations", _NO_PULLER, LIST),
    _prefix("prePuller.revisionHistoryLimit", _NO_PULLER, WHOLE),
    Key("ingress.enabled", TRUTH, False, _PLAIN_PROXY),
    Key("ingress", MAP, None, _PLAIN_PROXY, open=True),
    Key("httpRoute.enabled", TRUTH, False, _PLAIN_PROXY),
    Key("httpRoute", MAP, None, _PLAIN_PROXY, open=True),
    _prefix("imagePullSecret", _NO_IMAGE),
    _prefix("imagePullSecrets", _NO_IMAGE, LIST),
    Key("rbac.create", TRUTH, True, _NO_KUBERNETES),
    _prefix("fullnameOverride", _NO_KUBERNETES, TEXT),
    _prefix("nameOverride", _NO_KUBERNETES, TEXT),
    # everywhere
    Key("debug.enabled", TRUTH, False, Applied("JupyterHub and the servers say more in their logs")),
    Key("custom", MAP, {}, Applied("what extraConfig reads with z2jh.get_config"), free=True),
    _prefix("global", Applied("what extraConfig reads with z2jh.get_config")),
    _prefix("enabled", Ignored("for charts that contain this one"), TRUTH),
)


@cache
def table() -> Mapping[KeyPath, Key]:
    """Every entry by its path."""
    return {key.parts: key for key in KEYS}


@cache
def children(path: KeyPath) -> tuple[str, ...]:
    """The keys directly below a path that the table has, in its order."""
    depth = len(path)
    return tuple(
        dict.fromkeys(parts[depth] for parts in table() if len(parts) > depth and parts[:depth] == path)
    )


def entry(path: KeyPath) -> Key | None:
    """The entry that a path belongs to: its own, or the nearest above it that covers it."""
    own = table().get(path)
    if own is not None or not path:
        return own
    above = entry(path[:-1])
    return above if above is not None and (above.free or above.open) else None


def defaults() -> dict[str, Any]:
    """The chart's defaults that the table has, as a tree of their own."""
    tree: dict[str, Any] = {}
    for key in KEYS:
        if key.default is None:
            continue
        *above, last = key.parts
        here = tree
        for part in above:
            here = here.setdefault(part, {})
        here[last] = deepcopy(key.default)
    return tree


def leaves(tree: Mapping[str, Any], path: KeyPath = ()) -> Iterator[tuple[KeyPath, Any]]:
    """Each value that is no mapping, and each empty mapping, with its path."""
    for key, value in tree.items():
        here = (*path, str(key))
        if isinstance(value, Mapping) and value:
            yield from leaves(value, here)
        else:
            yield here, value


def at(tree: Mapping[str, Any], path: KeyPath, default: Any = None) -> Any:
    """The value at a path, or ``default`` where there is none or something on the way is no mapping."""
    here: Any = tree
    for part in path:
        if not isinstance(here, Mapping) or part not in here:
            return default
        here = here[part]
    return here
