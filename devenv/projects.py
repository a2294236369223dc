"""What the tasks ``project.new`` and ``project.list`` do: the projects of this checkout."""

from __future__ import annotations

import contextlib
import json as texts
import os
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from devenv import commands, project, session, state
from devenv.credentials import Credentials, Vault
from devenv.endpoints import View
from devenv.errors import ConflictError, DevenvError, UsageError
from devenv.project import FILE_NAME, Project
from devenv.report import Reporter
from devenv.runtimes.runtime import Phase
from devenv.session import Session
from devenv.state import Instance

FOLDER = "projects"
VALUES_NAME = "project_config.yaml"

_PROJECT_FILE = """\
# The project {name}, beside the others of the toolkit's checkout: ./dev kind --project <this file>
# Every key and its default: devenv.sample.yaml of the toolkit.
name: {name}

# The public bucket is the one that all projects share; the other two are this project's own.
buckets:
  public: {public}
  lake: {lake}
  notebooks: {notebooks}

# In Helm's order: what all projects share, then this project's own. The second holds secrets.
hub:
  values:
    - {shared}
    - {values}
"""


@dataclass(frozen=True)
class Made:
    """A new project: its name and its two files."""

    name: str
    file: Path
    values: Path

    @property
    def command(self) -> str:
        return f"./dev kind --project {shlex.quote(shown(self.file))}"


def new(reporter: Reporter, *, name: str, folder: str, json: bool) -> None:
    """Write a project's file and values, and make its credentials; nothing is started.

    Raises UsageError for a name that cannot be one, ConflictError for one that is taken and for files that
    are there already: none is ever overwritten.
    """
    made = _make(reporter, name, folder)
    if not _is_kept_out_of_git(made.values):
        reporter.warn(f"{shown(made.values)} holds secrets and git would take it: add it to .gitignore")
    if json:
        data = {"name": name, "file": str(made.file), "values": str(made.values), "next": made.command}
        reporter.data(data)
        return
    reporter.result(f"Made the project {name}: {shown(made.file)}, and {made.values.name} with its secrets")
    reporter.result(f"Add people to {shown(made.values)}, then start it: {made.command}")


def listing(reporter: Reporter, *, json: bool) -> None:
    """Show every project that has something here: its file, its level, its address, whether it runs."""
    rows = [_row(each) for each in state.instances_of(session.CHECKOUT, _root())]
    if json:
        reporter.data(rows)
    elif not rows:
        reporter.result("There is no project here yet. ./dev up starts this checkout's own")
    else:
        columns = ("project", "level", "state", "address", "file")
        reporter.table(columns, [tuple(row[column] for column in columns) for row in rows])


def shown(path: Path) -> str:
    """The path, relative to the current folder when it lies below it."""
    with contextlib.suppress(ValueError, OSError):
        return str(path.absolute().relative_to(Path.cwd()))
    return str(path)


def _make(reporter: Reporter, name: str, folder: str) -> Made:
    _check(name)
    mine = project.load(session.CHECKOUT, project.environment())
    home = Path(folder).absolute() if folder else session.CHECKOUT / FOLDER / name
    made = Made(name, home / FILE_NAME, home / VALUES_NAME)
    instance = Instance(name, session.CHECKOUT, _root())
    _require_free(instance, mine, made.file)
    with instance.lock("./dev project.new", reporter.warn):
        _make_folder(home)
        instance.create()
        session.remember_file(instance, made.file)
        vault = Vault(instance.secrets)
        vault.fill()
        vault.choose_s3_key()
        buckets = project.Buckets(mine.buckets.public, f"{name}-lake", f"{name}-notebooks")
        _write(made.values, _values(name, buckets, vault.current), mode=0o600, same_is_fine=True)
        # last, because it is what makes all of it a project
        _write(made.file, _project_file(made, buckets), mode=0o644)
    return made


def _check(name: str) -> None:
    try:
        project.check_name(name)
    except ValueError as error:
        raise UsageError(f"the name {name!r} {error}", hint="Give the project another one") from None


