"""`./dev kind` beside the same done by hand, one after the other; the cost of pods and of a second project.

    DEVENV_CHART=tests/chart .venv/bin/python benchmarks/kind.py [--rounds 3] [--baked]

`--rounds 0` measures pods and memory alone, `--baked` nothing but a node image that has the other images in
it beside one that has not, each to the login page and from there to a first pod.

By hand: `kind create cluster --wait`, `kind load docker-image`, `docker compose up --wait` for the
databases, S3 and sign-in, roles and Services, `helm upgrade --install --wait`; the same node image, images,
chart, values and overlay. Both sides begin with nothing but images, which must be there (`./dev
images.build`, and `--name node` where no registry is reached). Two instances (`bench-kind`, `bench-second`)
and a cluster (`bench-hand`) are made and deleted.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import measure

CHECKOUT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(CHECKOUT), str(CHECKOUT / "tests")]

from integration.hub.person import Person  # noqa: E402

from devenv import state  # noqa: E402
from devenv.cluster import slots  # noqa: E402
from devenv.images import engine  # noqa: E402
from devenv.runtimes.kind import node_image  # noqa: E402
from devenv.services.release import ALIASES  # noqa: E402
from devenv.state import Instance  # noqa: E402

NAME, SECOND, HAND = "bench-kind", "bench-second", "bench-hand"
PEOPLE = ("ada", "grace", "linus")
WANTED = 0.85
SECRETS = (
    "POSTGRES_ADMIN_PASSWORD",
    "S3_ADMIN_ACCESS_KEY_ID",
    "S3_ADMIN_SECRET_ACCESS_KEY",
    "S3_GUARD_TOKEN",
)
VALUES = (CHECKOUT / "jupyter/shared_config.yaml", CHECKOUT / "jupyter/sample_project_config.yaml")


def images_of(overlay: Any) -> list[str]:
    """What a project's overlay names."""
    sections = (overlay["singleuser"], overlay["hub"], overlay["proxy"]["chp"])
    return [f"{at['image']['name']}:{at['image']['tag']}" for at in sections]


