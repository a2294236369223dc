"""Why what was deployed is not ready: one line each, from pods, claims, jobs, quotas and events.

https://kubernetes.io/docs/tasks/debug/debug-application/ names the states; their fields are the API's own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from devenv.errors import DevenvError, UnhealthyError
from devenv.helm.api import Api, Thing
from devenv.values.secrecy import masked_text

LOG_LINES = 12
# People's servers come and go; what is wrong with one of them is told to its owner by the hub.
_PEOPLES = {"app.kubernetes.io/component": "singleuser-server", "component": "singleuser-server"}
# How long a state that a new node or a new volume passes through is no trouble yet.
_GRACE = timedelta(seconds=30)
# Not even another try will mend these.
_WRONG_IMAGE = ("ErrImageNeverPull", "InvalidImageName")
_NO_IMAGE = (*_WRONG_IMAGE, "ErrImagePull", "ImagePullBackOff", "ImageInspectError", "RegistryUnavailable")
_NO_CONTAINER = ("CreateContainerConfigError", "CreateContainerError", "RunContainerError")
# The node began anew, not the container: https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/
_LOST_WITH_ITS_NODE = ("Unknown", "ContainerStatusUnknown")


@dataclass(frozen=True)
class Trouble:
    """One thing that is wrong: ``what`` and ``hint`` as in an error, ``details`` the last lines of a log.

    ``is_final`` says that waiting will not mend it.
    """

    what: str
    hint: str = ""
    details: tuple[str, ...] = ()
    is_final: bool = False


def find(
    api: Api, namespace: str, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)
) -> tuple[Trouble, ...]:
    """Everything that is wrong in a namespace, what is final first; none when all is well or on its way.

    Raises a DevenvError when the cluster does not answer.
    """
    pods = [pod for pod in api.things("pods", namespace) if _counts(pod)]
    events = _Events(api.things("events", namespace))
    found: list[Trouble] = []
    for pod in pods:
        found += _of_pod(api, pod, events, now())
    for job in api.things("jobs", namespace):
        found += _of_job(api, job, pods)
    for claim in api.things("persistentvolumeclaims", namespace):
        found += _of_claim(claim, events, now())
    for kind in ("replicasets", "statefulsets", "jobs", "daemonsets"):
        for owner in api.things(kind, namespace):
            found += _of_owner(kind, owner, events)
    distinct = tuple({each.what: each for each in found}.values())
    return tuple(sorted(distinct, key=lambda each: not each.is_final))


def error(what: str, troubles: Iterable[Trouble], *, hint: str = "") -> DevenvError:
    """An error that says ``what`` did not get ready and why: the first trouble, and the others below it."""
    found = tuple(troubles)
    if not found:
        return UnhealthyError(what, hint=hint or "Nothing in the cluster says why; it may only be slow")
    first, *more = found
    details = [*first.details]
    for each in more:
        details += [each.what, *(f"  {line}" for line in each.details)]
    return UnhealthyError(f"{what}: {first.what}", hint=first.hint or hint, details=tuple(details))


class _Events:
    """A namespace's events by the object they are about, newest last."""

    def __init__(self, events: Iterable[Thing]) -> None:
        self._by_object: dict[tuple[str, str], list[Thing]] = {}
        for event in sorted(events, key=_seen):
            about = event.get("involvedObject") or event.get("regarding") or {}
            self._by_object.setdefault((about.get("kind", ""), about.get("name", "")), []).append(event)

    def last(self, kind: str, name: str, *reasons: str) -> str:
        """The newest warning about an object with one of these reasons, as its message; empty for none."""
        for event in reversed(self._by_object.get((kind, name), [])):
            if event.get("reason") in reasons and event.get("type") != "Normal":
                return _line(event.get("message") or event.get("note"))
        return ""


def _of_pod(api: Api, pod: Thing, events: _Events, now: datetime) -> Iterator[Trouble]:
    name = pod["metadata"]["name"]
    status = pod.get("status") or {}
    if status.get("phase") == "Failed" and status.get("reason"):
        said = _line(status.get("message"))
        yield Trouble(f"pod {name} was ended: {status['reason']}, {said}", is_final=True)
        return
    if unscheduled := _condition(pod, "PodScheduled", "False"):
        yield _unscheduled(name, unscheduled, now)
        return
    for container in _containers(status):
        trouble = _of_container(api, pod, container)
        if trouble:
            yield trouble
            return
    mounts = events.last("Pod", name, "FailedMount", "FailedAttachVolume", "FailedCreatePodSandBox")
    if status.get("phase") == "Pending" and mounts:
        yield Trouble(f"pod {name} waits for what it mounts or its network: {mounts}")
    elif status.get("phase") == "Running" and _condition(pod, "Ready", "False"):
        probe = events.last("Pod", name, "Unhealthy")
        lines = _log(api, pod, _slowest(status), previous=False)
        yield Trouble(f"pod {name} runs and is not ready{f': {probe}' if probe else ''}", details=lines)


