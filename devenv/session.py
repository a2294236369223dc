"""One command's view of the world: the project, its instance, the runtime it uses and the stack on it."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from devenv import environments, project, state, trouble
from devenv.credentials import Vault
from devenv.endpoints import Endpoint, View
from devenv.errors import ConflictError, MissingError, NotRunningError, UsageError
from devenv.project import Project
from devenv.report import Progress
from devenv.runtimes import ports
from devenv.runtimes.process import ProcessRuntime
from devenv.runtimes.runtime import Condition, Phase, Runtime
from devenv.services import hub_settings, plan
from devenv.services.cluster import ClusterService
from devenv.services.github import GitHubService
from devenv.services.hub import HubService
from devenv.services.jupyter import JupyterService
from devenv.services.plan import Plan
from devenv.services.postgres import ExploreDatabaseService, HubDatabaseService, PostgresService
from devenv.services.proxy import ProxyService
from devenv.services.release import ReleaseService
from devenv.services.s3 import S3Service
from devenv.services.service import Service, Site
from devenv.stack import Stack
from devenv.state import Instance

if TYPE_CHECKING:
    from devenv.cluster.place import Place
    from devenv.values.local import Local

CHECKOUT = Path(__file__).resolve().parent.parent
REMEMBERED = "level.json"
RUNTIMES = ("process", "compose")
SHARED_VALUES = CHECKOUT / "jupyter" / "shared_config.yaml"
SAMPLE_VALUES = CHECKOUT / "jupyter" / "sample_project_config.yaml"
PROJECT_VALUES = CHECKOUT / "jupyter" / "project_config.yaml"
# PostgreSQL's first data, a WAL segment and some room for a notebook's own files.
NEEDED_BYTES = 300 * 1024 * 1024


@dataclass(frozen=True)
class Choice:
    """Which runtime, and the words of why."""

    runtime: str
    why: str


@dataclass(frozen=True)
class Level:
    """What runs together, in the order of needs, and the command that starts it."""

    name: str
    command: str
    services: tuple[Service, ...]


LEVELS = {
    level.name: level
    for level in (
        Level("jupyter", "./dev up", (PostgresService(), S3Service(), JupyterService())),
        Level(
            "hub",
            "./dev hub",
            (PostgresService(), S3Service(), GitHubService(), ProxyService(), HubService()),
        ),
        Level(
            "kind",
            "./dev kind",
            (
                ClusterService(),
                HubDatabaseService(),
                ExploreDatabaseService(),
                S3Service(),
                GitHubService(),
                ReleaseService(),
            ),
        ),
    )
}


@dataclass(frozen=True)
class Session:
    """Everything a task needs; nothing is asked, made or started before a method needs it.

    ``asked_level`` and ``asked_values`` (Helm values files) are the command's; None takes what is usual.
    """

    project: Project
    instance: Instance
    environ: Mapping[str, str]
    asked_level: str | None = None
    asked_values: tuple[Path, ...] | None = None
    asked_runtime: str | None = None
    # the project file when it is not the checkout's
    project_file: Path | None = None

    @classmethod
    def open(
        cls,
        instance: str | None = None,
        *,
        level: str | None = None,
        values: tuple[Path, ...] | None = None,
        runtime: str | None = None,
        project_file: Path | None = None,
    ) -> Session:
        """Read the project: of that file, of the one its instance was started with, or of this checkout.

        ``instance`` is a name to use instead of the project's. Raises UsageError with all problems of the
        project file at once, ConflictError for a file whose instance was started with another one.
        """
        environ = project.environment()
        project.forget_libpq_settings()
        root = state.data_root(environ)
        name = instance or environ.get("HABARI_INSTANCE")
        if name:
            _check_instance(name)
            project_file = project_file or remembered_file(Instance(name, CHECKOUT, root))
        wanted = _load(environ, project_file, name)
        found = Instance(wanted.name, CHECKOUT, root)
        if project_file is None and not name and (project_file := remembered_file(found)):
            _require_no_file_here(found, project_file)
            wanted = _load(environ, project_file, found.name)
        elif project_file is not None:
            _require_same_file(found, project_file)
        return cls(wanted, found, environ, level, values, runtime, wanted.file if project_file else None)

    @classmethod
    def open_to_stop(cls, instance: str | None) -> Session:
        """As :meth:`open`; with a project file that is not valid, the one instance that was up here.

        What runs must be stoppable whatever became of the file. Raises UsageError when it is not clear
        which instance is meant.
        """
        try:
            return cls.open(instance)
        except UsageError:
            environ = project.environment()
            found = [each.name for each in state.instances_of(CHECKOUT, state.data_root(environ))]
            names = [name for name in found if instance in (None, name)]
            if len(names) != 1:
                raise
            return cls(
                project.load(CHECKOUT / "nowhere", {"HABARI_NAME": names[0]}),
                Instance(names[0], CHECKOUT, state.data_root(environ)),
                environ,
            )

    @cached_property
    def runtime(self) -> Runtime:
        return self._runtime_called(self.choice.runtime)

    @property
    def used_runtimes(self) -> tuple[Runtime, ...]:
        """All that this instance ever ran by: each may keep data of its own. First whose purge may fail."""
        known = ("kind", *reversed(RUNTIMES))
        return tuple(self._runtime_called(name) for name in known if name in self._used)

    @property
    def _used(self) -> set[str]:
        return {*self._remembered.get("runtimes", ()), self._remembered.get("runtime", self.choice.runtime)}

    def _runtime_called(self, name: str) -> Runtime:
        if name == "compose":
            # the Docker client takes longer to import than all the rest
            from devenv.runtimes.compose import ComposeRuntime

            return ComposeRuntime(self.instance)
        if name == "kind":
            from devenv.runtimes.kind import KindRuntime

            return KindRuntime(self.instance, self.project)
        return ProcessRuntime(self.instance)

    @cached_property
    def place(self) -> Place | None:
        """Where the cluster of this checkout is kept, when this instance is on one."""
        return self._place if self.choice.runtime == "kind" else None

    @property
    def used_place(self) -> Place | None:
        """The same, when this instance ever was on a cluster: a purge deletes it."""
        return self._place if "kind" in self._used else None

    @property
    def _place(self) -> Place:
        from devenv.cluster.place import Place

        return Place.of(self.instance)

    @property
    def locked(self) -> tuple[Instance, ...]:
        """What no other command may change meanwhile: the project's own, and the cluster that it shares."""
        return (self.instance, *((self.place.instance,) if self.place else ()))

    @cached_property
    def vault(self) -> Vault:
        return Vault(self.instance.secrets, servers=self.place.vault if self.place else None)

    @cached_property
    def site(self) -> Site:
        notebook = environments.locate("notebook", self.instance.data_root)
        return Site(
            project=self.project,
            instance=self.instance,
            vault=self.vault,
            endpoint=self.runtime.endpoint,
            view=self.runtime.view,
            notebook_python=environments.python(notebook),
            plan=lambda: self.plan,
            stamps=self._stamps,
            is_provisioned_at_start=self.runtime.name == "compose",
            **self._of_cluster(),
        )

    @property
    def _stamps(self) -> Path:
        if self.place:
            return self.place.project_folder(self.project.name)
        return self.instance.root if self.runtime.name == "process" else self.instance.root / "compose"

    def _of_cluster(self) -> dict[str, Any]:
        """What a site has besides, where projects share a cluster and servers."""
        if self.place is None:
            return {}
        from devenv.runtimes.kind import KindRuntime

        assert isinstance(self.runtime, KindRuntime)
        return {
            "servers": self.place.id,
            "cluster": self.runtime.cluster(lambda: self.plan),
            "sample_data": self.place.seed,
        }

    @cached_property
    def level(self) -> Level:
        """The one that the command starts, else what this instance ran last, else Jupyter alone."""
        return LEVELS.get(self.asked_level or str(self._remembered.get("level")), LEVELS["jupyter"])

    @cached_property
    def plan(self) -> Plan:
        """What the values files want of the hub. Raises UsageError with all of their problems."""
        return plan.read(self.values_files)

    @property
    def values_files(self) -> tuple[Path, ...]:
        """In Helm's order: the command's, the project file's, or the shared one and the project's own."""
        own = PROJECT_VALUES if PROJECT_VALUES.exists() else SAMPLE_VALUES
        return self.asked_values or self.project.values_files or (SHARED_VALUES, own)

    @property
    def services(self) -> tuple[Service, ...]:
        """Those of the level, in the order of their needs."""
        return self.level.services

    @property
    def uses_sample(self) -> bool:
        """Whether nobody has given the project's own values yet."""
        return not (self.asked_values or self.project.values_files or PROJECT_VALUES.exists())

    @property
    def local(self) -> Local:
        """The hub's addresses and secrets here; what a start would choose where there was none yet."""

        def expected(service: str, view: View) -> Endpoint:
            try:
                return self.runtime.endpoint(service, view)
            except NotRunningError:
                return Endpoint("127.0.0.1", ports.FIRST_CHOICE[service])

        return hub_settings.local(
            dataclasses.replace(self.site, endpoint=expected, vault=self.vault.preview())
        )

    @property
    def stoppable(self) -> tuple[Service, ...]:
        """Those of the level, and whatever else of this instance is there."""
        return (*self.services, *self._of_other_levels(Phase.RUNNING, Phase.CRASHED))

    @property
    def own_services(self) -> tuple[Service, ...]:
        """Those that the runtime runs."""
        return tuple(service for service in self.services if not service.is_external(self.site))

    def stack(self, progress: Progress, services: tuple[Service, ...] = ()) -> Stack:
        """On these services, or on those of the level."""
        return Stack(self.site, self.runtime, services or self.services, progress)

    @cached_property
    def choice(self) -> Choice:
        """For a start: what is asked for now, or was before, else the project file's, else process.

        Whatever starts nothing takes what this instance ran last. Raises UsageError for an unknown runtime.
        """
        if self.asked_level == "hub":
            return Choice("process", "the hub level needs no container")
        if self.asked_level == "kind":
            return Choice("kind", "the level of the cluster has one")
        is_start = self.asked_level is not None
        candidates = (
            (self.asked_runtime, "asked for by --runtime"),
            (None if is_start else self._remembered.get("runtime"), "this instance ran it last"),
            (self._remembered.get("asked_runtime"), "asked for by --runtime before"),
            (self.project.runtime, f"{self.project.file or 'HABARI_RUNTIME'} says so"),
            ("process", "it needs Python alone"),
        )
        name, why = next((name, why) for name, why in candidates if name)
        if name == "kind" and not is_start:
            return Choice(name, why)
        if name not in RUNTIMES:
            raise UsageError(f"there is no runtime {name!r}", hint=f"Choose one of: {', '.join(RUNTIMES)}")
        return Choice(name, why)

    def claim_ports(self) -> list[str]:
        """Give every service that the runtime runs an address; notes about ports that had to move."""
        ports = self.project.ports
        fixed = {
            "jupyter": ports.jupyter,
            "proxy": ports.jupyter,
            "s3": ports.s3,
            "postgres": ports.postgres,
        }
        return self.runtime.claim(self.own_services, fixed)

    def is_known(self) -> bool:
        """Whether this instance was ever up."""
        return self.instance.exists() and not self.vault.is_empty

    def condition(self, service: Service) -> Condition:
        return self.runtime.condition(service)

    def running(self) -> list[str]:
        """The names of those of its services that run; without an engine nothing runs in one.

        On a cluster without a slot of this project, what runs there runs for others.
        """
        if self._has_left_cluster():
            return []
        try:
            return [s.name for s in self.own_services if self.condition(s).phase is Phase.RUNNING]
        except MissingError:
            return []

    def _has_left_cluster(self) -> bool:
        if self.place is None:
            return False
        from devenv.cluster import slots

        return slots.of(self.place, self.instance.name) is None

    def notices(self) -> tuple[str, ...]:
        """What provisioning found different and left alone."""
        return tuple(notice for service in self.services for notice in service.notices)

    @cached_property
    def _remembered(self) -> Mapping[str, Any]:
        return dict(state.read_json(self.instance.root / REMEMBERED) or {})

    def remember(self) -> None:
        """Written down before anything starts, so that ``down`` knows what to look for."""
        chosen = self.choice.runtime
        used = {*self._remembered.get("runtimes", ()), self._remembered.get("runtime", chosen), chosen}
        content = {
            "level": self.level.name,
            "runtime": chosen,
            "runtimes": sorted(used),
            "asked_runtime": self.asked_runtime or self._remembered.get("asked_runtime"),
            "project_file": None if self.project_file is None else str(self.project_file),
        }
        state.write_json(self.instance.root / REMEMBERED, content)

    def require_no_other_runtime(self) -> None:
        """Raise ConflictError while this instance runs by another runtime than the chosen one."""
        before = str(self._remembered.get("runtime") or self.choice.runtime)
        if before == self.choice.runtime:
            return
        other = dataclasses.replace(self, asked_level=None, asked_runtime=before)
        if running := other.running():
            raise ConflictError(
                f"{', '.join(running)} of {self.instance.id} run by the runtime {before}",
                hint=f"./dev down first; its data stay, and {self.choice.runtime} has data of its own",
            )

    def require_no_other_level(self) -> None:
        """Raise ConflictError while this instance runs what only another level has."""
        others = [service.name for service in self._of_other_levels(Phase.RUNNING)]
        if others:
            raise ConflictError(
                f"{', '.join(others)} of {self.instance.id} run already, by another command than"
                f" {self.level.command}",
                hint="./dev down first: both share buckets and databases, and these stay",
            )

    def _of_other_levels(self, *phases: Phase) -> tuple[Service, ...]:
        own = {service.name for service in self.services}
        others = {
            service.name: service
            for level in LEVELS.values()
            for service in level.services
            if service.name not in own
        }
        return tuple(each for each in others.values() if self.runtime.condition(each).phase in phases)

    def require_shareable(self) -> None:
        """Raise MissingError when root's hub could not run the notebooks as other accounts."""
        if self.level.name == "hub" and os.geteuid() == 0:
            environments.require_shareable(environments.locate("notebook", self.instance.data_root))

    def require_reachable(self) -> None:
        """Raise UsageError for an S3 endpoint of one's own that a container could not reach."""
        endpoint = self.project.s3.endpoint
        asking, instead = {
            "compose": ("container", "./dev up --runtime process"),
            "kind": ("pod", "./dev hub"),
        }.get(self.choice.runtime, ("", ""))
        if asking and endpoint and _is_loopback(endpoint):
            raise UsageError(
                f"{endpoint} is the {asking} itself when a {asking} asks for it",
                hint=f"Give s3.endpoint an address that both reach, or choose {instead}",
            )

    def settings_without_effect(self) -> tuple[str, ...]:
        """What the project file asks for and the chosen runtime does not heed."""
        if self.choice.runtime == "process":
            return ()
        wanted = self.project
        why = "is for the runtime process: containers have their own"
        asked = [
            ("jupyter.home", wanted.jupyter.home is not None, why),
            ("postgres.binaries", wanted.postgres.binaries != "wheel", why),
        ]
        if self.choice.runtime == "kind":
            why = "does not count for the cluster, whose servers and addresses all projects share"
            asked += [
                ("ports.jupyter", wanted.ports.jupyter is not None, why),
                ("ports.postgres", wanted.ports.postgres is not None, why),
            ]
        return tuple(f"{key} {reason}" for key, is_asked, reason in asked if is_asked)

    def require_room(self) -> None:
        """Raise MissingError when the disk of the state folder is as good as full."""
        free = trouble.free_bytes(self.instance.root)
        if free < NEEDED_BYTES:
            raise MissingError(
                f"the disk that holds {self.instance.root} has {free // 2**20} MB left"
                f" of the {NEEDED_BYTES // 2**20} that are needed",
                hint="Free some space there, or set HABARI_DATA_ROOT to a folder on another disk",
            )


