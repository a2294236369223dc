"""The hub beside bare JupyterHub: its start, a person's way to Lab, ten people at once, and memory.

    .venv/bin/python benchmarks/hub.py [--starts 6] [--ways 6] [--crowds 3]

Bare is JupyterHub of the same environment with the same proxy, SQLite, DummyAuthenticator and
SimpleLocalProcessSpawner, whose servers are the same notebook environment without configuration of ours.
Both have their data and environments before the first round. An instance (`bench-hub`) is used and purged.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from urllib.parse import quote, urljoin

import measure
import psutil

CHECKOUT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(CHECKOUT), str(CHECKOUT / "tests")]

from integration.hub.person import Page, Person  # noqa: E402

from devenv import environments, state  # noqa: E402

CROWD = ("annie", "barbara", "dorothy", "edith", "hedy", "irene", "katherine", "lise", "marie", "rosalind")
VALUES = {"hub": {"config": {"Authenticator": {"allowed_users": CROWD}}}}
SHARED = ("shared_config.yaml", "sample_project_config.yaml")
LOGIN = "hub/login"
LOOK = 0.02  # seconds between two looks at a hub that starts


# --- bare JupyterHub ----------------------------------------------------------------------------------------


class Bare:
    """JupyterHub and its proxy in a folder of their own, which is kept between starts."""

    def __init__(self, place: Path) -> None:
        folder = place / "bare"
        folder.mkdir()
        self.folder = str(folder)
        self.log = folder / "hub.log"
        root = state.data_root(os.environ)
        self._python = environments.python(environments.locate("hub", root))
        notebook = environments.python(environments.locate("notebook", root))
        proxy = [*environments.proxy_argv(root, os.environ)]
        port, hub, api = _free_ports(3)
        self.url = f"http://127.0.0.1:{port}/"
        lines = (
            f"c.JupyterHub.bind_url = {self.url!r}",
            f"c.JupyterHub.hub_bind_url = 'http://127.0.0.1:{hub}'",
            f"c.JupyterHub.db_url = 'sqlite:///{folder}/hub.sqlite'",
            "c.JupyterHub.authenticator_class = 'dummy'",
            "c.Authenticator.allow_all = True",
            "c.JupyterHub.spawner_class = 'simple'",
            f"c.ConfigurableHTTPProxy.command = {proxy!r}",
            f"c.ConfigurableHTTPProxy.api_url = 'http://127.0.0.1:{api}'",
            f"c.SimpleLocalProcessSpawner.home_dir_template = '{folder}/homes/{{username}}'",
            f"c.Spawner.cmd = [{str(notebook)!r}, '-m', 'jupyterhub.singleuser']",
            "c.Spawner.args = ['--allow-root']",
            "c.Spawner.default_url = '/lab'",
        )
        (folder / "jupyterhub_config.py").write_text("\n".join(lines))
        self._child: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Return when the login page comes through the proxy."""
        env = {"HOME": self.folder, "PATH": os.environ["PATH"], "LANG": "C.UTF-8"}
        argv = [str(self._python), "-m", "jupyterhub"]
        with self.log.open("ab") as log:
            self._child = subprocess.Popen(argv, env=env, cwd=self.folder, stdout=log, stderr=log)
        for _ in range(3000):
            if _answers(urljoin(self.url, LOGIN)):
                return
            time.sleep(LOOK)
        raise SystemExit(f"bare JupyterHub does not answer: {self.log.read_text()[-2000:]}")

    def stop(self) -> None:
        """End the hub, which ends its proxy and servers."""
        if self._child:
            self._child.send_signal(signal.SIGTERM)
            self._child.wait()
            self._child = None

    def sign_in(self, name: str) -> tuple[Person, Page]:
        """By the form of the login page; the page that follows."""
        person = Person(hub=self.url, name=name)
        page = person.open(urljoin(self.url, LOGIN))
        fields = {"username": name, "password": "benchmark", "_xsrf": page.field("_xsrf")}
        return person, person.follow(person.send(page.url, fields))


