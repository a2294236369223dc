"""The kind runtime: servers of the engine beside a cluster of kind's, and the project's release in it."""

from __future__ import annotations

import contextlib
import itertools
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

from devenv import commands, diagnosis, processes, project, waiting
from devenv import compose as compose_cli
from devenv.cluster import kind as kind_cli
from devenv.cluster import network, slots, stand_ins
from devenv.cluster.api import FALLEN, WITHOUT_IMAGE, ClusterApi
from devenv.cluster.making import Making
from devenv.cluster.node import Node
from devenv.cluster.place import Place
from devenv.containers import Engine, State, unix
from devenv.endpoints import Endpoint, View
from devenv.errors import ConflictError, DevenvError, NotRunningError, UnhealthyError, UsageError
from devenv.helm import chart as charts
from devenv.helm import ready
from devenv.helm import release as releases
from devenv.helm.cli import Helm
from devenv.images.engine import Engine as Images
from devenv.notebooks import CellRan, Executed
from devenv.report import Progress
from devenv.runtimes import following, ports
from devenv.runtimes.kind import node_image
from devenv.runtimes.kind.beside import GITHUB, SHARED, Beside, used_by
from devenv.runtimes.runtime import Condition, Phase
from devenv.services.plan import Plan
from devenv.services.release import ALIASES, ReleaseService
from devenv.services.service import Cluster, Service, Site
from devenv.state import Instance
from devenv.waiting import NotYet

if TYPE_CHECKING:
    from devenv.helm.api import Thing
    from devenv.helm.chart import Chart

CLUSTER, RELEASE = "cluster", "release"
# 143: ended by SIGTERM, as asked.
_ORDERLY = (0, 143)
_KEPT_LINES = 2000
_HUB_PORT = 8081
_HELM_SECONDS = 300
_SETTLE_SECONDS = 60
# Longer when the node's image is fetched: the servers then go ahead.
_FIRST_SECONDS = 20
# A pod that falls each time is told with its last words after these.
_RENEWALS, _RENEWAL_SECONDS = 5, 2