def _require_free(instance: Instance, mine: Project, file: Path) -> None:
    """Raise ConflictError when the name, or the file, is taken."""
    if instance.name == mine.name:
        raise ConflictError(
            f"{instance.name} is this checkout's own project", hint="Give the new one another name"
        )
    if os.path.lexists(file):
        raise ConflictError(
            f"{shown(file)} is there already and was left as it is", hint="Choose another --folder"
        )
    known = state.read_json(instance.root / session.REMEMBERED)
    owner = (known or {}).get("project_file")
    if known is not None and owner != str(file) and (owner is None or Path(owner).exists()):
        whose = owner or "--instance, with this checkout's own file"
        raise ConflictError(
            f"there is a project {instance.name} already: {whose}",
            hint=f"Choose another name, or ./dev project.delete {instance.name}",
        )


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as trouble:
        raise UsageError(
            f"{folder} cannot be made: {trouble.strerror or trouble}", hint="Choose another --folder"
        ) from None


def _project_file(made: Made, buckets: project.Buckets) -> str:
    return _PROJECT_FILE.format(
        name=made.name,
        public=buckets.public,
        lake=buckets.lake,
        notebooks=buckets.notebooks,
        shared=texts.dumps(_from(made.file.parent, session.SHARED_VALUES), ensure_ascii=False),
        values=made.values.name,
    )


def _from(folder: Path, path: Path) -> str:
    """Relative within the checkout, which may be moved; absolute from anywhere else."""
    if folder.resolve().is_relative_to(session.CHECKOUT):
        return os.path.relpath(path, folder.resolve())
    return str(path)


def _values(name: str, buckets: project.Buckets, secrets: Credentials) -> str:
    from devenv.values.sample import Answers, filled

    databases = project.Settings.defaults(name).databases
    answers = Answers(
        name=name,
        public=buckets.public,
        lake=buckets.lake,
        notebooks=buckets.notebooks,
        hub_database=databases.hub.name,
        hub_user=databases.hub.user,
        explore_database=databases.explore.name,
        explore_user=databases.explore.user,
        hub_password=secrets.hub_db_password,
        explore_password=secrets.explore_db_password,
        access_key_id=secrets.s3_access_key_id,
        secret_access_key=secrets.s3_secret_access_key,
        client_secret=secrets.github_client_secret,
    )
    return filled(session.SAMPLE_VALUES.read_text(encoding="utf-8"), answers)


def _write(path: Path, text: str, *, mode: int, same_is_fine: bool = False) -> None:
    """Whole or not at all, and never over another file. What a killed command wrote may be there already."""
    if same_is_fine and path.is_file() and not path.is_symlink() and path.read_bytes() == text.encode():
        path.chmod(mode)
        return
    if os.path.lexists(path):
        raise ConflictError(
            f"{shown(path)} is there already and was left as it is", hint="Choose another --folder"
        )
    draft = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
        with os.fdopen(descriptor, "w", encoding="utf-8") as handle:
            handle.write(text)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def _is_kept_out_of_git(path: Path) -> bool:
    """Whether git ignores the file; true where there is no git or no repository."""
    environ = {name: text for name, text in project.environment().items() if not name.startswith("GIT_")}
    argv = ("git", "check-ignore", "--quiet", path.name)
    try:
        return commands.run(argv, cwd=path.parent, env=environ, timeout=10, check=False).code != 1
    except (DevenvError, OSError):
        return True


def _row(instance: Instance) -> dict[str, Any]:
    known: Mapping[str, Any] = state.read_json(instance.root / session.REMEMBERED) or {}
    row: dict[str, Any] = {
        "project": instance.name,
        "instance": instance.id,
        "level": known.get("level"),
        "state": "never started",
        "address": None,
        "file": known.get("project_file") or _own_file(),
    }
    if known.get("level"):
        try:
            found = Session.open(instance.name)
            row["state"] = _state(found)
            row["address"] = _address(found)
        except DevenvError as trouble:
            row["state"] = trouble.what
    return row


def _own_file() -> str | None:
    own = session.CHECKOUT / FILE_NAME
    return str(own) if own.exists() else None


def _state(found: Session) -> str:
    phases = [found.condition(service).phase for service in found.own_services]
    if all(phase is Phase.RUNNING for phase in phases):
        return "running"
    return "partly running" if Phase.RUNNING in phases else "stopped"


def _address(found: Session) -> str | None:
    """Where a browser finds it, without a key."""
    from devenv.services import hub_settings

    with contextlib.suppress(DevenvError):
        if found.level.name in ("hub", "kind"):
            return f"http://{hub_settings.public_host(found.site)}/"
        return found.site.endpoint("jupyter", View.HOST).url()
    return None


def _root() -> Path:
    return state.data_root(project.environment())