def _free_ports(count: int) -> list[int]:
    probes = [socket.socket() for _ in range(count)]
    for probe in probes:
        probe.bind(("127.0.0.1", 0))
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports


def _answers(url: str) -> bool:
    try:
        return bool(Person().ask("GET", url, seconds=5).status == 200)
    except OSError:
        return False


# --- the hub ------------------------------------------------------------------------------------------------


class Ours:
    """`./dev hub` of an instance, with the sample's values and ten more people."""

    def __init__(self, instance: str, folder: Path) -> None:
        self.dev: Callable[..., str] = partial(measure.dev, instance)
        mine = folder / "people.yaml"
        mine.write_text(json.dumps(VALUES))
        files = [*(CHECKOUT / "jupyter" / name for name in SHARED), mine]
        self._words = [word for file in files for word in ("--values", str(file))]
        self._url = self._link = ""

    def start(self) -> None:
        self.dev("hub", *self._words)

    def stop(self) -> None:
        self.dev("down")

    def look(self) -> None:
        """Learn where the running hub answers."""
        admin = json.loads(self.dev("env", "--as", "admin", "--json"))
        self._url, self._link = admin["HUB_URL"], admin["HUB_SIGN_IN_URL"]

    @property
    def folder(self) -> str:
        """Where the homes are, and all else."""
        return str(json.loads(self.dev("status", "--json"))["state_folder"])

    def services(self) -> dict[str, float]:
        """MiB (PSS) of each service."""
        told = json.loads(self.dev("status", "--json"))["services"]
        return {each["name"]: each["memory_bytes"] / 2**20 for each in told}

    def sign_in(self, name: str) -> tuple[Person, Page]:
        """By the key's link, the hub's button and the page of people; the page that follows."""
        person = Person(hub=self._url, link=self._link, name=name)
        return person, person.follow(person.choose(person.choose_page()))


# --- a person's way -----------------------------------------------------------------------------------------


def way_to_lab(side: Bare | Ours, name: str) -> Person:
    """From a browser without cookies to the page of Lab, as the hub's own pages lead there."""
    person, page = side.sign_in(name)
    if "/spawn-pending/" in page.path:
        _await_server(person)
        page = person.open(person.server_url("lab"))
    wanted = f"/user/{quote(name)}/lab"
    if page.status != 200 or not page.path.endswith(wanted):
        raise SystemExit(f"{name} did not get to {wanted}: {page}")
    return person


def _await_server(person: Person) -> None:
    """As the page that waits does: https://jupyterhub.readthedocs.io/en/stable/reference/rest-api.html"""
    told = person.api("GET", f"users/{quote(person.name)}/server/progress", seconds=120)
    if '"ready": true' not in told.text:
        raise SystemExit(f"the server of {person.name} did not start: {told}")


def leave(person: Person) -> None:
    """Stop the server, and return once it is gone."""
    person.stop_server()
    while person.api("GET", f"users/{quote(person.name)}").json()["servers"]:
        time.sleep(0.1)


def crowd(side: Bare | Ours, each: list[float], meanwhile: Callable[[], None] | None = None) -> float:
    """Everybody at once; ``each`` gets the seconds of each person. The seconds until the last one is in."""
    gate = threading.Barrier(len(CROWD))

    def come(name: str) -> tuple[Person, float]:
        gate.wait()
        began = time.perf_counter()
        person = way_to_lab(side, name)
        return person, time.perf_counter() - began

    with ThreadPoolExecutor(len(CROWD)) as pool:
        came = list(pool.map(come, CROWD))
        if meanwhile:
            meanwhile()
        list(pool.map(leave, [person for person, _ in came]))
    each += [taken for _, taken in came]
    return max(taken for _, taken in came)


def server_sizes(homes: str) -> list[float]:
    """MiB (PSS) of each person's server with a home below ``homes``, without kernels."""
    found = []
    for process in psutil.process_iter():
        try:
            mine = process.environ().get("HOME", "").startswith(homes)
            if mine and "jupyterhub.singleuser" in process.cmdline():
                found.append(process.memory_full_info().pss / 2**20)
        except psutil.Error:
            continue
    return found


