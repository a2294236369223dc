"""What is asked of the cluster's API, and the few things that are put into it.

Answers are the API's own JSON. https://kubernetes.io/docs/reference/kubernetes-api/
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable, Iterator, Mapping, Set
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from devenv import waiting
from devenv.errors import DevenvError, NotRunningError, UnhealthyError, UsageError
from devenv.helm.api import Thing
from devenv.helm.cli import Target

if TYPE_CHECKING:
    from kubernetes.client import ApiClient

SECONDS = 15
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_GROUPS = {
    "deployments": "/apis/apps/v1",
    "statefulsets": "/apis/apps/v1",
    "daemonsets": "/apis/apps/v1",
    "replicasets": "/apis/apps/v1",
    "jobs": "/apis/batch/v1",
    "cronjobs": "/apis/batch/v1",
    "ingresses": "/apis/networking.k8s.io/v1",
    "storageclasses": "/apis/storage.k8s.io/v1",
}
_OF_CLUSTER = ("namespaces", "nodes", "persistentvolumes", "storageclasses")
_OWNER = "habari-devenv"
# Why a pod's container waits, or ended. https://kubernetes.io/docs/concepts/containers/images/#imagepullbackoff
WITHOUT_IMAGE = frozenset({"ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull"})
FALLEN = frozenset({"CrashLoopBackOff", "Error", "RunContainerError", "StartError"})
_DNS_CONFIG = "/api/v1/namespaces/kube-system/configmaps/coredns"
_CACHE = re.compile(r"^(\s*cache )\d+", re.MULTILINE)


class ClusterApi:
    """One cluster's API, by the kubeconfig and the context that are named: nothing of the user's is read."""

    def __init__(self, target: Target) -> None:
        self._target = target

    def things(self, kind: str, namespace: str = "") -> list[Thing]:
        """See :meth:`devenv.helm.api.Api.things`; nodes, storageclasses and persistentvolumes too."""
        group = _GROUPS.get(kind, "/api/v1")
        within = "" if kind in _OF_CLUSTER else f"/namespaces/{namespace}"
        return list(self._call("GET", f"{group}{within}/{kind}")["items"])

    def log(self, namespace: str, pod: str, container: str, *, previous: bool, lines: int) -> list[str]:
        """See :meth:`devenv.helm.api.Api.log`."""
        query = {"container": container, "previous": str(previous).lower(), "tailLines": str(lines)}
        try:
            text = self._text("GET", f"/api/v1/namespaces/{namespace}/pods/{pod}/log", query=query)
        except UnhealthyError:
            return []
        return text.splitlines()

    def follow(self, namespace: str, pod: str, container: str) -> Iterator[str]:
        """New log lines of a container until it ends."""
        path = f"/api/v1/namespaces/{namespace}/pods/{pod}/log"
        query = [("container", container), ("follow", "true"), ("tailLines", "0")]
        with _told():
            request = self._client.param_serialize(
                "GET", path, query_params=query, auth_settings=["BearerToken"]
            )
            response = self._client.call_api(*request)
            rest = b""
            for chunk in response.response.stream():
                *lines, rest = (rest + chunk).split(b"\n")
                yield from (line.decode(errors="replace") for line in lines)

    def version(self) -> str:
        """See :meth:`devenv.helm.api.Api.version`."""
        return str(self._call("GET", "/version")["gitVersion"])

    def served(self) -> tuple[str, ...]:
        """See :meth:`devenv.helm.api.Api.served`."""
        groups = self._call("GET", "/apis")["groups"]
        return ("v1", *(each["groupVersion"] for group in groups for each in group["versions"]))

    def is_ready(self) -> str:
        """What is missing before pods can run, "" when nothing is."""
        for node in self.things("nodes"):
            ready = [each for each in node["status"].get("conditions", ()) if each["type"] == "Ready"]
            if not ready or ready[0]["status"] != "True":
                return str(ready[0].get("message", "")) if ready else "the node says nothing yet"
        if not self.things("storageclasses"):
            return "there is no storage class yet"
        for found in self.things("deployments", "kube-system"):
            if found["metadata"]["name"] == "coredns" and not found["status"].get("availableReplicas"):
                return "the cluster's DNS does not answer yet"
        return ""

    def ensure_namespace(self, name: str) -> bool:
        """Make the project's namespace; False when it was there."""
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": _labels()}}
        return self._ensure("/api/v1/namespaces", body)

    def ensure_alias(self, namespace: str, name: str, host: str, port: int) -> bool:
        """A Service by which pods find what runs beside the cluster; False when it was there just so.

        https://kubernetes.io/docs/concepts/services-networking/service/#externalname
        """
        spec = {"type": "ExternalName", "externalName": host, "ports": [{"name": "tcp", "port": port}]}
        body = {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": name, "labels": _labels()},
            "spec": spec,
        }
        where = f"/api/v1/namespaces/{namespace}/services"
        found = next(
            (each for each in self.things("services", namespace) if each["metadata"]["name"] == name), None
        )
        if found is None:
            return self._ensure(where, body)
        if found["spec"].get("externalName") == host and found["spec"]["ports"][0]["port"] == port:
            return False
        if found["metadata"].get("labels", {}).get("app.kubernetes.io/managed-by") != _OWNER:
            raise UnhealthyError(f"the Service {name} of the namespace {namespace} is somebody else's")
        self._call("PATCH", f"{where}/{name}", body={"spec": spec})
        return True

    def forget_aliases_soon(self) -> bool:
        """Have the cluster's DNS ask anew after a second where an alias leads; False when it does already.

        A server beside the cluster that starts anew may have another address. Docker's DNS knows it at once
        and the cluster's remembers the old one for half a minute. https://coredns.io/plugins/cache/
        """
        found = self._call("GET", _DNS_CONFIG)
        old = found["data"]["Corefile"]
        new = _CACHE.sub(r"\g<1>1", old)
        if new == old:
            return False
        self._call("PATCH", _DNS_CONFIG, body={"data": {"Corefile": new}})
        return True

    def delete_namespace(self, name: str, *, seconds: float) -> bool:
        """See :meth:`devenv.helm.api.Api.delete_namespace`."""
        if not self._has_namespace(name):
            return False
        with contextlib.suppress(_NotThereError):
            self._call("DELETE", f"/api/v1/namespaces/{name}")
        if not waiting.while_true(lambda: self._has_namespace(name), seconds=seconds):
            raise UnhealthyError(f"the namespace {name} is still being deleted after {seconds:g} s")
        return True

    def renew_pods(self, namespace: str, reasons: Set[str]) -> list[str]:
        """Have controllers make those pods anew that do not run for one of these reasons; the names of them.

        The cluster's own next attempt comes after pauses that double each time, up to five minutes.
        https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#restart-policy
        """

        def is_held(pod: Thing) -> bool:
            states = [each["state"] for each in pod["status"].get("containerStatuses", ())]
            return any(what.get("reason") in reasons for state in states for what in state.values())

        return self._renew(namespace, is_held)

    def renew_component(self, namespace: str, component: str) -> list[str]:
        """Have its controller make a component's pod anew, whatever it does at the moment; its name."""
        return self._renew(namespace, _is_labelled("component", component))

    def renew_network(self) -> list[str]:
        """Have kube-proxy made anew, whatever it does at the moment; the names of its pods."""
        return self._renew("kube-system", _is_labelled("k8s-app", "kube-proxy"))

    def _renew(self, namespace: str, wanted: Callable[[Thing], bool]) -> list[str]:
        """Delete the wanted pods that have a controller and are not on their way out already."""
        renewed = []
        for pod in self.things("pods", namespace):
            metadata = pod["metadata"]
            is_replaced = metadata.get("ownerReferences") and "deletionTimestamp" not in metadata
            if is_replaced and wanted(pod):
                with contextlib.suppress(_NotThereError):
                    self._call("DELETE", f"/api/v1/namespaces/{namespace}/pods/{metadata['name']}")
                    renewed.append(metadata["name"])
        return renewed

    def _has_namespace(self, name: str) -> bool:
        return any(each["metadata"]["name"] == name for each in self.things("namespaces"))

    def _ensure(self, where: str, body: Mapping[str, Any]) -> bool:
        try:
            self._call("POST", where, body=body)
        except _ThereAlreadyError:
            return False
        return True

    def _call(
        self,
        method: str,
        path: str,
        *,
        body: Mapping[str, Any] | None = None,
        query: Mapping[str, str] | None = None,
    ) -> Any:
        return json.loads(self._text(method, path, body=body, query=query))

    def _text(
        self,
        method: str,
        path: str,
        *,
        body: Mapping[str, Any] | None = None,
        query: Mapping[str, str] | None = None,
    ) -> str:
        kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
        with _told():
            request = self._client.param_serialize(
                method,
                path,
                query_params=list((query or {}).items()),
                header_params={"Accept": "application/json, */*", "Content-Type": kind},
                body=dict(body) if body else None,
                auth_settings=["BearerToken"],
            )
            response = self._client.call_api(*request, _request_timeout=SECONDS)
            text = bytes(response.response.data or b"").decode(errors="replace")
        if response.status >= 300:
            raise _refusal(response.status, text)
        return text

    @cached_property
    def _client(self) -> ApiClient:
        # half a second of imports, for whoever has a cluster
        from kubernetes import config
        from kubernetes.client import ApiClient, Configuration
        from kubernetes.config import ConfigException

        if not self._target.kubeconfig.is_file():
            raise NotRunningError("there is no cluster", hint="Start it with ./dev kind")
        try:
            settings = Configuration()
            config.load_kube_config(
                str(self._target.kubeconfig),
                context=self._target.context,
                client_configuration=settings,
                # a token that had to be renewed is for this command; the file is the user's
                persist_config=False,
            )
        except ConfigException as error:
            raise UsageError(f"{self._target.kubeconfig} cannot be used: {error}") from None
        if urlsplit(settings.host).hostname in _LOOPBACK:
            # a proxy of the environment is for elsewhere, as kind and helm have it too
            settings.proxy = None
        # one question more is cheaper than a quarter of a minute of silence
        settings.retries = 1
        return ApiClient(settings)


class NoAnswerError(UnhealthyError):
    """The API does not answer: it starts, or has too much to do."""


class _ThereAlreadyError(UnhealthyError):
    """Somebody else made it first."""


class _NotThereError(UnhealthyError):
    """It is gone."""


def _is_labelled(name: str, value: str) -> Callable[[Thing], bool]:
    return lambda pod: bool(pod["metadata"].get("labels", {}).get(name) == value)


def _labels() -> dict[str, str]:
    return {"app.kubernetes.io/managed-by": _OWNER}


@contextlib.contextmanager
def _told() -> Iterator[None]:
    from kubernetes.client import ApiException
    from urllib3.exceptions import HTTPError

    try:
        yield
    except (HTTPError, ApiException, OSError) as error:
        raise NoAnswerError("the cluster's API does not answer", details=(str(error)[:300],)) from None


def _refusal(status: int, text: str) -> DevenvError:
    try:
        said = str(json.loads(text)["message"])
    except (ValueError, TypeError, KeyError):
        said = f"status {status}"
    kind = {409: _ThereAlreadyError, 404: _NotThereError}.get(status, UnhealthyError)
    return kind(f"the cluster refused: {said}")
