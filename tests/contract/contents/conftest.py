"""One S3 with the project's policy and one Jupyter server for all cases."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest

from contract.contents.rest import Server
from contract.s3 import wire
from contract.s3.providers import make_provider
from devenv import environments
from devenv.s3.provider import Connection, KeyPair
from devenv.s3.provision import Wanted, provision
from devenv.state import data_root


@dataclass(frozen=True)
class Buckets:
    """The project's buckets, with the user's key and an administrator's client."""

    connection: Connection
    user: KeyPair
    names: Mapping[str, str]
    admin: Any

    @property
    def contract(self) -> dict[str, str]:
        return {
            "AWS_ACCESS_KEY_ID": self.user.access_key_id,
            "AWS_SECRET_ACCESS_KEY": self.user.secret_access_key,
            "AWS_DEFAULT_REGION": self.connection.region,
            "AWS_ENDPOINT_URL": self.connection.endpoint_url,
            **{f"S3_BUCKET_NAME_{name.upper()}": bucket for name, bucket in self.names.items()},
        }

    def put(self, root: str, key: str, body: bytes = b"x", **more: Any) -> None:
        self.admin.put_object(Bucket=self.names[root], Key=key, Body=body, **more)

    def put_many(self, root: str, keys: Sequence[str]) -> None:
        wire.put_many(self.connection, self.names[root], keys)

    def read(self, root: str, key: str) -> bytes:
        return bytes(self.admin.get_object(Bucket=self.names[root], Key=key)["Body"].read())

    def keys(self, root: str, prefix: str = "") -> list[str]:
        pages = self.admin.get_paginator("list_objects_v2").paginate(Bucket=self.names[root], Prefix=prefix)
        return [item["Key"] for page in pages for item in page.get("Contents", ())]

    def open_uploads(self, root: str) -> int:
        return len(self.admin.list_multipart_uploads(Bucket=self.names[root]).get("Uploads", ()))


@pytest.fixture(scope="session")
def notebook_python() -> Path:
    """The interpreter of the notebook environment, which is made when it is missing."""
    if given := os.environ.get("DEVENV_NOTEBOOK_PYTHON"):
        return Path(given)
    environment = environments.locate("notebook", data_root(os.environ))
    return environments.ensure(environment, lambda line: None, os.environ)


@pytest.fixture(scope="session")
def buckets(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Buckets]:
    provider = make_provider("ministack", tmp_path_factory)
    try:
        connection = provider.start()
        names = {name: f"contents-{name}" for name in ("public", "lake", "notebooks")}
        outcome = provision(connection, Wanted(**names, user_name="somebody"), keep=lambda key: None)
        admin = boto3.client(
            "s3",
            endpoint_url=connection.endpoint_url,
            region_name=connection.region,
            aws_access_key_id=connection.admin.access_key_id,
            aws_secret_access_key=connection.admin.secret_access_key,
        )
        yield Buckets(connection, outcome.user, names, admin)
    finally:
        provider.stop()


@pytest.fixture(scope="session")
def server(
    notebook_python: Path, buckets: Buckets, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    made = Server(notebook_python, tmp_path_factory.mktemp("jupyter") / "home", buckets.contract)
    made.start()
    yield made
    made.stop()


@pytest.fixture(params=["disk", "lake"])
def folder(request: pytest.FixtureRequest, server: Server) -> str:
    """A new folder's path, on the local disk and in the lake."""
    name = f"case {secrets.token_hex(4)}"
    path = name if request.param == "disk" else f"lake/{name}"
    server.make_folder(path)
    return path


@pytest.fixture
def lake(server: Server) -> str:
    """A new folder's path in the lake."""
    path = f"lake/case {secrets.token_hex(4)}"
    server.make_folder(path)
    return path
