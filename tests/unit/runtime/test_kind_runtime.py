"""Where things answer at the kind level, and what a stop and a purge touch; the engine and kind only tell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from devenv import project
from devenv.cluster import network, slots
from devenv.cluster.kind import Kind as KindCli
from devenv.compose import ComposeProject
from devenv.credentials import generate
from devenv.endpoints import Endpoint, View
from devenv.errors import ConflictError, NotRunningError, UnhealthyError, UsageError
from devenv.helm import ready
from devenv.processes import Holder
from devenv.project import Project
from devenv.runtimes import ports
from devenv.runtimes.kind import KindRuntime, node_image
from devenv.runtimes.kind.beside import SHARED
from devenv.runtimes.runtime import Condition, Phase
from devenv.services.cluster import ClusterService
from devenv.services.github import GitHubService
from devenv.services.jupyter import JupyterService
from devenv.services.postgres import HubDatabaseService
from devenv.services.release import ReleaseService
from devenv.services.s3 import S3Service
from devenv.state import Instance, write_json
from devenv.waiting import NotYet


class Container(SimpleNamespace):
    """One that the engine would show."""

    def start(self) -> None:
        self.attrs["State"]["Running"] = True

    def stop(self, timeout: int) -> None:
        self.attrs["State"]["Running"] = False


@pytest.fixture
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> KindRuntime:
    monkeypatch.setattr("devenv.processes.holder", lambda _port: None)
    instance = Instance("lab", tmp_path / "checkout", tmp_path / "data")
    instance.create()
    made = KindRuntime(instance)
    made.place.instance.create()
    return made


def give_node(
    runtime: KindRuntime, monkeypatch: pytest.MonkeyPatch, *, running: bool = True, ours: bool = True
) -> Container:
    """The engine has a container of the node's name."""
    mark = str(runtime.place.instance.root / "mark") if ours else "/somewhere/else"
    node = Container(
        id="n1",
        labels={"io.x-k8s.kind.cluster": runtime.place.id},
        attrs={
            "State": {"Running": running, "ExitCode": 0, "Pid": 7, "StartedAt": "2026-11-28T10:00:00.5Z"},
            "Mounts": [{"Destination": "/habari", "Source": mark}],
            "HostConfig": {
                "PortBindings": {
                    "30080/tcp": [{"HostIp": "127.0.0.1", "HostPort": "8000"}],
                    "30081/tcp": [{"HostIp": "127.0.0.1", "HostPort": "8011"}],
                    "6443/tcp": [{"HostIp": "127.0.0.1", "HostPort": "40123"}],
                }
            },
        },
    )
    client = SimpleNamespace(containers=SimpleNamespace(get=lambda _name: node))
    monkeypatch.setitem(runtime._engine.__dict__, "client", client)
    return node


def give_no_node(runtime: KindRuntime, monkeypatch: pytest.MonkeyPatch) -> None:
    from docker.errors import NotFound

    def none(_name: str) -> Any:
        raise NotFound("none")

    client = SimpleNamespace(containers=SimpleNamespace(get=none))
    monkeypatch.setitem(runtime._engine.__dict__, "client", client)


def make_whole(runtime: KindRuntime) -> None:
    """The cluster's making went to its end."""
    runtime.place.kubeconfig.touch()
    write_json(runtime.place.instance.root / "made.json", {"container": "n1", "image": "habari/node:0.1"})


def hold(monkeypatch: pytest.MonkeyPatch, *taken: int) -> None:
    """Somebody else listens on these ports of the machine."""
    nginx = Holder(4711, "nginx", "www-data")
    monkeypatch.setattr("devenv.processes.holder", lambda port: nginx if port in taken else None)


def test_pods_find_the_servers_by_the_services_of_their_namespace(runtime: KindRuntime) -> None:
    found = {name: str(runtime.endpoint(name, View.POD)) for name in (*SHARED, "github")}

    assert found == {
        "hub-db": "hub-db:5432",
        "explore-db": "explore-db:5432",
        "s3": "s3:9000",
        "github": "github:8090",
    }