class Hand:
    """The commands that a person would type. ``overlay`` is what ours laid over the values."""

    def __init__(self, folder: Path, overlay: Path, github: Path) -> None:
        self._folder, self._overlay, self._github = folder, overlay, github
        self._kubeconfig = folder / "kubeconfig"
        kept = {name: text for name, text in os.environ.items() if not name.startswith(("HABARI_", "KIND_"))}
        ports = measure.free_ports(4)
        self._environ = {
            **kept,
            "KUBECONFIG": str(self._kubeconfig),
            # kind's usual network
            "HABARI_INSTANCE": "kind",
            "HABARI_CLUSTER": "kind",
            "HABARI_NAME": NAME,
            "HABARI_GITHUB_CONFIG": str(github),
            "HABARI_HUB_DB_PORT": str(ports[0]),
            "HABARI_EXPLORE_DB_PORT": str(ports[1]),
            "HABARI_PORTS_S3": str(ports[2]),
            "HABARI_PORTS_GITHUB": str(ports[3]),
            **{f"HABARI_{name}": "byhand" * 4 for name in SECRETS},
        }

    def start(self) -> None:
        told = json.loads(self._overlay.read_text())
        images = images_of(told)
        self._run("kind", "create", "cluster", "--name", HAND, "--config", self._config(), "--wait", "300s",
                  "--image", node_image.choose(engine.Engine(os.environ, "default"), os.environ))  # fmt: skip
        self._run("kind", "load", "docker-image", *images, "--name", HAND)
        self._compose(("docker-compose.postgres.yaml", "docker-compose.cluster.yaml"), "up", "--wait")
        self._compose(("docker-compose.github.yaml",), "up", "--wait")
        self._provision(told["hub"]["db"]["url"])
        self._run("kubectl", "apply", "--filename", "-", stdin=self._services())
        values = [word for file in (*VALUES, self._overlay) for word in ("--values", file)]
        chart, wait = os.environ["DEVENV_CHART"], ("--wait", "--timeout", "300s")
        self._run(
            "helm", "upgrade", "--install", f"habari-{NAME}", chart, "--namespace", NAME, *values, *wait
        )

    def purge(self) -> None:
        self._run("kind", "delete", "cluster", "--name", HAND)
        self._compose(("docker-compose.postgres.yaml", "docker-compose.cluster.yaml"), "down", "--volumes")
        self._compose(("docker-compose.github.yaml",), "down", "--volumes")

    def _config(self) -> Path:
        """kind-config.yaml with ports that nobody has."""
        text = (CHECKOUT / "kind-config.yaml").read_text()
        for number, port in enumerate(measure.free_ports(slots.COUNT)):
            text = text.replace(f"hostPort: {8000 + number}", f"hostPort: {port}")
        file = self._folder / "kind-config.yaml"
        file.write_text(text)
        return file

    def _provision(self, url: str) -> None:
        place = urlsplit(url)
        container = f"{HAND}-hub-db-1"
        for statement in (
            f"create role {place.username} login password '{place.password}'",
            f"create database {place.path[1:]} owner {place.username}",
        ):
            self._run(
                "docker", "exec", "--user", "postgres", container, "psql", "--quiet", "--command", statement
            )

    def _services(self) -> str:
        things = [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAME}}]
        for name, port in ALIASES.items():
            host = f"github-{NAME}" if name == "github" else name
            spec = {"type": "ExternalName", "externalName": host, "ports": [{"port": port}]}
            metadata = {"name": name, "namespace": NAME}
            things.append({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec})  # type: ignore[dict-item]
        return json.dumps({"apiVersion": "v1", "kind": "List", "items": things})

    def _compose(self, files: tuple[str, ...], *words: str) -> None:
        named = [word for file in files for word in ("--file", CHECKOUT / file)]
        project = HAND if len(files) > 1 else f"{HAND}-github"
        self._run("docker", "compose", "--project-name", project, *named, *words)

    def _run(self, *argv: object, stdin: str = "") -> None:
        words = [str(word) for word in argv]
        done = subprocess.run(
            words, env=self._environ, input=stdin, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise SystemExit(f"{' '.join(words)}\n{done.stdout}\n{done.stderr}")


def ours() -> float:
    return measure.seconds(lambda: measure.dev(NAME, "kind"))


def with_people(folder: Path) -> list[str]:
    """The values files for a hub that lets PEOPLE in."""
    people = folder / "people.json"
    people.write_text(json.dumps({"hub": {"config": {"Authenticator": {"allowed_users": PEOPLE}}}}))
    return [str(file) for file in (*VALUES, people)]


def named(files: list[str]) -> list[str]:
    return [word for file in files for word in ("--values", file)]


def seconds_to_a_pod(name: str) -> float:
    """From the request to the page."""
    admin = json.loads(measure.dev(NAME, "env", "--as", "admin", "--json"))
    person = Person(hub=admin["HUB_URL"], link=admin["HUB_SIGN_IN_URL"], name=name)
    person.sign_in()
    return measure.seconds(person.start_server)


def weigh(folder: Path) -> None:
    """Say how long a pod takes to come, and what the level holds of memory with one project and with two."""
    files = with_people(folder)
    try:
        measure.dev(NAME, "kind", *named(files))
        print(f"one project: {memory(NAME)}")
        for name in PEOPLE:
            print(f"a pod for {name}: {seconds_to_a_pod(name):.1f} s")
        print(f"with {len(PEOPLE)} people: {memory(NAME)}")
        project = folder / "devenv.yaml"
        project.write_text(json.dumps({"name": SECOND, "hub": {"values": files}}))
        taken = measure.seconds(lambda: measure.dev(SECOND, "kind", "--project", str(project)))
        print(f"a second project beside it: {taken:.1f} s; {memory(SECOND)}")
    finally:
        measure.dev(NAME, "down", "--purge")


# As kind puts images into a node's image: the node that is made of it unpacks what its pods ask for.
# https://github.com/kubernetes-sigs/kind/blob/main/pkg/build/nodeimage/buildcontext.go
TAKE = """
set -e
containerd >/dev/null 2>&1 & store=$!
until ctr version >/dev/null 2>&1; do sleep 0.1; done
ctr --namespace k8s.io images import --digests --no-unpack /in/images.tar
kill $store
wait $store || true
"""
BAKED = "habari-bench/node:baked"


def docker(*words: str) -> str:
    return subprocess.run(("docker", *words), check=True, capture_output=True, text=True).stdout


def bake(folder: Path, images: list[str], node: str) -> None:
    """Make BAKED of ``node``, with ``images`` in it."""
    name = f"{HAND}-bake"
    docker("save", "--output", str(folder / "images.tar"), *images)
    docker("run", "--detach", "--privileged", "--name", name, "--volume", f"{folder}:/in:ro",
           "--entrypoint", "sleep", node, "infinity")  # fmt: skip
    try:
        docker("exec", name, "bash", "-c", TAKE)
        begins = docker("inspect", "--format", "{{json .Config.Entrypoint}}", node)
        docker("commit", "--change", f"ENTRYPOINT {begins}", "--change", "CMD []", name, BAKED)
    finally:
        docker("rm", "--force", "--volumes", name)
        (folder / "images.tar").unlink()


def apart(folder: Path, instance: Instance, rounds: int) -> None:
    """Say what a baked node image saves."""
    values = named(with_people(folder))
    pods: dict[str, list[float]] = {"": [], BAKED: []}

    def run(node: str) -> float:
        os.environ[node_image.VARIABLE] = node
        try:
            taken = measure.seconds(lambda: measure.dev(NAME, "kind", *values))
            pods[node].append(seconds_to_a_pod(PEOPLE[0]))
        finally:
            measure.dev(NAME, "down", "--purge")
        return taken

    measure.dev(NAME, "kind", *values)
    images = images_of(json.loads((instance.secrets / "helm" / "overlay.json").read_text()))
    measure.dev(NAME, "down", "--purge")
    bake(folder, images, node_image.choose(engine.Engine(os.environ, "default"), os.environ))
    try:
        found = measure.in_turn({"kind": lambda: run(""), "kind, baked": lambda: run(BAKED)}, rounds)
    finally:
        docker("image", "rm", BAKED)
    print(measure.summary({**found, "its first pod": pods[""], "its first pod, baked": pods[BAKED]}))


def memory(instance: str) -> str:
    """MiB of each container: what it holds, without files that the system may forget."""
    told = json.loads(measure.dev(instance, "status", "--json"))["services"]
    sizes = {each["name"]: each["memory_bytes"] / 2**20 for each in told if each["memory_bytes"]}
    return f"{sum(sizes.values()):.0f} MiB (" + ", ".join(f"{n} {s:.0f}" for n, s in sizes.items()) + ")"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--baked", action="store_true")
    asked = parser.parse_args()
    rounds = asked.rounds
    if "DEVENV_CHART" not in os.environ:
        raise SystemExit("DEVENV_CHART names the chart for both sides")
    instance = Instance(NAME, CHECKOUT, state.data_root(os.environ))
    if asked.baked:
        with tempfile.TemporaryDirectory() as place:
            apart(Path(place), instance, rounds)
        return
    found: dict[str, list[float]] = {
        "kind": [],
        "by hand": [],
        "kind again": [],
        "down": [],
        "kind after down": [],
    }
    with tempfile.TemporaryDirectory() as place:
        for _ in range(rounds):
            found["kind"].append(ours())
            found["kind again"].append(ours())
            found["down"].append(measure.seconds(lambda: measure.dev(NAME, "down")))
            found["kind after down"].append(ours())
            for name in ("helm/overlay.json", "github.container.json"):
                target = Path(place, Path(name).name)
                target.write_bytes((instance.secrets / name).read_bytes())
                target.chmod(0o600)
            measure.dev(NAME, "down", "--purge")
            hand = Hand(Path(place), Path(place, "overlay.json"), Path(place, "github.container.json"))
            try:
                found["by hand"].append(measure.seconds(hand.start))
            finally:
                hand.purge()
        weigh(Path(place))
    if not rounds:
        return
    print(measure.summary(found))
    print(f"\nkind ÷ by hand: {measure.ratio(found, 'kind', 'by hand'):.2f} (wanted: at most {WANTED})")


if __name__ == "__main__":
    main()
