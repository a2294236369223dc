"""What kind is told: the checkout's file with our name, free ports on loopback, and our mark."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from devenv.cluster import config, slots
from devenv.cluster.making import FILE
from devenv.cluster.place import Place
from devenv.errors import UsageError
from devenv.state import Instance

PORTS = {slots.port_name(number): 9100 + number for number in range(slots.COUNT)}


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place.of(Instance("lab", tmp_path / "checkout", tmp_path / "data"))


def rendered(file: Path, place: Place) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(config.render(file, place, PORTS))
    return found


def test_the_checkouts_own_file_maps_each_slot_to_a_port_of_this_machine(place: Place) -> None:
    mappings = rendered(FILE, place)["nodes"][0]["extraPortMappings"]

    found = {each["containerPort"]: (each["listenAddress"], each["hostPort"]) for each in mappings}
    assert found == {30080 + number: ("127.0.0.1", 9100 + number) for number in range(8)}


def test_the_cluster_has_our_name_our_mark_and_an_api_on_loopback(place: Place) -> None:
    found = rendered(FILE, place)

    assert found["name"] == place.id
    assert found["networking"]["apiServerAddress"] == "127.0.0.1"
    mount = found["nodes"][0]["extraMounts"][-1]
    assert mount == {"hostPath": f"{place.instance.root}/mark", "containerPath": "/habari", "readOnly": True}


def test_what_else_the_file_says_stays(place: Place, tmp_path: Path) -> None:
    content = yaml.safe_load(FILE.read_text())
    content["featureGates"] = {"Some": True}
    content["nodes"][0]["labels"] = {"disk": "fast"}
    own = tmp_path / "kind-config.yaml"
    own.write_text(yaml.safe_dump(content))

    found = rendered(own, place)

    assert found["featureGates"] == {"Some": True}
    assert found["nodes"][0]["labels"] == {"disk": "fast"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("nodes: [", "cannot be read"),
        ("kind: Cluster", "does not have one node"),
        ("nodes: [{role: control-plane}, {role: worker}]", "does not have one node"),
        ("nodes: [{role: control-plane}]", "maps no port to the node's 30080"),
    ],
    ids=["no yaml", "no node", "two nodes", "no mapping"],
)
def test_a_file_that_cannot_serve_is_named_with_what_is_wrong(
    text: str, said: str, place: Place, tmp_path: Path
) -> None:
    file = tmp_path / "kind-config.yaml"
    file.write_text(text)

    with pytest.raises(UsageError, match=said):
        config.render(file, place, PORTS)


@pytest.mark.parametrize(
    ("text", "subnet"),
    [
        ("kind: Cluster\n", "10.96.0.0/16"),
        ("networking: {apiServerAddress: 127.0.0.1}\n", "10.96.0.0/16"),
        ("networking: {serviceSubnet: 10.112.0.0/12}\n", "10.112.0.0/12"),
    ],
    ids=["nothing said", "other things said", "a range of its own"],
)
def test_the_range_of_services_is_kinds_own_unless_the_file_says_another(
    text: str, subnet: str, tmp_path: Path
) -> None:
    file = tmp_path / "kind-config.yaml"
    file.write_text(text)

    assert config.service_subnet(file) == subnet
