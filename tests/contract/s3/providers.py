"""The providers under contract, as a run makes them.

Environment: DEVENV_S3_PYTHON names another interpreter with requirements/s3.lock than devenv's own;
DEVENV_TEST_S3_ENDPOINT, _REGION, _ADMIN_ACCESS_KEY_ID, _ADMIN_SECRET_ACCESS_KEY and _IAM_ENDPOINT name a
service of one's own that the suite may fill with buckets whose names begin with ``habari-contract-``.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from devenv import environments
from devenv.s3.external import External
from devenv.s3.ministack import MiniStack
from devenv.s3.moto import Moto
from devenv.s3.provider import KeyPair, Provider
from devenv.state import data_root

OWN_ENDPOINT = os.environ.get("DEVENV_TEST_S3_ENDPOINT", "")
TAKES_KEYS = ("ministack",)
# Those with AWS's API for users and their keys.
WITH_IAM = (*TAKES_KEYS, "moto", *(["external"] if OWN_ENDPOINT else []))
PROVIDERS = (*WITH_IAM, "minio")


def make_provider(
    name: str, folders: pytest.TempPathFactory, buckets: Mapping[str, str] | None = None
) -> Provider:
    """``buckets`` by role are what a provider is started with that has no API for users."""
    if name == "moto":
        return Moto()
    if name == "ministack":
        return MiniStack(_s3_python(), folders.mktemp("s3"))
    if name == "external":
        return _external()
    from contract.s3.minio import MinIO

    return MinIO(buckets or {})


def _s3_python() -> Path:
    if given := os.environ.get("DEVENV_S3_PYTHON"):
        return Path(given)
    environment = environments.locate("s3", data_root(os.environ))
    return environments.ensure(environment, lambda line: None, os.environ)


def _external() -> External:
    def given(name: str) -> str:
        return os.environ.get(f"DEVENV_TEST_S3_{name}", "")

    return External(
        OWN_ENDPOINT,
        given("REGION") or "us-east-1",
        admin=KeyPair(given("ADMIN_ACCESS_KEY_ID"), given("ADMIN_SECRET_ACCESS_KEY")),
        iam_endpoint_url=given("IAM_ENDPOINT") or OWN_ENDPOINT,
    )
