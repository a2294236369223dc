"""What both compose files promise, read from their text; that it works is for tests/integration/compose."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

CHECKOUT = Path(__file__).resolve().parents[3]
FILES = {name: yaml.safe_load((CHECKOUT / name).read_text()) for name in
         ("docker-compose.yaml", "docker-compose.postgres.yaml")}  # fmt: skip
SERVICES = [
    pytest.param(service, id=f"{file}:{name}")
    for file, content in FILES.items()
    for name, service in content["services"].items()
]


def test_each_file_is_a_project_of_its_own() -> None:
    assert len({content["name"] for content in FILES.values()}) == len(FILES)


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_is_published_on_the_loopback_address_alone(service: dict[str, Any]) -> None:
    assert service["ports"]
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_is_bounded_marked_and_checked(service: dict[str, Any]) -> None:
    assert service["mem_limit"]
    assert service["labels"]["habari.instance"]
    assert service["healthcheck"]["test"] == ["CMD", "usable"]
    assert "start_interval" not in service["healthcheck"]  # engines before 25 refuse it
    assert service["security_opt"] == ["no-new-privileges:true"]


@pytest.mark.parametrize("service", SERVICES)
def test_no_secret_stands_in_the_file(service: dict[str, Any]) -> None:
    secret = re.compile(r"PASSWORD|SECRET|TOKEN|ACCESS_KEY")
    given = {name: value for name, value in service["environment"].items() if secret.search(name)}
    assert all(re.fullmatch(r"\$\{HABARI_\w+:-\}", value) for value in given.values())


@pytest.mark.parametrize("service", SERVICES)
def test_no_image_moves_without_a_choice(service: dict[str, Any]) -> None:
    assert "latest" not in service["image"]
    assert service["pull_policy"] == "${HABARI_PULL_POLICY:-never}"


@pytest.mark.parametrize("content", FILES.values(), ids=FILES)
def test_volumes_and_networks_carry_the_instances_label(content: dict[str, Any]) -> None:
    for kind in ("volumes", "networks"):
        assert all(entry["labels"]["habari.instance"] for entry in content[kind].values())


@pytest.mark.parametrize("content", FILES.values(), ids=FILES)
def test_a_databases_volume_lies_above_its_data_folder(content: dict[str, Any]) -> None:
    mounts = [
        mount for service in content["services"].values() if "-db:" in service["volumes"][0]
        for mount in service["volumes"]
    ]  # fmt: skip
    assert mounts
    assert all(mount.endswith(":/var/lib/postgresql") for mount in mounts)


def test_the_sample_of_the_environment_has_no_secret_in_it() -> None:
    lines = (CHECKOUT / "jupyter" / ".env.dist").read_text().splitlines()
    said = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    empty = {name for name, value in said.items() if not value}
    assert empty == {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "EXPLORE_DB_PASSWORD", "DEBUG"}
