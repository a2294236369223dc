"""What the node lacks of the engine's images."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import pytest

from devenv import commands
from devenv.cluster import layers, loading
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
    step: str, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
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


def saved(*blobs: str) -> bytes:
    """An archive of these blobs, as the engine writes one."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        for name in ("oci-layout", *(f"blobs/sha256/{blob}" for blob in blobs)):
            entry = tarfile.TarInfo(name)
            entry.size = len(name)
            archive.addfile(entry, io.BytesIO(name.encode()))
    return made.getvalue()


@pytest.fixture
def place(tmp_path: Path) -> Place:
    made = Place.of(Instance("lab", tmp_path / "checkout", tmp_path / "data"))
    made.instance.create()
    return made


class Machine:
    """An engine with an archive, and a node that holds blobs and takes archives; the names in each."""

    def __init__(self, place: Place, archive: bytes, held: str, *, refuses: int = 0) -> None:
        self.place, self.archive, self.held, self.refuses = place, archive, held, refuses
        self.taken: list[list[str]] = []

    def run(self, argv: Argv, **_: Any) -> Completed:
        return Completed(tuple(map(str, argv)), 0, self.held, "")

    def pipe(self, argv: Argv, take: Callable[[IO[bytes]], object], **_: Any) -> Completed:
        take(io.BytesIO(self.archive))
        return Completed(tuple(map(str, argv)), 0, "", "")

    def stream(self, argv: Argv, on_line: Callable[[str], None], **_: Any) -> int:
        archive = self.place.mark / loading.ARCHIVE
        if "save" in argv:
            archive.write_bytes(self.archive)
            return 0
        with tarfile.open(archive) as whole:
            self.taken.append(whole.getnames())
        return int(len(self.taken) <= self.refuses)


def machine(monkeypatch: pytest.MonkeyPatch, made: Machine) -> Machine:
    for name in ("run", "pipe", "stream"):
        monkeypatch.setattr(commands, name, getattr(made, name))
    return made


def test_layers_that_the_node_holds_are_not_written_again(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = machine(monkeypatch, Machine(place, saved("aa", "bb"), "sha256:aa\nsha256:cc\n"))

    loading.bring(place, ["habari/jupyter:2"], {}, commands.Leash())

    assert node.taken == [["oci-layout", "blobs/sha256/bb"]]


def test_an_archive_of_an_older_engine_passes_whole_with_its_links() -> None:
    made, passed = io.BytesIO(), io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        layer = tarfile.TarInfo("first/layer.tar")
        layer.size = 5
        archive.addfile(layer, io.BytesIO(b"layer"))
        link = tarfile.TarInfo("second/layer.tar")
        link.type, link.linkname = tarfile.SYMTYPE, "../first/layer.tar"
        archive.addfile(link)
    made.seek(0)

    layers.leave_out(made, passed, {"sha256:aa"})

    passed.seek(0)
    with tarfile.open(fileobj=passed) as archive:
        content = archive.extractfile("second/layer.tar")
        assert content is not None
        assert content.read() == b"layer"


def test_a_node_that_has_dropped_a_layer_meanwhile_gets_all_of_them(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = machine(monkeypatch, Machine(place, saved("aa", "bb"), "sha256:aa\n", refuses=1))

    loading.bring(place, ["habari/jupyter:2"], {}, commands.Leash())

    assert node.taken == [
        ["oci-layout", "blobs/sha256/bb"],
        ["oci-layout", "blobs/sha256/aa", "blobs/sha256/bb"],
    ]


@pytest.mark.parametrize("archive", [b"", b"x" * 600], ids=["nothing", "no archive"])
def test_what_the_engine_breaks_off_is_told(
    archive: bytes, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine(monkeypatch, Machine(place, archive, "sha256:aa\n"))

    with pytest.raises(UnhealthyError, match="did not save habari/jupyter:2"):
        loading.save(place, ["habari/jupyter:2"], {}, commands.Leash(), without={"sha256:aa"})
