"""What every S3 provider promises."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True)
class KeyPair:
    """An access key. The secret is in no repr."""

    access_key_id: str
    secret_access_key: str = field(repr=False)


@dataclass(frozen=True)
class Connection:
    """Where a started provider answers, and with which rights it may be set up.

    ``admin`` may create buckets and, where ``iam_endpoint_url`` is given, users and policies. Without an
    ``iam_endpoint_url`` the service has no IAM API and ``user`` is the key that notebooks get.
    ``takes_keys`` says that its IAM gives out a key that the caller has chosen, as the guard does.
    """

    endpoint_url: str
    region: str
    admin: KeyPair | None
    iam_endpoint_url: str | None = None
    user: KeyPair | None = None
    takes_keys: bool = False


@dataclass(frozen=True)
class Limit:
    """One thing a provider gets wrong, and the rows of the contract suite that show it."""

    what: str
    rows: tuple[str, ...]


class Provider(Protocol):
    """A way to have S3. ``limits`` are its known departures from AWS; ``doctor`` and docs/s3.md show them."""

    @property
    def name(self) -> str: ...

    @property
    def persistent(self) -> bool:
        """Whether acknowledged data is there after the next start."""
        ...

    @property
    def limits(self) -> tuple[Limit, ...]: ...

    def start(self) -> Connection:
        """Return once requests are answered. Raises a DevenvError otherwise; nothing is left running then."""
        ...

    def stop(self) -> None:
        """Stop what start began. Stopping twice, or before a start, is fine."""
        ...
