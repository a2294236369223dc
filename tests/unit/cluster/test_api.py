"""Which paths and which way the API of a cluster is asked, and with which kubeconfig."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from devenv.cluster.api import FALLEN, ClusterApi
from devenv.errors import NotRunningError, UsageError
from devenv.helm.cli import Target


def write(file: Path, server: str, user: Mapping[str, Any] | None = None) -> Target:
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": {"server": server}}],
        "users": [{"name": "u", "user": user or {"token": "t"}}],
        "contexts": [{"name": "here", "context": {"cluster": "c", "user": "u"}}],
    }
    file.write_text(yaml.safe_dump(content))
    return Target(file, "here")


@pytest.mark.parametrize(
    ("kind", "path"),
    [
        ("secrets", "/api/v1/namespaces/weather/secrets"),
        ("cronjobs", "/apis/batch/v1/namespaces/weather/cronjobs"),
        ("ingresses", "/apis/networking.k8s.io/v1/namespaces/weather/ingresses"),
        ("nodes", "/api/v1/nodes"),
    ],
)
def test_each_kind_is_asked_of_its_own_group(
    kind: str, path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = ClusterApi(Target(tmp_path / "none", "here"))
    asked: list[str] = []

    def play(_method: str, path: str) -> Any:
        asked.append(path)
        return {"items": []}

    monkeypatch.setattr(api, "_call", play)

    assert api.things(kind, "weather") == []
    assert asked == [path]


@pytest.mark.parametrize(
    ("server", "proxy"),
    [("https://127.0.0.1:6443", None), ("https://cluster.example.org", "http://127.0.0.1:9")],
    ids=["this machine", "elsewhere"],
)
def test_a_proxy_of_the_environment_is_for_clusters_elsewhere(
    server: str, proxy: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)

    client = ClusterApi(write(tmp_path / "kubeconfig", server))._client

    assert client.configuration.proxy == proxy


def test_without_a_kubeconfig_there_is_no_cluster(tmp_path: Path) -> None:
    with pytest.raises(NotRunningError, match="there is no cluster"):
        ClusterApi(Target(tmp_path / "none", "here")).version()


def test_a_context_that_the_file_does_not_have_is_named(tmp_path: Path) -> None:
    target = write(tmp_path / "kubeconfig", "https://127.0.0.1:6443")

    with pytest.raises(UsageError, match="cannot be used"):
        ClusterApi(Target(target.kubeconfig, "elsewhere")).version()


def test_a_token_that_had_to_be_renewed_is_not_written_into_the_users_file(tmp_path: Path) -> None:
    answer = tmp_path / "answer.json"
    answer.write_text(
        '{"credential": {"access_token": "renewed", "token_expiry": "2126-11-28T10:00:00Z"}}',
        encoding="utf-8",
    )
    renews = {
        "access-token": "old",
        "expiry": "2020-01-01T00:00:00Z",
        "cmd-path": "cat",
        "cmd-args": str(answer),
    }
    target = write(
        tmp_path / "kubeconfig",
        "https://cluster.example.org",
        user={"auth-provider": {"name": "gcp", "config": renews}},
    )
    before = target.kubeconfig.read_bytes()

    client = ClusterApi(target)._client

    assert client.configuration.get_api_key_with_prefix("BearerToken") == "Bearer renewed"
    assert target.kubeconfig.read_bytes() == before


COREFILE = """.:53 {
    forward . /etc/resolv.conf
    cache 30 {
       disable success cluster.local
    }
    reload
}
"""


def test_the_clusters_dns_is_told_once_to_ask_anew_after_a_second(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = ClusterApi(Target(tmp_path / "none", "here"))
    kept = {"Corefile": COREFILE}

    def play(method: str, path: str, *, body: Mapping[str, Any] | None = None) -> Any:
        assert path == "/api/v1/namespaces/kube-system/configmaps/coredns"
        if method == "PATCH" and body:
            kept.update(body["data"])
        return {"data": dict(kept)}

    monkeypatch.setattr(api, "_call", play)

    assert [api.forget_aliases_soon(), api.forget_aliases_soon()] == [True, False]
    assert kept["Corefile"] == COREFILE.replace("cache 30", "cache 1")


def pod(name: str, state: Mapping[str, Any], *, owned: bool = True, **more: Any) -> dict[str, Any]:
    """One that the cluster would show; ``more`` is its metadata's."""
    metadata = {"name": name, **({"ownerReferences": [{"kind": "ReplicaSet"}]} if owned else {}), **more}
    return {"metadata": metadata, "status": {"containerStatuses": [{"state": state}]}}


def test_only_pods_that_do_not_run_for_a_given_reason_and_have_a_controller_are_renewed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = ClusterApi(Target(tmp_path / "none", "here"))
    pods = [
        pod("hub", {"terminated": {"reason": "Error"}}),
        pod("proxy", {"waiting": {"reason": "CrashLoopBackOff"}}),
        pod("placeholders", {"terminated": {"reason": "StartError"}}),
        pod("culler", {"running": {}}),
        # of before a start of the node, which the node has yet to look at
        pod("scheduler", {"terminated": {"reason": "Unknown"}}),
        pod("jupyter-ada", {"terminated": {"reason": "Error"}}, owned=False),
        pod("hub-of-before", {"terminated": {"reason": "Error"}}, deletionTimestamp="2026-11-28T17:26:10Z"),
    ]
    deleted: list[str] = []

    def play(method: str, path: str, **_: Any) -> Any:
        if method == "DELETE":
            deleted.append(path.rpartition("/")[2])
        return {"items": pods}

    monkeypatch.setattr(api, "_call", play)

    assert api.renew_pods("lab", FALLEN) == ["hub", "proxy", "placeholders"] == deleted


def test_a_component_is_renewed_also_while_it_runs_and_nobody_elses_pod(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = ClusterApi(Target(tmp_path / "none", "here"))
    pods = [
        pod("hub", {"running": {}}, labels={"component": "hub"}),
        pod("proxy", {"running": {}}, labels={"component": "proxy"}),
        pod("somebodys", {"running": {}}, labels={"component": "hub"}, owned=False),
    ]
    monkeypatch.setattr(api, "_call", lambda *_: {"items": pods})

    assert api.renew_component("lab", "hub") == ["hub"]


def test_of_the_clusters_network_kube_proxy_alone_is_renewed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = ClusterApi(Target(tmp_path / "none", "here"))
    pods = [
        pod("kube-proxy-1", {"running": {}}, labels={"k8s-app": "kube-proxy"}),
        pod("coredns-1", {"running": {}}, labels={"k8s-app": "kube-dns"}),
    ]
    asked: list[str] = []

    def play(method: str, where: str) -> dict[str, object]:
        asked.append(f"{method} {where}")
        return {"items": pods}

    monkeypatch.setattr(api, "_call", play)

    assert api.renew_network() == ["kube-proxy-1"]
    assert asked == [
        "GET /api/v1/namespaces/kube-system/pods",
        "DELETE /api/v1/namespaces/kube-system/pods/kube-proxy-1",
    ]
