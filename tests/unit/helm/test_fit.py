"""Whether a chart and a cluster fit."""

from __future__ import annotations

from pathlib import Path

import pytest

from devenv.errors import UsageError
from devenv.helm import fit
from devenv.helm.chart import Chart

CHART = Chart(Path("/c"), "jupyterhub", "0.9.0")
SERVED = frozenset(("v1", "apps/v1", "policy/v1"))


def rendered(*apis: str) -> str:
    return "\n---\n".join(f"apiVersion: {api}\nkind: Thing\nmetadata:\n  name: it" for api in apis)


def test_a_chart_whose_apis_are_all_served_fits() -> None:
    fit.require(CHART, rendered("v1", "apps/v1"), served=SERVED)


def test_a_chart_that_asks_for_what_the_cluster_does_not_serve_is_refused_with_the_objects() -> None:
    with pytest.raises(UsageError, match=r"jupyterhub 0\.9\.0 does not fit Kubernetes v1\.36\.3") as caught:
        fit.require(CHART, rendered("v1", "policy/v1beta1"), served=SERVED, kubernetes="v1.36.3")

    assert "policy/v1beta1" in caught.value.what
    assert caught.value.details == ("policy/v1beta1 Thing (it)",)


def test_without_a_cluster_a_chart_is_refused_for_what_no_current_one_serves() -> None:
    fit.require(CHART, rendered("v1", "example.org/v1"))
    with pytest.raises(UsageError, match="does not fit current clusters"):
        fit.require(CHART, rendered("extensions/v1beta1"))


def test_what_a_chart_defines_itself_needs_not_be_served() -> None:
    own = (
        "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: x}\n"
        "spec: {group: example.org}\n---\n"
    )

    fit.require(CHART, own + rendered("example.org/v1"), served=SERVED | {"apiextensions.k8s.io/v1"})


def test_documents_that_are_empty_are_passed_over() -> None:
    found = list(fit.manifests("---\n# a comment\n---\n" + rendered("v1")))

    assert [(each.api, each.kind, each.name) for each in found] == [("v1", "Thing", "it")]


def test_what_is_no_yaml_is_one_line() -> None:
    with pytest.raises(UsageError, match="no YAML"):
        list(fit.manifests("a: [b"))