def test_this_machine_finds_them_at_the_ports_that_were_claimed(
    runtime: KindRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    give_no_node(runtime, monkeypatch)
    monkeypatch.setattr(runtime, "_holds_port", lambda _name: False)

    notes = runtime.claim((HubDatabaseService(), S3Service(), GitHubService(), ReleaseService()), {})

    known = ports.known(runtime.place.instance)
    assert runtime.endpoint("hub-db", View.HOST) == Endpoint("127.0.0.1", known["hub-db"])
    assert runtime.endpoint("proxy", View.HOST) == Endpoint("127.0.0.1", known["slot-0"])
    assert {f"slot-{number}" for number in range(8)} <= set(known)
    assert not [note for note in notes if note.startswith("slot-7")]


def test_the_hub_of_the_second_project_is_at_the_second_slot(
    runtime: KindRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    slots.take(runtime.place, "other", "other-1", None)
    give_no_node(runtime, monkeypatch)
    monkeypatch.setattr(runtime, "_holds_port", lambda _name: False)

    runtime.claim((ReleaseService(),), {})

    known = ports.known(runtime.place.instance)
    assert runtime.endpoint("proxy", View.HOST).port == known["slot-1"]


def test_a_project_without_a_slot_has_no_address(runtime: KindRuntime) -> None:
    with pytest.raises(NotRunningError, match="lab is not on the cluster"):
        runtime.endpoint("proxy", View.HOST)


def test_without_a_node_nothing_of_the_cluster_runs(
    runtime: KindRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    give_no_node(runtime, monkeypatch)

    assert runtime.condition(ClusterService()).phase is Phase.STOPPED
    assert runtime.condition(ReleaseService()).phase is Phase.STOPPED
    assert runtime.condition(JupyterService()).phase is Phase.STOPPED
    with pytest.raises(UnhealthyError, match="node ended by itself"):
        runtime.ensure_alive(ClusterService())


def test_a_node_of_our_name_without_our_mark_is_never_touched(
    runtime: KindRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = give_node(runtime, monkeypatch, ours=False)

    with pytest.raises(ConflictError, match="is not a node of ours"):
        runtime.stop(ClusterService())
    assert node.attrs["State"]["Running"] is True


def test_a_cluster_that_was_made_only_half_does_not_run(
    runtime: KindRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    give_node(runtime, monkeypatch)
    assert runtime.condition(ClusterService()).phase is Phase.STOPPED

    make_whole(runtime)

    assert runtime.condition(ClusterService()).phase is Phase.RUNNING


def test_a_stop_takes_the_sign_ins_of_other_projects_with_the_node(
    runtime: KindRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = give_node(runtime, monkeypatch)
    gone: list[str] = []

    def sign_in(project: str) -> SimpleNamespace:
        labels = {"com.docker.compose.project": project}
        return SimpleNamespace(labels=labels, remove=lambda force: gone.append(project))

    found = [sign_in("other-github"), sign_in(runtime._beside.github.name)]
    monkeypatch.setattr(runtime._engine, "labelled", lambda *_: found)

    assert runtime.stop(ClusterService()) is True
    assert runtime.stop(ReleaseService()) is False
    assert node.attrs["State"]["Running"] is False
    assert gone == ["other-github"]


def note_purge(runtime: KindRuntime, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What a purge does, in its order; nothing is done."""
    done: list[str] = []
    sign_in = SimpleNamespace(
        labels={"com.docker.compose.project": "other-github"}, remove=lambda force: done.append("sign-in")
    )
    monkeypatch.setattr(runtime._engine, "labelled", lambda *_: [sign_in])
    monkeypatch.setattr(runtime._beside, "require_own", lambda: None)
    monkeypatch.setattr(runtime._beside, "remove", lambda volumes: done.append(f"servers, {volumes=}"))
    monkeypatch.setattr(KindCli, "delete", lambda _self: done.append("cluster"))
    monkeypatch.setattr(network, "remove", lambda *_: done.append("network"))
    return done


def test_a_purge_takes_all_that_stands_in_the_network_before_the_network(
    runtime: KindRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    give_node(runtime, monkeypatch)
    done = note_purge(runtime, monkeypatch)

    runtime.purge()

    assert done == ["sign-in", "cluster", "servers, volumes=True", "network"]
    assert not runtime.place.instance.root.exists()
    assert runtime._instance.exists()


def test_a_purge_beside_a_node_that_is_not_ours_touches_nothing(
    runtime: KindRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    give_node(runtime, monkeypatch, ours=False)
    done = note_purge(runtime, monkeypatch)

    with pytest.raises(ConflictError, match="is not a node of ours"):
        runtime.purge()
    assert done == []
    assert runtime.place.instance.exists()


@pytest.mark.parametrize("port", [8011, 40123], ids=["an address of a project", "the cluster's API"])
def test_a_port_that_was_taken_while_the_cluster_was_down_is_a_conflict_with_whoever_has_it(
    runtime: KindRuntime, monkeypatch: pytest.MonkeyPatch, port: int
) -> None:
    give_node(runtime, monkeypatch, running=False)
    make_whole(runtime)
    hold(monkeypatch, port)

    with pytest.raises(
        ConflictError, match=rf"port {port} of the cluster is taken by nginx \(pid 4711"
    ) as caught:
        runtime.claim((ReleaseService(),), {})
    assert "never later" in caught.value.hint
    assert slots.taken(runtime.place) == ()


@pytest.mark.parametrize("half", [True, False], ids=["half a node that is made anew", "a node that runs"])
def test_ports_that_the_node_need_not_get_again_are_nobodys_conflict(
    runtime: KindRuntime, monkeypatch: pytest.MonkeyPatch, half: bool
) -> None:
    give_node(runtime, monkeypatch, running=not half)
    if not half:
        make_whole(runtime)
    hold(monkeypatch, 8000, 8011, 40123)

    runtime.claim((ReleaseService(),), {})


@pytest.mark.parametrize("running", [True, False], ids=["it runs", "it does not"])
def test_half_a_node_that_runs_holds_the_ports_that_the_next_attempt_wants_again(
    runtime: KindRuntime, monkeypatch: pytest.MonkeyPatch, running: bool
) -> None:
    give_node(runtime, monkeypatch, running=running)

    assert runtime._holds_port("slot-0") is running


def test_the_seed_is_taken_of_an_s3_too_whose_start_was_killed_before_that(
    runtime: KindRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[str] = []
    monkeypatch.setattr(runtime, "condition", lambda _service: Condition(Phase.RUNNING))
    monkeypatch.setattr(runtime._beside, "take_seed", lambda: taken.append("seed"))

    assert runtime.start(Any, S3Service()) is False  # type: ignore[arg-type]
    assert taken == ["seed"]


def test_a_release_that_is_there_just_so_gets_what_its_pods_wait_for(
    runtime: KindRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[object] = []
    current = SimpleNamespace(is_current=lambda: True)
    monkeypatch.setattr(ReleaseService, "release", staticmethod(lambda _site: current))
    api = SimpleNamespace(
        ensure_alias=lambda namespace, name, _host, _port: done.append(name),
        renew_pods=lambda namespace, waiting: done.append((namespace, "ImagePullBackOff" in waiting)),
    )
    monkeypatch.setitem(runtime.__dict__, "api", api)
    runtime._chosen = lambda: SimpleNamespace(ids={"acme/hub:1": "sha256:1"})  # type: ignore[assignment, return-value]
    monkeypatch.setattr(runtime._making, "load_by_name", lambda ids: list(ids))

    assert runtime.start(Any, ReleaseService()) is False  # type: ignore[arg-type]
    assert done == ["hub-db", "explore-db", "s3", "github", ("lab", True)]


@pytest.mark.parametrize(
    ("was_whole", "settled", "renewed"),
    [
        pytest.param(True, False, ["network", "lab/hub", "other/hub"], id="a start of the node"),
        pytest.param(True, True, [], id="a node that went on"),
        pytest.param(False, False, ["network"], id="a new cluster"),
    ],
)
def test_hubs_that_began_before_their_network_begin_once_more_after_each_start_of_the_node(
    runtime: KindRuntime, monkeypatch: pytest.MonkeyPatch, was_whole: bool, settled: bool, renewed: list[str]
) -> None:
    done: list[str] = []
    for name in ("lab", "other"):
        slots.take(runtime.place, name, f"{name}-1", None)
    checked = SimpleNamespace(check=lambda: None)
    monkeypatch.setattr(ReleaseService, "release", staticmethod(lambda _site: checked))
    api = SimpleNamespace(
        renew_component=lambda namespace, component: done.append(f"{namespace}/{component}"),
    )
    monkeypatch.setitem(runtime.__dict__, "api", api)
    monkeypatch.setitem(runtime.__dict__, "_images", None)
    monkeypatch.setattr(node_image, "choose", lambda *_: "node:1")
    runtime._chosen = lambda: SimpleNamespace(ids={})  # type: ignore[assignment, return-value]
    node = give_node(runtime, monkeypatch)
    node.attrs["State"]["StartedAt"] = "2026-11-28T17:26:06Z"
    monkeypatch.setattr(runtime._node, "is_whole", lambda: was_whole)
    if settled:
        runtime._node.note_settled()
    monkeypatch.setattr(runtime._making, "bring_up", lambda *_, **__: not settled)
    monkeypatch.setattr(runtime._making, "wait_for_network", lambda _renew: done.append("network"))

    runtime.start(Any, ClusterService())  # type: ignore[arg-type]

    assert done == renewed
    assert runtime._node.is_settled()


@pytest.mark.parametrize("comes", ["node runs", "its start failed"])
def test_servers_beside_the_cluster_start_after_its_node_has_an_address(
    runtime: KindRuntime, monkeypatch: pytest.MonkeyPatch, comes: str
) -> None:
    done: list[str] = []
    runs = comes == "node runs"
    answers = iter([False, False, runs])

    def is_running() -> bool:
        done.append("asked")
        if not (answer := next(answers)) and len(done) == 3:
            with pytest.raises(UnhealthyError):
                runtime.start(Any, ClusterService())  # type: ignore[arg-type]
        return answer

    def fail(_site: object) -> bool:
        raise UnhealthyError("no room")

    monkeypatch.setattr(runtime, "_start_cluster", fail)
    monkeypatch.setattr(runtime._node, "is_running", is_running)
    monkeypatch.setattr(runtime, "condition", lambda _service: Condition(Phase.STOPPED))
    monkeypatch.setattr(runtime._beside, "create_shared", lambda _site: done.append("created"))
    monkeypatch.setattr(runtime._beside, "take_seed", lambda: None)
    monkeypatch.setattr(runtime._engine, "start", lambda _project, name: done.append(name))

    runtime.start(Any, S3Service())  # type: ignore[arg-type]

    assert done == ["asked"] * 3 + ["created", "s3"]


def test_what_fell_while_its_node_began_anew_is_started_at_once_and_not_for_ever(
    runtime: KindRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    renewed: list[str] = []

    def renew(namespace: str, waiting: Set[str]) -> list[str]:
        assert "CrashLoopBackOff" in waiting
        renewed.append(namespace)
        return ["hub-1"]

    clock = iter(range(0, 1000, 3))
    monkeypatch.setattr("devenv.runtimes.kind.runtime.time.monotonic", lambda: next(clock))
    monkeypatch.setitem(
        runtime.__dict__, "api", SimpleNamespace(renew_pods=renew, ensure_alias=lambda *_: None)
    )
    runtime.ensure_alive(ReleaseService())
    assert renewed == [], "a release that is being made fails by itself"

    current = SimpleNamespace(is_current=lambda: True)
    monkeypatch.setattr(ReleaseService, "release", staticmethod(lambda _site: current))
    runtime._chosen = lambda: SimpleNamespace(ids={})  # type: ignore[assignment, return-value]
    monkeypatch.setattr(runtime._making, "load_by_name", lambda _ids: [])
    runtime.start(Any, ReleaseService())  # type: ignore[arg-type]
    for _ in range(20):
        runtime.ensure_alive(ReleaseService())

    assert renewed == ["lab"] * 5


@pytest.mark.parametrize("renewals", [5, 0], ids=["after a start of the node", "as it went on"])
def test_a_pod_that_fell_with_its_node_is_no_failure_of_the_release(
    runtime: KindRuntime, monkeypatch: pytest.MonkeyPatch, renewals: int
) -> None:
    def fail(*_: object) -> str:
        raise UnhealthyError("the proxy was started again 3 times")

    monkeypatch.setattr(ready, "answer", fail)
    monkeypatch.setitem(runtime.__dict__, "_deployed_chart", "chart-1")
    monkeypatch.setitem(runtime.__dict__, "api", SimpleNamespace(renew_pods=lambda *_: ["proxy-1"]))
    runtime._renewals = renewals

    with pytest.raises(NotYet if renewals else UnhealthyError, match="the proxy was started again 3 times"):
        runtime._answer_of_release()


def of_ones_own(folder: Path) -> Project:
    """A project with an S3 of its own."""
    environ = {"HABARI_S3_PROVIDER": "external", "HABARI_S3_ENDPOINT": "http://minio.example.org:9000"}
    return project.load(folder, environ)


def site(wanted: Project, *, addresses: Mapping[str, int]) -> Any:
    """A site of this project, at which only these services have addresses."""

    def endpoint(name: str, _view: View) -> Endpoint:
        if name not in addresses:
            raise NotRunningError(f"{name} has no address yet")
        return Endpoint("127.0.0.1", addresses[name])

    return SimpleNamespace(project=wanted, vault=SimpleNamespace(current=generate()), endpoint=endpoint)


def test_with_an_s3_of_ones_own_the_databases_alone_are_made(
    runtime: KindRuntime, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    made: list[tuple[Sequence[str], Mapping[str, str]]] = []
    monkeypatch.setattr(ComposeProject, "create", lambda _self, *call: made.append(call))

    runtime._create_shared(site(of_ones_own(tmp_path), addresses={"hub-db": 5433, "explore-db": 5434}))

    [(names, variables)] = made
    assert tuple(names) == ("hub-db", "explore-db")
    assert variables["HABARI_EXPLORE_DB_PORT"] == "5434"
    assert "HABARI_PORTS_S3" not in variables


def test_without_one_s3_is_made_at_the_port_that_was_claimed(
    runtime: KindRuntime, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    made: list[tuple[Sequence[str], Mapping[str, str]]] = []
    monkeypatch.setattr(ComposeProject, "create", lambda _self, *call: made.append(call))
    addresses = {"hub-db": 5433, "explore-db": 5434, "s3": 9001}

    runtime._create_shared(site(project.load(tmp_path, {}), addresses=addresses))

    [(names, variables)] = made
    assert tuple(names) == SHARED
    assert variables["HABARI_PORTS_S3"] == "9001"


def test_pods_get_no_name_for_an_s3_that_the_project_does_not_use(
    runtime: KindRuntime, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    made = KindRuntime(runtime._instance, of_ones_own(tmp_path))
    told: list[str] = []
    api = SimpleNamespace(ensure_alias=lambda _namespace, name, _host, _port: told.append(name))
    monkeypatch.setitem(made.__dict__, "api", api)

    made._ensure_aliases()

    assert told == ["hub-db", "explore-db", "github"]


def test_a_stop_takes_the_s3_of_the_others_along_where_the_project_has_its_own(
    runtime: KindRuntime, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    made = KindRuntime(runtime._instance, of_ones_own(tmp_path))
    give_node(made, monkeypatch)
    stopped: list[str] = []
    monkeypatch.setattr(made._engine, "labelled", lambda *_: [])
    monkeypatch.setattr(made._engine, "stop", lambda _project, name, _seconds: stopped.append(name))

    made.stop(ClusterService())

    assert stopped == ["s3"]


def test_notebooks_run_in_peoples_pods_alone(runtime: KindRuntime) -> None:
    with pytest.raises(UsageError, match="people's own pods"):
        runtime.run_notebook(Any, Path("x.ipynb"), output=None, timeout=None, on_cell=print)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("named", "built", "image"),
    [
        ("acme/node:1", ("habari/node:0.2",), "acme/node:1"),
        ("", ("habari/node:0.2", "habari/node:0.10", "habari/node:local"), "habari/node:0.10"),
        ("", (), "kindest/node:v1.37.0"),
    ],
    ids=["named", "built here", "kind's own"],
)
def test_the_node_is_what_is_named_or_built_here_or_kinds_own(
    named: str, built: tuple[str, ...], image: str
) -> None:
    engine: Any = SimpleNamespace(images=lambda **_: [SimpleNamespace(references=built)] if built else [])

    found = node_image.choose(engine, {"HABARI_NODE_IMAGE": named} if named else {})

    assert found.partition("@")[0] == image
