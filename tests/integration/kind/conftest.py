"""One cluster with a project on it whose first start was killed in the middle. It is gone at the end.

Which chart ran stands in each test's id: this repository's small one, or what DEVENV_TEST_CHART names.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from devenv import report
from devenv.cluster.api import ClusterApi
from devenv.cluster.place import Place
from devenv.errors import DevenvError, MissingError
from devenv.helm import chart as charts
from devenv.images import engine, work
from devenv.images.engine import Engine
from devenv.runtimes import ports
from integration.driving import CHECKOUT, Dev, by_name, wait_until
from integration.hub.conftest import Hub

NODE_IMAGE = "HABARI_NODE_IMAGE"
IMAGES = (
    "postgres",
    "s3",
    "github",
    "hub",
    "proxy",
    "jupyter",
    *(() if NODE_IMAGE in os.environ else ("node",)),
)
CHART = Path(os.environ.get("DEVENV_TEST_CHART") or CHECKOUT / "tests" / "chart")
PASSED_ON = ("DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH", NODE_IMAGE)
UP_SECONDS = 900
# A pod on a machine that does all else too.
SPAWN_SECONDS = 240
SAMPLE = CHECKOUT / "jupyter" / "sample_project_config.yaml"
SHARED = CHECKOUT / "jupyter" / "shared_config.yaml"


def without(what: str) -> None:
    """Skip, loudly; fail where the machine is said to have what a cluster needs."""
    if "kind" in os.environ.get("DEVENV_REQUIRE", "").split(","):
        pytest.fail(f"DEVENV_REQUIRE names kind: {what}")
    pytest.skip(what)


@pytest.fixture(scope="session")
def docker() -> Engine:
    """The engine, with kind and helm beside it."""
    for tool in ("kind", "helm"):
        if shutil.which(tool) is None:
            without(f"{tool} is not there: the cluster is NOT tested")
    try:
        return engine.connect(os.environ)
    except MissingError as error:
        without(str(error))
        raise


@pytest.fixture(scope="session")
def images(docker: Engine) -> Engine:
    """The engine with all that a cluster takes, built from mirrors where it is not there."""
    reporter = report.make(json=True, out=io.StringIO())
    try:
        work.build(reporter, names=IMAGES, origin="mirrors", json=True)
    except DevenvError as error:
        without("\n".join((str(error), *error.details)))
    return docker


@pytest.fixture(scope="session", params=[charts.read(CHART).label])
def chart(request: pytest.FixtureRequest) -> Path:
    """The chart; its name and version are the test's."""
    assert charts.read(CHART).label == request.param
    return CHART


@dataclass
class Project(Hub):
    """A project on the cluster, and people at its hub."""

    file: Path = field(kw_only=True)
    # of the slots, as the attempt that was killed had chosen them
    ports_of_the_killed: dict[str, int] = field(default_factory=dict, kw_only=True)

    @property
    def place(self) -> Place:
        return Place.of(self.dev.instance)

    @property
    def api(self) -> ClusterApi:
        return ClusterApi(self.place.target)

    def kind(self, *words: str, code: int | None = 0, **variables: str) -> dict[str, dict[str, Any]]:
        """Run ``./dev kind`` for this project; its services by name."""
        said = self.dev(
            "kind", "--project", str(self.file), "--json", *words, code=code, seconds=UP_SECONDS, **variables
        )
        return by_name(said.json()) if said.code == 0 else {}

    def pods(self, component: str = "") -> list[Mapping[str, Any]]:
        found = self.api.things("pods", self.dev.name)
        return [pod for pod in found if component in ("", pod["metadata"]["labels"].get("component"))]

    def end_servers(self) -> None:
        """As an administrator does; nobody has a pod then."""
        chief = self.visitor("chief")
        assert chief.sign_in().status == 200
        for user in chief.api("GET", "users").json():
            if user["servers"]:
                assert chief.api("DELETE", f"users/{user['name']}/server").status in (202, 204)
        self.people.clear()
        assert wait_until(lambda: not self.pods("singleuser-server"), seconds=60)

    def container(self, service: str) -> str:
        """The container beside the cluster that runs a service."""
        project = f"{self.dev.instance.id}-github" if service == "github" else self.place.id
        labels = (f"com.docker.compose.project={project}", f"com.docker.compose.service={service}")
        words = [word for label in labels for word in ("--filter", f"label={label}")]
        return docker_cli("ps", "--all", "--quiet", *words)


