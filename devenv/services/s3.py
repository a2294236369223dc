"""The project's S3: three buckets, one IAM user, the policy; our own server or an endpoint of one's own."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from devenv import seed
from devenv.credentials import Credentials
from devenv.endpoints import View
from devenv.errors import ConflictError, DevenvError, MissingError, NotRunningError, UnhealthyError
from devenv.project import AccessKey
from devenv.s3 import ministack, signed
from devenv.s3.provider import Connection, KeyPair
from devenv.s3.provision import Wanted
from devenv.services import contract
from devenv.services.service import Service, Site
from devenv.state import read_json, write_json
from devenv.waiting import NotYet

STAMP = "provisioned.json"


class S3Service(Service):
    """Ready when the notebook's own key lists the lake; answers when it knows this instance's token."""

    name = "s3"

    def is_external(self, site: Site) -> bool:
        return site.project.s3.provider == "external"

    def fingerprint(self, site: Site) -> str:
        """Of what it is provisioned with at its start; otherwise that happens while it runs."""
        if not site.is_provisioned_at_start:
            return ""
        asked = (site.project.buckets, site.project.public_writable, site.vault.current.s3_secret_access_key)
        return hashlib.sha256(repr(asked).encode()).hexdigest()

    def answer(self, site: Site) -> str:
        if self.is_external(site):
            signed.reach(contract.s3_url(site, View.HOST))
            return "an endpoint of your own"
        endpoint = site.endpoint(self.name, View.HOST)
        try:
            told = ministack.health(endpoint.port, site.vault.current.s3_guard_token)
        except (NotRunningError, UnhealthyError) as error:
            raise NotYet(error.what) from error
        if told.get("instance") != site.server_id:
            raise ConflictError(f"what answers at {endpoint} is the S3 of {told.get('instance')}")
        return "policy enforced"

    def provision(self, site: Site) -> list[str]:
        """Buckets, user, policy, key and seed by the real APIs; skipped when nothing can have changed."""
        if site.is_provisioned_at_start and not self.is_external(site):
            return []
        wanted = self._wanted(site)
        stamp = self._stamp_path(site)
        content = _stamp(site, wanted)
        if read_json(stamp) == content and self._all_list(site):
            return []
        # boto3 alone takes longer to import than all the rest
        from devenv.s3.provision import provision

        outcome = provision(
            self.connection(site),
            wanted,
            keep=lambda key: site.vault.keep_s3_key(key.access_key_id, key.secret_access_key),
        )
        if _user_key(site.vault.current) != outcome.user:
            site.vault.keep_s3_key(outcome.user.access_key_id, outcome.user.secret_access_key)
        self.notices = outcome.notices
        stamp.parent.mkdir(parents=True, exist_ok=True)
        write_json(stamp, _stamp(site, wanted))
        return list(outcome.changes)

    def prove(self, site: Site) -> None:
        try:
            _list(site, site.project.buckets.lake)
        except (NotRunningError, signed.NoAnswerError) as error:
            raise NotYet(error.what) from error
        except UnhealthyError as error:
            if not site.is_provisioned_at_start:
                raise
            # it answers before it has provisioned itself
            raise NotYet(error.what) from error

    def admin(self, site: Site, view: View) -> dict[str, str]:
        secrets = site.vault.current
        return {
            "S3_ADMIN_ACCESS_KEY_ID": secrets.s3_admin_access_key_id,
            "S3_ADMIN_SECRET_ACCESS_KEY": secrets.s3_admin_secret_access_key,
        }

    @staticmethod
    def connection(site: Site) -> Connection:
        """How the S3 service is set up; an endpoint of one's own brings its keys by the environment."""
        project, secrets = site.project, site.vault.current
        url = contract.s3_url(site, View.HOST)
        if project.s3.provider != "external":
            root = KeyPair(secrets.s3_admin_access_key_id, secrets.s3_admin_secret_access_key)
            return Connection(url, project.s3.region, root, iam_endpoint_url=url, takes_keys=True)
        user, admin = project.external_key, project.external_admin_key
        if user is None and not secrets.s3_access_key_id:
            raise MissingError(
                f"no S3 key is given for {url}",
                hint="Set HABARI_S3_ACCESS_KEY_ID and HABARI_S3_SECRET_ACCESS_KEY",
            )
        return Connection(
            url,
            project.s3.region,
            KeyPair(admin.key_id, admin.secret.reveal()) if admin else None,
            user=KeyPair(user.key_id, user.secret.reveal()) if user else _user_key(secrets),
        )

    def _wanted(self, site: Site) -> Wanted:
        project = site.project
        return Wanted(
            public=project.buckets.public,
            lake=project.buckets.lake,
            notebooks=project.buckets.notebooks,
            user_name=project.name,
            public_writable=project.public_writable,
            known_key=_user_key(site.vault.current),
            seed=_seed(site),
        )

    @staticmethod
    def _all_list(site: Site) -> bool:
        """Whether the user's key lists all three buckets: a notebook may have deleted one."""
        buckets = site.project.buckets
        try:
            for bucket in (buckets.public, buckets.lake, buckets.notebooks):
                _list(site, bucket)
        except DevenvError:
            return False
        return True

    @staticmethod
    def _stamp_path(site: Site) -> Path:
        return site.stamps / "s3" / STAMP


def _list(site: Site, bucket: str) -> None:
    key = _user_key(site.vault.current)
    if key is None:
        raise UnhealthyError("the project's S3 user has no key", hint="Run ./dev up again")
    signed.prove(contract.s3_url(site, View.HOST), site.project.s3.region, key, bucket)


def _user_key(secrets: Credentials) -> KeyPair | None:
    if not secrets.s3_access_key_id:
        return None
    return KeyPair(secrets.s3_access_key_id, secrets.s3_secret_access_key)


def _stamp(site: Site, wanted: Wanted) -> dict[str, str]:
    """What was provisioned, where, and from which notebook environment its seed came."""
    asked = json.dumps([wanted.policy, wanted.buckets, wanted.user_name], sort_keys=True)
    return {
        "wanted": hashlib.sha256(asked.encode()).hexdigest(),
        "where": site.project.s3.endpoint or site.server_id,
        "user_key": site.vault.current.s3_access_key_id,
        "given_key": _digest(site.project.external_key),
        "seed": site.notebook_python.parent.parent.name,
    }


def _seed(site: Site) -> tuple[seed.SeedObject, ...]:
    """The sample data come with the notebook environment; containers have theirs in the image of S3.

    An S3 of one's own has no such image, so it gets none where there is no notebook environment either.
    """
    if site.sample_data and site.project.s3.provider != "external":
        return seed.seed_objects(site.sample_data)
    if (site.sample_data or site.is_provisioned_at_start) and not site.notebook_python.exists():
        return ()
    return seed.seed_objects(_site_packages(site.notebook_python))


def _site_packages(python: Path) -> Path:
    found = sorted((python.parent.parent / "lib").glob("python3*/site-packages"))
    if not found:
        raise MissingError(
            f"{python.parent.parent} is not a Python environment", hint="Delete it, then ./dev up"
        )
    return found[0]


def _digest(key: AccessKey | None) -> str:
    return hashlib.sha256(f"{key.key_id} {key.secret.reveal()}".encode()).hexdigest() if key else ""
