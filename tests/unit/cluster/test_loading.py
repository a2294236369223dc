"""What the node lacks of the engine's images."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from devenv import commands
from devenv.cluster import loading
from devenv.cluster.place import Place
from devenv.commands import Argv, Completed
from devenv.errors import UnhealthyError
from devenv.state import Instance


@pytest.mark.parametrize(
    ("name", "whole"),
    [
        ("busybox:1", "docker.io/library/busybox:1"),
        ("habari/hub:0.1", "docker.io/habari/hub:0.1"),
        ("quay.io/jupyter/base:2", "quay.io/jupyter/base:2"),
        ("localhost/x:1", "localhost/x:1"),
        ("registry:5000/x:1", "registry:5000/x:1"),
    ],
)
def test_a_name_without_a_registry_is_one_of_dockers(name: str, whole: str) -> None:
    assert loading.canonical(name) == whole


@pytest.fixture
def node(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a node says of its images."""
    there = {
        "images": [
            {"id": "sha256:1", "repoTags": ["docker.io/habari/hub:0.1"]},
            {"id": "sha256:old", "repoTags": ["docker.io/habari/jupyter:local"]},
            {"id": "sha256:3", "repoTags": None},
        ]
    }

    def run(argv: Argv, **_: Any) -> Completed:
        return Completed(tuple(map(str, argv)), 0, json.dumps(there), "")

    monkeypatch.setattr(commands, "run", run)


WANTED = {"habari/hub:0.1": "sha256:1", "habari/jupyter:local": "sha256:new", "habari/proxy:0.1": "sha256:3"}


def test_an_image_is_missing_when_the_node_has_another_one_of_its_name(node: None) -> None:
    assert loading.missing("node", WANTED, {}) == ["habari/jupyter:local", "habari/proxy:0.1"]


def test_a_name_that_the_node_does_not_know_at_all_is_told_apart(node: None) -> None:
    assert loading.nameless("node", WANTED, {}) == ["habari/proxy:0.1"]


@pytest.mark.parametrize("step", ["save", "wait_for_store", "take"])
def test_of_what_was_written_on_the_way_nothing_stays(
    step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Place.of(Instance("lab", tmp_path / "checkout", tmp_path / "data"))
    place.instance.create()

    def write(*_: object) -> None:
        place.mark.mkdir(exist_ok=True)
        (place.mark / loading.ARCHIVE).write_text("gigabytes")

    def fail(*_: object) -> None:
        write()
        raise UnhealthyError("no")

    for each in ("save", "wait_for_store", "take"):
        monkeypatch.setattr(loading, each, fail if each == step else write)

    with pytest.raises(UnhealthyError):
        loading.bring(place, ["habari/hub:0.1"], {}, commands.Leash(), is_being_made=True)

    assert list(place.mark.iterdir()) == []
