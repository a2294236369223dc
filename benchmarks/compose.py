"""Containers beside bare compose and beside processes: start, first cell, `down`, image sizes, build times.

    .venv/bin/python benchmarks/compose.py [--starts 6] [--again 4] [--builds 0]

Bare is `docker compose up --wait` on the same file with the same images, in a project of its own with volumes
of its own. Each start finds its volumes and no container. The images must be there (`./dev images.build`).
`--builds 1` adds builds from mirrors. Cold is a Debian made anew, no layer and no package of a
cache: what is built is a copy of the checkout, under names of its own, and no cache of the engine is pruned.
Instances (`bench-compose`, `bench-process`) are used and purged.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import secrets
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import measure

CHECKOUT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(CHECKOUT))

from devenv.endpoints import Endpoint  # noqa: E402
from devenv.images import bases, building, engine, pins, sources  # noqa: E402
from devenv.images.engine import Engine  # noqa: E402
from devenv.images.pins import Image, Pins  # noqa: E402
from devenv.services import kernel  # noqa: E402
from devenv.services.jupyter import PROOF  # noqa: E402

NAMES = ("bench-compose", "bench-process")
BARE = "bench-compose-bare"
# up ÷ bare: at most this, and so many seconds more
WANTED_RATIO, WANTED_SECONDS = 1.05, 1.0
CACHES = ("apt", "apt-lists", "pip", "npm")
OWN_CACHE, BENCH_CACHE = "id=habari-", "id=habari-bench-"


# --- the sides ----------------------------------------------------------------------------------------------


class Ours:
    """`./dev up` of an instance by one runtime; its proof executes a cell."""

    def __init__(self, instance: str, runtime: str) -> None:
        self.dev: Callable[..., str] = partial(measure.dev, instance)
        self._runtime = runtime

    def start(self) -> None:
        self.dev("up", "--runtime", self._runtime)

    def stop(self) -> None:
        self.dev("down")

    def purge(self) -> None:
        self.dev("down", "--purge")

    def contract(self) -> str:
        """As a container sees it; the instance must run."""
        return self.dev("env", "--format", "dotenv", "--view", "container")


class Bare:
    """The compose file by hand, filled in once."""

    def __init__(self, folder: Path, contract: str) -> None:
        file = folder / "notebook.env"
        file.touch(mode=0o600)
        file.write_text(contract)
        jupyter, s3, database = measure.free_ports(3)
        self._endpoint = Endpoint("127.0.0.1", jupyter)
        self._token = secrets.token_hex(16)
        given = {
            "HABARI_COMPOSE_PROJECT": BARE,
            "HABARI_INSTANCE": BARE,
            "HABARI_NOTEBOOK_ENV": str(file),
            "HABARI_JUPYTER_TOKEN": self._token,
            "HABARI_PORTS_JUPYTER": str(jupyter),
            "HABARI_PORTS_S3": str(s3),
            "HABARI_EXPLORE_DB_PORT": str(database),
        }
        kept = {name: value for name, value in os.environ.items() if not name.startswith("HABARI_")}
        self._environ = {**kept, **given}

    def start(self) -> None:
        self._compose("up", "--wait", "--wait-timeout", "300", "--no-build")

    def stop(self) -> None:
        self._compose("down")

    def purge(self) -> None:
        self._compose("down", "--volumes")

    def start_and_cell(self) -> None:
        self.start()
        kernel.execute(self._endpoint, self._token, PROOF)

    def _compose(self, *words: str) -> None:
        argv = ("docker", "compose", "--file", str(CHECKOUT / "docker-compose.yaml"), *words)
        done = subprocess.run(argv, env=self._environ, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"{' '.join(argv)}\n{done.stderr}")


# --- starts -------------------------------------------------------------------------------------------------


def measure_starts(ours: Ours, process: Ours, bare: Bare, rounds: int) -> None:
    """One side runs at a time; the seconds of its end are kept too."""
    ends: dict[str, list[float]] = {"down": [], "bare down": [], "down, processes": []}

    def started(start: Callable[[], None], stop: Callable[[], None], end: str) -> float:
        try:
            return measure.seconds(start)
        finally:
            ends[end].append(measure.seconds(stop))

    sides = {
        "up": lambda: started(ours.start, ours.stop, "down"),
        "bare up --wait": lambda: started(bare.start, bare.stop, "bare down"),
        "bare, then a cell": lambda: started(bare.start_and_cell, bare.stop, "bare down"),
        "up, processes": lambda: started(process.start, process.stop, "down, processes"),
    }
    taken = measure.in_turn(sides, rounds)
    print(measure.summary({**taken, **ends}))
    up, plain = taken["up"], taken["bare up --wait"]
    ratios = [a / b for a, b in zip(up, plain, strict=True)]
    above = statistics.median(up) - WANTED_RATIO * statistics.median(plain)
    print(
        f"up / bare: {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f} by round);"
        f" {above:+.2f} s beyond {WANTED_RATIO} x bare (wanted: at most {WANTED_SECONDS:.1f})"
    )
    print(f"up / bare with a cell: {measure.ratio(taken, 'up', 'bare, then a cell'):.2f}")
    print(f"up / up by processes: {measure.ratio(taken, 'up', 'up, processes'):.2f}")
    print(f"down / bare down: {statistics.median(ends['down']) / statistics.median(ends['bare down']):.2f}")


def measure_again(ours: Ours, bare: Bare, rounds: int) -> None:
    """When all of it runs already; both sides do, which costs neither anything."""
    with _running(ours, bare):
        actions = {
            "up when all runs": lambda: measure.seconds(ours.start),
            "bare up --wait when all runs": lambda: measure.seconds(bare.start),
            "status": lambda: measure.seconds(lambda: ours.dev("status")),
        }
        print(measure.summary(measure.in_turn(actions, rounds)))
        services = json.loads(ours.dev("status", "--json"))["services"]
    sizes = {each["name"]: each["memory_bytes"] / 2**20 for each in services}
    print("memory, idle: " + ", ".join(f"{name} {size:.0f} MiB" for name, size in sizes.items()))


@contextmanager
def _running(*sides: Ours | Bare) -> Iterator[None]:
    try:
        for side in sides:
            side.start()
        yield
    finally:
        for side in sides:
            side.stop()


# --- images -------------------------------------------------------------------------------------------------


def show_sizes() -> None:
    rows = json.loads(_images("list", "--json"))["images"]
    newest = {row["image"]: row["size_bytes"] for row in reversed(rows) if row["size_bytes"]}
    print("sizes: " + ", ".join(f"{name} {size / 1e6:.0f} MB" for name, size in newest.items()))


def measure_builds(rounds: int) -> None:
    """Cold, then by BuildKit's cache alone, then by `images.build` when nothing has changed."""
    docker, pinned = engine.connect(os.environ), pins.load()
    _images("build", "--from", "mirrors")
    own = dataclasses.replace(pinned, repository="habari-bench")
    with tempfile.TemporaryDirectory() as place:
        copy = copied(Path(place))
        actions: dict[str, Callable[[], float]] = {"base, cold": lambda: base_seconds(docker, own)}
        for image in pinned.images.values():
            built = partial(build_seconds, docker, pinned, image, copy)
            actions[f"{image.name}, cold"] = partial(built, "--no-cache")
            # its layers are those of the build just before
            actions[f"{image.name}, from layers"] = built
        actions["images.build, nothing changed"] = lambda: measure.seconds(
            lambda: _images("build", "--from", "mirrors")
        )
        taken: dict[str, list[float]] = {name: [] for name in actions}
        try:
            for _ in range(rounds):
                # in the order of the table: a rotation would part a cold build from its layers
                for name, seconds in measure.in_turn(actions, 1).items():
                    taken[name] += seconds
        finally:
            empty_caches(docker, pinned)
    print(measure.summary(taken))
    cold = sum(statistics.median(values) for name, values in taken.items() if name.endswith(", cold"))
    print(f"all of it cold: {cold:.0f} s")


