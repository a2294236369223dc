"""The values that are laid over production's in a local cluster, as one more file for Helm."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_network
from typing import Any

from devenv.values import room, variables
from devenv.values.hub import OWN_SECRETS
from devenv.values.keys import at
from devenv.values.local import SIGN_IN_WHY, Local, sign_in, sign_in_section
from devenv.values.merge import Tree
from devenv.yaml_lines import KeyPath

_BY_PORT = "the browser comes by a port of the cluster's node, on this machine's loopback address"
_PLAIN = "a local cluster is opened by plain HTTP, without an ingress or a certificate"
_NO_PULL = "nothing is pulled ahead: the images are loaded into the node"
_ONE_NODE = "one node: nobody has to be placed, moved or kept a place for"
_ONE_NODE_FOR_ALL = "one node, without production's pools"
_LOADED = "the image was loaded into the node, so nobody is asked for a newer one"
_DATABASE = "the hub's state lies in the local PostgreSQL, beside the cluster"
_OWN_SECRET = "the chart makes a secret of its own"  # noqa: S105 - a reason, not a secret
_THEIR_OBJECT = "names an object that only production's cluster has"
_STAND_IN = "the image that is at hand here stands in for production's"
_POLICY = "pods may reach the local databases, S3 and sign-in, which lie beside the cluster"
_SIGN_IN = "the hub asks the local sign-in instead of GitHub"
_ANEW = "the hub asks each time where the local sign-in is: one that began anew may have another address"
_CONTRACT = "where the local data lie, and the keys to them"
_KEPT = "as production has it; a list cannot be laid over, so it is a mapping here"
_HIDDEN = "the same variable under another key: the local one is beside it"

# What a laptop's cluster cannot or need not have.
_FIXED: Mapping[str, tuple[Any, str]] = {
    "proxy.https.enabled": (False, _PLAIN),
    "proxy.service.type": ("NodePort", _BY_PORT),
    "ingress.enabled": (False, _PLAIN),
    "httpRoute.enabled": (False, _PLAIN),
    "prePuller.hook.enabled": (False, _NO_PULL),
    "prePuller.continuous.enabled": (False, _NO_PULL),
    "scheduling.userScheduler.enabled": (False, _ONE_NODE),
    "scheduling.podPriority.enabled": (False, _ONE_NODE),
    "scheduling.userPlaceholder.enabled": (False, _ONE_NODE),
    "singleuser.cloudMetadata.blockWithIptables": (False, "there is no cloud, and its image is not at hand"),
    "singleuser.image.pullPolicy": ("IfNotPresent", _LOADED),
    "hub.image.pullPolicy": ("IfNotPresent", _LOADED),
    "proxy.chp.image.pullPolicy": ("IfNotPresent", _LOADED),
    "hub.db.type": ("postgres", _DATABASE),
    "hub.db.upgrade": (True, "a hub of another version brings its local database along"),
}
# What names things that only production's cluster has: deleted where production has it.
_PRODUCTIONS_OWN: Mapping[str, str] = {
    "hub.db.password": "hub.db.url carries the local one",
    "hub.existingSecret": _THEIR_OBJECT,
    "hub.cookieSecret": _OWN_SECRET,
    "proxy.secretToken": _OWN_SECRET,
    "proxy.service.loadBalancerIP": _BY_PORT,
    "singleuser.storage.dynamic.storageClass": _THEIR_OBJECT,
    "singleuser.serviceAccountName": _THEIR_OBJECT,
    # whole: a null below a mapping that is empty by default would stay a null
    "hub.nodeSelector": _ONE_NODE_FOR_ALL,
    "proxy.chp.nodeSelector": _ONE_NODE_FOR_ALL,
    "singleuser.nodeSelector": _ONE_NODE_FOR_ALL,
}
# What is set only where production says something else: the value that does harm, and the one in its place.
_WHERE_GIVEN: Mapping[str, tuple[Any, Any, str]] = {
    "imagePullSecret.create": (True, False, _THEIR_OBJECT),
    "proxy.service.disableHttpPort": (True, False, _PLAIN),
    "scheduling.corePods.nodeAffinity.matchNodePurpose": ("require", "prefer", _ONE_NODE_FOR_ALL),
    "scheduling.userPods.nodeAffinity.matchNodePurpose": ("require", "prefer", _ONE_NODE_FOR_ALL),
}
# The same for lists and texts: whatever is there is emptied.
_EMPTIED: Mapping[str, tuple[Any, str]] = {
    "imagePullSecrets": ([], _THEIR_OBJECT),
    "hub.image.pullSecrets": ([], _THEIR_OBJECT),
    "proxy.chp.image.pullSecrets": ([], _THEIR_OBJECT),
    "singleuser.image.pullSecrets": ([], _THEIR_OBJECT),
    "proxy.service.externalIPs": ([], _BY_PORT),
    "proxy.service.loadBalancerSourceRanges": ([], _BY_PORT),
    "hub.config.JupyterHub.subdomain_host": ("", "production's domain is not this machine's"),
}
_IMAGES: Mapping[str, KeyPath] = {
    "singleuser": ("singleuser", "image"),
    "hub": ("hub", "image"),
    "proxy": ("proxy", "chp", "image"),
}
# https://z2jh.jupyter.org/en/stable/resources/reference.html#singleuser-networkpolicy-egressallowrules
_OPEN_BY_DEFAULT = {
    "hub": {"privateIPs": True, "nonPrivateIPs": True},
    "singleuser": {"privateIPs": False, "nonPrivateIPs": True},
}
# curl keeps an address for a minute: https://curl.se/libcurl/c/CURLOPT_DNS_CACHE_TIMEOUT.html
_ASK_ANEW = (
    "c.{}.http_request_kwargs.update("
    '{{"prepare_curl_callback": lambda curl: curl.setopt(curl.DNS_CACHE_TIMEOUT, 0)}})\n'
)
_DB_TRAIT: KeyPath = ("hub", "config", "JupyterHub", "db_url")
_PRIVATE = tuple(map(ip_network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")))


@dataclass(frozen=True)
class Laid:
    """One key that is laid over production's, its value (None deletes the key), and why."""

    path: KeyPath
    value: Any = field(repr=False)
    why: str


