"""What a row of the contract is run in: one provisioned provider and the buckets around it."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import Any

from devenv.s3.provider import Connection, KeyPair
from devenv.s3.provision import client

BODY = b"country,year\nBurundi,2026\n"


@dataclass(frozen=True)
class Answer:
    """How a call came out; ``code`` is S3's own, "" when all went well or a HEAD tells none."""

    status: int
    code: str = ""

    def __str__(self) -> str:
        return f"{self.status} {self.code}".strip()


@dataclass
class World:
    """Buckets by role: public, lake, notebooks; other (another project's), lake2 (lake's name and a 2)."""

    provider: str
    connection: Connection
    user: KeyPair
    buckets: dict[str, str]
    admin_s3: Any = field(init=False)
    user_s3: Any = field(init=False)
    user_iam: Any = field(init=False)
    user_sts: Any = field(init=False)
    numbers: Any = field(default_factory=itertools.count)

    def __post_init__(self) -> None:
        assert self.connection.admin
        self.admin_s3 = self.client("s3", self.connection.admin)
        self.user_s3 = self.client("s3", self.user)
        iam_endpoint = self.connection.iam_endpoint_url or self.connection.endpoint_url
        self.user_iam = client("iam", iam_endpoint, self.connection.region, self.user)
        self.user_sts = client("sts", iam_endpoint, self.connection.region, self.user)

    def client(self, service: str, key: KeyPair) -> Any:
        return client(service, self.connection.endpoint_url, self.connection.region, key)

    def key(self, wanted: str) -> str:
        """A key of this row's own where the table leaves it open (an asterisk)."""
        return wanted.replace("*", f"row-{next(self.numbers)}/data.csv")
