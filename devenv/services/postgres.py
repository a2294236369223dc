"""The project's databases: one server, two roles, two databases, and explore shut off from hub."""

from __future__ import annotations

from devenv.endpoints import View
from devenv.services.service import Site


class PostgresService:
    """Ready when the explore role gets an answer over TCP from this instance's own server."""

    name = "postgres"
    needs: tuple[str, ...] = ()

    def may_start(self, site: Site) -> bool:
        return True
