"""What doctor says of Docker, with an engine and a client of Docker that only tell."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from unit.images.fake_docker import FakeDocker

from devenv import commands, docker_engine, doctor
from devenv.commands import Completed
from devenv.doctor import containers, machine, services
from devenv.doctor.finding import Finding, Verdict
from devenv.errors import MissingError
from devenv.images import bases, content, pins
from devenv.runtimes.compose import project as compose
from devenv.runtimes.kind.beside import GITHUB, SHARED, Beside
from devenv.runtimes.runtime import Condition, Phase
from devenv.session import Session
from devenv.state import Instance

PINS = pins.load()
NAMES = ("s3", "postgres", "jupyter")
OK, NOTE, MISSING = Verdict.OK, Verdict.NOTE, Verdict.MISSING


@dataclass
class Machine:
    """A machine with Docker on it; a test breaks a part."""

    folder: Path
    docker: FakeDocker = field(default_factory=FakeDocker)
    compose: str = "2.26.1-4"
    buildx: int = 0
    free: int = 100 * 2**30
    address: str = "http+docker://localhost"
    engine: MissingError | None = None
    answers: bool = True

    def run(self, argv: Sequence[str], **options: Any) -> Completed:
        words = tuple(map(str, argv))
        if words[1:3] == ("compose", "version"):
            return Completed(words, 0 if self.compose else 1, self.compose, "unknown command")
        if words[1:3] == ("buildx", "version"):
            return Completed(words, self.buildx, "github.com/docker/buildx v0.13.1 abc", "")
        return self.docker.run(argv, **options)

    def client(self, _environ: object) -> Any:
        if self.engine:
            raise self.engine
        return SimpleNamespace(
            version=lambda: {"Version": "26.1.5"},
            info=lambda: {"DockerRootDir": str(self.folder)},
            api=SimpleNamespace(base_url=self.address),
        )

    def has(self, *names: str, origin: str = "mirrors", **labels: str) -> None:
        """Images as images.build makes them."""
        for name in names:
            base = bases.wanted(PINS, PINS.images[name], origin)
            made = {
                "habari_image": name,
                "habari_version": "0.1",
                "habari_from": origin,
                "habari_base": base.reference,
                "habari_key": content.key(PINS.images[name], base.key),
            }
            self.docker.add(f"habari/{name}:0.1", f"habari/{name}:local", **{**made, **labels})


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Machine:
    made = Machine(tmp_path)
    monkeypatch.setattr(commands, "run", made.run)
    monkeypatch.setattr(containers, "_client", made.client)
    monkeypatch.setattr(compose, "images", lambda environ: {name: f"habari/{name}:local" for name in NAMES})
    monkeypatch.setattr(Beside, "images", lambda _: {name: f"acme/{name}:1" for name in (*SHARED, GITHUB)})
    monkeypatch.setattr(containers.trouble, "free_bytes", lambda folder: made.free)
    monkeypatch.setattr(docker_engine, "answers", lambda environ: made.answers)
    return made


def session(runtime: str, *, s3: str | None = None) -> Session:
    wanted = SimpleNamespace(s3=SimpleNamespace(endpoint=s3))
    instance = Instance("lab", Path("/checkout"), Path("/data"))
    return cast(
        "Session",
        SimpleNamespace(
            choice=SimpleNamespace(runtime=runtime), environ={}, instance=instance, project=wanted
        ),
    )


def examined(runtime: str = "compose") -> dict[str, Finding]:
    return {each.check: each for each in containers.examine(session(runtime))}


def test_all_of_docker_is_named_with_its_versions(here: Machine) -> None:
    here.has(*NAMES)

    found = examined()

    assert {check: each.detail for check, each in found.items()} == {
        "docker": "engine 26.1.5",
        "docker compose": "2.26.1-4",
        "docker buildx": "v0.13.1",
        **{f"image habari/{name}:local": "version 0.1" for name in NAMES},
        "disk of docker": f"100.0 GiB left for {here.folder}",
    }
    assert {each.verdict for each in found.values()} == {OK}


BREAKS: list[Any] = [
    pytest.param(
        lambda here: setattr(here, "compose", "2.19.1"),
        ("docker compose", MISSING, "docker compose is 2.19.1, 2.20 is needed", "Install the plugin"),
        id="compose too old",
    ),
    pytest.param(
        lambda here: setattr(here, "compose", ""),
        ("docker compose", MISSING, "the Docker CLI has no compose", "Install the plugin"),
        id="no compose",
    ),
    pytest.param(
        lambda here: setattr(here, "buildx", 1),
        ("docker buildx", NOTE, "not there, and images.build needs it", "apt-get install"),
        id="no buildx",
    ),
    pytest.param(
        lambda here: setattr(here, "free", 2**20),
        ("disk of docker", NOTE, "0.0 GiB left for", "docker system df"),
        id="disk full",
    ),
    pytest.param(
        lambda here: here.docker.images.clear(),
        ("image habari/s3:local", MISSING, "not here", "./dev images.build"),
        id="no image",
    ),
    pytest.param(
        lambda here: here.has("s3", habari_key="of before"),
        ("image habari/s3:local", NOTE, "its files have changed", "./dev images.build --name s3 --from mir"),
        id="an image of before",
    ),
    pytest.param(
        lambda here: here.has("s3", origin="registry", habari_base="debian:old"),
        ("image habari/s3:local", NOTE, "version 0.1: stands on debian:old, pinned is", "--name s3"),
        id="an old base",
    ),
    pytest.param(
        lambda here: here.docker.add("habari/s3:local"),
        ("image habari/s3:local", OK, "not built by this toolkit", ""),
        id="an image of one's own",
    ),
]


@pytest.mark.parametrize(("break_", "expected"), BREAKS)
def test_each_trouble_is_one_line_with_what_mends_it(
    here: Machine, break_: Callable[[Machine], Any], expected: tuple[str, Verdict, str, str]
) -> None:
    here.has("postgres", "jupyter")
    break_(here)
    check, verdict, detail, mend = expected

    found = examined()[check]

    assert found.verdict is verdict
    assert detail in found.detail
    assert mend in found.mend


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(MissingError("no Docker engine answers", hint="Start it"), id="no engine"),
        pytest.param(
            MissingError("this account may not use the Docker engine", hint="Add it"), id="no permission"
        ),
    ],
)
@pytest.mark.parametrize(("runtime", "verdict"), [("compose", MISSING), ("kind", MISSING), ("process", NOTE)])
def test_an_engine_that_is_not_ours_to_ask_ends_the_questions(
    here: Machine, error: MissingError, runtime: str, verdict: Verdict
) -> None:
    here.engine = error

    assert examined(runtime) == {"docker": Finding("docker", verdict, error.what, error.hint)}


@pytest.mark.parametrize(("break_", "expected"), [each for each in BREAKS if MISSING in each.values[1]])
def test_nothing_is_missing_where_services_are_processes(
    here: Machine, break_: Callable[[Machine], Any], expected: tuple[str, Verdict, str, str]
) -> None:
    break_(here)

    found = examined("process")

    assert found[expected[0]].verdict is NOTE
    assert MISSING not in {each.verdict for each in found.values()}


def test_processes_need_no_engine_and_nothing_else_is_asked(here: Machine) -> None:
    here.answers = False

    found = examined("process")

    assert found == {
        "docker": Finding("docker", NOTE, "no engine answers here; the process runtime needs none")
    }


@pytest.mark.parametrize(
    ("endpoint", "names"),
    [
        (None, {"hub-db", "explore-db", "s3", "github"}),
        ("http://minio.example.org", {"hub-db", "explore-db", "github"}),
    ],
    ids=["the S3 beside the cluster", "an S3 of one's own"],
)
def test_a_cluster_needs_the_images_of_what_stands_beside_it(
    here: Machine, endpoint: str | None, names: set[str]
) -> None:
    found = containers.examine(session("kind", s3=endpoint))

    missing = {each.check for each in found if each.verdict is MISSING}

    assert missing == {f"image acme/{name}:1" for name in names}


def test_a_cluster_whose_engine_is_stopped_lacks_it(here: Machine) -> None:
    here.answers = False
    here.engine = MissingError("no Docker engine answers", hint="Start it")

    assert [each.verdict for each in examined("kind").values()] == [MISSING]


@pytest.mark.parametrize(
    ("address", "folder"),
    [
        pytest.param("http+docker://ssh", ".", id="by ssh"),
        pytest.param("https://elsewhere:2376", ".", id="by TLS"),
        pytest.param("http+docker://localhost", "not-here", id="in a virtual machine"),
    ],
)
def test_the_disk_of_an_engine_elsewhere_is_not_guessed(here: Machine, address: str, folder: str) -> None:
    here.has(*NAMES)
    here.address, here.folder = address, here.folder / folder

    assert "disk of docker" not in examined()


@pytest.mark.parametrize("check", [services.environments_made, services.postgres])
def test_what_processes_alone_stand_on_is_not_asked_of_containers(
    check: Callable[[Session], Any],
) -> None:
    assert list(check(session("compose"))) == []


def test_a_port_is_examined_without_an_engine_to_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    def condition(_service: object) -> Condition:
        raise MissingError("no Docker engine answers")

    monkeypatch.setattr(machine.processes, "holder", lambda port: None)
    asked = SimpleNamespace(
        own_services=(SimpleNamespace(name="s3"),),
        condition=condition,
        project=SimpleNamespace(ports=SimpleNamespace(s3=9123)),
    )

    assert list(machine.ports(cast("Session", asked))) == [Finding("port of s3", OK, "9123 is free")]


def test_a_port_that_runs_already_is_not_examined() -> None:
    asked = SimpleNamespace(
        own_services=(SimpleNamespace(name="s3"),), condition=lambda service: Condition(Phase.RUNNING, pid=7)
    )

    assert list(machine.ports(cast("Session", asked))) == []


def test_what_has_no_port_of_its_own_is_not_examined() -> None:
    asked = SimpleNamespace(
        own_services=(SimpleNamespace(name="cluster"), SimpleNamespace(name="release")),
        condition=lambda service: Condition(Phase.STOPPED),
    )

    assert list(machine.ports(cast("Session", asked))) == []


@pytest.mark.parametrize("runtime", ["compose", "kind"])
def test_notebooks_in_containers_and_pods_do_not_read_this_machines_files(runtime: str) -> None:
    asked = SimpleNamespace(choice=SimpleNamespace(runtime=runtime), level=SimpleNamespace(name=""))

    assert [each.verdict for each in machine.isolation(cast("Session", asked))] == [OK]


def test_the_command_fails_by_what_is_missing_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[Any] = []
    reporter = cast("Any", SimpleNamespace(data=said.append))
    monkeypatch.setattr(doctor.Session, "open", lambda instance: None)
    for verdict, code in ((OK, 0), (NOTE, 0), (MISSING, 5)):
        monkeypatch.setattr(doctor, "_CHECKS", (lambda _, v=verdict: [Finding("docker", v, "x")],))
        assert doctor.run(reporter, instance=None, json=True) == code
    assert [rows[0]["verdict"] for rows in said] == ["ok", "note", "missing"]
