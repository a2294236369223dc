"""The values that are laid over production's in a local cluster, as one more file for Helm."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from devenv.values import variables
from devenv.values.hub import OWN_SECRETS
from devenv.values.keys import at
from devenv.values.local import Local, sign_in, sign_in_section
from devenv.values.merge import Tree
from devenv.yaml_lines import KeyPath

NODE_PORT = 30080

# What a laptop's cluster cannot or need not have.
_FIXED: Mapping[str, Any] = {
    "proxy.https.enabled": False,
    "proxy.service.type": "NodePort",
    "proxy.service.nodePorts.http": NODE_PORT,
    "ingress.enabled": False,
    "httpRoute.enabled": False,
    "prePuller.hook.enabled": False,
    "prePuller.continuous.enabled": False,
    "scheduling.userScheduler.enabled": False,
    "scheduling.podPriority.enabled": False,
    "scheduling.userPlaceholder.enabled": False,
    "singleuser.cloudMetadata.blockWithIptables": False,
    "singleuser.image.pullPolicy": "IfNotPresent",
    "hub.image.pullPolicy": "IfNotPresent",
    "proxy.chp.image.pullPolicy": "IfNotPresent",
    "hub.db.type": "postgres",
}
# What names things that only production's cluster has: deleted where production has it.
_PRODUCTIONS_OWN = (
    "hub.db.password",
    "hub.existingSecret",
    "hub.cookieSecret",
    "proxy.secretToken",
    "proxy.service.loadBalancerIP",
    "singleuser.storage.dynamic.storageClass",
    "singleuser.serviceAccountName",
    # whole: a null below a mapping that is empty by default would stay a null
    "hub.nodeSelector",
    "proxy.chp.nodeSelector",
    "singleuser.nodeSelector",
)


def overlay(tree: Mapping[str, Any], local: Local) -> Tree:
    """What to lay over the merged values for a hub in a local cluster.

    Production's authenticator keeps its settings but for addresses and secrets. Pods may reach
    ``local.cluster_cidr`` on ``local.ports`` besides what production allows. Variables of the contract are
    written so that KubeSpawner's templates leave their braces alone.
    https://jupyterhub-kubespawner.readthedocs.io/en/latest/spawner.html
    """
    over: Tree = {}
    for path, value in _FIXED.items():
        _set(over, _path(path), value)
    for path in _PRODUCTIONS_OWN:
        if at(tree, _path(path)) is not None:
            _set(over, _path(path), None)
    for section, trait in OWN_SECRETS:
        if at(tree, ("hub", "config", section, trait)) is not None:
            # empty and not null: the chart then makes a secret of its own
            _set(over, ("hub", "config", section, trait), [] if trait == "keys" else "")
    if at(tree, ("imagePullSecret", "create")):
        _set(over, ("imagePullSecret", "create"), False)
    if at(tree, ("imagePullSecrets",)):
        _set(over, ("imagePullSecrets",), [])
    _set(over, ("hub", "db", "url"), local.hub_db_url)
    _set_sign_in(over, tree, local)
    _set_contract(over, tree, local)
    _set_egress(over, tree, local)
    return over


def _set_sign_in(over: Tree, tree: Mapping[str, Any], local: Local) -> None:
    for section, traits in sign_in(tree, local).items():
        _set(over, ("hub", "config", section), dict(traits))
    if sign_in_section(tree):
        _set_variables(over, tree, "hub", {"GITHUB_URL": local.github_url})


def _set_contract(over: Tree, tree: Mapping[str, Any], local: Local) -> None:
    escaped = {name: text.replace("{", "{{").replace("}", "}}") for name, text in local.contract.items()}
    _set_variables(over, tree, "singleuser", escaped)


def _set_variables(over: Tree, tree: Mapping[str, Any], section: str, texts: Mapping[str, str]) -> None:
    """A mapping would replace a list whole, so production's list is taken along."""
    given = at(tree, (section, "extraEnv"))
    kept = dict(variables.entries(given)) if isinstance(given, list) else {}
    by_name = {
        value["name"]: key
        for key, value in (given.items() if isinstance(given, dict) else ())
        if isinstance(value, dict) and isinstance(value.get("name"), str) and value["name"] != key
    }
    # an entry that only carries the name; a null would not delete it, and Kubernetes takes the later of two
    hidden: Tree = {by_name[name]: "" for name in texts if name in by_name}
    _set(over, (section, "extraEnv"), {**kept, **hidden, **texts})


def _set_egress(over: Tree, tree: Mapping[str, Any], local: Local) -> None:
    """https://kubernetes.io/docs/concepts/services-networking/network-policies/"""
    if not local.cluster_cidr:
        return
    rule = {
        "to": [{"ipBlock": {"cidr": local.cluster_cidr}}],
        "ports": [{"port": port, "protocol": "TCP"} for port in local.ports],
    }
    sections = ["singleuser"]
    if at(tree, ("hub", "networkPolicy", "egressAllowRules", "privateIPs")) is False:
        sections.append("hub")
    for section in sections:
        path = (section, "networkPolicy", "egress")
        given = at(tree, path)
        _set(over, path, [*(given if isinstance(given, list) else ()), rule])


def _path(text: str) -> KeyPath:
    return tuple(text.split("."))


def _set(tree: Tree, path: KeyPath, value: Any) -> None:
    *above, last = path
    for part in above:
        tree = tree.setdefault(part, {})
    tree[last] = value