def _unscheduled(name: str, condition: Thing, now: datetime) -> Trouble:
    said = _line(condition.get("message"))
    lacks = [each.strip() for each in re.findall(r"\d+ (Insufficient [\w./-]*\w|Too many pods)", said)]
    is_final = _age(condition.get("lastTransitionTime"), now) > _GRACE
    if lacks:
        words = " and ".join(dict.fromkeys(each.removeprefix("Insufficient ") for each in lacks))
        what = f"pod {name} fits on no node: not enough {words}".replace(
            "not enough Too many pods", "too many pods"
        )
        hint = "Lower its guarantee (resources.requests) in the values, or give the cluster's machine more"
        return Trouble(what, hint, (said,), is_final=is_final)
    if "PersistentVolumeClaim" in said or "persistentvolumeclaim" in said:
        return Trouble(f"pod {name} waits for its volume", details=(said,))
    if "node affinity" in said or "node selector" in said or "untolerated taint" in said:
        hint = "Its nodeSelector, affinity or tolerations in the values fit none of this cluster's nodes"
        return Trouble(f"pod {name} fits on no node", hint, (said,), is_final=is_final)
    return Trouble(f"pod {name} is not scheduled", details=(said,), is_final=False)


def _of_container(api: Api, pod: Thing, container: Thing) -> Trouble | None:
    name, image = pod["metadata"]["name"], container.get("image", "")
    waiting = (container.get("state") or {}).get("waiting") or {}
    reason, said = waiting.get("reason", ""), _line(waiting.get("message"))
    if reason in _NO_IMAGE:
        return _no_image(name, image, reason, said)
    if reason in _NO_CONTAINER:
        hint = "A Secret, a ConfigMap or a setting that it names is not as it should be"
        return Trouble(
            f"container {container['name']} of pod {name} cannot be made: {said}", hint, is_final=True
        )
    ended = _last_end(container)
    crashed = ended is not None and (ended.get("exitCode") or ended.get("reason") == "OOMKilled")
    if reason == "CrashLoopBackOff" or (crashed and container.get("restartCount", 0) >= 1):
        return _crashed(api, pod, container, ended or {})
    if crashed and container.get("state", {}).get("terminated"):
        return _crashed(api, pod, container, ended or {})
    return None


def _no_image(pod: str, image: str, reason: str, said: str) -> Trouble:
    if reason == "InvalidImageName":
        return Trouble(f"pod {pod}: {image!r} is no name of an image", is_final=True)
    hint = f"Load it into the cluster (./dev images.build, then ./dev kind loads it): {image}"
    if re.search(r"unauthorized|authentication|denied|forbidden", said, re.IGNORECASE):
        hint = f"It has no such image, or wants a sign-in: {image}. ./dev images.list shows those at hand"
    return Trouble(
        f"pod {pod} cannot get its image {image} ({reason})",
        hint,
        (said,) if said else (),
        # one failed pull may be a hiccup; the back-off means that another try failed too
        is_final=reason in (*_WRONG_IMAGE, "ImagePullBackOff"),
    )


def _crashed(api: Api, pod: Thing, container: Thing, ended: Thing) -> Trouble:
    name, which = pod["metadata"]["name"], container["name"]
    is_running = "running" in (container.get("state") or {})
    times = int(container.get("restartCount", 0))
    lines = _log(api, pod, which, previous=times > 0 and not (container.get("state") or {}).get("terminated"))
    again = f", started again {times} {'time' if times == 1 else 'times'}" if times else ""
    if ended.get("reason") == "OOMKilled":
        limit = _limit(pod, which)
        what = f"container {which} of pod {name} was killed for want of memory{limit}{again}"
        return Trouble(what, "Raise its memory limit in the values", lines, is_final=True)
    what = f"container {which} of pod {name} ended with code {ended.get('exitCode', '?')}{again}"
    # a first end may be a dependency that was late; twice is a habit
    is_final = not is_running and times >= 2 and ended.get("reason") not in _LOST_WITH_ITS_NODE
    return Trouble(what, "Its last lines are below", lines, is_final=is_final)


def _of_job(api: Api, job: Thing, pods: list[Thing]) -> Iterator[Trouble]:
    failed = _condition(job, "Failed", "True")
    if not failed:
        return
    name = job["metadata"]["name"]
    hook = (job["metadata"].get("annotations") or {}).get("helm.sh/hook", "")
    lines: tuple[str, ...] = ()
    for pod in pods:
        if any(owner.get("name") == name for owner in pod["metadata"].get("ownerReferences") or ()):
            lines = _log(api, pod, _slowest(pod.get("status") or {}), previous=False)
    kind = f"the {hook} hook {name}" if hook else f"job {name}"
    yield Trouble(f"{kind} failed: {_line(failed.get('message'))}", "", lines, is_final=True)


