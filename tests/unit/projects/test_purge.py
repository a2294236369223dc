"""``down --purge`` takes the whole cluster along: whose data that are is said, or it is refused."""

from __future__ import annotations

import pytest
from unit.projects.world import World

from devenv.errors import ConflictError


def test_a_project_on_the_cluster_takes_all_of_it_along_and_names_the_others(world: World) -> None:
    world.start("weather")
    world.start("health")

    world.purge("weather")

    assert world.done == [("purge", "alone")]
    assert "is deleted with all that is on it: weather, health" in world.err.getvalue()
    assert not world.instance("weather").root.exists()


def test_a_project_that_has_left_for_processes_cannot_delete_the_cluster_of_others(world: World) -> None:
    world.start("weather")
    world.start("health")
    world.switch("weather")

    with pytest.raises(ConflictError, match="holds the data of health too") as caught:
        world.purge("weather")
    assert "./dev project.delete weather" in caught.value.hint
    assert world.done == []
    assert world.instance("weather").exists()


def test_a_project_that_has_left_for_processes_deletes_a_cluster_that_nobody_else_is_on(world: World) -> None:
    world.start("weather")
    world.switch("weather")

    world.purge("weather")

    assert world.done == [("purge", "alone")]
    assert "is deleted with all that is on it: weather" in world.err.getvalue()


def test_a_project_that_was_never_on_the_cluster_says_nothing_of_it(world: World) -> None:
    world.start("health")
    world.home.joinpath("weather.yaml").write_text("name: weather\n")
    world.switch("weather")

    world.purge("weather")

    assert world.done == []
    assert "the cluster" not in world.err.getvalue()
    assert world.on_cluster() == ["health"]
