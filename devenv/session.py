"""One command's view of the world: the project, its instance, the runtime it uses and the stack on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from devenv import environments, project, state, trouble
from devenv.credentials import Vault
from devenv.errors import MissingError, UsageError
from devenv.project import Project
from devenv.report import Progress
from devenv.runtimes.process import ProcessRuntime
from devenv.runtimes.runtime import Condition, Runtime
from devenv.services.jupyter import JupyterService
from devenv.services.postgres import PostgresService
from devenv.services.s3 import S3Service
from devenv.services.service import Service, Site
from devenv.stack import Stack
from devenv.state import Instance

CHECKOUT = Path(__file__).resolve().parent.parent
REMEMBERED = "level.json"
RUNTIMES = ("process", "compose")
# PostgreSQL's first data, a WAL segment and some room for a notebook's own files.
NEEDED_BYTES = 300 * 1024 * 1024


@dataclass(frozen=True)
class Choice:
    """Which runtime, and the words of why."""

    runtime: str
    why: str


@dataclass(frozen=True)
class Session:
    """Everything a task needs; nothing is asked, made or started before a method needs it."""

    project: Project
    instance: Instance
    environ: Mapping[str, str]

    @classmethod
    def open(cls, instance: str | None = None) -> Session:
        """Read the project of this checkout. ``instance`` is a name to use instead of the project's.

        Raises UsageError with all problems of the project file at once.
        """
        environ = project.environment()
        project.forget_libpq_settings()
        name = instance or environ.get("HABARI_INSTANCE")
        if name:
            _check_instance(name)
        # the name of the instance names the project too, so that buckets and databases tell it apart
        wanted = project.load(CHECKOUT, {**environ, "HABARI_NAME": name} if name else environ)
        root = state.data_root(environ)
        return cls(wanted, Instance(wanted.name, CHECKOUT, root), environ)

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
        return ProcessRuntime(self.instance)

    @cached_property
    def vault(self) -> Vault:
        return Vault(self.instance.secrets)

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
        )

    @cached_property
    def services(self) -> tuple[Service, ...]:
        """In the order of their needs."""
        return (PostgresService(), S3Service(), JupyterService())

    @property
    def own_services(self) -> tuple[Service, ...]:
        """Those that the runtime runs."""
        return tuple(service for service in self.services if not service.is_external(self.site))

    def stack(self, progress: Progress) -> Stack:
        return Stack(self.site, self.runtime, self.services, progress)

    def choose_runtime(self, asked: str | None) -> Choice:
        """What was asked for, else what this instance ran last, else the project file's, else process.

        Raises UsageError for an unknown runtime, MissingError for one that is not built yet.
        """
        remembered = (state.read_json(self.instance.root / REMEMBERED) or {}).get("runtime")
        candidates = (
            (asked, "asked for by --runtime"),
            (remembered, "this instance ran it last"),
            (self.project.runtime, f"{self.project.file or 'HABARI_RUNTIME'} says so"),
            ("process", "it needs Python alone"),
        )
        name, why = next((name, why) for name, why in candidates if name)
        if name not in RUNTIMES:
            raise UsageError(f"there is no runtime {name!r}", hint=f"Choose one of: {', '.join(RUNTIMES)}")
        if name == "compose":
            raise MissingError(
                f"the compose runtime is not there yet ({why})",
                hint="Use ./dev up --runtime process: the same contract without Docker",
            )
        return Choice(name, why)

    def claim_ports(self) -> list[str]:
        """Give every service that the runtime runs an address; notes about ports that had to move."""
        ports = self.project.ports
        fixed = {"jupyter": ports.jupyter, "s3": ports.s3, "postgres": ports.postgres}
        return self.runtime.claim(self.own_services, fixed)

    def is_known(self) -> bool:
        """Whether this instance was ever up."""
        return self.instance.exists() and not self.vault.is_empty

    def condition(self, service: Service) -> Condition:
        return self.runtime.condition(service)

    def notices(self) -> tuple[str, ...]:
        """What provisioning found different and left alone."""
        return tuple(notice for service in self.services for notice in service.notices)

    def remember(self, choice: Choice) -> None:
        state.write_json(self.instance.root / REMEMBERED, {"runtime": choice.runtime})

    def require_room(self) -> None:
        """Raise MissingError when the disk of the state folder is as good as full."""
        free = trouble.free_bytes(self.instance.root)
        if free < NEEDED_BYTES:
            raise MissingError(
                f"the disk that holds {self.instance.root} has {free // 2**20} MB left"
                f" of the {NEEDED_BYTES // 2**20} that are needed",
                hint="Free some space there, or set HABARI_DATA_ROOT to a folder on another disk",
            )


def _check_instance(name: str) -> None:
    try:
        project.check_name(name)
    except ValueError as error:
        raise UsageError(f"the instance name {name!r} {error}", hint="Give --instance another one") from None