def copied(folder: Path) -> Path:
    """The checkout's files of git, with cache mounts of their own names: no other build gets colder."""
    listed = subprocess.run(
        ("git", "ls-files", "-z"), cwd=CHECKOUT, capture_output=True, text=True, check=True
    ).stdout
    for name in filter(None, listed.split("\0")):
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if (CHECKOUT / name).is_file():
            shutil.copy2(CHECKOUT / name, target)
        if target.name == "Dockerfile":
            target.write_text(target.read_text().replace(OWN_CACHE, BENCH_CACHE))
    return folder


def base_seconds(docker: Engine, own: Pins) -> float:
    """mmdebstrap and the import, under a name of its own."""
    try:
        return measure.seconds(lambda: bases.make_debian(docker, own, _silent))
    finally:
        docker.run("image", "rm", "--force", bases.debian(own).reference)


def build_seconds(docker: Engine, pinned: Pins, image: Image, copy: Path, *options: str) -> float:
    """One build of the copy, on the engine's own base."""
    if options:
        empty_caches(docker, pinned)
    reference = f"habari-bench/{image.name}:0.1"
    build = building.Build(image, bases.debian(pinned).reference, (reference,), {})
    host = sources.of_host(docker.environ, pinned.suite)

    def action() -> None:
        with host.files() as files:
            words = building.command(docker, build, host, files)
            _docker(docker, [word.replace(str(CHECKOUT), str(copy)) for word in words], options)

    try:
        return measure.seconds(action)
    finally:
        docker.run("image", "rm", "--force", reference)


