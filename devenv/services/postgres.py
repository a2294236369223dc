"""The project's databases: two roles, two databases, explore shut off from hub; on one server or two."""

from __future__ import annotations

import hashlib
from pathlib import Path

from devenv.endpoints import Endpoint, View
from devenv.postgres import ask, cluster
from devenv.postgres.wire import Login
from devenv.services import contract
from devenv.services.service import Service, Site, Stop
from devenv.state import read_json, write_json


class PostgresService(Service):
    """Ready when the explore role gets an answer over TCP from this instance's own server."""

    name = "postgres"
    stop = Stop(cluster.STOP_SIGNAL, 20)
    # which of the two databases this server has; the last one's role proves it
    databases: tuple[str, ...] = ("hub", "explore")
    admin_variable = "POSTGRES_ADMIN_URL"

    def fingerprint(self, site: Site) -> str:
        """Of what the server is provisioned with at its start; otherwise that happens while it runs."""
        return self._wanted(site) if site.is_provisioned_at_start else ""

    def answer(self, site: Site) -> str:
        """As the superuser: the roles come with provisioning."""
        ask.prove(self._superuser(site), name=site.server_id)
        stamp = read_json(self._stamp_path(site)) or {}
        return "" if stamp.get("postgis", True) else "explore has no PostGIS"

    def provision(self, site: Site) -> list[str]:
        """Roles and databases; skipped when the last time wanted the same and the role can still get in."""
        if site.is_provisioned_at_start:
            return []
        wanted = self._wanted(site)
        stamp = read_json(self._stamp_path(site)) or {}
        if stamp.get("wanted") == wanted and self._role_gets_in(site):
            return []
        # psycopg takes longer to import than a second `up` may take in all
        from devenv.postgres import roles

        databases, secrets = site.project.databases, site.vault.current
        hub = roles.Database(databases.hub.name, databases.hub.user, secrets.hub_db_password)
        explore = roles.Database(databases.explore.name, databases.explore.user, secrets.explore_db_password)
        done = roles.provision(
            self._endpoint(site).port,
            superuser_password=secrets.postgres_admin_password,
            hub=hub if "hub" in self.databases else None,
            explore=explore if "explore" in self.databases else None,
            is_shared=bool(site.servers),
        )
        self.notices = done.left_alone
        content = {"wanted": wanted, "postgis": done.postgis or "explore" not in self.databases}
        self._stamp_path(site).parent.mkdir(parents=True, exist_ok=True)
        write_json(self._stamp_path(site), content)
        return list(done.changes)

    def prove(self, site: Site) -> None:
        ask.prove(self._role(site), name=site.server_id)

    def admin(self, site: Site, view: View) -> dict[str, str]:
        password = site.vault.current.postgres_admin_password
        endpoint = site.endpoint(self.name, view)
        return {self.admin_variable: contract.database_url(endpoint, "postgres", password, "postgres")}

    def _role_gets_in(self, site: Site) -> bool:
        return ask.answer(self._role(site), name=site.server_id).state is ask.State.READY

    def _role(self, site: Site) -> Login:
        which = self.databases[-1]
        database = getattr(site.project.databases, which)
        password = getattr(site.vault.current, f"{which}_db_password")
        port = self._endpoint(site).port
        return Login(port=port, database=database.name, user=database.user, password=password)

    def _superuser(self, site: Site) -> Login:
        password = site.vault.current.postgres_admin_password
        port = self._endpoint(site).port
        return Login(port=port, database="postgres", user="postgres", password=password)

    def _endpoint(self, site: Site) -> Endpoint:
        return site.endpoint(self.name, View.HOST)

    def _stamp_path(self, site: Site) -> Path:
        return site.stamps / f"{self.name}.provisioned.json"

    @staticmethod
    def _wanted(site: Site) -> str:
        """A digest of names and passwords: the stamp itself gives neither away."""
        databases, secrets = site.project.databases, site.vault.current
        parts = (repr(databases), secrets.hub_db_password, secrets.explore_db_password)
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()


class HubDatabaseService(PostgresService):
    """The server of the hubs' databases, where the two lie apart."""

    name = "hub-db"
    databases = ("hub",)
    admin_variable = "HUB_DB_ADMIN_URL"


class ExploreDatabaseService(PostgresService):
    """The server of the explore databases, with PostGIS."""

    name = "explore-db"
    databases = ("explore",)
    admin_variable = "EXPLORE_DB_ADMIN_URL"
