"""Whether a release is ready, and when it will not be."""

from __future__ import annotations

from typing import Any

import pytest
from unit.helm.fake_helm import FakeApi

from devenv.errors import UnhealthyError
from devenv.helm import ready
from devenv.waiting import NotYet

RELEASE, CHART = "habari-x", "jupyterhub 4.4.0"


def workload(name: str, *, owner: str = RELEASE, wanted: int = 1, **status: Any) -> dict[str, Any]:
    full = {"observedGeneration": 2, "replicas": 1, "updatedReplicas": 1, "availableReplicas": 1, **status}
    metadata = {"name": name, "generation": 2, "annotations": {"meta.helm.sh/release-name": owner}}
    return {"metadata": metadata, "spec": {"replicas": wanted}, "status": full}


def answer(api: FakeApi) -> str:
    return ready.answer(api, RELEASE, "x", CHART)


def test_everything_ready_is_said_with_the_chart() -> None:
    api = FakeApi({"deployments": [workload("hub"), workload("proxy")]})

    assert answer(api) == "jupyterhub 4.4.0: 2 of 2 ready"


def test_nothing_there_yet_is_waited_for() -> None:
    with pytest.raises(NotYet, match="nothing of habari-x"):
        answer(FakeApi({"deployments": [workload("other", owner="habari-y")]}))


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ({"availableReplicas": 0}, "hub 0 of 1 ready"),
        ({"updatedReplicas": 0}, "hub 0 of 1 ready"),
        ({"observedGeneration": 1}, "hub is being changed"),
        ({"replicas": 2}, "hub still has 1 of the pods before"),
    ],
    ids=["not available", "still the old one", "not seen yet", "the old one still there"],
)
def test_what_is_missing_is_named(status: dict[str, Any], words: str) -> None:
    with pytest.raises(NotYet, match=words):
        answer(FakeApi({"deployments": [workload("hub", **status), workload("proxy")]}))


def test_a_workload_of_no_replicas_is_ready() -> None:
    nothing = {"replicas": 0, "updatedReplicas": 0, "availableReplicas": 0}
    placeholder = workload("user-placeholder", **nothing)
    placeholder["spec"]["replicas"] = 0

    assert answer(FakeApi({"statefulsets": [placeholder]})).endswith("1 of 1 ready")


def test_a_daemonset_counts_its_nodes() -> None:
    daemon = workload("continuous-image-puller", desiredNumberScheduled=2, updatedNumberScheduled=2)
    daemon["status"]["numberAvailable"] = 1

    with pytest.raises(NotYet, match="continuous-image-puller 1 of 2 ready"):
        answer(FakeApi({"daemonsets": [daemon]}))


def test_what_waiting_will_not_mend_ends_the_wait_at_once() -> None:
    waiting = {"waiting": {"reason": "ErrImageNeverPull", "message": "not present"}}
    pod = {
        "metadata": {"name": "hub-1", "namespace": "x"},
        "status": {
            "phase": "Pending",
            "containerStatuses": [{"name": "hub", "image": "habari/hub:0.1", "state": waiting}],
        },
    }
    api = FakeApi({"deployments": [workload("hub", availableReplicas=0)], "pods": [pod]})

    with pytest.raises(UnhealthyError, match=r"does not get ready: pod hub-1 cannot get its image") as caught:
        answer(api)

    assert "habari/hub:0.1" in caught.value.hint
    assert CHART in caught.value.what
