"""A cluster whose making fails or was killed leaves no wreck of ours, and what is not ours alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from devenv import commands, processes
from devenv.cluster import loading, service_addresses
from devenv.cluster.making import Making
from devenv.cluster.place import Place
from devenv.errors import DevenvError, InterruptedByUser, UnhealthyError
from devenv.state import Instance

PORTS = {f"slot-{number}": 8000 + number for number in range(8)}


class Cluster:
    """Plays kind and the node: one container, whole once that was noted."""

    def __init__(
        self, failure: DevenvError | None = None, *, there: bool = False, whole: bool = False
    ) -> None:
        self.failure, self.there, self.whole, self.running = failure, there, whole, False
        self.done: list[str] = []

    def container(self) -> object:
        return object() if self.there else None

    def is_whole(self) -> bool:
        return self.there and self.whole

    def is_running(self) -> bool:
        return self.running

    def start(self) -> None:
        self.done.append("start")

    def note_whole(self, image: str) -> None:
        self.whole = True

    def create(self, image: str, on_line: Callable[[str], None]) -> None:
        self.done.append("create")
        self.there = True
        if self.failure:
            raise self.failure

    def delete(self) -> None:
        self.done.append("delete")
        self.there = False

    def export_logs(self, folder: Path) -> None:
        self.done.append("logs")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.setattr(service_addresses, "keep_in", lambda *_: None)
    monkeypatch.setattr(processes, "marked", lambda _mark: ())
    found = Place.of(Instance("lab", tmp_path / "checkout", tmp_path / "data"))
    found.instance.create()
    return found


def bring_up(place: Place, cluster: Cluster, images: dict[str, str] | None = None, **options: Any) -> bool:
    making = Making(place, cluster, cluster, {}, commands.Leash())  # type: ignore[arg-type]
    return making.bring_up("habari/node:1", PORTS, images or {}, lambda _: None, **options)


def test_a_cluster_that_is_whole_is_started_again_and_not_made(place: Place) -> None:
    cluster = Cluster(there=True, whole=True)

    assert bring_up(place, cluster) is True
    assert cluster.done == ["start"]


def test_half_a_cluster_is_removed_before_a_whole_one_is_made(place: Place) -> None:
    cluster = Cluster(there=True)

    assert bring_up(place, cluster) is True
    assert cluster.done == ["delete", "create"]
    assert cluster.whole


def test_a_failure_leaves_the_nodes_logs_and_no_cluster(place: Place) -> None:
    cluster = Cluster(UnhealthyError("kind could not"))

    with pytest.raises(UnhealthyError) as caught:
        bring_up(place, cluster)

    assert cluster.done == ["create", "logs", "delete"]
    assert str(place.instance.logs) in caught.value.details[-1]


def test_a_wish_to_end_leaves_no_logs_that_take_a_minute_to_write(place: Place) -> None:
    cluster = Cluster(InterruptedByUser("interrupted"))

    with pytest.raises(InterruptedByUser):
        bring_up(place, cluster)

    assert cluster.done == ["create", "delete"]


def test_a_node_that_is_not_ours_is_not_deleted_after_a_failure(place: Place) -> None:
    cluster = Cluster(UnhealthyError("a cluster of this name is there already"))
    cluster.container = lambda: None  # type: ignore[method-assign]

    with pytest.raises(UnhealthyError):
        bring_up(place, cluster)

    assert cluster.done == ["create"]


def test_images_that_do_not_load_undo_the_cluster(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise UnhealthyError("the node did not take habari/hub:1")

    monkeypatch.setattr(loading, "bring", refuse)
    cluster = Cluster()

    with pytest.raises(UnhealthyError, match="did not take"):
        bring_up(place, cluster, {"habari/hub:1": "sha256:1"})

    assert cluster.done == ["create", "logs", "delete"]
    assert not cluster.whole


def test_a_node_image_that_may_hold_the_images_is_asked_before_any_is_written_out(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    brought: list[str] = []
    monkeypatch.setattr(loading, "wait_for_store", lambda node, *_: asked.append(node))
    monkeypatch.setattr(loading, "_stored", lambda *_: {"docker.io/habari/hub:1": "sha256:1"})
    monkeypatch.setattr(loading, "bring", lambda _place, names, *_: brought.extend(names))
    images = {"habari/hub:1": "sha256:1", "habari/proxy:1": "sha256:2"}

    bring_up(place, Cluster(), images, may_hold_them=True)

    assert (asked, brought) == ([place.node], ["habari/proxy:1"])


def test_what_pods_have_to_find_as_they_begin_is_told_once_the_cluster_is_made(place: Place) -> None:
    cluster = Cluster()
    for _ in range(2):
        bring_up(place, cluster, once_made=lambda: cluster.done.append("told"))
        cluster.whole = True

    assert cluster.done == ["create", "told", "start"]


def test_what_a_killed_command_left_of_kind_is_ended_and_its_lock_forgotten(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended: list[object] = []
    stray = processes.Identity(7, "boot:1")
    monkeypatch.setattr(
        processes, "marked", lambda mark: (stray,) if mark == place.instance.mark("kind") else ()
    )
    monkeypatch.setattr(processes, "end", lambda found, **_: ended.extend(found))
    lock = place.kubeconfig.with_name("kubeconfig.lock")
    lock.touch()

    bring_up(place, Cluster())

    assert ended == [stray]
    assert not lock.exists()