def empty_caches(docker: Engine, pinned: Pins) -> None:
    """Only the cache mounts of this benchmark."""
    mounts = " ".join(f"--mount=type=cache,{BENCH_CACHE}{name},target=/bench/{name}" for name in CACHES)
    base = bases.debian(pinned).reference
    with tempfile.TemporaryDirectory() as folder:
        text = f"FROM {base}\nRUN {mounts} find /bench -mindepth 2 -delete\n"
        Path(folder, "Dockerfile").write_text(text)
        words = ["docker", "buildx", "build", "--builder", docker.builder, folder]
        _docker(docker, words, ("--no-cache",))


def _silent(_words: str) -> None:
    """Progress that nobody wants to see."""


def _images(task: str, *words: str) -> str:
    argv = (str(CHECKOUT / "dev"), f"images.{task}", *words)
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(argv)}\n{done.stderr}")
    return done.stdout


def _docker(docker: Engine, words: Sequence[str], options: Sequence[str] = ()) -> None:
    done = docker.run(*words[1:3], *options, *words[3:], timeout=1800)
    if done.code:
        raise SystemExit(f"{' '.join(words)}\n{done.stderr[-3000:]}")


# --- rounds -------------------------------------------------------------------------------------------------


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for word, rounds in (("starts", 6), ("again", 4), ("builds", 0)):
        parser.add_argument(f"--{word}", type=int, default=rounds)
    wanted = parser.parse_args()
    _tell_load()
    if wanted.starts or wanted.again:
        compare(wanted.starts, wanted.again)
    if wanted.builds:
        measure_builds(wanted.builds)
        _tell_load()
    show_sizes()


def compare(starts: int, again: int) -> None:
    ours, process = Ours(NAMES[0], "compose"), Ours(NAMES[1], "process")
    with tempfile.TemporaryDirectory() as place:
        bare = None
        try:
            ours.start()
            bare = Bare(Path(place), ours.contract())
            ours.stop()
            for first in (bare, process):  # makes volumes, data and environments
                first.start()
                first.stop()
            if starts:
                measure_starts(ours, process, bare, starts)
                _tell_load()
            if again:
                measure_again(ours, bare, again)
        finally:
            for side in (bare, ours, process):
                if side:
                    side.purge()


def _tell_load() -> None:
    """How busy the machine was: a number above its processors makes both sides slow."""
    print(f"load of the last minute: {os.getloadavg()[0]:.1f}", flush=True)


if __name__ == "__main__":
    main()
