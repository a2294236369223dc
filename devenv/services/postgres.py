"""The project's databases: one server, two roles, two databases, and explore shut off from hub."""

from __future__ import annotations

import hashlib
from pathlib import Path

from devenv.endpoints import View
from devenv.postgres import ask, cluster
from devenv.postgres.wire import Login
from devenv.services import contract
from devenv.services.service import Service, Site, Stop
from devenv.state import read_json, write_json

STAMP = "postgres.provisioned.json"


class PostgresService(Service):
    """Ready when the explore role gets an answer over TCP from this instance's own server."""

    name = "postgres"
    stop = Stop(cluster.STOP_SIGNAL, 20)

    def fingerprint(self, site: Site) -> str:
        """Of what the server is provisioned with at its start; otherwise that happens while it runs."""
        return _wanted(site) if site.is_provisioned_at_start else ""

    def answer(self, site: Site) -> str:
        """As the superuser: the explore role comes with provisioning."""
        ask.prove(self._superuser(site), name=site.instance.id)
        stamp = read_json(_stamp_path(site)) or {}
        return "" if stamp.get("postgis", True) else "explore has no PostGIS"

    def provision(self, site: Site) -> list[str]:
        """Roles and databases; skipped when the last time wanted the same and explore can still get in."""
        if site.is_provisioned_at_start:
            return []
        wanted = _wanted(site)
        stamp = read_json(_stamp_path(site)) or {}
        if stamp.get("wanted") == wanted and self._explore_gets_in(site):
            return []
        # psycopg takes longer to import than a second `up` may take in all
        from devenv.postgres import roles

        databases, secrets = site.project.databases, site.vault.current
        done = roles.provision(
            site.endpoint(self.name, View.HOST).port,
            superuser_password=secrets.postgres_admin_password,
            hub=roles.Database(databases.hub.name, databases.hub.user, secrets.hub_db_password),
            explore=roles.Database(
                databases.explore.name, databases.explore.user, secrets.explore_db_password
            ),
        )
        self.notices = done.left_alone
        write_json(_stamp_path(site), {"wanted": wanted, "postgis": done.postgis})
        return list(done.changes)

    def prove(self, site: Site) -> None:
        ask.prove(self._explore(site), name=site.instance.id)

    def admin(self, site: Site, view: View) -> dict[str, str]:
        password = site.vault.current.postgres_admin_password
        endpoint = site.endpoint(self.name, view)
        return {"POSTGRES_ADMIN_URL": contract.database_url(endpoint, "postgres", password, "postgres")}

    def _explore_gets_in(self, site: Site) -> bool:
        return ask.answer(self._explore(site), name=site.instance.id).state is ask.State.READY

    def _explore(self, site: Site) -> Login:
        explore = site.project.databases.explore
        port = site.endpoint(self.name, View.HOST).port
        password = site.vault.current.explore_db_password
        return Login(port=port, database=explore.name, user=explore.user, password=password)

    def _superuser(self, site: Site) -> Login:
        port = site.endpoint(self.name, View.HOST).port
        password = site.vault.current.postgres_admin_password
        return Login(port=port, database="postgres", user="postgres", password=password)


def _stamp_path(site: Site) -> Path:
    return site.stamps / STAMP


def _wanted(site: Site) -> str:
    """A digest of names and passwords: the stamp itself gives neither away."""
    databases, secrets = site.project.databases, site.vault.current
    parts = (repr(databases), secrets.hub_db_password, secrets.explore_db_password)
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
