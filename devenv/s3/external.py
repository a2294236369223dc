"""An S3 service of one's own: MinIO and the like, by configuration."""

from __future__ import annotations

import socket
import urllib.parse

from devenv.errors import MissingError, NotRunningError, UsageError
from devenv.s3.provider import Connection, KeyPair, Limit, Provider


class External(Provider):
    """A service that somebody else runs: nothing is started or stopped.

    ``user`` is the key that notebooks get, ``admin`` one that may create buckets; with an
    ``iam_endpoint_url`` the admin makes the user instead. Raises UsageError for an address that is none and
    MissingError when the keys do not suffice.
    """

    name = "external"
    persistent = True

    def __init__(
        self,
        endpoint_url: str,
        region: str,
        *,
        user: KeyPair | None = None,
        admin: KeyPair | None = None,
        iam_endpoint_url: str | None = None,
    ) -> None:
        _require_url(endpoint_url)
        if iam_endpoint_url is not None:
            _require_url(iam_endpoint_url)
        if iam_endpoint_url is None and user is None:
            raise MissingError(
                "the S3 service has no IAM API, so it needs the access key that notebooks get",
                hint="Give the user's key, or the address of an IAM API and an admin key.",
            )
        if iam_endpoint_url is not None and admin is None:
            raise MissingError("the IAM API needs an admin key", hint="Give the admin's access key.")
        self._connection = Connection(endpoint_url.rstrip("/"), region, admin, iam_endpoint_url, user)

    @property
    def limits(self) -> tuple[Limit, ...]:
        if self._connection.iam_endpoint_url is None:
            return (Limit("the project's policy is not applied: the key has the rights it was given", ()),)
        return ()

    def start(self) -> Connection:
        """Raises NotRunningError when nobody listens at the address."""
        url = urllib.parse.urlsplit(self._connection.endpoint_url)
        port = url.port or (443 if url.scheme == "https" else 80)
        try:
            socket.create_connection((url.hostname or "", port), timeout=5).close()
        except OSError as error:
            raise NotRunningError(
                f"nothing answers at {self._connection.endpoint_url}: {error.strerror or error}",
                hint="Start that service, or correct its address.",
            ) from None
        return self._connection

    def stop(self) -> None:
        """Somebody else's service goes on."""


def _require_url(url: str) -> None:
    try:
        parts = urllib.parse.urlsplit(url)
        sound = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        sound = False
    if not sound or parts.username or parts.path not in ("", "/") or parts.query:
        raise UsageError(
            "the address of the S3 service is not of the form http://host:port",
            hint="It takes no path, and keys are given apart from it.",
        )
