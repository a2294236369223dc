"""Whether everything of a release is ready, asked of the cluster."""

from __future__ import annotations

from devenv.helm import trouble
from devenv.helm.api import Api, Thing
from devenv.waiting import NotYet

_KINDS = ("deployments", "statefulsets", "daemonsets")
# Helm puts it on all that it makes: https://helm.sh/docs/topics/architecture
_OWNER = "meta.helm.sh/release-name"


def answer(api: Api, release: str, namespace: str, chart: str) -> str:
    """How many workloads of the release are ready, when all are.

    Raises NotYet with the first that is not, and UnhealthyError when something is wrong with it that waiting
    will not mend.
    """
    workloads = [
        (kind, each)
        for kind in _KINDS
        for each in api.things(kind, namespace)
        if (each["metadata"].get("annotations") or {}).get(_OWNER) == release
    ]
    if not workloads:
        raise NotYet(f"nothing of {release} is in the namespace {namespace} yet")
    late = [words for kind, each in workloads if (words := _missing(kind, each))]
    if not late:
        return f"{chart}: {len(workloads)} of {len(workloads)} ready"
    final = [each for each in trouble.find(api, namespace) if each.is_final]
    if final:
        raise trouble.error(f"the release {release} ({chart}) does not get ready", final)
    raise NotYet(", ".join(late))


def _missing(kind: str, thing: Thing) -> str:
    """What a workload lacks, in a few words; empty when it is ready."""
    name, spec, status = thing["metadata"]["name"], thing.get("spec") or {}, thing.get("status") or {}
    if status.get("observedGeneration", 0) < thing["metadata"].get("generation", 0):
        return f"{name} is being changed"
    if kind == "daemonsets":
        wanted = int(status.get("desiredNumberScheduled", 0))
        new, usable = int(status.get("updatedNumberScheduled", 0)), int(status.get("numberAvailable", 0))
        total = wanted
    else:
        wanted = int(1 if spec.get("replicas") is None else spec["replicas"])
        new, total = int(status.get("updatedReplicas", 0)), int(status.get("replicas", 0))
        usable = int(status.get("availableReplicas", 0))
    if new < wanted or usable < wanted:
        return f"{name} {min(new, usable)} of {wanted} ready"
    return f"{name} still has {total - wanted} of the pods before" if total > wanted else ""
