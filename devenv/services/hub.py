"""JupyterHub with the chart's version, configured by the values files, people's servers as processes."""

from __future__ import annotations

from collections.abc import Mapping

from devenv.endpoints import Endpoint, View
from devenv.errors import UnhealthyError
from devenv.services import asking, hub_settings
from devenv.services.service import Service, Site, Stop
from devenv.waiting import NotYet

# https://datatracker.ietf.org/doc/html/rfc6749#section-4.1.3
_NOBODY = {"grant_type": "authorization_code", "code": "none", "client_id": "nobody", "client_secret": "none"}


class HubService(Service):
    """Ready when its login page comes through the proxy.

    People's servers and the proxy outlive it: a restart costs no kernel, as in production.
    """

    name = "hub"
    needs = ("postgres", "s3", "github", "proxy")
    stop = Stop(seconds=15)
    guests = "server"
    restarts_freely = True

    def may_start(self, site: Site) -> bool:
        """Servers get the S3 key by the hub's settings, and the hub waits for its database by itself."""
        return bool(site.vault.current.s3_access_key_id)

    def fingerprint(self, site: Site) -> str:
        return hub_settings.digest(hub_settings.hub(site))

    def answer(self, site: Site) -> str:
        """https://jupyterhub.readthedocs.io/en/stable/reference/rest-api.html"""
        endpoint = site.endpoint(self.name, View.HOST)
        reply = asking.get(endpoint, f"{hub_settings.base_url(site)}hub/api/")
        if reply.status != 200:
            raise NotYet(f"it answered {reply.status}")
        return f"JupyterHub {(reply.json() or {}).get('version', '')}"

    def prove(self, site: Site) -> None:
        prove_login_page(site)

    def admin(self, site: Site, view: View) -> dict[str, str]:
        return {"HUB_URL": hub_settings.public_url(site)}


def prove_login_page(site: Site) -> None:
    """A person's way in, by the proxy, at the public name, and the hub's own way to its database.

    Raises NotYet or UnhealthyError.
    """
    endpoint, host = site.endpoint("proxy", View.HOST), {"Host": hub_settings.public_host(site)}
    hub = f"{hub_settings.base_url(site)}hub/"
    path = f"{hub}login"
    reply = asking.get(endpoint, path, host)
    if reply.status in (404, 502, 503):
        raise NotYet(f"the proxy answered {reply.status} for {path}")
    if reply.status not in (200, 302):
        raise UnhealthyError(f"the hub's login page answered {reply.status}")
    prove_database(endpoint, hub, host)


def prove_database(endpoint: Endpoint, hub: str, host: Mapping[str, str]) -> None:
    """Raise NotYet when the hub whose path is ``hub`` does not reach its database.

    The first to ask one whose database began anew gets an error. Who asks for a user gets a 403 even then; an
    application that asks for a token is looked up, and unknown when that works.
    """
    seen = asking.post(endpoint, f"{hub}api/oauth2/token", _NOBODY, host).status
    if seen >= 500:
        raise NotYet(f"the hub answered {seen}, it does not reach its database")