def _is_loopback(url: str) -> bool:
    from urllib.parse import urlsplit

    host = urlsplit(url).hostname or ""
    return host == "::1" or host.startswith("127.") or f".{host}".endswith(".localhost")


def _check_instance(name: str) -> None:
    try:
        project.check_name(name)
    except ValueError as error:
        raise UsageError(f"the instance name {name!r} {error}", hint="Give --instance another one") from None


def _load(environ: Mapping[str, str], file: Path | None, name: str | None) -> Project:
    """The name of an instance names the project too, so that buckets and databases tell it apart."""
    named = {**environ, "HABARI_NAME": name} if name else environ
    return project.load(CHECKOUT, named, file=file)


def remembered_file(instance: Instance) -> Path | None:
    """The project file that the instance was started with, when it is not the checkout's.

    Raises UsageError when it is gone.
    """
    said = (state.read_json(instance.root / REMEMBERED) or {}).get("project_file")
    if said and not Path(said).is_file():
        raise UsageError(
            f"the project file of {instance.name} is gone: {said}",
            hint=f"Put it back, or name it where it is now; ./dev down --instance {instance.name} needs none",
        )
    return Path(said) if said else None


def remember_file(instance: Instance, file: Path) -> None:
    """Write down whose instance it is, before anything was started."""
    known = state.read_json(instance.root / REMEMBERED) or {}
    state.write_json(instance.root / REMEMBERED, {**known, "project_file": str(file)})


def _require_no_file_here(instance: Instance, started_with: Path) -> None:
    """Raise ConflictError when the checkout's file is called as an instance of another file."""
    own = CHECKOUT / project.FILE_NAME
    if own.exists() and not _is_same(own, started_with):
        raise ConflictError(
            f"{own} and {started_with} both call their project {instance.name}; the second was started",
            hint=f"Give one of them another name. --instance {instance.name} means the one that was started",
        )


def _require_same_file(instance: Instance, file: Path) -> None:
    """Raise ConflictError when the instance was started with another file, which is still there."""
    before = state.read_json(instance.root / REMEMBERED)
    if before is None:
        return
    started_with = Path(before.get("project_file") or CHECKOUT / project.FILE_NAME)
    is_gone = bool(before.get("project_file")) and not started_with.exists()
    if not is_gone and not _is_same(started_with, file):
        whose = before.get("project_file") or "this checkout's own project"
        raise ConflictError(
            f"the name {instance.name} in {file} is that of {whose} already",
            hint=f"Give it another name, or delete the other: ./dev project.delete {instance.name}",
        )


def _is_same(one: Path, other: Path) -> bool:
    return one.resolve() == other.resolve()
