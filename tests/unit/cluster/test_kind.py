"""The calls of kind: one cluster, one network, one kubeconfig, and nothing of the user's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from devenv.cluster.kind import Kind
from devenv.cluster.place import Place
from devenv.commands import Argv, Completed
from devenv.errors import ConflictError, DevenvError, MissingError, UnhealthyError
from devenv.state import Instance

USERS = {
    "PATH": "/usr/bin",
    "KUBECONFIG": "/home/me/.kube/config",
    "KIND_CLUSTER_NAME": "theirs",
    "KIND_EXPERIMENTAL_PROVIDER": "podman",
    "HTTPS_PROXY": "http://proxy:1",
}


class Fake:
    """Plays the program; remembers what it was told."""

    def __init__(self, stdout: str = "", code: int = 0, lines: tuple[str, ...] = ()) -> None:
        self.stdout, self.code, self.lines = stdout, code, lines
        self.calls: list[tuple[tuple[str, ...], Mapping[str, str]]] = []

    def run(self, argv: Argv, *, env: Mapping[str, str] | None = None, **_: Any) -> Completed:
        words = tuple(map(str, argv))
        self.calls.append((words, env or {}))
        return Completed(words, self.code, self.stdout, "")

    def stream(
        self, argv: Argv, on_line: Callable[[str], None], *, env: Mapping[str, str] | None = None
    ) -> int:
        self.calls.append((tuple(map(str, argv)), env or {}))
        for line in self.lines:
            on_line(line)
        return self.code


@pytest.fixture
def place(tmp_path: Path) -> Place:
    found = Place.of(Instance("lab", tmp_path / "checkout", tmp_path / "data"))
    found.instance.create()
    found.kubeconfig.touch(mode=0o644)
    return found


def kind(place: Place, fake: Fake) -> Kind:
    return Kind(place, USERS, run=fake.run, stream=fake.stream)


def test_a_cluster_is_made_in_our_network_with_a_kubeconfig_of_its_own(place: Place) -> None:
    fake = Fake()

    kind(place, fake).create("habari/node:1", lambda _: None)

    words, environ = fake.calls[0]
    assert words == (
        "kind", "create", "cluster", "--config", str(place.config), "--image", "habari/node:1", "--retain",
        "--name", place.id, "--kubeconfig", str(place.kubeconfig),
    )  # fmt: skip
    assert environ["KIND_EXPERIMENTAL_DOCKER_NETWORK"] == place.id
    assert place.kubeconfig.stat().st_mode & 0o777 == 0o600


def test_what_the_users_shell_says_of_clusters_does_not_count(place: Place) -> None:
    environ = kind(place, Fake()).child_environ

    assert environ["KUBECONFIG"] == str(place.kubeconfig)
    assert environ["KIND_EXPERIMENTAL_PROVIDER"] == "docker"
    assert "KIND_CLUSTER_NAME" not in environ
    assert environ["HTTPS_PROXY"] == "http://proxy:1"


def test_it_is_deleted_by_its_name(place: Place) -> None:
    fake = Fake()

    kind(place, fake).delete()

    assert fake.calls[0][0][:5] == ("kind", "delete", "cluster", "--name", place.id)


@pytest.mark.parametrize(("said", "version"), [("0.33.0\n", "0.33.0"), ("1.0.1\n", "1.0.1")])
def test_a_version_that_can_be_used_is_told(said: str, version: str, place: Place) -> None:
    assert kind(place, Fake(said)).version() == version


def test_a_kind_that_is_too_old_is_refused_with_the_way_to_a_newer_one(place: Place) -> None:
    with pytest.raises(MissingError, match=r"kind is 0\.11\.1, 0\.24 is needed\. Get it: go install"):
        kind(place, Fake("0.11.1")).version()


def test_without_kind_the_way_to_it_is_told(place: Place) -> None:
    def missing(argv: Argv, **_: Any) -> Completed:
        raise MissingError(f"{argv[0]} is not there")

    with pytest.raises(MissingError, match=r"kind is not there\. Get it"):
        Kind(place, USERS, run=missing).version()


@pytest.mark.parametrize(
    ("line", "error", "said"),
    [
        ("write /x: no space left on device", MissingError, "the disk of the Docker engine is full"),
        ("Bind for 127.0.0.1:8000 failed: port is already allocated", ConflictError, "a port of the cluster"),
        ("ERROR: node(s) already exist for a cluster with the name", ConflictError, "not ours"),
        ('failed to pull image "kindest/node:v1"', MissingError, "images.build --from mirrors --name node"),
        ("pull access denied for kindest/node", MissingError, "images.build --from mirrors --name node"),
        ("failed to create fsnotify watcher: too many open files", MissingError, "sysctl fs.inotify"),
        ("runc: operation not permitted", MissingError, "privileged"),
        ("something nobody has seen", UnhealthyError, "kind could not make the cluster"),
    ],
)
def test_a_failure_is_one_line_that_says_what_to_do(
    line: str, error: type[DevenvError], said: str, place: Place
) -> None:
    with pytest.raises(error, match=said) as caught:
        kind(place, Fake(code=1, lines=("Creating cluster", line))).create("i", lambda _: None)

    assert line in caught.value.details
