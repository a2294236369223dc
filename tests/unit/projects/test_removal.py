"""A project is deleted with all that is its own, in an order that a kill cannot spoil; nothing else goes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from unit.projects.world import World

from devenv import session as sessions
from devenv import state
from devenv.credentials import Vault
from devenv.errors import ConflictError, NotRunningError, UnhealthyError, UsageError
from devenv.runtimes.runtime import Condition, Phase
from devenv.session import Session


def test_everything_of_the_project_goes_and_its_instance_last(world: World) -> None:
    file = world.start("weather")

    world.delete("weather")

    assert world.done == [
        ("drop", "5433", "weather_hub", "weather_hub"),
        ("drop", "5434", "weather_explore", "weather_explore"),
        ("withdraw", "weather", "weather-lake", "weather-notebooks"),
        ("leave", "weather"),
    ]
    assert world.helms["weather"].releases == {}
    assert not world.api.has_namespace
    assert not world.instance("weather").root.exists()
    assert file.exists()
    assert "The project weather is deleted." in world.out.getvalue()


def test_another_project_and_the_cluster_stay(world: World) -> None:
    world.start("weather")
    world.start("health")

    world.delete("weather")

    assert world.on_cluster() == ["health"]
    assert world.instance("health").exists()
    assert world.instance("kind").exists()
    assert "habari-health" in world.helms["health"].releases


def test_machines_are_told_what_went(world: World) -> None:
    file = world.start("weather")

    world.delete("weather", json_too=True)

    told = json.loads(world.out.getvalue())
    assert told["kept"] == str(file)
    assert {"release habari-weather", "bucket weather-lake", "dropped weather_hub"} <= set(told["deleted"])


def test_where_nobody_can_be_asked_yes_must_be_said(world: World) -> None:
    world.start("weather")

    with pytest.raises(UsageError, match="nobody at a terminal"):
        world.delete("weather", yes=False)
    assert world.done == []
    assert "bucket weather-lake" in world.err.getvalue()


@pytest.mark.parametrize("step", ["drop", "withdraw", "leave"])
def test_a_deletion_that_failed_is_finished_by_the_next(world: World, step: str) -> None:
    world.start("weather")
    world.fails_at = step
    with pytest.raises(UnhealthyError):
        world.delete("weather")
    assert world.on_cluster() == ["weather"]

    world.fails_at = ""
    world.delete("weather")

    assert ("leave", "weather") in world.done
    assert not world.instance("weather").root.exists()


@pytest.mark.parametrize("stopped", ["cluster", "hub-db", "explore-db", "s3"])
def test_servers_that_are_stopped_cannot_give_up_what_they_hold(world: World, stopped: str) -> None:
    file = world.start("weather")
    world.phases[stopped] = Phase.STOPPED

    with pytest.raises(NotRunningError, match=f"{stopped} must run") as caught:
        world.delete("weather")
    assert f"./dev kind --project {file}" in caught.value.hint
    assert world.done == []


@pytest.mark.parametrize("piece", ["release", "github"])
def test_a_project_that_does_not_work_can_be_deleted(world: World, piece: str) -> None:
    world.start("weather")
    world.phases[piece] = Phase.CRASHED

    world.delete("weather")

    assert world.on_cluster() == []


@pytest.mark.parametrize("bucket", ["lake", "notebooks", "public"])
def test_what_another_project_has_too_is_not_deleted(world: World, bucket: str) -> None:
    world.start("weather", lake="ours")
    world.start("health", **{bucket: "ours"})

    with pytest.raises(ConflictError, match="the project health has the bucket ours too"):
        world.delete("weather")
    assert world.done == []


def test_the_public_bucket_is_nobodys_own(world: World) -> None:
    world.start("weather", public="for-all")
    world.start("health", public="for-all")

    world.delete("weather")

    assert world.done[2] == ("withdraw", "weather", "weather-lake", "weather-notebooks")


def test_a_project_that_was_only_made_goes_without_a_cluster(world: World) -> None:
    instance = world.instance("weather")
    instance.create()
    sessions.remember_file(instance, world.home / "weather.yaml")
    Vault(instance.secrets).fill()

    world.delete("weather")

    assert world.done == []
    assert state.instances_of(world.checkout, world.home / "data") == []


def test_a_project_whose_file_is_gone_can_be_deleted(world: World) -> None:
    world.start("weather").unlink()

    world.delete("weather")

    assert world.on_cluster() == []


def test_an_unknown_project_is_told_with_the_known_ones(world: World) -> None:
    world.start("weather")

    with pytest.raises(UsageError, match="no project 'wether'") as caught:
        world.delete("wether")
    assert caught.value.hint == "There is: weather"


def test_an_s3_of_ones_own_without_an_admin_is_left_alone(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = world.start("weather")
    content: Mapping[str, Any] = {"provider": "external", "endpoint": "http://s3.example.org"}
    file.write_text(json.dumps({"name": "weather", "s3": content}))
    monkeypatch.setenv("HABARI_S3_ACCESS_KEY_ID", "AK")
    monkeypatch.setenv("HABARI_S3_SECRET_ACCESS_KEY", "hidden")

    world.delete("weather", json_too=True)

    assert "withdraw" not in {words[0] for words in world.done}
    assert any("left alone" in each for each in json.loads(world.out.getvalue())["deleted"])


def test_a_project_that_runs_without_the_cluster_now_is_not_deleted(world: World) -> None:
    """Its folder would be taken from under running processes."""
    file = world.start("weather")
    opened = Session.open(level="jupyter", runtime="process", project_file=file)
    opened.remember()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "devenv.runtimes.process.ProcessRuntime.condition", lambda *_, **__: Condition(Phase.RUNNING)
        )
        with pytest.raises(ConflictError, match="run by the runtime process"):
            world.delete("weather")
    assert world.done == []


def test_a_project_that_is_off_the_cluster_already_is_deleted_while_others_run_there(world: World) -> None:
    """Its deletion was killed near its end, or the cluster was deleted and made anew without it."""
    world.start("weather")
    world.start("health")
    world.leave("weather")

    world.delete("weather")

    assert world.done == []
    assert not world.instance("weather").root.exists()
    assert world.on_cluster() == ["health"]


def test_a_project_that_is_off_the_cluster_already_may_run_by_processes_while_others_run_there(
    world: World,
) -> None:
    file = world.start("weather")
    opened = Session.open(level="jupyter", runtime="process", project_file=file)
    with pytest.raises(ConflictError, match="run by the runtime kind"):
        opened.require_no_other_runtime()

    world.leave("weather")

    opened.require_no_other_runtime()
