"""Trouble with the engine, with what is on it, and amid a command: one line, and nothing half left."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from devenv.images import bases, building, pins
from devenv.images.building import Build
from devenv.images.engine import Engine
from devenv.images.pins import Image
from devenv.images.sources import SECRETS, Sources
from integration.compose.conftest import CHECKOUT
from integration.compose.looking import NAMES, containers, docker, volumes
from integration.conftest import Make
from integration.driving import Dev, wait_until

pytestmark = [pytest.mark.integration, pytest.mark.slow]


def client_that(folder: Path, script: str) -> str:
    """A PATH on which ``docker`` is this shell script; the real one is "$docker" to it."""
    folder.mkdir()
    fake = folder / "docker"
    fake.write_text(f"#!/bin/sh\ndocker={shutil.which('docker')}\n{script}\n")
    fake.chmod(fake.stat().st_mode | stat.S_IXUSR)
    return f"{folder}:{os.environ['PATH']}"


def expect_nothing_made(dev: Dev) -> None:
    networks = docker("network", "ls", "--quiet", "--filter", f"label=habari.instance={dev.instance.id}")
    assert (containers(dev), networks) == ({}, "")


@contextmanager
def volume(name: str, *options: str) -> Iterator[str]:
    docker("volume", "create", *options, name)
    try:
        yield name
    finally:
        subprocess.run(("docker", "volume", "rm", "--force", name), capture_output=True, check=True)


def of_ours(dev: Dev, name: str) -> tuple[str, ...]:
    """The labels that compose gives to a volume of this instance."""
    project = f"com.docker.compose.project={dev.instance.id}"
    labels = (f"habari.instance={dev.instance.id}", project, f"com.docker.compose.volume={name}")
    return tuple(word for label in labels for word in ("--label", label))


def test_without_an_engine_there_is_one_line(make: Make) -> None:
    dev = make("lonely", environ={"DOCKER_HOST": "unix:///nowhere.sock"})

    said = dev("up", "--runtime", "compose", code=5)

    assert "no Docker engine answers" in said.error
    assert "--runtime process" in said.error


def test_a_compose_that_is_too_old_is_told(
    docker: Engine, make: Make, contained: Mapping[str, str], tmp_path: Path
) -> None:
    script = '[ "$1 $2" = "compose version" ] && { echo 2.19.1; exit; }\nexec "$docker" "$@"'
    dev = make("old", environ={**contained, "PATH": client_that(tmp_path / "bin", script)})

    assert "docker compose is 2.19.1, 2.20 is needed" in dev("up", "--runtime", "compose", code=5).error


def test_a_client_without_compose_is_told(
    docker: Engine, make: Make, contained: Mapping[str, str], tmp_path: Path
) -> None:
    script = '[ "$1" = compose ] && { echo "docker: compose is not a docker command" >&2; exit 1; }'
    dev = make("plain", environ={**contained, "PATH": client_that(tmp_path / "bin", script)})

    assert "the Docker CLI has no compose" in dev("up", "--runtime", "compose", code=5).error


def test_an_image_that_is_missing_is_named_with_the_command_that_builds_it(
    images: Engine, make: Make, contained: Mapping[str, str]
) -> None:
    dev = make("unbuilt", environ={**contained, "HABARI_JUPYTER_IMAGE": "habari/jupyter:never"})

    said = dev("up", "--runtime", "compose", code=5)

    assert "habari/jupyter:never" in said.error
    assert "images.build" in said.error


def test_what_somebody_else_made_under_our_names_is_left_alone(
    images: Engine, make: Make, contained: Mapping[str, str]
) -> None:
    dev = make("foreign", environ=contained)
    project = f"com.docker.compose.project={dev.instance.id}"
    label = "com.docker.compose.service=s3"
    theirs = docker("create", "--label", project, "--label", label, "habari/s3:local").strip()
    try:
        with volume(f"{dev.instance.id}_home") as home:
            said = dev("up", "--runtime", "compose", code=6)

            assert "made by somebody else" in said.error
            assert home in said.error
            assert docker("inspect", theirs)
            assert docker("volume", "inspect", home)
    finally:
        docker("rm", "--volumes", theirs)


def test_a_port_that_is_taken_between_the_choice_and_the_start_is_told(
    images: Engine, make: Make, contained: Mapping[str, str], tmp_path: Path
) -> None:
    made, taken = tmp_path / "made", tmp_path / "taken"
    wait = f"touch {made}; until [ -e {taken} ]; do sleep 0.05; done"
    script = f'"$docker" "$@" || exit\ncase " $* " in *" up "*) {wait} ;; esac'
    dev = make("raced", environ={**contained, "PATH": client_that(tmp_path / "bin", script)})

    with socket.socket() as listener:

        def take() -> None:
            assert wait_until(made.exists, seconds=100)
            listener.bind(("127.0.0.1", dev.ports["s3"]))
            listener.listen()
            taken.touch()

        thread = threading.Thread(target=take)
        thread.start()
        said = dev("up", "--runtime", "compose", code=6)
        thread.join()

    assert "the port of s3 was taken between the choice and the start" in said.error
    expect_nothing_made(dev)


def test_data_of_another_postgresql_are_left_alone(
    images: Engine, make: Make, contained: Mapping[str, str]
) -> None:
    dev = make("major", environ=contained)
    with volume(f"{dev.instance.id}_explore-db", *of_ours(dev, "explore-db")) as name:
        old = "/v/16/docker"
        make_old = f"mkdir -p {old} && echo 16 >{old}/PG_VERSION"
        docker("run", "--rm", "-v", f"{name}:/v", "--entrypoint", "sh", "habari/s3:local", "-c", make_old)

        said = dev("up", "--runtime", "compose", code=6)

        assert "this volume was made by PostgreSQL 16" in said.error
        expect_nothing_made(dev)
        look = ("--entrypoint", "cat", "habari/s3:local", f"{old}/PG_VERSION")
        assert docker("run", "--rm", "-v", f"{name}:/v", *look) == "16\n"


def test_a_full_disk_is_told(images: Engine, make: Make, contained: Mapping[str, str]) -> None:
    dev = make("full", environ=contained)
    small = ("--opt", "type=tmpfs", "--opt", "device=tmpfs", "--opt", "o=size=8m")
    with volume(f"{dev.instance.id}_explore-db", *small, *of_ours(dev, "explore-db")):
        said = dev("up", "--runtime", "compose", code=4)

        assert "postgres ended by itself: the disk is full" in said.error
        expect_nothing_made(dev)


def test_a_container_that_was_killed_for_its_memory_says_so(
    images: Engine, make: Make, contained: Mapping[str, str]
) -> None:
    dev = make("tight", environ={**contained, "HABARI_JUPYTER_MEMORY": "20m"})

    said = dev("up", "--runtime", "compose", code=4)

    assert "jupyter was killed: its container's memory was used up" in said.error
    assert "HABARI_JUPYTER_MEMORY=" in said.error
    expect_nothing_made(dev)


@pytest.fixture(scope="module")
def tried(images: Engine, make: Make, contained: Mapping[str, str]) -> Dev:
    """An instance whose every command is disturbed; each test leaves it to the next as it finds it."""
    return make("tried", environ=contained)


def begin_up(dev: Dev, at: str) -> subprocess.Popen[str]:
    """An ``up`` whose progress has come to this line."""
    child = dev.begin("up", "--runtime", "compose")
    assert child.stderr is not None
    assert any(at in line for line in child.stderr), child.communicate()
    return child


def test_ctrl_c_in_the_middle_of_up_leaves_nothing_half_done(tried: Dev) -> None:
    child = begin_up(tried, "jupyter   starting")
    os.killpg(child.pid, signal.SIGINT)
    _, err = child.communicate(timeout=60)

    assert child.returncode == 130, err
    assert "Traceback" not in err
    expect_nothing_made(tried)


@pytest.mark.parametrize("at", ["jupyter   starting", "proving"])
def test_a_killed_up_is_healed_by_the_next(tried: Dev, at: str) -> None:
    child = begin_up(tried, at)
    child.kill()
    child.communicate()

    assert all(row["state"] == "ready" for row in tried.up().values())
    assert set(containers(tried)) == set(NAMES.values())
    tried("down")
    expect_nothing_made(tried)


def test_a_killed_up_is_cleaned_up_by_down(tried: Dev) -> None:
    child = begin_up(tried, "jupyter   starting")
    child.kill()
    child.communicate()

    tried("down")

    assert wait_until(lambda: not containers(tried), seconds=5)
    expect_nothing_made(tried)


def test_two_at_once_make_one(tried: Dev) -> None:
    children = [tried.begin("up") for _ in range(2)]
    said = [child.communicate(timeout=120) for child in children]

    assert [child.returncode for child in children] == [0, 0], said
    assert sum("waiting for it" in err for _, err in said) == 1
    assert set(containers(tried)) == set(NAMES.values())


def test_volumes_that_were_removed_behind_our_back_are_made_again(tried: Dev) -> None:
    before = tried.contract()
    compose = (
        "compose",
        "--file",
        str(CHECKOUT / "docker-compose.yaml"),
        "--project-name",
        tried.instance.id,
    )
    environ = {**os.environ, "HABARI_NOTEBOOK_ENV": "/dev/null"}
    subprocess.run(("docker", *compose, "down", "--volumes"), env=environ, capture_output=True, check=True)
    assert volumes(tried) == []
    tried("status", code=3)

    tried.up()

    assert tried.contract() == before
    with volume(f"habari-test-{secrets.token_hex(4)}") as theirs:
        tried("down", "--purge")
        assert (containers(tried), volumes(tried)) == ({}, [])
        assert docker("volume", "inspect", theirs), "what is not ours is never pruned"


def test_ctrl_c_in_the_middle_of_a_build_leaves_nothing(
    images: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Interrupted(KeyboardInterrupt):
        """What Ctrl-C raises, told from that of whoever runs the tests."""

    def interrupt(words: str) -> None:
        if "sleep" in words:
            raise Interrupted

    mark = f"{secrets.randbelow(10**6)}.5"
    reference = f"habari/test-{secrets.token_hex(4)}:0.1"
    file, temporary = tmp_path / "Dockerfile", tmp_path / "temporary"
    file.write_text(f"ARG BASE\nFROM ${{BASE}}\nRUN --mount=type=secret,id=pip sleep 9{mark}\n")
    Path(f"{file}.dockerignore").write_text("*\n")
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    build = Build(Image("test", file, "debian"), bases.debian(pins.load()).reference, (reference,), {})
    with pytest.raises(Interrupted):
        building.run(images, build, Sources(dict.fromkeys(SECRETS, b"secret")), interrupt)

    assert images.image(reference) is None
    assert list(temporary.iterdir()) == []

    def runs() -> bool:
        return any(each.info["cmdline"] == ["sleep", f"9{mark}"] for each in psutil.process_iter(["cmdline"]))

    assert wait_until(lambda: not runs(), seconds=60)
