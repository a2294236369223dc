"""What doctor says of a cluster's needs, on machines and engines that only tell."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from devenv import docker_engine
from devenv.containers import Engine
from devenv.doctor import cluster
from devenv.doctor.finding import Finding, Verdict
from devenv.errors import MissingError
from devenv.images import pins
from devenv.runtimes.kind import KindRuntime
from devenv.session import Session
from devenv.state import Instance

OK, NOTE, MISSING = Verdict.OK, Verdict.NOTE, Verdict.MISSING
TOOLS = pins.load().tools
# Every capability, and all but CAP_SYS_RESOURCE (bit 24).
ALL, ALL_BUT_ONE = "000001ffffffffff", "000001fffeffffff"


class Told:
    """An engine of this machine and the programs; a test changes an answer."""

    def __init__(self, folder: Path) -> None:
        self.info: dict[str, Any] = {
            "CgroupVersion": "2",
            "SecurityOptions": ["name=seccomp,profile=builtin", "name=cgroupns"],
        }
        self.kind, self.helm = TOOLS["kind"], ".".join(TOOLS["helm"].split(".")[:2])
        self.environ: dict[str, str] = {"DOCKER_HOST": "unix:///run/docker.sock"}
        self.status = folder / "status"
        self.bounds(ALL)

    def bounds(self, capabilities: str) -> None:
        self.status.write_text(f"CapEff:\t0000000000000000\nCapBnd:\t{capabilities}\n")

    def examined(self, runtime: str = "kind") -> dict[str, Finding]:
        asked = SimpleNamespace(
            choice=SimpleNamespace(runtime=runtime),
            environ=self.environ,
            instance=Instance("lab", self.status.parent, self.status.parent),
            project=None,
        )
        return {each.check: each for each in cluster.examine(cast("Session", asked))}


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Told:
    made = Told(tmp_path)
    monkeypatch.setattr(Engine, "client", SimpleNamespace(info=lambda: made.info))
    monkeypatch.setattr(KindRuntime, "kind_version", lambda _: made.kind)
    monkeypatch.setattr(KindRuntime, "helm_version", lambda _: made.helm)
    monkeypatch.setattr(docker_engine, "answers", lambda _environ: True)
    monkeypatch.setattr(cluster, "_STATUS", made.status)
    monkeypatch.setattr(cluster, "memory", lambda: ())
    monkeypatch.setattr(cluster, "inotify", lambda _folder: ())
    return made


def test_a_machine_that_has_it_all_is_told_so(told: Told) -> None:
    assert told.examined() == {
        "kind": Finding("kind", OK, TOOLS["kind"]),
        "helm": Finding("helm", OK, told.helm),
        "control groups": Finding("control groups", OK, "version 2"),
    }


def test_programs_of_other_versions_than_the_pinned_ones_are_named(told: Told) -> None:
    told.kind, told.helm = "0.24.0", "3.16"

    found = told.examined()

    assert found["kind"] == Finding("kind", NOTE, f"0.24.0, pinned is {TOOLS['kind']}")
    assert found["helm"] == Finding("helm", NOTE, f"3.16, pinned is {TOOLS['helm']}")


def test_control_groups_that_kinds_own_node_does_not_take_are_named(told: Told) -> None:
    told.info["CgroupVersion"] = "1"

    found = told.examined()["control groups"]

    assert found.verdict is NOTE
    assert "version 1" in found.detail
    assert "images.build --from mirrors --name node" in found.mend


def test_an_engine_without_root_is_named(told: Told) -> None:
    told.info["SecurityOptions"].append("name=rootless")

    found = told.examined()["rights of a node"]

    assert found.verdict is NOTE
    assert "rootless" in found.detail


def test_a_machine_that_may_not_lower_oom_scores_is_named(told: Told) -> None:
    told.bounds(ALL_BUT_ONE)

    found = told.examined()["rights of a node"]

    assert found.verdict is NOTE
    assert "CAP_SYS_RESOURCE" in found.detail
    assert "images.build --from mirrors --name node" in found.mend


def test_where_no_kernel_tells_its_capabilities_nothing_is_said_of_them(told: Told) -> None:
    told.status.unlink()

    assert "rights of a node" not in told.examined()


def test_of_an_engine_elsewhere_nothing_is_read_on_this_machine(told: Told) -> None:
    told.environ["DOCKER_HOST"] = "ssh://elsewhere"
    told.bounds(ALL_BUT_ONE)

    assert set(told.examined()) == {"kind", "helm"}


def test_an_engine_that_does_not_answer_is_another_lines_news(
    told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    def client(_: Engine) -> Any:
        raise MissingError("no Docker engine answers")

    monkeypatch.setattr(Engine, "client", property(client))
    told.bounds(ALL_BUT_ONE)

    assert set(told.examined()) == {"kind", "helm"}


def test_where_nothing_needs_a_cluster_and_no_engine_answers_nothing_is_said(
    told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(docker_engine, "answers", lambda _environ: False)

    assert told.examined("process") == {}