# --- rounds -------------------------------------------------------------------------------------------------


def measure_starts(ours: Ours, bare: Bare, rounds: int) -> dict[str, list[float]]:
    """Neither side runs during the other's start."""

    def started(side: Bare | Ours) -> float:
        try:
            return measure.seconds(side.start)
        finally:
            side.stop()

    return measure.in_turn({"hub": lambda: started(ours), "bare JupyterHub": lambda: started(bare)}, rounds)


def measure_ways(ours: Ours, bare: Bare, rounds: int) -> dict[str, list[float]]:
    """One person; nobody else has a server meanwhile."""

    def came(side: Bare | Ours) -> float:
        people: list[Person] = []
        taken = measure.seconds(lambda: people.append(way_to_lab(side, CROWD[0])))
        leave(people[0])
        return taken

    sides = {"sign-in to Lab": lambda: came(ours), "bare sign-in to Lab": lambda: came(bare)}
    for first in sides.values():
        first()  # makes the home, and what a first server writes there
    return measure.in_turn(sides, rounds)


def measure_crowds(ours: Ours, bare: Bare, rounds: int) -> dict[str, list[float]]:
    """Ten at once, person by person, and what their servers weigh."""
    people: dict[str, list[float]] = {"ten at once, a person": [], "bare, ten at once, a person": []}
    mine, theirs = people.values()
    sizes: list[float] = []

    def weigh() -> None:
        sizes.extend(server_sizes(ours.folder))
        # read while ten people are there
        services.update(ours.services())

    services: dict[str, float] = {}
    sides = {
        "the last of ten": lambda: crowd(ours, mine, weigh),
        "bare, the last of ten": lambda: crowd(bare, theirs),
    }
    last = measure.in_turn(sides, rounds)
    print(f"PSS of a server, ten at once: median {statistics.median(sizes):.0f}, most {max(sizes):.0f} MiB")
    print("PSS with ten people: " + _listed(services))
    return {**people, **last}


def weigh_one(ours: Ours, bare: Bare) -> None:
    """What one person's server weighs when it is alone, and the services meanwhile."""
    for name, side in (("hub", ours), ("bare", bare)):
        person = way_to_lab(side, CROWD[0])
        print(f"PSS of the only server, {name}: {sum(server_sizes(side.folder)):.0f} MiB")
        if isinstance(side, Ours):
            print("PSS: " + _listed(side.services()))
        leave(person)


def _listed(sizes: dict[str, float]) -> str:
    return ", ".join(f"{name} {size:.0f} MiB" for name, size in sizes.items())


@contextmanager
def running(*sides: Bare | Ours) -> Iterator[None]:
    try:
        for side in sides:
            side.start()
        yield
    finally:
        for side in sides:
            side.stop()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for word, rounds in (("starts", 6), ("ways", 6), ("crowds", 3)):
        parser.add_argument(f"--{word}", type=int, default=rounds)
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        ours, bare = Ours("bench-hub", Path(place)), Bare(Path(place))
        try:
            with running(ours, bare):
                ours.look()
            _tell_load()
            if wanted.starts:
                starts = measure_starts(ours, bare, wanted.starts)
                print(f"{measure.summary(starts)}\nratio: {measure.ratio(starts, *starts):.2f}")
                _tell_load()
            with running(ours, bare):
                if wanted.ways:
                    ways = measure_ways(ours, bare, wanted.ways)
                    print(f"{measure.summary(ways)}\nratio: {measure.ratio(ways, *ways):.2f}")
                    _tell_load()
                weigh_one(ours, bare)
                if wanted.crowds:
                    print(measure.summary(measure_crowds(ours, bare, wanted.crowds)))
                    _tell_load()
        finally:
            ours.dev("down", "--purge")


def _tell_load() -> None:
    """How busy the machine was: a number above its processors makes both sides slow."""
    print(f"load of the last minute: {os.getloadavg()[0]:.1f}", flush=True)


if __name__ == "__main__":
    main()
