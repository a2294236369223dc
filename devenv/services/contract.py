"""The contract: the environment a notebook gets, the same names at every level."""

from __future__ import annotations

from urllib.parse import quote

from devenv.endpoints import Endpoint, View
from devenv.services.service import Site


def user(site: Site, view: View) -> dict[str, str]:
    """What every notebook gets, as ``view`` has to spell the addresses."""
    project, secrets = site.project, site.vault.current
    explore = project.databases.explore
    database = site.endpoint("explore-db", view)
    return {
        "AWS_ACCESS_KEY_ID": secrets.s3_access_key_id,
        "AWS_SECRET_ACCESS_KEY": secrets.s3_secret_access_key,
        "AWS_DEFAULT_REGION": project.s3.region,
        "AWS_ENDPOINT_URL": s3_url(site, view),
        "S3_BUCKET_NAME_PUBLIC": project.buckets.public,
        "S3_BUCKET_NAME_LAKE": project.buckets.lake,
        "S3_BUCKET_NAME_NOTEBOOKS": project.buckets.notebooks,
        "EXPLORE_DB_URL": database_url(database, explore.user, secrets.explore_db_password, explore.name),
        "EXPLORE_DB_USER": explore.user,
        "EXPLORE_DB_PASSWORD": secrets.explore_db_password,
        "EXPLORE_DB_HOST": database.host,
        "EXPLORE_DB_PORT": str(database.port),
        "EXPLORE_DB_NAME": explore.name,
        # images of before took any non-empty text for true
        "DEBUG": "true" if project.jupyter.debug else "",
    }


def hub_database_url(site: Site, view: View) -> str:
    """Where JupyterHub keeps its state; notebooks never see it."""
    hub = site.project.databases.hub
    password = site.vault.current.hub_db_password
    return database_url(site.endpoint("hub-db", view), hub.user, password, hub.name)


def s3_url(site: Site, view: View) -> str:
    """The S3 endpoint's address: the service's, or the one that the project names."""
    return site.project.s3.endpoint or site.endpoint("s3", view).url()


def database_url(endpoint: Endpoint, role: str, password: str, name: str) -> str:
    """A URL for SQLAlchemy and libpq alike; ``postgres://`` would fail on SQLAlchemy 2."""
    return f"postgresql://{quote(role, safe='')}:{quote(password, safe='')}@{endpoint}/{quote(name, safe='')}"
