"""The providers under contract, each provisioned once a run, and the count at the end.

Environment: DEVENV_S3_PYTHON names another interpreter with requirements/s3.lock than devenv's own;
DEVENV_TEST_S3_ENDPOINT, _REGION, _ADMIN_ACCESS_KEY_ID, _ADMIN_SECRET_ACCESS_KEY and _IAM_ENDPOINT name a
service of one's own that the suite may fill with buckets whose names begin with ``habari-contract-``.
"""

from __future__ import annotations

import os
import secrets
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from contract.s3.behaviours import BEHAVIOURS
from contract.s3.rows import ROWS
from contract.s3.world import World
from devenv import environments
from devenv.s3.external import External
from devenv.s3.ministack import MiniStack
from devenv.s3.moto import Moto
from devenv.s3.moto_limits import LIMITS
from devenv.s3.provider import Connection, KeyPair, Provider
from devenv.s3.provision import Wanted, provision
from devenv.state import data_root

PROVIDERS = ("ministack", "moto", "external")
KNOWN_WRONG = {"moto": {row for limit in LIMITS for row in limit.rows}}
TABLES: dict[str, Any] = {"row": ROWS, "behaviour": BEHAVIOURS}
RESULTS = pytest.StashKey[dict[str, dict[str, str]]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[RESULTS] = defaultdict(dict)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Every provider meets every entry; what a provider is known to get wrong must stay wrong."""
    tables = [name for name in TABLES if name in metafunc.fixturenames]
    if not tables:
        if "provider_name" in metafunc.fixturenames:
            metafunc.parametrize("provider_name", PROVIDERS, scope="session")
        return
    cases = []
    for provider in PROVIDERS:
        for entry in TABLES[tables[0]]:
            known = entry.id in KNOWN_WRONG.get(provider, ())
            marks = [pytest.mark.xfail(strict=True, reason="listed in limits")] if known else []
            cases.append(pytest.param(provider, entry, marks=marks, id=f"{provider}: {entry.id}"))
    metafunc.parametrize(("provider_name", tables[0]), cases, scope="session")


@pytest.fixture(scope="session")
def provider(provider_name: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    made = make_provider(provider_name, tmp_path_factory)
    yield made
    made.stop()


@pytest.fixture(scope="session")
def connection(provider: Provider) -> Connection:
    return provider.start()


@pytest.fixture(scope="session")
def world(provider: Provider, connection: Connection) -> World:
    mark = f"habari-contract-{secrets.token_hex(4)}"
    roles = ("public", "lake", "notebooks", "other", "missing", "fresh")
    buckets = {role: f"{mark}-{role}" for role in roles} | {"lake2": f"{mark}-lake2"}
    wanted = Wanted(
        public=buckets["public"],
        lake=buckets["lake"],
        notebooks=buckets["notebooks"],
        user_name="habari-user",
    )
    outcome = provision(connection, wanted, keep=lambda key: None)
    made = World(provider.name, connection, outcome.user, buckets)
    for role in ("other", "lake2"):
        made.admin_s3.create_bucket(Bucket=buckets[role])
    return made


def make_provider(name: str, folders: pytest.TempPathFactory) -> Provider:
    if name == "moto":
        return Moto()
    if name == "ministack":
        return MiniStack(_s3_python(), folders.mktemp("s3"))
    return _external()


def _s3_python() -> Path:
    if given := os.environ.get("DEVENV_S3_PYTHON"):
        return Path(given)
    environment = environments.locate("s3", data_root(os.environ))
    return environments.ensure(environment, lambda line: None, os.environ)


def _external() -> External:
    given = {name: os.environ.get(f"DEVENV_TEST_S3_{name}", "") for name in (
        "ENDPOINT", "REGION", "ADMIN_ACCESS_KEY_ID", "ADMIN_SECRET_ACCESS_KEY", "IAM_ENDPOINT"
    )}  # fmt: skip
    if not given["ENDPOINT"]:
        pytest.skip("no S3 service of one's own: set DEVENV_TEST_S3_ENDPOINT and its keys to run against it")
    return External(
        given["ENDPOINT"],
        given["REGION"] or "us-east-1",
        admin=KeyPair(given["ADMIN_ACCESS_KEY_ID"], given["ADMIN_SECRET_ACCESS_KEY"]),
        iam_endpoint_url=given["IAM_ENDPOINT"] or given["ENDPOINT"],
    )


@pytest.fixture
def results(request: pytest.FixtureRequest) -> dict[str, dict[str, str]]:
    """Outcomes by provider and row id, for the count at the end."""
    return request.config.stash[RESULTS]


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    counted = {entry.id for table in TABLES.values() for entry in table if not entry.observed}
    for provider, outcomes in config.stash[RESULTS].items():
        told = {row: said for row, said in outcomes.items() if row in counted}
        right = sum(said == "right" for said in told.values())
        line = f"S3 contract, {provider}: {right} of {len(told)} right"
        terminalreporter.section(line, sep="-")
        for row, said in outcomes.items():
            if row not in counted:
                terminalreporter.write_line(f"  not documented by AWS, seen: {row}: {said}")
