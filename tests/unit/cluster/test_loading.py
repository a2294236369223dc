"""What the node lacks of the engine's images."""

from __future__ import annotations

import json
from typing import Any

import pytest

from devenv import commands
from devenv.cluster import loading
from devenv.commands import Argv, Completed


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


def test_an_image_is_missing_when_the_node_has_another_one_of_its_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
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
    wanted = {
        "habari/hub:0.1": "sha256:1",
        "habari/jupyter:local": "sha256:new",
        "habari/proxy:0.1": "sha256:3",
    }

    assert loading.missing("node", wanted, {}) == ["habari/jupyter:local", "habari/proxy:0.1"]