class KindRuntime:
    """One cluster for all projects of a checkout; this is the view that one project has of it."""

    name = "kind"
    view = View.POD

    def __init__(self, instance: Instance, wanted: project.Project | None = None) -> None:
        self.place = Place.of(instance)
        self._instance = instance
        self._project = wanted
        self._environ = project.environment()
        self._engine = Engine(self._environ)
        self._leash = commands.Leash()
        self._node = Node(self.place, self._engine)
        self._beside = Beside(self.place, instance, self._engine, self._environ)
        self._kind = kind_cli.driver(self.place, self._environ, self._leash)
        self._making = Making(self.place, self._node, self._kind, self._environ, self._leash)
        self._creating = threading.Lock()
        self._created = False
        self._was_tried = threading.Event()
        self._notices: list[str] = []
        self._renewals = 0
        self._renewed_at = 0.0
        self._progress: Progress = _silent

    @property
    def data_place(self) -> str:
        return f"the Docker volumes {self.place.id}_* and the node {self.place.node}"

    @cached_property
    def api(self) -> ClusterApi:
        return ClusterApi(self.place.target)

    @cached_property
    def helm(self) -> Helm:
        return Helm(
            self.place.target,
            self.place.instance.data_root / "cache" / "helm",
            self._environ,
            mark=self._instance.mark("helm"),
            stream=partial(commands.stream, leash=self._leash),
        )

    @cached_property
    def chart(self) -> Chart:
        named = self._project.chart_path if self._project else None
        return charts.find(named, self.helm, self.place.instance.data_root)

    def cluster(self, plan: Callable[[], Plan]) -> Cluster:
        """What services may know of the cluster; the values files are read when they are asked for."""
        api, images = self.api, _Once(lambda: stand_ins.choose(plan().loaded.tree, self._images))
        self._chosen = images
        return Cluster(
            kubeconfig=self.place.kubeconfig,
            api=lambda: api,
            release=lambda overlay: releases.Release(
                self.helm,
                self._instance.name,
                self.chart,
                plan().files,
                self._instance.secrets / "helm",
                overlay,
            ),
            answer=self._answer_of_release,
            server_range=lambda: network.cidr(self.place, self._engine),
            node_port=lambda: self._slot().node_port,
            images=lambda: images().stand_ins,
        )

    def _answer_of_release(self) -> str:
        """Of what is deployed, whatever the values files and the chart are by now."""
        name = releases.name_of(self._instance.name)
        try:
            return ready.answer(self.api, name, self._instance.name, self._deployed_chart)
        except UnhealthyError as error:
            # each start of the node counts as a fall of its pods: by the third they look like a habit
            if self._renew_fallen(at_once=True):
                raise NotYet(error.what) from error
            raise

    @cached_property
    def _deployed_chart(self) -> str:
        found = self.helm.status(releases.name_of(self._instance.name), self._instance.name)
        return found.chart if found else ""

    def claim(self, services: tuple[Service, ...], fixed: Mapping[str, int | None]) -> list[str]:
        self._require_ports_of_node()
        slot = slots.take(
            self.place, self._instance.name, self._instance.id, self._project.file if self._project else None
        )
        names = {service.name for service in services}
        shared = tuple(name for name in SHARED if name in names)
        doors = tuple(slots.port_name(number) for number in range(slots.COUNT))
        notes = self._claim(self.place.instance, (*shared, *doors), {"s3": fixed.get("s3")})
        notes += self._claim(self._instance, (GITHUB,), {})
        # what concerns the slots of others is not this project's news
        return [
            note for note in notes if not note.startswith("slot-") or note.startswith(f"{slot.port_name}:")
        ]

    def _require_ports_of_node(self) -> None:
        """Raise ConflictError when a node that is to be started again would not get its ports."""
        found = self._node.container()
        if found is None or found.attrs["State"]["Running"] or not self._node.is_whole():
            return
        bindings = found.attrs["HostConfig"].get("PortBindings") or {}
        for each in itertools.chain.from_iterable(bindings.values()):
            port = int(each["HostPort"] or 0)
            if holder := processes.holder(port):
                raise ConflictError(
                    f"port {port} of the cluster is taken by {holder}",
                    hint="End it: kind maps ports when it makes a cluster and never later",
                )

    def _claim(
        self, instance: Instance, names: tuple[str, ...], fixed: Mapping[str, int | None]
    ) -> list[str]:
        known = ports.known(instance)
        running = {name: known[name] for name in names if name in known and self._holds_port(name)}
        return ports.claim(instance, names, fixed, running)[1]

    def _holds_port(self, name: str) -> bool:
        if name.startswith("slot-"):
            # mapped once and for all when the node is made; half a node that runs holds them too
            return self._node.is_whole() or self._node.is_running()
        state = self._state(name)
        return state is not None and state.is_running

    def release(self) -> None:
        ports.release(self.place.instance)
        ports.release(self._instance)

    def prepare(self, services: tuple[Service, ...], progress: Progress) -> None:
        """Check what all of it stands on; make the network that the node and the servers share."""
        self._progress = progress
        progress("engine", "starting", "asking the Docker engine, kind and helm")
        self._engine.require_local()
        version = self._engine.client.version()["Version"]
        compose_cli.require(self._environ)
        tools = (self.kind_version(), self.helm_version())
        images = self._beside.images()
        self._engine.require_images(
            {each.name: images[each.name] for each in services if each.name in images}
        )
        self.place.instance.create()
        self._beside.require_own()
        self._node.container()
        network.ensure(self.place, self._engine)
        progress("engine", "ready", f"Docker {version}, kind {tools[0]}, helm {tools[1]}")

    def kind_version(self) -> str:
        """Raises MissingError when kind is not there or too old."""
        return self._kind.version()

    def helm_version(self) -> str:
        """Raises MissingError when helm is not there or too old."""
        return ".".join(map(str, self.helm.version()))

    def start(self, site: Site, service: Service) -> bool:
        if service.name == CLUSTER:
            try:
                return self._start_cluster(site)
            finally:
                self._was_tried.set()
        if service.name == RELEASE:
            return self._start_release(site)
        return self._start_server(site, service)

    def _start_server(self, site: Site, service: Service) -> bool:
        launched = self.condition(service).phase is not Phase.RUNNING
        if launched:
            self._let_the_node_go_first()
            if service.name == GITHUB:
                self._beside.create_github(site, service.fingerprint(site))
            else:
                self._create_shared(site)
            self._engine.start(self._beside.project_of(service.name).name, service.name)
        if service.name == "s3":
            # also of one that runs: whoever started it may have been killed before this
            self._beside.take_seed()
        return launched

    def _let_the_node_go_first(self) -> None:
        """The engine gives the lowest free address: who always comes first has it each time."""

        def probe() -> None:
            if not self._was_tried.is_set() and not self._node.is_running():
                raise NotYet("it has no address")

        with contextlib.suppress(UnhealthyError):
            waiting.until(probe, what="the node", seconds=_FIRST_SECONDS, longest_pause=0.3)

    def _create_shared(self, site: Site) -> None:
        with self._creating:
            # one call makes all: two at once would both make the volumes
            if not self._created:
                self._beside.create_shared(site)
                self._created = True

    def _start_cluster(self, site: Site) -> bool:
        if not self._node.is_whole():
            # what is wrong with the values shows before a minute of making a cluster for them
            ReleaseService.release(site).check()
        image = node_image.choose(self._images, self._environ)
        known = ports.known(self.place.instance)
        was_whole = self._node.is_whole()
        started = self._making.bring_up(
            image,
            known,
            self._chosen().ids,
            lambda step: self._progress(CLUSTER, "starting", step),
            may_hold_them=node_image.is_named(self._environ),
            # before its DNS begins: one that runs reads it a minute later
            once_made=lambda: self._once_it_answers(self.api.forget_aliases_soon),
        )
        if not self._node.is_settled():
            self._progress(CLUSTER, "starting", "its network")
            self._making.wait_for_network(self._renew_network)
            if was_whole:
                self._once_it_answers(self._renew_hubs)
            self._node.note_settled()
        return started

    def _renew_network(self) -> None:
        self._progress(CLUSTER, "starting", "its network did not come up: kube-proxy begins anew")
        self._once_it_answers(self.api.renew_network)

    def _renew_hubs(self) -> None:
        """After a start of the node: have all hubs start once more, with the cluster's network there.

        One that started before asked the cluster once for its pods, got no answer, and sees none for ever.
        """
        for slot in slots.taken(self.place):
            self.api.renew_component(slot.project, "hub")

    def _once_it_answers(self, act: Callable[[], object]) -> None:
        def attempt() -> None:
            try:
                act()
            except UnhealthyError as error:
                # it refuses everything until it has read who may do what
                raise NotYet(error.what) from error

        waiting.until(attempt, what="the cluster", seconds=_SETTLE_SECONDS, longest_pause=0.3)

    def _start_release(self, site: Site) -> bool:
        release, namespace = ReleaseService.release(site), self._instance.name
        if release.is_current():
            self._ensure_aliases()
            self._supply()
            self._renewals = _RENEWALS
            return False
        release.require_ours()
        loaded = self._making.load(self._chosen().ids)
        if loaded:
            self._progress(RELEASE, "starting", f"the node has {', '.join(loaded)}")
        self._progress(RELEASE, "starting", f"checking the values against {release.chart.label}")
        checked = release.check(kubernetes=self.api.version(), served=self.api.served())
        self._notices = [*checked.warnings, *self._about_images()]
        if not release.chart.has_schema:
            self._notices.append(f"{release.chart.label} has no schema: {checked.by} were checked")
        self.api.ensure_namespace(namespace)
        self._ensure_aliases()
        self._progress(RELEASE, "starting", f"helm upgrade {release.name}")
        applied = release.apply(seconds=_HELM_SECONDS)
        if applied.healed:
            self._notices.append(applied.healed)
        return True

    def _ensure_aliases(self) -> None:
        for name in (*self._used, GITHUB):
            self.api.ensure_alias(self._instance.name, name, self._beside.host_of(name), ALIASES[name])

    def _supply(self) -> None:
        """Load what was built since its pods were made, and what a node short of room has dropped."""
        loaded = self._making.load_by_name(self._chosen().ids)
        if loaded:
            self._progress(RELEASE, "starting", f"the node has {', '.join(loaded)}")
            self.api.renew_pods(self._instance.name, WITHOUT_IMAGE)

    def _renew_fallen(self, *, at_once: bool = False) -> bool:
        """Start at once what fell as its node began anew: a hub does before the cluster has its DNS again."""
        is_soon = time.monotonic() < self._renewed_at + _RENEWAL_SECONDS
        if not self._renewals or (is_soon and not at_once):
            return False
        fallen: list[str] = []
        with contextlib.suppress(UnhealthyError):
            fallen = self.api.renew_pods(self._instance.name, FALLEN)
        if fallen:
            self._renewals -= 1
            self._progress(RELEASE, "starting", f"{', '.join(fallen)} fell with the node: anew")
        self._renewed_at = time.monotonic()
        return bool(fallen)

    def _about_images(self) -> Iterator[str]:
        chosen = self._chosen()
        for section, (name, tag) in chosen.stand_ins.items():
            yield f"{name}:{tag} stands in for the image of {section}"
        if chosen.pulled:
            yield f"not on this machine, so the node asks their registries: {', '.join(chosen.pulled)}"

    def cancel(self) -> None:
        self._leash.pull()

    def ensure_alive(self, service: Service) -> None:
        if service.name == RELEASE:
            self._renew_fallen()
            return
        if service.name == CLUSTER:
            if not self._node.is_running():
                raise UnhealthyError("the cluster's node ended by itself", details=self.tail(CLUSTER, 15))
            return
        state = self._state(service.name)
        if state is not None and (state.is_running or state.is_created):
            return
        last = self.tail(service.name, 15)
        cause = diagnosis.of(last)
        hint = cause.mend if cause else "Its last log lines are below"
        what = f"{service.name} ended by itself" + (f": {cause.what}" if cause else "")
        if state is not None and state.was_killed_for_memory:
            what, hint = f"{service.name} was killed: its container's memory was used up", ""
        raise UnhealthyError(what, hint=hint, details=last)

    def is_listening(self, service: Service) -> bool:
        """The engine publishes a port for nobody but the container that has it."""
        if service.name in (CLUSTER, RELEASE):
            return self._node.is_running()
        state = self._state(service.name)
        return state is not None and state.is_running

    def stop(self, service: Service) -> bool:
        """The node takes all releases with it; what other projects have beside it goes with the node."""
        if service.name == RELEASE:
            return False
        if service.name == CLUSTER:
            stopped = self._node.stop(int(service.stop.seconds))
            self._stop_sign_ins()
            self._stop_unused(service.stop.seconds)
            return stopped
        if service.name not in (*SHARED, GITHUB):
            return False
        self._created = False
        return self._engine.stop(
            self._beside.project_of(service.name).name, service.name, service.stop.seconds
        )

    def _stop_sign_ins(self) -> None:
        """Those of other projects: this one's is a service of its own, whose log is kept."""
        for each in self._engine.labelled("habari.cluster", self.place.id):
            if each.labels.get("com.docker.compose.project") != self._beside.github.name:
                each.remove(force=True)

    def _stop_unused(self, seconds: float) -> None:
        """What only the other projects use: nobody else is asked to stop it here."""
        for name in SHARED:
            if name not in self._used:
                self._engine.stop(self._beside.shared.name, name, seconds)

    @property
    def _used(self) -> tuple[str, ...]:
        return used_by(self._project) if self._project else SHARED

    def end_guests(self, service: Service) -> int:
        """People's pods are the cluster's."""
        return 0

    def condition(self, service: Service, *, memory: bool = False) -> Condition:
        if service.name == CLUSTER:
            return self._condition_of_node(memory=memory)
        if service.name == RELEASE:
            return self._condition_of_release()
        state = self._state(service.name)
        if state is None or not state.is_running:
            crashed = state is not None and not state.is_created and state.exit_code not in _ORDERLY
            return Condition(Phase.CRASHED if crashed else Phase.STOPPED)
        project_name = self._beside.project_of(service.name).name
        return Condition(
            Phase.RUNNING,
            pid=state.pid,
            since=unix(state.since),
            restarts=state.restarts,
            memory=self._engine.memory(project_name, service.name) if memory else 0,
            fingerprint=state.fingerprint,
        )

    def _condition_of_node(self, *, memory: bool) -> Condition:
        found = self._node.container()
        if found is None or not self._node.is_whole():
            return Condition(Phase.STOPPED)
        state = found.attrs["State"]
        if not state["Running"]:
            return Condition(Phase.STOPPED if state["ExitCode"] in (*_ORDERLY, 130, 137) else Phase.CRASHED)
        return Condition(
            Phase.RUNNING,
            pid=int(state["Pid"]),
            since=unix(state["StartedAt"]),
            memory=self._engine.memory_of(found) if memory else 0,
        )

    def _condition_of_release(self) -> Condition:
        """As Helm has it; a cluster that does not answer has none that runs."""
        if not self.place.kubeconfig.is_file() or not self._node.is_running():
            return Condition(Phase.STOPPED)
        with contextlib.suppress(DevenvError):
            found = self.helm.status(releases.name_of(self._instance.name), self._instance.name)
            if found and found.status == "deployed":
                return Condition(Phase.RUNNING, fingerprint=found.description.partition(" ")[2])
            if found:
                return Condition(Phase.CRASHED)
        return Condition(Phase.STOPPED)

    def endpoint(self, service: str, view: View) -> Endpoint:
        if view is View.HOST:
            return Endpoint("127.0.0.1", self._host_port(service))
        if service in ALIASES:
            # beside the cluster they have names of their own; in the project's namespace all have these
            return Endpoint(service, ALIASES[service])
        if service == "hub":
            return Endpoint("hub", _HUB_PORT)
        raise NotRunningError(
            f"{service} has no address at this level", hint="./dev status shows those that have"
        )

    def _host_port(self, service: str) -> int:
        if service in ("proxy", RELEASE):
            port = ports.known(self.place.instance).get(self._slot().port_name)
        elif service == GITHUB:
            port = ports.known(self._instance).get(GITHUB)
        else:
            port = ports.known(self.place.instance).get(service)
        if not port:
            raise NotRunningError(f"{service} has no address yet", hint="Start it with ./dev kind")
        return port

    def _slot(self) -> slots.Slot:
        found = slots.of(self.place, self._instance.name)
        if found is None:
            raise NotRunningError(
                f"{self._instance.name} is not on the cluster", hint="Start it with ./dev kind"
            )
        return found

    def tail(self, service: str, lines: int) -> tuple[str, ...]:
        if service == RELEASE:
            return self._tail_of_release(lines)
        if service == CLUSTER:
            found = self._node.container()
            return self._engine.tail_of(found, lines) if found is not None else ()
        name = self._beside.project_of(service).name
        if self._engine.container(name, service):
            return self._engine.tail(name, service, lines)
        kept = self._log(service)
        return tuple(kept.read_text(encoding="utf-8").splitlines()[-lines:]) if kept.exists() else ()

    def _tail_of_release(self, lines: int) -> tuple[str, ...]:
        """The hub's own last words, then what is wrong with the release's pods: that is never cut."""
        from devenv.helm import trouble

        if not self.place.kubeconfig.is_file() or not self._node.is_running():
            return ()
        said: list[str] = []
        for pod in self._pods("hub"):
            said += self.api.log(
                self._instance.name, pod["metadata"]["name"], "hub", previous=False, lines=lines
            )
        wrong = [
            line
            for each in trouble.find(self.api, self._instance.name)
            for line in (each.what, *each.details)
        ]
        return (*said[-lines:], *wrong)

    def _pods(self, component: str) -> list[Thing]:
        found = self.api.things("pods", self._instance.name)
        return [pod for pod in found if pod["metadata"].get("labels", {}).get("component") == component]

    def notices(self, service: str) -> tuple[str, ...]:
        return tuple(self._notices) if service == RELEASE else ()

    def follow(self, services: tuple[str, ...]) -> Iterator[tuple[str, str]]:
        return following.together(services, self._follow)

    def _follow(self, service: str) -> Iterator[str]:
        if service == RELEASE:
            pods = [
                self.api.follow(self._instance.name, pod["metadata"]["name"], "hub")
                for pod in self._pods("hub")
            ]
            return itertools.chain.from_iterable(pods)
        if service == CLUSTER:
            found = self._node.container()
            return self._engine.follow_of(found) if found is not None else iter(())
        return self._engine.follow(self._beside.project_of(service).name, service)

    def run_notebook(
        self,
        site: Site,
        file: Path,
        *,
        output: Path | None,
        timeout: float | None,
        on_cell: Callable[[CellRan], None],
    ) -> Executed:
        raise UsageError(
            "in the cluster notebooks run in people's own pods",
            hint="Sign in and open it there, or run it beside: ./dev up --instance NAME, then ./dev run",
        )

    def close(self) -> None:
        """Remove the containers beside the cluster once nothing runs; the node and the volumes stay."""
        running = [name for name in (*SHARED, GITHUB) if (state := self._state(name)) and state.is_running]
        if running or self._node.is_running():
            return
        self._beside.require_own()
        self._keep_logs()
        self._beside.remove()

    def purge(self) -> None:
        """Delete the cluster with all projects on it, the servers' data and the network: what is ours."""
        self._beside.require_own()
        node = self._node.container()
        # the network does not go while somebody stands in it
        self._stop_sign_ins()
        if node is not None:
            self._kind.delete()
        self._beside.remove(volumes=True)
        network.remove(self.place, self._engine)
        self.place.instance.purge()

    def leave(self) -> None:
        """Take this project's sign-in and its address off the cluster, which goes on for the others."""
        self._beside.require_own()
        self._beside.remove_github()
        shutil.rmtree(self.place.project_folder(self._instance.name), ignore_errors=True)
        slots.give_back(self.place, self._instance.name)

    def _keep_logs(self) -> None:
        for service in (*SHARED, GITHUB):
            lines = self._engine.tail(self._beside.project_of(service).name, service, _KEPT_LINES)
            folder = self._log(service).parent
            if lines and folder.is_dir():
                self._log(service).write_text("\n".join(lines), encoding="utf-8")

    def _log(self, service: str) -> Path:
        owner = self._instance if service == GITHUB else self.place.instance
        return owner.logs / f"kind.{service}.log"

    def _state(self, service: str) -> State | None:
        if service not in (*SHARED, GITHUB):
            return None
        return self._engine.state(self._beside.project_of(service).name, service)

    @cached_property
    def _images(self) -> Images:
        return Images(self._environ, "default")


class _Once:
    """An answer that is asked for once, by whichever thread comes first."""

    def __init__(self, ask: Callable[[], stand_ins.Images]) -> None:
        self._ask = ask
        self._lock = threading.Lock()
        self._answer: stand_ins.Images | None = None

    def __call__(self) -> stand_ins.Images:
        with self._lock:
            if self._answer is None:
                self._answer = self._ask()
        return self._answer


def _silent(service: str, state: str, detail: str) -> None:
    """Progress that nobody wants to see."""