def overlay(tree: Mapping[str, Any], local: Local) -> Tree:
    """What to lay over the merged values for a hub in a local cluster.

    Production's authenticator keeps its settings but for addresses and secrets. Pods may reach
    ``local.cluster_cidr`` on ``local.ports`` besides what production allows, the hub on ``local.hub_ports``.
    Variables of the contract are written so that KubeSpawner's templates leave their braces alone.
    https://jupyterhub-kubespawner.readthedocs.io/en/latest/spawner.html
    """
    over: Tree = {}
    for each in laid(tree, local):
        *above, last = each.path
        place = over
        for part in above:
            place = place.setdefault(part, {})
        place[last] = each.value
    return over


def laid(tree: Mapping[str, Any], local: Local) -> Iterator[Laid]:
    """The keys of the overlay one by one, each with its reason."""
    for path, (value, why) in _FIXED.items():
        yield Laid(_path(path), value, why)
    yield Laid(("proxy", "service", "nodePorts", "http"), local.node_port, _BY_PORT)
    yield from _productions_own(tree)
    yield from _where_given(tree)
    for row in room.rows(tree):
        yield Laid(*row)
    yield Laid(("hub", "db", "url"), local.hub_db_url, _DATABASE)
    if at(tree, _DB_TRAIT) is not None:
        # a trait of hub.config wins over hub.db.url
        yield Laid(_DB_TRAIT, local.hub_db_url, _DATABASE)
    yield from _sign_in(tree, local)
    yield from _contract(tree, local)
    yield from _egress(tree, local)
    yield from _images(tree, local)


def _productions_own(tree: Mapping[str, Any]) -> Iterator[Laid]:
    for key, why in _PRODUCTIONS_OWN.items():
        if at(tree, _path(key)) is not None:
            yield Laid(_path(key), None, why)
    for section, trait in OWN_SECRETS:
        path = ("hub", "config", section, trait)
        if at(tree, path) is not None:
            # empty and not null: the chart then makes a secret of its own
            yield Laid(path, [] if trait == "keys" else "", _OWN_SECRET)


