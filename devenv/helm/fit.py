"""Whether a chart and a cluster fit: every API that a rendered chart asks for has to be served."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from devenv.errors import UsageError
from devenv.helm.chart import Chart

# Gone from Kubernetes whole, the last of them in 1.26: no cluster that is still mended serves them.
# https://kubernetes.io/docs/reference/using-api/deprecation-guide/
GONE = frozenset(
    (
        "apiextensions.k8s.io/v1beta1",
        "apiregistration.k8s.io/v1beta1",
        "apps/v1beta1",
        "apps/v1beta2",
        "autoscaling/v2beta1",
        "autoscaling/v2beta2",
        "batch/v1beta1",
        "extensions/v1beta1",
        "policy/v1beta1",
        "rbac.authorization.k8s.io/v1alpha1",
        "rbac.authorization.k8s.io/v1beta1",
    )
)


@dataclass(frozen=True)
class Manifest:
    """One object of a rendered chart."""

    api: str
    kind: str
    name: str
    data: Mapping[str, Any]


def manifests(rendered: str) -> Iterator[Manifest]:
    """The objects that ``helm template`` printed. Raises UsageError when it is not YAML."""
    import yaml

    # libyaml, where it is built in, reads a chart's megabyte ten times faster
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        for document in yaml.load_all(rendered, Loader=loader):
            if isinstance(document, dict) and document.get("kind"):
                metadata = document.get("metadata") or {}
                name = str(metadata.get("name", ""))
                yield Manifest(str(document.get("apiVersion", "")), str(document["kind"]), name, document)
    except yaml.YAMLError as trouble:
        raise UsageError(f"what the chart renders is no YAML: {type(trouble).__name__}") from None


def require(chart: Chart, rendered: str, *, served: Collection[str] = (), kubernetes: str = "") -> None:
    """Raise UsageError when the chart asks for APIs that the cluster does not serve.

    ``served`` are the cluster's API versions such as ``apps/v1``. Without them the chart is refused for what
    no current cluster serves.
    """
    found = tuple(manifests(rendered))
    own = {f"{each.data['spec'].get('group')}" for each in found if each.kind == "CustomResourceDefinition"}
    missing = [each for each in found if _is_missing(each.api, served) and each.api.split("/")[0] not in own]
    if not missing:
        return
    lines = tuple(dict.fromkeys(f"{each.api} {each.kind} ({each.name})" for each in missing))
    where = f"Kubernetes {kubernetes}" if kubernetes else "this cluster" if served else "current clusters"
    raise UsageError(
        f"the chart {chart.label} does not fit {where}: it asks for {missing[0].api}, which is not served",
        hint="Take a newer chart: 4.x of jupyterhub runs on Kubernetes 1.28 and newer",
        details=lines[:12],
    )


def _is_missing(api: str, served: Collection[str]) -> bool:
    return api not in served if served else api in GONE
