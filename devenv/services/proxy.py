"""The hub's proxy: configurable-http-proxy, which hands each address to the hub or to a user's server."""

from __future__ import annotations

import hashlib

from devenv.endpoints import View
from devenv.errors import ConflictError
from devenv.services import asking, hub_settings
from devenv.services.service import Service, Site, Stop

API = "proxy-api"


class ProxyService(Service):
    """Answers when its API knows this instance's token. Its routes are the hub's affair."""

    name = "proxy"
    more_addresses = (API,)
    stop = Stop(seconds=5)

    def fingerprint(self, site: Site) -> str:
        parts = (
            site.vault.current.proxy_auth_token,
            site.endpoint("hub", View.HOST),
            hub_settings.wanted_base_url(site),
        )
        return hashlib.sha256(" ".join(map(str, parts)).encode()).hexdigest()

    def answer(self, site: Site) -> str:
        """https://github.com/jupyterhub/configurable-http-proxy#rest-api"""
        endpoint = site.endpoint(API, View.HOST)
        token = site.vault.current.proxy_auth_token
        reply = asking.get(endpoint, "/api/routes", {"Authorization": f"token {token}"})
        if reply.status != 200:
            raise ConflictError(
                f"what answers at {endpoint} is not this instance's proxy (status {reply.status})",
                hint="./dev down and ./dev hub start one",
            )
        return ""
