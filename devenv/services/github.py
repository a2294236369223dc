"""The local sign-in: a page of people instead of GitHub, for the hub's own authenticator."""

from __future__ import annotations

from urllib.parse import quote

from devenv.endpoints import View
from devenv.errors import ConflictError
from devenv.services import asking, hub_settings
from devenv.services.service import Service, Site, Stop


class GitHubService(Service):
    """Answers when it is this instance's. It keeps nothing, so new people are a restart away."""

    name = "github"
    stop = Stop(seconds=3)
    restarts_freely = True

    def fingerprint(self, site: Site) -> str:
        return hub_settings.digest(hub_settings.github(site))

    def answer(self, site: Site) -> str:
        endpoint = site.endpoint(self.name, View.HOST)
        told = asking.get(endpoint, "/healthz").json() or {}
        if told.get("instance") != site.instance.id:
            raise ConflictError(f"what answers at {endpoint} is not this instance's sign-in")
        return ""

    def admin(self, site: Site, view: View) -> dict[str, str]:
        return {"GITHUB_URL": hub_settings.github_url(site), "HUB_SIGN_IN_URL": self.link(site)}

    @staticmethod
    def link(site: Site) -> str:
        """The address that lets a browser choose who to be, and then opens the hub."""
        key = quote(site.vault.current.github_page_key, safe="")
        return f"{hub_settings.github_url(site)}/enter?key={key}"
