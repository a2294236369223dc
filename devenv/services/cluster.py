"""The kind cluster: a node with Kubernetes in it, shared by the projects of a checkout."""

from __future__ import annotations

from devenv.endpoints import View
from devenv.errors import UnhealthyError
from devenv.services.service import Cluster, Service, Site, Stop
from devenv.waiting import NotYet


class ClusterService(Service):
    """Ready when its node takes pods, has storage for them, and answers their questions for names."""

    name = "cluster"
    # its pods get the signal with it, and what was acknowledged is on disk: who lingers waits in vain
    stop = Stop(seconds=4)
    answer_seconds = 180
    # its API has all else to start meanwhile
    look_seconds = 0.3

    def answer(self, site: Site) -> str:
        api = cluster_of(site).api()
        try:
            missing, version = api.is_ready(), api.version()
        except UnhealthyError as error:
            # it may also refuse everything, until it has read who may do what
            raise NotYet(error.what) from error
        if missing:
            raise NotYet(missing)
        return f"Kubernetes {version}"

    def admin(self, site: Site, view: View) -> dict[str, str]:
        return {"KUBECONFIG": str(cluster_of(site).kubeconfig)}


def cluster_of(site: Site) -> Cluster:
    """The site's cluster: whoever asks runs at the level that has one."""
    if site.cluster is None:
        raise AssertionError("this level has no cluster")
    return site.cluster
