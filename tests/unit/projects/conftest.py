"""The projects of these tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from unit.projects.world import World

from devenv import session as sessions
from devenv.cluster import slots
from devenv.cluster.place import Place
from devenv.endpoints import Endpoint, View
from devenv.helm.chart import Chart
from devenv.postgres import roles
from devenv.runtimes.kind import KindRuntime
from devenv.runtimes.runtime import Condition, Phase
from devenv.s3 import withdrawal
from devenv.state import Instance


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    made = World(tmp_path)

    class Kind(KindRuntime):
        """The runtime without an engine."""

        def __init__(self, instance: Instance, wanted: Any = None) -> None:
            self._instance = instance

        place = property(lambda self: Place.of(self._instance))  # type: ignore[assignment]
        api = made.api  # type: ignore[assignment]
        helm = property(lambda self: made.helms[self._instance.name].driver(tmp_path))  # type: ignore[assignment]
        chart = Chart(tmp_path, "jupyterhub", "4.4.0")  # type: ignore[assignment]

        def condition(self, service: Any, *, memory: bool = False) -> Condition:
            return Condition(made.phases.get(service.name, Phase.RUNNING))

        def endpoint(self, service: str, view: View) -> Endpoint:
            return Endpoint("127.0.0.1", {"hub-db": 5433, "explore-db": 5434, "s3": 9000}[service])

        def cluster(self, plan: Any) -> Any:
            return None

        def leave(self) -> None:
            made.note("leave", self._instance.name)
            slots.give_back(self.place, self._instance.name)

        def stop(self, service: Any) -> bool:
            made.phases[service.name] = Phase.STOPPED
            return True

        def close(self) -> None:
            """Nothing is kept."""

        def purge(self) -> None:
            made.note("purge", "alone" if made.is_locked("kind") else "with others at work")
            self.place.instance.purge()

    def drop(port: int, *, superuser_password: str, databases: Any) -> tuple[str, ...]:
        (database,) = databases
        made.note("drop", str(port), database.name, database.user)
        return (f"dropped {database.name}",)

    def withdraw(connection: Any, wanted: Any) -> tuple[str, ...]:
        made.note("withdraw", wanted.user_name, wanted.lake, wanted.notebooks)
        return (f"bucket {wanted.lake}",)

    monkeypatch.setattr("devenv.runtimes.kind.KindRuntime", Kind)
    monkeypatch.setattr(roles, "drop", drop)
    monkeypatch.setattr(withdrawal, "withdraw", withdraw)
    monkeypatch.setattr(sessions, "CHECKOUT", made.checkout)
    monkeypatch.setenv("HABARI_DATA_ROOT", str(tmp_path / "data"))
    for variable in ("HABARI_INSTANCE", "HABARI_NAME"):
        monkeypatch.delenv(variable, raising=False)
    return made