# For a notebook: whether a connection comes about.
REACH = """
import json, socket
def reach(host, port):
    try:
        socket.create_connection((host, port), timeout=4).close()
    except OSError as error:
        return type(error).__name__
    return "open"
"""


def docker_cli(*words: str) -> str:
    """What Docker's own client says."""
    done = subprocess.run(("docker", *words), capture_output=True, text=True, check=True, timeout=120)
    return done.stdout.strip()


def write_project(folder: Path, name: str, **singleuser: Any) -> Path:
    """A project file and values of its own beside the shared ones."""
    folder.mkdir(parents=True, exist_ok=True)
    values = {
        "hub": {
            "config": {
                "JupyterHub": {"authenticator_class": "github"},
                "Authenticator": {"admin_users": ["chief"], "allowed_users": ["ada", "grace"]},
                "GitHubOAuthenticator": {"client_id": "Iv1.x", "client_secret": "of production"},
            }
        },
        "singleuser": {"memory": {"guarantee": "128M"}, "cpu": {"guarantee": 0.05}, **singleuser},
    }
    own = folder / "values.yaml"
    own.write_text(yaml.safe_dump(values))
    own.chmod(0o600)
    file = folder / "devenv.yaml"
    content = {"name": name, "hub": {"values": [str(SHARED), str(own)]}}
    file.write_text(yaml.safe_dump(content))
    return file


@pytest.fixture(scope="session")
def clustered(environ: Mapping[str, str], data_root: Path, chart: Path) -> dict[str, str]:
    """The person's environment, with this machine's engine and the chart in it."""
    kept = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    return {**environ, **kept, "HABARI_DATA_ROOT": str(data_root), "DEVENV_CHART": str(chart)}


@pytest.fixture(scope="package")
def projects() -> list[Project]:
    """Those that run on the cluster."""
    return []


@pytest.fixture(scope="package")
def first(
    images: Engine,
    clustered: dict[str, str],
    data_root: Path,
    tmp_path_factory: pytest.TempPathFactory,
    projects: list[Project],
) -> Iterator[Project]:
    """The project that runs all the while; a test that breaks it heals it again."""
    folder = tmp_path_factory.mktemp("first")
    made = Project(Dev("first", data_root, clustered), file=write_project(folder, "first"))
    try:
        kill_in_the_middle(made)
        made.kind()
        projects.append(made)
        yield made
    finally:
        said = made.dev("down", "--purge", code=None, seconds=300)
        assert said.code == 0, said
        left = docker_cli("ps", "--all", "--quiet", "--filter", f"name={made.place.id}")
        assert not left, f"still there: {left}"


def kill_in_the_middle(project: Project) -> None:
    """Begin to make the cluster, and kill all of that once its node is there: half a cluster is left."""
    child = project.dev.begin("kind", "--project", str(project.file))
    node = ("ps", "--quiet", "--filter", f"name={project.place.node}")
    assert wait_until(lambda: bool(docker_cli(*node)) or child.poll() is not None, seconds=UP_SECONDS)
    time.sleep(3)
    assert child.poll() is None, child.communicate()
    os.killpg(child.pid, signal.SIGKILL)
    child.communicate()
    project.ports_of_the_killed = ports.known(project.place.instance)


@pytest.fixture(scope="package")
def second(
    first: Project,
    clustered: dict[str, str],
    data_root: Path,
    tmp_path_factory: pytest.TempPathFactory,
    projects: list[Project],
) -> Project:
    """Another project beside the first, on the same cluster."""
    folder = tmp_path_factory.mktemp("second")
    made = Project(Dev("second", data_root, clustered), file=write_project(folder, "second"))
    made.kind()
    projects.append(made)
    return made


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add to a failure what the hubs said last: who sees an error page has no other way to its cause."""
    told = yield
    if told.failed:
        for project in getattr(item, "funcargs", {}).get("projects", ()):
            said = project.dev("logs", "--service", "release", "--lines", "100", code=None)
            told.sections.append((f"the release of {project.dev.name}", str(said)))
    return told


def pretty(thing: Any) -> str:
    return json.dumps(thing, indent=1, default=str)
