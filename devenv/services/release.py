"""The project's release: the chart with the project's values and the local overlay, in its own namespace."""

from __future__ import annotations

from typing import TYPE_CHECKING

from devenv.endpoints import View
from devenv.services import hub_settings
from devenv.services.cluster import cluster_of
from devenv.services.hub import prove_login_page
from devenv.services.service import Service, Site
from devenv.waiting import NotYet

if TYPE_CHECKING:
    from devenv.helm.release import Release

# What pods find by a Service of their namespace, and at which port.
ALIASES = {"hub-db": 5432, "explore-db": 5432, "s3": 9000, "github": 8090}


class ReleaseService(Service):
    """Ready when each pod of the chart is, and when the login page comes by the browser's own address."""

    name = "release"
    needs = ("hub-db", "explore-db", "s3", "github", "cluster")
    restarts_freely = True
    failure_leaves_others = True
    answer_seconds = 600
    # after a start of its node the cluster calls pods ready for a while that it has yet to start again
    proof_seconds = 300
    # the cluster's API has the pods to start meanwhile
    look_seconds = 0.3

    def may_start(self, site: Site) -> bool:
        """Its pods ask all of them at once."""
        return False

    def fingerprint(self, site: Site) -> str:
        """Of the chart and of the values as the cluster gets them."""
        return self.release(site).digest

    def answer(self, site: Site) -> str:
        from devenv.cluster.api import NoAnswerError

        try:
            return cluster_of(site).answer()
        except NoAnswerError as error:
            raise NotYet(error.what) from error

    def prove(self, site: Site) -> None:
        prove_login_page(site)

    def admin(self, site: Site, view: View) -> dict[str, str]:
        return {"HUB_URL": hub_settings.public_url(site)}

    @staticmethod
    def release(site: Site) -> Release:
        """The release as the values files, the chart and the cluster make it now."""
        from devenv.values.overlay import overlay

        tree = site.plan().loaded.tree
        return cluster_of(site).release(overlay(tree, hub_settings.local(site)))
