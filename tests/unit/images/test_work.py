"""The bodies of the images' tasks, with a client of Docker that only remembers."""

from __future__ import annotations

import fcntl
import io
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from unit.images.fake_docker import FakeDocker

from devenv import commands, report
from devenv.errors import ConflictError, MissingError, NotRunningError, UsageError
from devenv.images import bases, content, pins, sources, work

PINS = pins.load()
S3 = PINS.images["s3"]


@pytest.fixture
def docker(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> FakeDocker:
    monkeypatch.setenv("HABARI_DATA_ROOT", str(tmp_path))
    fake = FakeDocker()
    monkeypatch.setattr(commands, "run", fake.run)
    monkeypatch.setattr(commands, "stream", fake.stream)
    nothing = sources.Sources(dict.fromkeys(sources.SECRETS, b""))
    monkeypatch.setattr(sources, "of_host", lambda environ, suite: nothing)
    return fake


def told(task: Any, **arguments: Any) -> Any:
    out = io.StringIO()
    reporter = report.make(json=True, environ={}, out=out, err=io.StringIO())
    task(reporter, json=True, **arguments)
    return json.loads(out.getvalue())


def built_before(docker: FakeDocker, version: str = "0.1", **changed: str) -> str:
    base = bases.wanted(PINS, S3, "registry")
    labels = {
        "habari_image": "s3",
        "habari_from": "registry",
        "habari_base": base.reference,
        "habari_key": content.key(S3, base.key),
        **changed,
    }
    return docker.add(f"habari/s3:{version}", **labels)


def test_the_first_build_gets_the_first_version_and_the_local_name(docker: FakeDocker) -> None:
    done = told(work.build, names=["s3"])
    assert done["images"][0]["reference"] == "habari/s3:0.1"
    assert [sorted(image["RepoTags"]) for image in docker.images.values()] == [
        ["habari/s3:0.1", "habari/s3:local"]
    ]


def test_nothing_is_built_when_nothing_has_changed(docker: FakeDocker) -> None:
    name = built_before(docker)
    done = told(work.build, names=["s3"])
    assert done["images"] == [
        {"image": "s3", "reference": "habari/s3:0.1", "built": False, "detail": "nothing has changed"}
    ]
    assert docker.built() == []
    assert "habari/s3:local" in docker.images[name]["RepoTags"]


def test_what_somebody_built_on_one_of_ours_is_not_taken_for_it(docker: FakeDocker) -> None:
    base = bases.wanted(PINS, S3, "registry")
    inherited = {"habari_image": "s3", "habari_key": content.key(S3, base.key)}
    docker.add("acme/s3:2", **inherited)
    built_before(docker, "0.2")
    built_before(docker, "0.10")

    done = told(work.build, names=["s3"])

    assert done["images"][0]["reference"] == "habari/s3:0.10"
    assert docker.built() == []


def test_a_changed_image_gets_the_next_version(docker: FakeDocker) -> None:
    built_before(docker, habari_key="another")
    told(work.build, names=["s3"])
    assert docker.built() == ["habari/s3:0.2"]
    assert [image["RepoTags"][0] for image in docker.images.values()] == ["habari/s3:0.1", "habari/s3:0.2"]


def test_the_same_image_from_mirrors_is_another_one(docker: FakeDocker) -> None:
    built_before(docker)
    docker.add(bases.debian(PINS).reference, habari_image="base")
    told(work.build, names=["s3"], origin="mirrors")
    assert docker.built() == ["habari/s3:0.2"]


def test_an_unchanged_image_asks_nobody_for_packages(
    docker: FakeDocker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(environ: object, suite: str) -> sources.Sources:
        raise AssertionError("apt, pip and npm were asked")

    monkeypatch.setattr(sources, "of_host", refuse)
    built_before(docker)
    assert told(work.build, names=["s3"])["images"][0]["built"] is False


def test_a_second_build_beside_it_waits_for_the_first(docker: FakeDocker, tmp_path: Path) -> None:
    (tmp_path / "locks").mkdir()
    with (tmp_path / "locks" / "image-s3.lock").open("a") as handle, ThreadPoolExecutor() as pool:
        fcntl.flock(handle, fcntl.LOCK_EX)
        second = pool.submit(told, work.build, names=["s3"])
        with pytest.raises(TimeoutError):
            second.result(0.2)
        assert docker.built() == []
        fcntl.flock(handle, fcntl.LOCK_UN)
        assert second.result(10)["images"][0]["built"] is True


def test_a_failed_build_names_what_to_do_and_leaves_no_version(docker: FakeDocker) -> None:
    docker.refuses["buildx build"] = "ERROR: failed to resolve source metadata for debian"
    with pytest.raises(MissingError, match="--from mirrors"):
        told(work.build, names=["s3"])
    assert docker.images == {}


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        pytest.param(
            "Cannot connect to the Docker daemon at unix:///x", "no Docker engine answers", id="no engine"
        ),
        pytest.param("permission denied while trying to connect", "may not use", id="no permission"),
    ],
)
def test_an_engine_that_does_not_answer_is_told(docker: FakeDocker, said: str, expected: str) -> None:
    docker.refuses["version"] = said
    with pytest.raises(MissingError, match=expected):
        told(work.listing)


