"""What is asked of a cluster's API here; who brings the client brings these answers."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Protocol

# As the API itself writes it in JSON: {"metadata": {...}, "spec": {...}, "status": {...}}
Thing = Mapping[str, Any]


class Api(Protocol):
    """One cluster's API. Each method raises a DevenvError when the cluster does not answer."""

    def things(self, kind: str, namespace: str) -> list[Thing]:
        """The objects of a kind, by its plural name as in ``kubectl get``: pods, events, deployments,
        statefulsets, daemonsets, replicasets, jobs, cronjobs, persistentvolumeclaims, resourcequotas,
        services, ingresses, secrets, configmaps, serviceaccounts, namespaces.

        Keys are the API's own (camel case). None at all when there is no such namespace.
        """
        ...

    def log(self, namespace: str, pod: str, container: str, *, previous: bool, lines: int) -> list[str]:
        """The last lines of a container, or of the one before its restart; none when there is no log."""
        ...

    def version(self) -> str:
        """The server's version, such as v1.36.3."""
        ...

    def served(self) -> Collection[str]:
        """The API versions it serves, such as apps/v1, and v1 for the core."""
        ...

    def delete_namespace(self, name: str, *, seconds: float) -> bool:
        """Delete a namespace with all in it and wait until it is gone; False when there was none."""
        ...
