"""A checkout with projects on a cluster, of which nothing is real."""

from __future__ import annotations

import io
import json
from collections import defaultdict
from pathlib import Path
from typing import Any

from unit.helm.fake_helm import FakeApi, FakeHelm

from devenv import level, removal, report
from devenv.cluster import slots
from devenv.cluster.place import Place
from devenv.errors import ConflictError, UnhealthyError
from devenv.runtimes.runtime import Phase
from devenv.session import LEVELS, Session
from devenv.state import Instance


class World:
    """A checkout with projects on a cluster, of which nothing is real; ``done`` is what was deleted."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.checkout = home / "checkout"
        self.checkout.mkdir()
        self.helms: dict[str, FakeHelm] = defaultdict(FakeHelm)
        self.api = FakeApi()
        self.phases: dict[str, Phase] = {}
        self.done: list[tuple[str, ...]] = []
        self.fails_at = ""
        self.out, self.err = io.StringIO(), io.StringIO()

    def instance(self, name: str) -> Instance:
        return Instance(name, self.checkout, self.home / "data")

    def write(self, name: str, **settings: Any) -> Path:
        """A project file."""
        file = self.home / f"{name}.yaml"
        file.write_text(json.dumps({"name": name, **settings}))
        return file

    def start(self, name: str, **buckets: str) -> Path:
        """As ``./dev kind --project`` leaves it."""
        file = self.write(name, buckets=buckets)
        opened = Session.open(level="kind", project_file=file)
        opened.instance.create()
        opened.remember()
        place = Place.of(opened.instance)
        place.instance.create()
        opened.vault.fill()
        slots.take(place, name, opened.instance.id, file)
        self.helms[name].add(f"habari-{name}", "deployed")
        return file

    def up(self, name: str) -> None:
        """``./dev kind --project``, as far as it comes where nothing is real."""
        self.phases = {each.name: Phase.STOPPED for some in LEVELS.values() for each in some.services}
        file = str(self.home / f"{name}.yaml")
        level.up(self._reporter(), level="kind", instance=None, runtime=None, project_file=file, json=False)

    def leave(self, name: str) -> None:
        """The project is on the cluster no more; its instance is still there."""
        slots.give_back(Place.of(self.instance(name)), name)

    def on_cluster(self) -> list[str]:
        return [slot.project for slot in slots.taken(Place.of(self.instance("any")))]

    def delete(self, name: str, *, yes: bool = True, json_too: bool = False) -> None:
        removal.delete(self._reporter(), name=name, yes=yes, json=json_too)

    def switch(self, name: str) -> None:
        """As ``./dev down`` and ``./dev up`` leave it: the project runs by processes now."""
        opened = Session.open(level="jupyter", runtime="process", project_file=self.home / f"{name}.yaml")
        opened.instance.create()
        opened.remember()

    def purge(self, name: str) -> None:
        level.down(self._reporter(), instance=name, purge=True, json=False)

    def is_locked(self, name: str) -> bool:
        """Whether a command holds the instance."""
        try:
            with self.instance(name).lock("a test", lambda _holder: None, seconds=0):
                return False
        except ConflictError:
            return True

    def _reporter(self) -> report.Reporter:
        return report.make(environ={}, out=self.out, err=self.err, answers=io.StringIO())

    def note(self, *words: str) -> None:
        if words[0] == self.fails_at:
            raise UnhealthyError(f"{words[0]} failed")
        self.done.append(words)