def _of_claim(claim: Thing, events: _Events, now: datetime) -> Iterator[Trouble]:
    name, status = claim["metadata"]["name"], claim.get("status") or {}
    labels = claim["metadata"].get("labels") or {}
    if status.get("phase") != "Pending" or any(labels.get(key) == text for key, text in _PEOPLES.items()):
        return
    wanted = (claim.get("spec") or {}).get("storageClassName") or "the default class"
    said = events.last("PersistentVolumeClaim", name, "ProvisioningFailed", "FailedBinding")
    if said:
        hint = "kubectl get storageclass lists those of the cluster; the values name one"
        yield Trouble(f"volume {name} cannot be made ({wanted}): {said}", hint, is_final="not found" in said)
    elif _age(claim["metadata"].get("creationTimestamp"), now) > _GRACE:
        yield Trouble(f"volume {name} ({wanted}) is not made yet")


def _of_owner(kind: str, owner: Thing, events: _Events) -> Iterator[Trouble]:
    """What keeps a controller from making its pods: a quota, a rule of the namespace, a missing account."""
    singular = _KINDS[kind]
    name = owner["metadata"]["name"]
    wanted, there = _counts_of(owner)
    said = events.last(singular, name, "FailedCreate")
    if not said or there >= wanted:
        return
    if "exceeded quota" in said:
        short = re.search(r"exceeded quota: (.*)", said)
        hint = "Lower the requests in the values, or let the namespace's ResourceQuota be raised"
        yield Trouble(
            f"{name} gets no pod, the quota is used up: {short[1] if short else said}", hint, (), True
        )
    elif "forbidden" in said or "admission" in said:
        yield Trouble(f"{name} gets no pod, the cluster forbids it: {said}", is_final=True)
    else:
        yield Trouble(f"{name} gets no pod: {said}")


_KINDS = {
    "replicasets": "ReplicaSet",
    "statefulsets": "StatefulSet",
    "jobs": "Job",
    "daemonsets": "DaemonSet",
}


def _counts_of(owner: Thing) -> tuple[int, int]:
    """How many pods a controller wants and has."""
    spec, status = owner.get("spec") or {}, owner.get("status") or {}
    if "desiredNumberScheduled" in status:
        return int(status["desiredNumberScheduled"]), int(status.get("currentNumberScheduled", 0))
    wanted = spec.get("replicas", spec.get("completions", 1))
    there = status.get("replicas", status.get("active", 0) + status.get("succeeded", 0))
    return int(1 if wanted is None else wanted), int(there or 0)


def _counts(pod: Thing) -> bool:
    """Whether a pod is the release's own and not on its way out."""
    metadata = pod["metadata"]
    labels = metadata.get("labels") or {}
    is_a_persons = any(labels.get(key) == text for key, text in _PEOPLES.items())
    return not is_a_persons and not metadata.get("deletionTimestamp")


def _containers(status: Thing) -> list[Thing]:
    return [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]


def _slowest(status: Thing) -> str:
    """The container to ask: the first that is not ready."""
    names = [each["name"] for each in _containers(status) if not each.get("ready")]
    return next(iter(names or [each["name"] for each in _containers(status)]), "")


def _last_end(container: Thing) -> Thing | None:
    for state in ("state", "lastState"):
        ended: Thing | None = (container.get(state) or {}).get("terminated")
        if ended:
            return ended
    return None


def _log(api: Api, pod: Thing, container: str, *, previous: bool) -> tuple[str, ...]:
    metadata = pod["metadata"]
    try:
        found = api.log(
            metadata["namespace"], metadata["name"], container, previous=previous, lines=LOG_LINES
        )
    except DevenvError:
        # what is wrong is known already, and a log that is gone must not hide it
        return ()
    return tuple(masked_text(line) for line in found if line.strip())[-LOG_LINES:]


def _limit(pod: Thing, container: str) -> str:
    for each in (pod.get("spec") or {}).get("containers") or ():
        found = ((each.get("resources") or {}).get("limits") or {}).get("memory")
        if each.get("name") == container and found:
            return f" (its limit is {found})"
    return ""


def _condition(thing: Thing, kind: str, state: str) -> Thing | None:
    for each in (thing.get("status") or {}).get("conditions") or ():
        if each.get("type") == kind and each.get("status") == state:
            found: Thing = each
            return found
    return None


def _seen(event: Thing) -> str:
    series = event.get("series") or {}
    times: list[Any] = [
        series.get("lastObservedTime"),
        event.get("lastTimestamp"),
        event.get("eventTime"),
        (event.get("metadata") or {}).get("creationTimestamp"),
    ]
    return next((str(each) for each in times if each), "")


def _age(moment: Any, now: datetime) -> timedelta:
    """How long ago a moment of the API (RFC 3339) was; nothing when it does not say."""
    try:
        return now - datetime.fromisoformat(str(moment).replace("Z", "+00:00"))
    except (ValueError, TypeError):
        return timedelta(0)


def _line(text: Any) -> str:
    """The first words of a message as one line, without what looks like a secret."""
    words = masked_text(" ".join(str(text or "").split()))
    return words if len(words) <= 300 else f"{words[:297]}..."
