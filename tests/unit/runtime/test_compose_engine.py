"""The engine that the compose runtime asks: which one it is, and what is said when it cannot be asked."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import docker
import pytest
from docker.errors import DockerException

from devenv.containers import Engine
from devenv.errors import DevenvError, MissingError, UsageError


def refusing(said: str) -> Any:
    def client(**_: Any) -> None:
        raise DockerException(said)

    return client


@pytest.mark.parametrize(
    ("said", "what", "hint"),
    [
        ("('Connection aborted.', PermissionError(13, 'Permission denied'))", "may not use", "group docker"),
        ("('Connection aborted.', FileNotFoundError(2, 'No such file'))", "no Docker engine", "Start it"),
    ],
    ids=["no permission", "no engine"],
)
def test_an_engine_that_cannot_be_asked_is_one_line_with_a_way_on(
    monkeypatch: pytest.MonkeyPatch, said: str, what: str, hint: str
) -> None:
    monkeypatch.setattr(docker, "DockerClient", refusing(said))

    with pytest.raises(MissingError, match=what) as caught:
        _ = Engine({}).client

    assert hint in caught.value.hint
    assert "--runtime process" in caught.value.hint


class Answering:
    """A client whose engine says which version it is."""

    def __init__(self, version: str) -> None:
        self._version = version

    def version(self) -> dict[str, str]:
        return {"Version": self._version}


@pytest.mark.parametrize("version", ["20.10.24+dfsg1", "26.1.5", "28.5.2-ce"])
def test_engines_from_20_10_on_are_taken(monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    monkeypatch.setattr(docker, "DockerClient", lambda **_: Answering(version))

    assert Engine({}).client


def test_an_older_engine_is_named_with_the_oldest_that_will_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(docker, "DockerClient", lambda **_: Answering("19.03.15"))

    with pytest.raises(MissingError, match=r"19\.03\.15") as caught:
        _ = Engine({}).client

    assert "20.10" in caught.value.hint


@pytest.mark.parametrize(
    ("host", "is_here"),
    [
        ("unix:///var/run/docker.sock", True),
        ("tcp://127.0.0.1:2375", True),
        ("tcp://build.example.org:2376", False),
        ("ssh://me@build.example.org", False),
    ],
)
def test_an_engine_on_another_machine_is_refused_because_its_ports_are_there(
    host: str, is_here: bool
) -> None:
    engine = Engine({"DOCKER_HOST": host})

    if is_here:
        engine.require_local()
    else:
        with pytest.raises(UsageError, match=r"another machine, build\.example\.org"):
            engine.require_local()


def test_a_context_that_nobody_made_is_not_taken_for_the_usual_engine() -> None:
    with pytest.raises(DevenvError, match="no context 'typo'"):
        Engine({"DOCKER_CONTEXT": "typo"}).require_local()


@pytest.mark.parametrize(
    "stats",
    [{"inactive_file": 0, "total_inactive_file": 700}, {"inactive_file": 700}, {"total_inactive_file": 700}],
    ids=["a node's groups, version 1", "version 2", "version 1"],
)
def test_files_that_can_be_forgotten_are_no_memory_of_a_container(
    monkeypatch: pytest.MonkeyPatch, stats: dict[str, int]
) -> None:
    told = {"memory_stats": {"usage": 1000, "stats": stats}}
    client = SimpleNamespace(api=SimpleNamespace(stats=lambda *_, **__: told))
    engine = Engine({})
    monkeypatch.setitem(engine.__dict__, "client", client)

    assert engine.memory_of(SimpleNamespace(id="c1")) == 300  # type: ignore[arg-type]
