"""The small chart of the tests: what it renders is valid; its hub reads values as the toolkit does."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from devenv.helm import chart, fit
from devenv.helm.fit import Manifest
from devenv.values.files import load
from devenv.values.local import Local
from devenv.values.merge import merge
from devenv.values.overlay import overlay

CHECKOUT = Path(__file__).resolve().parents[3]
CHART = CHECKOUT / "tests" / "chart"
SAMPLES = tuple(CHECKOUT / "jupyter" / name for name in ("shared_config.yaml", "sample_project_config.yaml"))
LOCAL = Local(
    hub_db_url="postgresql://habari_hub:hidden-1@hub-db:5432/habari_hub",
    callback_url="http://localhost:8000/hub/oauth_callback",
    public_url="http://localhost:8000/",
    github_url="http://github:8090",
    authorize_url="http://127.0.0.1:8090/login/oauth/authorize",
    client_secret="hidden-2",
    contract={"AWS_SECRET_ACCESS_KEY": "hidden-{3}", "S3_BUCKET_NAME_LAKE": "habari-lake"},
    cluster_cidr="172.18.0.0/16",
    ports=(5432, 9000),
)

Render = Callable[..., dict[str, Manifest]]


@pytest.fixture(scope="module")
def helm() -> str:
    found = shutil.which("helm")
    if found is None and "helm" in os.environ.get("DEVENV_REQUIRE", "").split(","):
        pytest.fail("DEVENV_REQUIRE names helm: it is not there")
    if found is None:
        pytest.skip("helm is not there: what the test chart renders is not checked")
    return found


@pytest.fixture
def render(helm: str, tmp_path: Path) -> Render:
    def rendered(tree: dict[str, Any] | None = None) -> dict[str, Manifest]:
        """The objects of the chart by kind and name."""
        values = tmp_path / "values.yaml"
        values.write_text(yaml.safe_dump(tree or {}))
        argv = (helm, "template", "habari-x", str(CHART), "--namespace", "x", "--values", str(values))
        done = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=60)
        return {f"{each.kind}/{each.name}": each for each in fit.manifests(done.stdout)}

    return rendered


def sample() -> dict[str, Any]:
    """The sample values with the overlay of a local cluster over them."""
    tree = load(SAMPLES).tree
    return merge(tree, overlay(tree, LOCAL))


def test_it_says_that_it_is_the_test_chart() -> None:
    found = chart.read(CHART)

    assert found.is_test_chart
    assert found.label == "habari-test 0.1.0"


def test_it_passes_helm_s_own_rules(helm: str) -> None:
    done = subprocess.run((helm, "lint", str(CHART)), capture_output=True, text=True, check=False, timeout=60)

    assert done.returncode == 0, done.stdout


# --- what it renders ---


def strangers(found: Manifest) -> list[str]:
    """What the API's own client refuses: unknown keys, missing ones, wrong types."""
    from kubernetes.client import models
    from pydantic import ValidationError

    try:
        getattr(models, f"V1{found.kind}").model_validate(found.data)
    except ValidationError as wrong:
        return [f"{found.kind}: {each['loc']}: {each['msg']}" for each in wrong.errors()]
    return []


@pytest.mark.parametrize(
    "tree",
    [
        {},
        {
            "hub": {
                "db": {"type": "sqlite-memory"},
                "nodeSelector": {"a": "b"},
                "resources": {"limits": {"cpu": "1"}},
            }
        },
        {"imagePullSecrets": [{"name": "x"}], "proxy": {"service": {"type": "ClusterIP"}}},
        "sample",
    ],
    ids=["defaults", "hub", "proxy", "sample and overlay"],
)
def test_every_object_is_one_that_the_api_takes(render: Render, tree: Any) -> None:
    found = render(sample() if tree == "sample" else tree)

    assert [each for it in found.values() for each in strangers(it)] == []


def test_it_has_what_a_hub_needs(render: Render) -> None:
    assert set(render(sample())) == {
        "ConfigMap/hub",
        "Deployment/hub",
        "Deployment/proxy",
        "NetworkPolicy/hub",
        "NetworkPolicy/proxy",
        "NetworkPolicy/singleuser",
        "Role/hub",
        "RoleBinding/hub",
        "Secret/hub",
        "Service/hub",
        "Service/proxy-api",
        "Service/proxy-public",
        "ServiceAccount/hub",
    }


def test_a_hub_with_its_own_database_has_a_volume_for_it(render: Render) -> None:
    found = render({"hub": {"db": {"pvc": {"storageClassName": "fast"}}}})

    claim = found["PersistentVolumeClaim/hub-db-dir"].data["spec"]
    assert (claim["storageClassName"], claim["resources"]["requests"]["storage"]) == ("fast", "1Gi")
    assert "--upgrade-db" in container(found, "hub")["args"]


