"""One place for pins, and Dockerfiles that engines from 20.10 on build without a network of their own."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from devenv.errors import UsageError
from devenv.images import pins
from devenv.images.pins import CHECKOUT

PINS = pins.load()
NODE = CHECKOUT / "images" / "node"
COMPOSE = [CHECKOUT / "docker-compose.yaml", CHECKOUT / "docker-compose.postgres.yaml"]


@pytest.mark.parametrize("name", PINS.images)
def test_a_dockerfiles_default_base_is_the_pinned_one(name: str) -> None:
    image = PINS.images[name]
    assert re.findall(r"^ARG BASE=(\S+)$", image.dockerfile.read_text(), re.MULTILINE) == [
        PINS.bases[image.base]
    ]


@pytest.mark.parametrize("file", COMPOSE, ids=lambda file: file.name)
def test_a_compose_files_default_bases_are_the_pinned_ones(file: Path) -> None:
    named = set(re.findall(r"BASE: \$\{\w+:-(\S+)\}", file.read_text()))
    assert named
    assert named <= set(PINS.bases.values())


@pytest.mark.parametrize("kind", PINS.bases)
def test_a_base_is_a_dated_tag(kind: str) -> None:
    assert re.search(r":.*20\d\d-?\d\d-?\d\d", PINS.bases[kind])


BREAKS_OLD_ENGINES = {
    "a syntax line asks a registry for a front end": r"^# *syntax *=",
    "heredocs need a newer front end": r"<<-?['\"]?[A-Z]",
    "COPY --link needs a newer front end": r"--link",
    "a named context needs buildx 0.8": r"--from=\w+:",
    "ADD fetches from an address": r"^ADD ",
}


@pytest.mark.parametrize("why", BREAKS_OLD_ENGINES)
@pytest.mark.parametrize("name", PINS.images)
def test_a_dockerfile_has_nothing_that_old_engines_do_not_know(name: str, why: str) -> None:
    text = PINS.images[name].dockerfile.read_text()
    assert not re.search(BREAKS_OLD_ENGINES[why], text, re.MULTILINE)


@pytest.mark.parametrize("name", PINS.images)
def test_every_step_that_installs_gets_the_hosts_secrets(name: str) -> None:
    text = PINS.images[name].dockerfile.read_text().replace("\\\n", " ")
    needed = {
        "apt-install": "apt_sources apt_conf ca",
        "pip-install": "pip ca",
        "npm-install": "npm ca",
        "go-build": "go ca",
    }
    steps = [line for line in text.splitlines() if line.startswith("RUN ")]
    for step in steps:
        for script, secrets in needed.items():
            if script in step:
                assert [each for each in secrets.split() if f"type=secret,id={each}" not in step] == []


def test_an_unknown_image_is_told_with_the_nearest_name() -> None:
    with pytest.raises(UsageError, match="Did you mean jupyter"):
        PINS.chosen(["jupiter"])


def test_no_name_means_every_image_but_those_that_are_built_on_request() -> None:
    assert [image.name for image in PINS.chosen([])] == [
        name for name in PINS.images if name not in ("node", "minio")
    ]
    assert [image.name for image in PINS.chosen(["node"])] == ["node"]


def test_the_node_of_a_registry_is_pinned_by_its_digest() -> None:
    assert re.fullmatch(r"kindest/node:v1\.\d+\.\d+@sha256:[0-9a-f]{64}", PINS.node)


def test_the_nodes_own_scripts_are_of_the_pinned_kind() -> None:
    text = PINS.images["node"].dockerfile.read_text()
    assert set(re.findall(r"sigs\.k8s\.io/kind@v([\d.]+\d)", text)) == {PINS.tools["kind"]}


def test_the_node_is_called_by_the_version_of_kubernetes_that_is_built() -> None:
    text = PINS.images["node"].dockerfile.read_text()
    required = re.search(r"k8s\.io/kubernetes (v\S+)", (NODE / "kubernetes" / "go.mod").read_text())
    assert required
    assert set(re.findall(r"^ARG KUBERNETES=(\S+)$", text, re.MULTILINE)) == {required[1]}
