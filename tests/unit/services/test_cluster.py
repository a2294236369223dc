"""When the cluster's answer is one to wait for."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from devenv.errors import UnhealthyError
from devenv.services.cluster import ClusterService
from devenv.waiting import NotYet


def site(missing: Any) -> Any:
    """A site whose cluster lacks this, or fails by this."""

    def is_ready() -> str:
        if isinstance(missing, Exception):
            raise missing
        return str(missing)

    api = SimpleNamespace(is_ready=is_ready, version=lambda: "v1.36.3")
    return SimpleNamespace(cluster=SimpleNamespace(api=lambda: api))


def test_a_cluster_that_lacks_nothing_tells_its_version() -> None:
    assert ClusterService().answer(site("")) == "Kubernetes v1.36.3"


@pytest.mark.parametrize(
    "missing",
    [
        "there is no storage class yet",
        UnhealthyError("the cluster's API does not answer"),
        UnhealthyError('the cluster refused: nodes is forbidden: User "kubernetes-admin" cannot list'),
    ],
    ids=["something lacks", "no answer", "roles are not read yet"],
)
def test_an_api_that_has_only_just_started_is_waited_for(missing: Any) -> None:
    with pytest.raises(NotYet):
        ClusterService().answer(site(missing))
