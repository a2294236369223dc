"""The secrets of one instance: random, made once, in one 0600 file, never in a repr."""

from __future__ import annotations

import dataclasses
import secrets
import string
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from devenv.errors import NotRunningError, UnhealthyError
from devenv.state import read_json, write_json

FILE = "credentials.json"


@dataclass(frozen=True)
class Credentials:
    """Everything that opens a door of the instance.

    ``s3_access_key_id`` and its secret belong to the project's IAM user and are empty until
    provisioning has made them. Those of the hub level are empty in files of before that level, until
    :meth:`Vault.fill` completes them. All others exist from the start.
    """

    postgres_admin_password: str = field(repr=False)
    hub_db_password: str = field(repr=False)
    explore_db_password: str = field(repr=False)
    s3_admin_access_key_id: str = field(repr=False)
    s3_admin_secret_access_key: str = field(repr=False)
    s3_guard_token: str = field(repr=False)
    jupyter_token: str = field(repr=False)
    s3_access_key_id: str = field(default="", repr=False)
    s3_secret_access_key: str = field(default="", repr=False)
    proxy_auth_token: str = field(default="", repr=False)
    hub_cookie_secret: str = field(default="", repr=False)
    hub_crypt_key: str = field(default="", repr=False)
    github_client_secret: str = field(default="", repr=False)
    github_page_key: str = field(default="", repr=False)


# What opens servers that projects share: theirs, not a project's.
_OF_SERVERS = (
    "postgres_admin_password",
    "s3_admin_access_key_id",
    "s3_admin_secret_access_key",
    "s3_guard_token",
)
# Hexadecimal, 32 bytes: what JupyterHub wants of a cookie secret and a crypt key.
_HUB_LEVEL = (
    "proxy_auth_token",
    "hub_cookie_secret",
    "hub_crypt_key",
    "github_client_secret",
    "github_page_key",
)


def generate() -> Credentials:
    """New random credentials; the admin's key id has the form of an AWS access key id."""
    return Credentials(
        postgres_admin_password=secrets.token_urlsafe(24),
        hub_db_password=secrets.token_urlsafe(24),
        explore_db_password=secrets.token_urlsafe(24),
        s3_admin_access_key_id=_access_key_id(),
        s3_admin_secret_access_key=secrets.token_urlsafe(30),
        s3_guard_token=secrets.token_urlsafe(24),
        jupyter_token=secrets.token_hex(24),
        **_hub_level(_HUB_LEVEL),
    )


def _access_key_id() -> str:
    alphabet = string.ascii_uppercase + "234567"
    return "AKIA" + "".join(secrets.choice(alphabet) for _ in range(16))


def completed(credentials: Credentials) -> Credentials:
    """The same with the secrets that files of before lack."""
    missing = tuple(name for name in _HUB_LEVEL if not getattr(credentials, name))
    return dataclasses.replace(credentials, **_hub_level(missing)) if missing else credentials


def _hub_level(names: tuple[str, ...]) -> dict[str, str]:
    return {name: secrets.token_hex(32) for name in names}


def load(folder: Path) -> Credentials | None:
    """The instance's credentials, or None when it has none yet.

    Raises UnhealthyError when the file is there but is not ours to understand.
    """
    content = read_json(folder / FILE)
    if content is None:
        if (folder / FILE).exists():
            raise _damaged(folder)
        return None
    try:
        return Credentials(**content)
    except TypeError as error:
        raise _damaged(folder) from error


def save(folder: Path, credentials: Credentials) -> None:
    """Write them whole, readable by the owner alone."""
    write_json(folder / FILE, dataclasses.asdict(credentials), mode=0o600)


def _damaged(folder: Path) -> UnhealthyError:
    return UnhealthyError(
        f"{folder / FILE} is damaged",
        hint="Restore it, or delete it: the next ./dev up makes new credentials for the same data",
    )


class Vault:
    """The instance's credentials as they are now; every change is on disk before it is used.

    Where its project shares servers with others, ``servers`` is the vault of those, and what opens them comes
    from there.
    """

    def __init__(self, folder: Path, *, servers: Vault | None = None) -> None:
        self._folder = folder
        self._servers = servers

    @cached_property
    def _loaded(self) -> Credentials | None:
        # only when asked for: what needs no credentials must work with a damaged file
        return load(self._folder)

    @property
    def current(self) -> Credentials:
        """Raises NotRunningError when this instance has never been up."""
        if self._servers is None:
            return self._own
        theirs = self._servers.current
        return dataclasses.replace(self._own, **{name: getattr(theirs, name) for name in _OF_SERVERS})

    @property
    def _own(self) -> Credentials:
        if self._loaded is None:
            raise NotRunningError("This instance has no credentials yet", hint="Start it with ./dev up")
        return self._loaded

    @property
    def is_empty(self) -> bool:
        return self._loaded is None

    def fill(self) -> None:
        """Make the credentials that do not exist yet."""
        if self._servers:
            self._servers.fill()
        if self._loaded is None:
            self._store(generate())
        elif (whole := completed(self._loaded)) != self._loaded:
            self._store(whole)

    def choose_s3_key(self) -> None:
        """Make the IAM user's key before there is an S3 that could: one that is started takes it as given."""
        if not self.current.s3_access_key_id:
            self.keep_s3_key(_access_key_id(), secrets.token_urlsafe(30))

    def preview(self) -> Vault:
        """The same, completed with what a start would make, of which nothing is kept."""
        seen = Vault(self._folder, servers=self._servers.preview() if self._servers else None)
        seen._loaded = completed(self._loaded or generate())
        return seen

    def keep_s3_key(self, access_key_id: str, secret_access_key: str) -> None:
        """Remember the key that provisioning made for the project's IAM user."""
        self._store(
            dataclasses.replace(
                self._own, s3_access_key_id=access_key_id, s3_secret_access_key=secret_access_key
            )
        )

    def _store(self, credentials: Credentials) -> None:
        save(self._folder, credentials)
        self._loaded = credentials
