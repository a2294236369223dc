"""The chart that DEVENV_CHART names, or the small one of the tests, under the overlay of a local cluster.

The ids say which of the two ran.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from unit.values.cluster_local import LOCAL as CLUSTER

from devenv.errors import UsageError
from devenv.helm import chart, fit
from devenv.helm.cli import Helm, Target
from devenv.helm.fit import Manifest
from devenv.helm.release import Release
from devenv.values.files import load
from devenv.values.overlay import overlay

CHECKOUT = Path(__file__).resolve().parents[3]
NAMED = os.environ.get(chart.VARIABLE)
CHARTS = {"test chart": CHECKOUT / "tests" / "chart", "named chart": Path(NAMED) if NAMED else None}
NEW = tuple(CHECKOUT / "jupyter" / name for name in ("shared_config.yaml", "sample_project_config.yaml"))
# the chart's own image for people's pods stays
LOCAL = replace(CLUSTER, images={name: CLUSTER.images[name] for name in ("hub", "proxy")})
OLD = """
auth:
  type: github
  admin: {users: [ada]}
  whitelist: {users: [bob]}
  github: {clientId: x, clientSecret: y, callbackUrl: "https://habari.example.org/hub/oauth_callback"}
proxy:
  secretToken: "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
  https: {hosts: [habari.example.org], letsencrypt: {contactEmail: a@example.org}}
hub:
  db: {type: postgres, url: "postgres://u:p@db/hub"}
singleuser:
  image: {name: blsq/habari-jupyter, tag: 0.7}
"""


@pytest.fixture(params=CHARTS)
def path(request: pytest.FixtureRequest) -> Path:
    found = CHARTS[request.param]
    if found is None and "chart" in os.environ.get("DEVENV_REQUIRE", "").split(","):
        pytest.fail("DEVENV_REQUIRE names chart: DEVENV_CHART names none")
    if found is None:
        pytest.skip("DEVENV_CHART names no chart: the real one is not checked")
    if shutil.which("helm") is None:
        if "helm" in os.environ.get("DEVENV_REQUIRE", "").split(","):
            pytest.fail("DEVENV_REQUIRE names helm: it is not there")
        pytest.skip("helm is not there: no chart is rendered")
    return found


def release(path: Path, files: tuple[Path, ...], place: Path, *, is_local: bool = True) -> Release:
    helm = Helm(Target(place / "kubeconfig", "nobody"), place / "helm", dict(os.environ))
    over = overlay(load(files).tree, LOCAL) if is_local else None
    return Release(helm, "malaria", chart.read(path), files, place / "values", over)


def rendered(path: Path, files: tuple[Path, ...], place: Path) -> dict[str, Manifest]:
    text = release(path, files, place).check(kubernetes="v1.36.3").rendered
    return {f"{each.kind}/{each.name}": each for each in fit.manifests(text)}


def spec(found: dict[str, Manifest], name: str) -> Any:
    return found[name].data["spec"]


def test_the_sample_s_values_and_the_overlay_are_taken(path: Path, tmp_path: Path) -> None:
    found = rendered(path, NEW, tmp_path)

    public = spec(found, "Service/proxy-public")
    assert (public["type"], [port.get("nodePort") for port in public["ports"]]) == ("NodePort", [30081])
    assert not {each.kind for each in found.values()} & {"Ingress", "DaemonSet", "StatefulSet", "HTTPRoute"}
    assert not [name for name in found if "autohttps" in name or "scheduler" in name]


def test_values_in_the_old_form_are_taken_too(path: Path, tmp_path: Path) -> None:
    file = tmp_path / "old.yaml"
    file.write_text(OLD)

    found = rendered(path, (file,), tmp_path)

    assert spec(found, "Service/proxy-public")["type"] == "NodePort"


def test_the_overlay_s_images_are_the_pods(path: Path, tmp_path: Path) -> None:
    found = rendered(path, NEW, tmp_path)

    images = {
        each.name: [
            (box["image"], box["imagePullPolicy"])
            for box in each.data["spec"]["template"]["spec"]["containers"]
        ]
        for each in found.values()
        if each.kind == "Deployment"
    }
    assert images == {
        "hub": [("habari/hub:0.3", "IfNotPresent")],
        "proxy": [("habari/proxy:0.2", "IfNotPresent")],
    }


def test_people_s_pods_reach_the_local_services_and_nothing_more_of_the_private_world(
    path: Path, tmp_path: Path
) -> None:
    rules = spec(rendered(path, NEW, tmp_path), "NetworkPolicy/singleuser")["egress"]

    private = [
        (peer["ipBlock"]["cidr"], sorted({port["port"] for port in rule.get("ports", [])}))
        for rule in rules
        for peer in rule["to"]
        if "ipBlock" in peer and not peer["ipBlock"].get("except")
    ]
    assert ("172.18.0.0/16", [5432, 9000]) in private
    assert {cidr for cidr, ports in private if ports != [53]} == {"172.18.0.0/16"}


def test_production_s_files_alone_are_taken(path: Path, tmp_path: Path) -> None:
    checked = release(path, NEW, tmp_path, is_local=False).check(kubernetes="v1.36.3")

    public = next(each for each in fit.manifests(checked.rendered) if each.name == "proxy-public")
    assert public.data["spec"]["type"] == "LoadBalancer"


def test_a_cluster_that_is_too_old_is_refused_with_both_versions(path: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"wants Kubernetes >=1\.28\.0-0, the cluster has v1\.27\.0"):
        release(path, NEW, tmp_path).check(kubernetes="v1.27.0")


def test_apis_that_the_cluster_does_not_serve_are_named(path: Path, tmp_path: Path) -> None:
    served = ("v1", "apps/v1", "rbac.authorization.k8s.io/v1")

    with pytest.raises(UsageError, match=r"asks for networking\.k8s\.io/v1") as caught:
        release(path, NEW, tmp_path).check(kubernetes="v1.36.3", served=served)

    assert "networking.k8s.io/v1 NetworkPolicy (hub)" in caught.value.details


def test_a_wrong_value_is_named_before_anything_changes(path: Path, tmp_path: Path) -> None:
    file = tmp_path / "wrong.yaml"
    file.write_text("hub: {concurrentSpawnLimit: many}\n")

    with pytest.raises(UsageError, match="the values are not valid") as caught:
        release(path, (*NEW, file), tmp_path).check()

    assert any("hub.concurrentSpawnLimit: expected a whole number" in each for each in caught.value.details)
