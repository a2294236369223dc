"""Each key of the overlay of a local cluster: what it is, why, and that the chart at hand takes it."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from unit.values.cluster_local import LOCAL

from devenv.helm import chart
from devenv.values import check
from devenv.values.differences import in_cluster
from devenv.values.files import load
from devenv.values.hub import with_defaults
from devenv.values.keys import KEYS, at
from devenv.values.merge import merge
from devenv.values.overlay import laid, overlay

CHECKOUT = Path(__file__).resolve().parents[3]
SAMPLES = tuple(CHECKOUT / "jupyter" / name for name in ("shared_config.yaml", "sample_project_config.yaml"))
EXTRA = "hub.extraConfig"


def nested(path: str, value: Any) -> dict[str, Any]:
    for part in reversed(path.split(".")):
        value = {part: value}
    return dict(value)


def overlaid(tree: dict[str, Any], path: str) -> Any:
    """A value as the chart sees it with the overlay over production."""
    return at(with_defaults(merge(tree, overlay(tree, LOCAL))), tuple(path.split(".")))


ALWAYS = {
    "proxy.https.enabled": False,
    "proxy.service.type": "NodePort",
    "proxy.service.nodePorts.http": 30081,
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
    "hub.image.name": "habari/hub",
    "hub.image.tag": "0.3",
    "proxy.chp.image.name": "habari/proxy",
    "proxy.chp.image.tag": "0.2",
    "singleuser.image.name": "habari/jupyter",
    "singleuser.image.tag": "0.5",
    "hub.db.type": "postgres",
    "hub.db.url": LOCAL.hub_db_url,
    "hub.db.upgrade": True,
    "singleuser.memory.guarantee": "256M",
}


@pytest.mark.parametrize(("path", "value"), ALWAYS.items(), ids=ALWAYS)
def test_a_local_cluster_has(path: str, value: Any) -> None:
    assert overlaid({}, path) == value


# a key of production's, its value there, and what the local cluster has instead
INSTEAD: list[tuple[str, Any, Any]] = [
    ("proxy.service.type", "LoadBalancer", "NodePort"),
    ("proxy.service.loadBalancerIP", "192.0.2.1", None),
    ("proxy.service.loadBalancerSourceRanges", ["192.0.2.0/24"], []),
    ("proxy.service.externalIPs", ["192.0.2.1"], []),
    ("proxy.service.disableHttpPort", True, False),
    ("proxy.service.nodePorts.http", 31000, 30081),
    ("hub.db.url", "postgresql://u:p@db/h", LOCAL.hub_db_url),
    ("hub.db.password", "p", None),
    ("hub.config.JupyterHub.db_url", "postgresql://u:p@db/h", LOCAL.hub_db_url),
    ("hub.config.JupyterHub.subdomain_host", "https://hub.example.org", ""),
    ("hub.config.JupyterHub.cookie_secret", "ab", ""),
    ("hub.config.CryptKeeper.keys", ["ab"], []),
    ("hub.config.KubeSpawner.image", "registry.example.org/a:1", "habari/jupyter:0.5"),
    ("hub.existingSecret", "mine", None),
    ("hub.cookieSecret", "ab", None),
    ("proxy.secretToken", "ab", None),
    ("imagePullSecret.create", True, False),
    ("imagePullSecrets", [{"name": "x"}], []),
    ("singleuser.image.pullSecrets", [{"name": "x"}], []),
    ("hub.nodeSelector", {"pool": "core"}, None),
    ("proxy.chp.nodeSelector", {"pool": "core"}, None),
    ("singleuser.nodeSelector", {"pool": "user"}, None),
    ("singleuser.extraNodeAffinity.required", [{"matchExpressions": []}], []),
    ("scheduling.userPods.nodeAffinity.matchNodePurpose", "require", "prefer"),
    ("scheduling.corePods.nodeAffinity.matchNodePurpose", "prefer", "prefer"),
    ("singleuser.storage.dynamic.storageClass", "ssd", None),
    ("singleuser.storage.dynamic.storageAccessModes", ["ReadWriteMany"], ["ReadWriteOnce"]),
    ("singleuser.storage.type", "static", "dynamic"),
    ("singleuser.storage.type", "none", "none"),
    ("singleuser.memory.guarantee", "4G", "256M"),
    ("singleuser.memory.guarantee", "128M", "128M"),
    ("singleuser.memory.guarantee", 1024**3, "256M"),
    ("singleuser.memory.limit", "8G", "8G"),
    ("singleuser.cpu.guarantee", 1, 0.05),
    ("singleuser.cpu.guarantee", 0.02, 0.02),
    ("singleuser.cpu.limit", 4, 4),
    ("hub.resources.requests.cpu", "1500m", "50m"),
    ("hub.resources.requests.cpu", "10m", "10m"),
    ("hub.resources.requests.memory", "2Gi", "256Mi"),
    ("hub.resources.requests.memory", "128Mi", "128Mi"),
    ("proxy.chp.resources.requests.cpu", 1, "50m"),
    ("hub.resources.limits.memory", "2Gi", "2Gi"),
    ("cull.timeout", 7200, 7200),
    ("cull.enabled", False, False),
    ("singleuser.networkPolicy.egressAllowRules.nonPrivateIPs", False, False),
]


@pytest.mark.parametrize(
    ("path", "production", "here"), INSTEAD, ids=[f"{path}={given}" for path, given, _ in INSTEAD]
)
def test_in_the_place_of_production_s(path: str, production: Any, here: Any) -> None:
    assert (overlaid(nested(path, production), path) or None) == (here or None)


def test_a_size_that_nobody_can_read_is_left_alone() -> None:
    for given in ("lots", "1.2.3G", None, True):
        assert (
            overlaid(nested("hub.resources.requests.memory", given), "hub.resources.requests.memory") == given
        )


def test_the_hub_asks_each_time_where_its_sign_in_is_and_keeps_what_production_s_requests_have() -> None:
    code = overlaid(nested("hub.config.JupyterHub.authenticator_class", "github"), EXTRA)["habari-sign-in"]
    authenticator = SimpleNamespace(http_request_kwargs={"ca_certs": "/ca.crt"})
    options: list[tuple[str, int]] = []
    curl = SimpleNamespace(
        DNS_CACHE_TIMEOUT="cache", setopt=lambda option, value: options.append((option, value))
    )

    exec(code, {"c": SimpleNamespace(GitHubOAuthenticator=authenticator)})
    authenticator.http_request_kwargs["prepare_curl_callback"](curl)  # type: ignore[operator]

    assert authenticator.http_request_kwargs["ca_certs"] == "/ca.crt"
    assert options == [("cache", 0)]


def test_a_hub_with_another_sign_in_gets_no_code() -> None:
    assert not overlaid({}, EXTRA)


# --- why ---


def everything() -> dict[str, Any]:
    """Values of a production that has something at every key that the overlay may change."""
    tree = load(SAMPLES).tree
    for path, value, _ in INSTEAD:
        tree = merge(tree, nested(path, value))
    return tree


def test_every_change_has_a_reason() -> None:
    assert [".".join(each.path) for each in laid(everything(), LOCAL) if not each.why] == []


def test_each_key_that_differs_from_production_is_told_with_both_values_and_why() -> None:
    found = {each.path: each for each in in_cluster(load(SAMPLES).tree, LOCAL)}

    https = found["proxy.https.enabled"]
    assert (https.production, https.local) == (True, False)
    assert "plain HTTP" in https.why
    assert found["singleuser.image.name"].production == "blsq/habari-jupyter"
    assert found["proxy.service.type"].production == "LoadBalancer"
    assert found["singleuser.extraEnv.AWS_ENDPOINT_URL"].production is None
    assert found["hub.config.GitHubOAuthenticator.authorize_url"].local == LOCAL.authorize_url


def test_what_the_overlay_says_as_production_does_is_not_told() -> None:
    tree = nested("scheduling.userScheduler.enabled", False)

    assert "scheduling.userScheduler.enabled" not in {each.path for each in in_cluster(tree, LOCAL)}


def test_no_reason_and_no_difference_shows_a_secret() -> None:
    told = repr([each.as_data() for each in in_cluster(everything(), LOCAL)])

    assert "hidden" not in told


# --- the schema ---


def test_the_table_of_the_toolkit_takes_every_key() -> None:
    tree = everything()

    assert check.require(load(SAMPLES)) is not None
    found = check.findings(_loaded(merge(tree, overlay(tree, LOCAL))))
    assert [each for each in found if each.severity == "error"] == []


def test_the_chart_at_hand_takes_every_key() -> None:
    """By the schema of the chart that DEVENV_CHART names, with something of production at every key."""
    named = os.environ.get(chart.VARIABLE)
    if not named or not chart.read(Path(named)).has_schema:
        if "chart" in os.environ.get("DEVENV_REQUIRE", "").split(","):
            pytest.fail("DEVENV_REQUIRE names chart: DEVENV_CHART names none that has a schema")
        pytest.skip("DEVENV_CHART names no chart with a schema: the overlay is not checked by one")
    for tree in ({}, load(SAMPLES).tree, everything()):
        found = check.findings(_loaded(merge(tree, overlay(tree, LOCAL))), Path(named))
        assert [(each.path, each.text) for each in found if each.severity == "error"] == []


def test_the_toolkit_s_table_knows_the_keys_of_the_overlay_s_switches() -> None:
    known = {key.path for key in KEYS}

    assert {path for path in ALWAYS if path.endswith(".enabled") or path.startswith("hub.db")} <= known


def _loaded(tree: dict[str, Any]) -> Any:
    from devenv.values.files import Loaded

    return Loaded(tree)
