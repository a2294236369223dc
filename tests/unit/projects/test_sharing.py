"""A project does not start on a cluster where another has what its file names."""

from __future__ import annotations

from typing import Any

import pytest
from unit.projects.world import World

from devenv import session as sessions
from devenv import sharing
from devenv.errors import ConflictError
from devenv.session import Session


def require_nothing_shared(world: World, name: str) -> None:
    sharing.require_nothing_shared(Session.open(level="kind", project_file=world.home / f"{name}.yaml"))


DATABASE = {"databases": {"hub": {"name": "weather_hub"}}}
ROLE = {"databases": {"explore": {"user": "weather_explore"}}}


@pytest.mark.parametrize(
    ("settings", "shared"),
    [
        ({"buckets": {"lake": "weather-lake"}}, "bucket weather-lake"),
        ({"buckets": {"notebooks": "weather-lake"}}, "bucket weather-lake"),
        ({"buckets": {"public": "weather-lake"}}, "bucket weather-lake"),
        ({"buckets": {"lake": "for-all"}}, "bucket for-all"),
        (DATABASE, "database weather_hub"),
        (ROLE, "role weather_explore"),
        (DATABASE | {"buckets": {"lake": "weather-lake"}}, "bucket weather-lake, database weather_hub"),
    ],
    ids=["lake", "its notebooks", "its public", "the other's public", "database", "role", "two things"],
)
def test_what_another_project_has_is_refused_by_name(
    world: World, settings: dict[str, Any], shared: str
) -> None:
    world.start("weather", public="for-all")
    world.write("health", **settings)

    with pytest.raises(ConflictError, match=f"the project weather has the {shared} too"):
        require_nothing_shared(world, "health")


def test_a_start_is_refused_before_anything_is_there(world: World) -> None:
    world.start("weather")
    world.write("health", **DATABASE)

    with pytest.raises(ConflictError, match="the project weather has the database weather_hub too"):
        world.up("health")
    assert not world.instance("health").root.exists()
    assert world.on_cluster() == ["weather"]


def test_projects_with_names_of_their_own_share_the_public_bucket_alone(world: World) -> None:
    world.start("weather", public="for-all")
    world.start("health", public="for-all")

    require_nothing_shared(world, "health")


def test_a_bucket_of_an_s3_elsewhere_is_another(world: World) -> None:
    world.start("weather", lake="data")
    world.write(
        "health", buckets={"lake": "data"}, s3={"provider": "external", "endpoint": "http://s3.example.org"}
    )

    require_nothing_shared(world, "health")


@pytest.mark.parametrize("content", [None, "bukets: {}\n"], ids=["gone", "not valid"])
def test_of_a_file_that_cannot_be_read_nothing_is_guessed(world: World, content: str | None) -> None:
    file = world.start("weather", lake="ours")
    world.start("health", lake="ours")
    file.unlink()
    if content:
        file.write_text(content)

    with pytest.raises(ConflictError, match="what the project weather has cannot be told") as caught:
        require_nothing_shared(world, "health")
    assert "./dev project.delete weather" in caught.value.hint
    with pytest.raises(ConflictError, match="cannot be told"):
        world.delete("health")
    assert world.done == []


def test_the_file_counts_that_the_project_was_started_with_though_nobody_remembers_it(world: World) -> None:
    world.start("weather", lake="ours")
    (world.instance("weather").root / sessions.REMEMBERED).unlink()
    world.write("health", buckets={"lake": "ours"})

    with pytest.raises(ConflictError, match="the project weather has the bucket ours too"):
        require_nothing_shared(world, "health")