def test_a_missing_client_is_told(docker: FakeDocker) -> None:
    docker.is_installed = False
    with pytest.raises(MissingError, match="client is not there"):
        told(work.listing)


def test_a_missing_buildx_is_told(docker: FakeDocker) -> None:
    docker.refuses["buildx version"] = "unknown command"
    with pytest.raises(MissingError, match="buildx"):
        told(work.build)


def test_an_unknown_origin_is_told(docker: FakeDocker) -> None:
    with pytest.raises(UsageError, match="registry, mirrors"):
        told(work.build, origin="thin air")


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        pytest.param({}, "", id="as pinned"),
        pytest.param({"habari_key": "x"}, "its files have changed", id="other files"),
        pytest.param({"habari_base": "debian:old"}, "stands on debian:old", id="another base"),
    ],
)
def test_the_list_names_what_differs_from_the_pins(
    docker: FakeDocker, changed: dict[str, str], expected: str
) -> None:
    built_before(docker, **changed)
    row = next(row for row in told(work.listing)["images"] if row["image"] == "s3")
    assert (row["version"], row["size_bytes"]) == ("0.1", 1_500_000)
    assert row["differs"].startswith(expected)
    assert bool(row["differs"]) is bool(expected)


def test_the_list_names_what_is_not_built_and_what_is_superseded(docker: FakeDocker) -> None:
    built_before(docker, "0.9")
    built_before(docker, "0.10")
    rows = told(work.listing)["images"]
    assert [(row["version"], row["differs"]) for row in rows if row["image"] == "s3"] == [
        ("0.10", ""),
        ("0.9", "superseded"),
    ]
    assert "./dev images.build --name hub" in next(row["differs"] for row in rows if row["image"] == "hub")


def test_the_newest_version_is_pushed(docker: FakeDocker) -> None:
    built_before(docker, "0.1", habari_key="old")
    built_before(docker, "0.2")
    done = told(work.push, repository="registry.example/habari", names=["s3"])
    assert done["images"][0]["reference"] == "registry.example/habari/s3:0.2"
    assert docker.calls[-1] == ("docker", "push", "registry.example/habari/s3:0.2")


def test_a_version_of_somebody_else_is_never_replaced(docker: FakeDocker) -> None:
    built_before(docker)
    docker.remote.add("registry.example/habari/s3:0.1")
    with pytest.raises(ConflictError, match="never replaced"):
        told(work.push, repository="registry.example/habari", names=["s3"])


def test_pushing_twice_is_the_same_as_once(docker: FakeDocker) -> None:
    name = built_before(docker)
    docker.remote.add("registry.example/habari/s3:0.1")
    docker.images[name]["RepoDigests"] = ["registry.example/habari/s3@sha256:1"]
    done = told(work.push, repository="registry.example/habari", names=["s3"])
    assert done["images"][0]["detail"] == "was there already"
    assert not any(call[1] == "push" for call in docker.calls)


def test_what_is_not_built_cannot_be_pushed(docker: FakeDocker) -> None:
    with pytest.raises(NotRunningError, match=r"images\.build --name s3"):
        told(work.push, repository="registry.example/habari", names=["s3"])