@pytest.mark.parametrize(("upgrade", "expected"), [(None, False), (True, True), (False, False)])
def test_a_database_outside_is_upgraded_when_the_values_say_so(
    render: Render, upgrade: bool | None, expected: bool
) -> None:
    found = render({"hub": {"db": {"type": "postgres", "url": "postgresql://x/y", "upgrade": upgrade}}})

    assert ("--upgrade-db" in container(found, "hub")["args"]) is expected


def test_the_public_service_is_where_the_overlay_wants_it(render: Render) -> None:
    spec = render(sample())["Service/proxy-public"].data["spec"]

    assert spec["type"] == "NodePort"
    assert [port["nodePort"] for port in spec["ports"]] == [30080]


def test_images_are_those_of_the_values(render: Render) -> None:
    image = {"name": "habari/hub", "tag": "0.7", "pullPolicy": "Never"}
    found = container(render({"hub": {"image": image}}), "hub")

    assert (found["image"], found["imagePullPolicy"]) == ("habari/hub:0.7", "Never")


def test_another_value_is_another_pod_and_the_same_values_the_same(render: Render) -> None:
    def checksum(tree: dict[str, Any]) -> str:
        pod = render(tree)["Deployment/hub"].data["spec"]["template"]
        return str(pod["metadata"]["annotations"]["checksum/values"])

    assert checksum({"cull": {"timeout": 1}}) == checksum({"cull": {"timeout": 1}})
    assert checksum({"cull": {"timeout": 1}}) != checksum({"cull": {"timeout": 2}})


def test_people_s_pods_reach_what_the_values_open_and_no_other_private_address(render: Render) -> None:
    policy = render(sample())["NetworkPolicy/singleuser"].data["spec"]

    blocks = [
        (peer["ipBlock"]["cidr"], [port["port"] for port in rule.get("ports", [])])
        for rule in policy["egress"]
        for peer in rule["to"]
        if "ipBlock" in peer
    ]
    assert ("172.18.0.0/16", [5432, 9000]) in blocks
    private = [(cidr, ports) for cidr, ports in blocks if cidr.startswith(("10.", "172.16", "192.168"))]
    assert private and all(ports == [53, 53] for _, ports in private)
    selector = policy["podSelector"]["matchLabels"]
    assert selector["component"] == "singleuser-server"


def container(found: dict[str, Manifest], name: str) -> Any:
    return found[f"Deployment/{name}"].data["spec"]["template"]["spec"]["containers"][0]


# --- the hub's configuration ---


class Lazy(list[Any]):
    """A trait that nobody has set: a list or a mapping, as it turns out.

    https://traitlets.readthedocs.io/en/stable/config-api.html#traitlets.config.LazyConfigValue
    """

    def update(self, other: dict[str, Any]) -> None:
        self.extend(other.items())


class Config(dict[str, Any]):
    """Of traitlets' Config what a file uses: sections by attribute or key, made when they are asked for."""

    def __getattr__(self, name: str) -> Any:
        return self[name]

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = value

    def __missing__(self, name: str) -> Any:
        self[name] = Config() if name[:1].isupper() else Lazy()
        return self[name]


@pytest.fixture
def configured(render: Render, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Config]:
    def built(tree: dict[str, Any]) -> Config:
        """The configuration that the hub pod of these values has."""
        found = render(tree)
        place = tmp_path / "jupyterhub"
        volumes = found["Deployment/hub"].data["spec"]["template"]["spec"]["volumes"]
        content = found["ConfigMap/hub"].data["data"]
        for item in volumes[0]["configMap"]["items"]:
            (place / item["path"]).parent.mkdir(parents=True, exist_ok=True)
            (place / item["path"]).write_text(content[item["key"]])
        secret = tmp_path / "jupyterhub-secret"
        secret.mkdir(exist_ok=True)
        for name, text in found["Secret/hub"].data["stringData"].items():
            (secret / name).write_text(text)
        monkeypatch.setattr(sys, "path", list(sys.path))
        monkeypatch.setitem(sys.modules, "z2jh", sys)
        monkeypatch.setattr(os, "environ", dict(os.environ, POD_NAMESPACE="x", HELM_RELEASE_NAME="habari-x"))
        config, file = Config(), place / "jupyterhub_config.py"
        scope = {"get_config": lambda: config, "__file__": str(file), "__name__": "config"}
        exec(compile(file.read_text(), str(file), "exec"), scope)
        return config

    return built