def _where_given(tree: Mapping[str, Any]) -> Iterator[Laid]:
    for key, (harmful, value, why) in _WHERE_GIVEN.items():
        if at(tree, _path(key)) == harmful:
            yield Laid(_path(key), value, why)
    for key, (value, why) in _EMPTIED.items():
        if at(tree, _path(key)):
            yield Laid(_path(key), value, why)
    path = ("proxy", "chp", "networkPolicy", "allowedIngressPorts")
    given = at(tree, path)
    if isinstance(given, list) and "http" not in given:
        yield Laid(path, [*given, "http"], _BY_PORT)


def _sign_in(tree: Mapping[str, Any], local: Local) -> Iterator[Laid]:
    for section, traits in sign_in(tree, local).items():
        for name, value in traits.items():
            yield Laid(("hub", "config", section, name), value, SIGN_IN_WHY.get(name, _SIGN_IN))
    if authenticator := sign_in_section(tree):
        yield from _variables(tree, "hub", {"GITHUB_URL": local.github_url}, _SIGN_IN)
        yield Laid(("hub", "extraConfig", "habari-sign-in"), _ASK_ANEW.format(authenticator), _ANEW)


def _contract(tree: Mapping[str, Any], local: Local) -> Iterator[Laid]:
    escaped = {name: text.replace("{", "{{").replace("}", "}}") for name, text in local.contract.items()}
    yield from _variables(tree, "singleuser", escaped, _CONTRACT)


def _variables(tree: Mapping[str, Any], section: str, texts: Mapping[str, str], why: str) -> Iterator[Laid]:
    """A mapping would replace a list whole, so production's list is taken along."""
    given = at(tree, (section, "extraEnv"))
    for name, value in variables.entries(given) if isinstance(given, list) else ():
        if name not in texts:
            yield Laid((section, "extraEnv", name), value, _KEPT)
    for key, value in given.items() if isinstance(given, dict) else ():
        named = value.get("name") if isinstance(value, dict) else None
        if isinstance(named, str) and named in texts and named != key:
            # an entry that only carries the name: a null would not delete it, and Kubernetes takes the later
            yield Laid((section, "extraEnv", key), "", _HIDDEN)
    for name, text in texts.items():
        yield Laid((section, "extraEnv", name), text, why)


def _egress(tree: Mapping[str, Any], local: Local) -> Iterator[Laid]:
    """https://kubernetes.io/docs/concepts/services-networking/network-policies/"""
    for section, ports in (("singleuser", local.ports), ("hub", local.hub_ports)):
        if not local.cluster_cidr or not ports or _may_reach(tree, section, local.cluster_cidr):
            continue
        path = (section, "networkPolicy", "egress")
        given = at(tree, path)
        rule = {
            "to": [{"ipBlock": {"cidr": local.cluster_cidr}}],
            "ports": [{"port": port, "protocol": "TCP"} for port in ports],
        }
        yield Laid(path, [*(given if isinstance(given, list) else ()), rule], _POLICY)


def _may_reach(tree: Mapping[str, Any], section: str, cidr: str) -> bool:
    """Whether production's policy lets these pods reach all of those addresses already."""
    policy = at(tree, (section, "networkPolicy"))
    policy = policy if isinstance(policy, dict) else {}
    if policy.get("enabled") is False:
        return True
    rules = policy.get("egressAllowRules")
    network = ip_network(cidr, strict=False)
    is_private = any(
        network.version == each.version and network.subnet_of(each)  # type: ignore[arg-type]
        for each in _PRIVATE
    )
    name = "privateIPs" if is_private else "nonPrivateIPs"
    said = rules.get(name) if isinstance(rules, dict) else None
    return said if isinstance(said, bool) else _OPEN_BY_DEFAULT[section][name]


def _images(tree: Mapping[str, Any], local: Local) -> Iterator[Laid]:
    for which, (name, tag) in local.images.items():
        yield Laid((*_IMAGES[which], "name"), name, _STAND_IN)
        yield Laid((*_IMAGES[which], "tag"), tag, _STAND_IN)
    trait = ("hub", "config", "KubeSpawner", "image")
    if "singleuser" in local.images and at(tree, trait) is not None:
        # a trait of hub.config wins over singleuser.image
        yield Laid(trait, ":".join(local.images["singleuser"]), _STAND_IN)


def _path(text: str) -> KeyPath:
    return tuple(text.split("."))
