"""Why a release is not ready: each cause as one line, with the log's last lines."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from unit.helm.fake_helm import FakeApi

from devenv.errors import UnhealthyError
from devenv.helm import trouble
from devenv.helm.trouble import Trouble

NOW = datetime(2026, 11, 28, 9, 0, tzinfo=UTC)
LONG_AGO = (NOW - timedelta(minutes=2)).isoformat().replace("+00:00", "Z")
JUST_NOW = (NOW - timedelta(seconds=2)).isoformat().replace("+00:00", "Z")


def pod(name: str = "hub-1", *, phase: str = "Running", labels: Any = None, **status: Any) -> dict[str, Any]:
    limits = {"resources": {"limits": {"memory": "512Mi"}}}
    return {
        "metadata": {"name": name, "namespace": "x", "labels": labels or {}},
        "spec": {"containers": [{"name": "hub", **limits}]},
        "status": {"phase": phase, **status},
    }


def container(name: str = "hub", *, restarts: int = 0, last: Any = None, **state: Any) -> dict[str, Any]:
    return {
        "name": name,
        "image": "habari/hub:0.3",
        "ready": False,
        "restartCount": restarts,
        "state": state,
        "lastState": {"terminated": last} if last else {},
    }


def waiting(reason: str, message: str = "", **more: Any) -> dict[str, Any]:
    found = pod(phase="Pending")
    state = {"reason": reason, "message": message}
    found["status"]["containerStatuses"] = [container(waiting=state, **more)]
    return found


def unscheduled(message: str, since: str = LONG_AGO) -> dict[str, Any]:
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
    return pod(phase="Pending", conditions=[{**condition, "lastTransitionTime": since}])


def event(kind: str, name: str, reason: str, message: str, when: str = LONG_AGO) -> dict[str, Any]:
    about = {"kind": kind, "name": name}
    return {
        "involvedObject": about,
        "type": "Warning",
        "reason": reason,
        "message": message,
        "lastTimestamp": when,
    }


def find(logs: Any = None, **lists: list[Any]) -> tuple[Trouble, ...]:
    return trouble.find(FakeApi(lists, logs or {}), "x", now=lambda: NOW)


def only(logs: Any = None, **lists: list[Any]) -> Trouble:
    found = find(logs, **lists)
    assert len(found) == 1
    return found[0]


def test_nothing_wrong_is_nothing_said() -> None:
    ready = container(running={"startedAt": LONG_AGO})
    fine = pod(conditions=[{"type": "Ready", "status": "True"}], containerStatuses=[ready])

    assert find(pods=[fine]) == ()


@pytest.mark.parametrize(
    ("said", "what"),
    [
        ("0/1 nodes are available: 1 Insufficient cpu. preemption: none", "not enough cpu"),
        ("0/2 nodes are available: 1 Insufficient cpu, 1 Insufficient memory.", "not enough cpu and memory"),
        ("0/1 nodes are available: 1 Too many pods.", "too many pods"),
    ],
)
def test_a_pod_that_fits_on_no_node_says_what_is_short(said: str, what: str) -> None:
    found = only(pods=[unscheduled(said)])

    assert found.what == f"pod hub-1 fits on no node: {what}"
    assert "guarantee" in found.hint
    assert found.details == (said,)
    assert found.is_final


def test_a_pod_that_waits_for_room_since_a_moment_may_still_get_it() -> None:
    assert not only(pods=[unscheduled("0/1 nodes are available: 1 Insufficient cpu.", JUST_NOW)]).is_final


def test_a_pod_that_no_node_may_take_points_to_the_values() -> None:
    said = "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector."

    found = only(pods=[unscheduled(said)])

    assert "nodeSelector" in found.hint
    assert found.is_final


def test_an_image_that_may_not_be_pulled_names_it_and_how_to_load_it() -> None:
    found = only(pods=[waiting("ErrImageNeverPull", 'Container image "habari/hub:0.3" is not present')])

    assert found.what == "pod hub-1 cannot get its image habari/hub:0.3 (ErrImageNeverPull)"
    assert "./dev images.build" in found.hint
    assert found.is_final


@pytest.mark.parametrize(("reason", "final"), [("ErrImagePull", False), ("ImagePullBackOff", True)])
def test_one_failed_pull_may_be_a_hiccup_and_two_are_not(reason: str, final: bool) -> None:
    found = only(pods=[waiting(reason, "dial tcp: lookup registry: no such host")])

    assert found.is_final is final
    assert found.details == ("dial tcp: lookup registry: no such host",)


def test_a_registry_that_refuses_is_told_apart() -> None:
    found = only(pods=[waiting("ImagePullBackOff", "pull access denied, repository does not exist")])

    assert "sign-in" in found.hint


def test_a_name_that_is_no_image_s_is_told() -> None:
    assert "is no name of an image" in only(pods=[waiting("InvalidImageName")]).what


def test_a_container_that_cannot_be_made_says_what_it_lacks() -> None:
    found = only(pods=[waiting("CreateContainerConfigError", 'secret "hub" not found')])

    assert 'cannot be made: secret "hub" not found' in found.what
    assert found.is_final


def test_a_crash_loop_shows_its_code_and_the_last_lines_of_the_run_before() -> None:
    ended = {"exitCode": 1, "reason": "Error"}
    crashed = waiting("CrashLoopBackOff", "back-off 40s", restarts=3, last=ended)
    api = FakeApi({"pods": [crashed]}, {("hub-1", "hub"): ["starting", "", "KeyError: 'x'"]})

    (found,) = trouble.find(api, "x", now=lambda: NOW)

    assert found.what == "container hub of pod hub-1 ended with code 1, started again 3 times"
    assert found.details == ("starting", "KeyError: 'x'")
    assert api.asked_logs == [("hub-1", "hub", True)]
    assert found.is_final


def test_a_first_crash_may_be_a_dependency_that_was_late() -> None:
    ended = {"exitCode": 1, "reason": "Error"}

    assert not only(pods=[waiting("CrashLoopBackOff", "", restarts=1, last=ended)]).is_final


def test_a_container_that_went_with_its_node_has_no_habit_of_ending() -> None:
    ended = {"exitCode": 255, "reason": "Unknown"}
    lost = pod(containerStatuses=[container(restarts=3, terminated=ended)])

    assert not only(pods=[lost]).is_final


def test_a_container_that_was_killed_for_memory_names_its_limit() -> None:
    ended = {"exitCode": 137, "reason": "OOMKilled"}
    found = only(pods=[waiting("CrashLoopBackOff", "", restarts=2, last=ended)])

    assert "killed for want of memory (its limit is 512Mi), started again 2 times" in found.what
    assert "memory limit" in found.hint


def test_secrets_in_a_log_are_masked() -> None:
    logs = {("hub-1", "hub"): ["OperationalError: postgresql://u:hunter2hunter2@hub-db:5432/x"]}
    found = only(logs, pods=[waiting("CrashLoopBackOff", "", restarts=2, last={"exitCode": 1})])

    assert "hunter2" not in " ".join(found.details)


def test_an_init_container_that_fails_is_the_one_that_is_named() -> None:
    late = pod(phase="Pending")
    last = {"exitCode": 2}
    state = {"reason": "CrashLoopBackOff"}
    late["status"]["initContainerStatuses"] = [container("prepare", restarts=2, waiting=state, last=last)]
    late["status"]["containerStatuses"] = [container(waiting={"reason": "PodInitializing"})]

    assert only(pods=[late]).what.startswith("container prepare of pod hub-1 ended with code 2")


def test_a_pod_that_runs_and_is_not_ready_says_what_its_probe_got_and_its_last_lines() -> None:
    unready = pod(
        conditions=[{"type": "Ready", "status": "False"}],
        containerStatuses=[container(running={"startedAt": LONG_AGO})],
    )
    events = [
        event("Pod", "hub-1", "Unhealthy", "Readiness probe failed: connect: refused", JUST_NOW),
        event("Pod", "hub-1", "Unhealthy", "Readiness probe failed: 404", LONG_AGO),
    ]

    found = only({("hub-1", "hub"): ["waiting for hub-db"]}, pods=[unready], events=events)

    assert found.what == "pod hub-1 runs and is not ready: Readiness probe failed: connect: refused"
    assert found.details == ("waiting for hub-db",)
    assert not found.is_final


def test_a_pod_that_cannot_mount_says_what() -> None:
    late = waiting("ContainerCreating")
    said = 'MountVolume.SetUp failed for volume "config": configmap "hub" not found'

    assert said in only(pods=[late], events=[event("Pod", "hub-1", "FailedMount", said)]).what


def test_an_evicted_pod_says_why() -> None:
    evicted = pod(
        phase="Failed", reason="Evicted", message="The node was low on resource: ephemeral-storage."
    )

    assert "Evicted, The node was low on resource" in only(pods=[evicted]).what


def test_a_volume_that_cannot_be_made_says_why() -> None:
    claim = {
        "metadata": {"name": "hub-db-dir", "creationTimestamp": LONG_AGO},
        "spec": {"storageClassName": "ssd"},
        "status": {"phase": "Pending"},
    }
    said = 'storageclass.storage.k8s.io "ssd" not found'
    found = only(
        persistentvolumeclaims=[claim],
        events=[event("PersistentVolumeClaim", "hub-db-dir", "ProvisioningFailed", said)],
    )

    assert found.what == f"volume hub-db-dir cannot be made (ssd): {said}"
    assert found.is_final


def test_a_volume_that_is_only_slow_is_said_after_a_while() -> None:
    def claim(since: str) -> dict[str, Any]:
        metadata = {"name": "hub-db-dir", "creationTimestamp": since}
        return {"metadata": metadata, "spec": {}, "status": {"phase": "Pending"}}

    assert find(persistentvolumeclaims=[claim(JUST_NOW)]) == ()
    assert "the default class" in only(persistentvolumeclaims=[claim(LONG_AGO)]).what


def test_a_failed_hook_is_named_with_its_pod_s_last_lines() -> None:
    condition = {"type": "Failed", "status": "True", "message": "Job has reached its limit"}
    job = {
        "metadata": {
            "name": "hook-image-awaiter",
            "annotations": {"helm.sh/hook": "pre-install,pre-upgrade"},
        },
        "status": {"conditions": [condition]},
    }
    of_job = pod("hook-1", phase="Failed", containerStatuses=[container("awaiter")])
    of_job["metadata"]["ownerReferences"] = [{"kind": "Job", "name": "hook-image-awaiter"}]

    found = only({("hook-1", "awaiter"): ["no image on node"]}, jobs=[job], pods=[of_job])

    assert found.what.startswith("the pre-install,pre-upgrade hook hook-image-awaiter failed: Job has")
    assert found.details == ("no image on node",)


def test_a_quota_that_is_used_up_is_told_at_the_controller() -> None:
    said = (
        'Error creating: pods "hub-5d" is forbidden: exceeded quota: small, requested: memory=1Gi, '
        "used: memory=1Gi, limited: memory=1Gi"
    )
    replica_set = {"metadata": {"name": "hub-5d"}, "spec": {"replicas": 1}, "status": {"replicas": 0}}

    found = only(replicasets=[replica_set], events=[event("ReplicaSet", "hub-5d", "FailedCreate", said)])

    assert found.what.startswith("hub-5d gets no pod, the quota is used up: small, requested: memory=1Gi")
    assert found.is_final


def test_pods_that_a_rule_forbids_are_told_at_the_controller() -> None:
    said = 'Error creating: pods "hub-5d" is forbidden: violates PodSecurity "restricted:latest"'
    replica_set = {"metadata": {"name": "hub-5d"}, "spec": {"replicas": 1}, "status": {}}
    events = [event("ReplicaSet", "hub-5d", "FailedCreate", said)]

    assert "the cluster forbids it" in only(replicasets=[replica_set], events=events).what


def test_an_old_refusal_of_a_controller_that_has_its_pods_is_nothing() -> None:
    replica_set = {"metadata": {"name": "hub-5d"}, "spec": {"replicas": 1}, "status": {"replicas": 1}}
    events = [event("ReplicaSet", "hub-5d", "FailedCreate", "exceeded quota: small")]

    assert find(replicasets=[replica_set], events=events) == ()


def test_people_s_servers_and_pods_on_their_way_out_do_not_count() -> None:
    labels = {"app.kubernetes.io/component": "singleuser-server"}
    theirs, leaving = waiting("ImagePullBackOff"), waiting("ImagePullBackOff")
    theirs["metadata"]["labels"] = labels
    leaving["metadata"]["deletionTimestamp"] = JUST_NOW

    assert find(pods=[theirs, leaving]) == ()


def test_what_is_final_comes_first_in_the_error_and_the_rest_below() -> None:
    slow = unscheduled("0/1 nodes are available: 1 Insufficient cpu.", JUST_NOW)
    slow["metadata"]["name"] = "proxy-1"
    found = find(pods=[slow, waiting("ErrImageNeverPull")])

    error = trouble.error("the release does not get ready", found)

    assert isinstance(error, UnhealthyError)
    assert error.what.startswith("the release does not get ready: pod hub-1 cannot get its image")
    assert error.details[0] == "pod proxy-1 fits on no node: not enough cpu"


def test_an_error_with_no_cause_says_that_nothing_tells() -> None:
    assert "may only be slow" in trouble.error("the release does not get ready", ()).hint