def test_the_code_in_the_pod_needs_nothing_that_is_not_there(render: Render, tmp_path: Path) -> None:
    """By an interpreter that sees the chart's files and PyYAML alone."""
    found = render({})
    volumes = found["Deployment/hub"].data["spec"]["template"]["spec"]["volumes"]
    for item in volumes[0]["configMap"]["items"]:
        (tmp_path / item["path"]).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / item["path"]).write_text(found["ConfigMap/hub"].data["data"][item["key"]])
    names = "devenv.values.hub, devenv.hub.extra_config, devenv.hub.z2jh"
    code = f"import sys; sys.path = [p for p in sys.path if 'site-packages' not in p]; import {names}"

    done = subprocess.run(
        (sys.executable, "-I", "-c", f"import sys; sys.path.insert(0, {str(tmp_path)!r}); {code}"),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert done.returncode == 0, done.stderr


def test_the_hub_gets_the_values_and_the_cluster_s_places(configured: Callable[..., Config]) -> None:
    c = configured(sample())

    assert c.JupyterHub.spawner_class == "kubespawner.KubeSpawner"
    assert c.JupyterHub.db_url == LOCAL.hub_db_url
    assert c.JupyterHub.authenticator_class == "github"
    assert c.GitHubOAuthenticator.authorize_url == LOCAL.authorize_url
    assert "prepare_curl_callback" in dict(c.GitHubOAuthenticator.http_request_kwargs)
    assert c.Authenticator.allowed_users == ["habari-user"]
    assert os.environ["GITHUB_URL"] == LOCAL.github_url
    assert c.ConfigurableHTTPProxy.api_url == "http://proxy-api:8001"
    assert len(c.JupyterHub.cookie_secret) == 32


def test_people_s_pods_get_image_limits_variables_and_home(configured: Callable[..., Config]) -> None:
    spawner = configured(sample()).KubeSpawner

    assert spawner.image == "blsq/habari-jupyter:0.10"
    assert spawner.image_pull_policy == "IfNotPresent"
    assert (spawner.mem_limit, spawner.cpu_limit, spawner.cpu_guarantee) == ("8G", 2, 0.05)
    assert spawner.environment["S3_BUCKET_NAME_LAKE"] == "habari-lake"
    assert spawner.environment["AWS_SECRET_ACCESS_KEY"] == "hidden-{{3}}", "KubeSpawner reads braces"
    assert (spawner.uid, spawner.fs_gid) == (1000, 100)
    assert spawner.namespace == "x"
    assert spawner.storage_pvc_ensure is True
    assert spawner.volume_mounts == [{"name": "volume-{user_server}", "mountPath": "/home/jovyan"}]
    assert spawner.common_labels["app.kubernetes.io/instance"] == "habari-x"
    assert "exec" in spawner.lifecycle_hooks["postStart"]


def test_the_culler_runs_as_the_values_say(configured: Callable[..., Config]) -> None:
    hub = configured(sample()).JupyterHub

    (service,) = hub.services
    assert {"--timeout=7200", "--cull-every=300"} <= set(service["command"])
    assert [role["name"] for role in hub.load_roles] == ["jupyterhub-idle-culler"]
    assert configured({"cull": {"enabled": False}}).JupyterHub.services == []


def test_traits_of_kubespawner_and_code_of_the_values_have_the_last_word(
    configured: Callable[..., Config],
) -> None:
    code = "from z2jh import get_config as get\nc.KubeSpawner.uid = get('custom.uid')"
    tree = {
        "custom": {"uid": 1234},
        "hub": {"config": {"KubeSpawner": {"fs_gid": 5}}, "extraConfig": {"mine": code}},
    }

    spawner = configured(tree).KubeSpawner

    assert (spawner.uid, spawner.fs_gid) == (1234, 5)


@pytest.mark.parametrize(
    ("kind", "url", "claims"),
    [
        ("sqlite-pvc", "sqlite:////srv/jupyterhub/jupyterhub.sqlite", 1),
        ("sqlite-memory", "sqlite://", 0),
        ("postgres", "postgresql://x/y", 0),
    ],
)
def test_the_hub_s_database_is_the_kind_that_the_values_name(
    configured: Callable[..., Config], render: Render, kind: str, url: str, claims: int
) -> None:
    tree = {"hub": {"db": {"type": kind, "url": "postgresql://x/y"}}}

    assert configured(tree).JupyterHub.db_url == url
    assert sum(name.startswith("PersistentVolumeClaim/") for name in render(tree)) == claims


def test_homes_may_lie_on_one_volume_or_on_none(configured: Callable[..., Config]) -> None:
    static = {
        "singleuser": {"storage": {"type": "static", "static": {"pvcName": "all", "subPath": "h/{username}"}}}
    }
    none = {"singleuser": {"storage": {"type": "none"}}}

    spawner = configured(static).KubeSpawner
    assert spawner.volume_mounts == [{"name": "home", "mountPath": "/home/jovyan", "subPath": "h/{username}"}]
    assert spawner.storage_pvc_ensure is False
    assert configured(none).KubeSpawner.volumes == []
