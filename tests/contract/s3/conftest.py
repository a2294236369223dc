"""Each provider is provisioned once a run, meets every row, and is counted at the end."""

from __future__ import annotations

import os
import secrets
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import pytest

from contract.s3.behaviours import BEHAVIOURS
from contract.s3.providers import PROVIDERS, TAKES_KEYS, WITH_IAM, make_provider
from contract.s3.rows import ROWS
from contract.s3.world import World
from devenv.errors import MissingError
from devenv.s3 import minio_limits, moto_limits
from devenv.s3.provider import Connection, Provider
from devenv.s3.provision import Wanted, provision

LIMITS = {"moto": moto_limits.LIMITS, "minio": minio_limits.LIMITS}
KNOWN_WRONG = {name: {row for limit in limits for row in limit.rows} for name, limits in LIMITS.items()}
# What only some of the providers have, by the fixture that asks for it.
ABLE = {"iam": WITH_IAM, "taken_keys": TAKES_KEYS}
TABLES: dict[str, Any] = {"row": ROWS, "behaviour": BEHAVIOURS}
RESULTS = pytest.StashKey[dict[str, dict[str, str]]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[RESULTS] = defaultdict(dict)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Every provider meets every entry; one provider after the other, so each is started once."""
    if "provider_name" in metafunc.fixturenames:
        able = next((ABLE[name] for name in ABLE if name in metafunc.fixturenames), PROVIDERS)
        metafunc.parametrize("provider_name", able, scope="session")
    for name, table in TABLES.items():
        if name in metafunc.fixturenames:
            metafunc.parametrize(name, table, ids=lambda entry: entry.id)


@pytest.fixture(autouse=True)
def known_wrong(request: pytest.FixtureRequest) -> None:
    """What a provider is known to get wrong must stay wrong, or its list is out of date."""
    entry = next((request.getfixturevalue(name) for name in TABLES if name in request.fixturenames), None)
    named = request.node.get_closest_marker("row")
    row = entry.id if entry else named and named.args[0]
    if row and row in KNOWN_WRONG.get(request.getfixturevalue("provider_name"), ()):
        request.applymarker(pytest.mark.xfail(strict=True, reason="listed in limits"))


@pytest.fixture(scope="session")
def buckets(provider_name: str) -> dict[str, str]:
    """A run's own buckets by role."""
    mark = f"habari-contract-{secrets.token_hex(4)}"
    roles = ("public", "lake", "notebooks", "other", "missing", "fresh")
    return {role: f"{mark}-{role}" for role in roles} | {"lake2": f"{mark}-lake2"}


@pytest.fixture(scope="session")
def provider(
    provider_name: str, buckets: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Provider]:
    made = make_provider(provider_name, tmp_path_factory, buckets)
    yield made
    made.stop()


@pytest.fixture(scope="session")
def connection(provider: Provider) -> Connection:
    try:
        return provider.start()
    except MissingError as error:
        if provider.name != "minio" or "docker" in os.environ.get("DEVENV_REQUIRE", "").split(","):
            raise
        pytest.skip(f"MinIO is NOT tested: {error}")


@pytest.fixture(scope="session")
def iam(connection: Connection) -> None:
    """For what needs an API that makes users."""
    assert connection.iam_endpoint_url


@pytest.fixture(scope="session")
def taken_keys(connection: Connection) -> None:
    """For what needs an API that makes a user's key the one that it is told."""
    assert connection.takes_keys


@pytest.fixture(scope="session")
def world(provider: Provider, connection: Connection, buckets: dict[str, str]) -> World:
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
