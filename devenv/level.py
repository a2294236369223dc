"""What each everyday task does at either level, from the project to the printed result."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from devenv import docker_engine, formats, interrupts
from devenv.endpoints import View
from devenv.errors import ConflictError, DevenvError, NotRunningError, UsageError
from devenv.report import Reporter, State
from devenv.runtimes.runtime import Phase
from devenv.services import contract, hub_settings
from devenv.services.github import GitHubService
from devenv.services.jupyter import JupyterService
from devenv.session import PROJECT_VALUES, SAMPLE_VALUES, Session
from devenv.stack import Status

if TYPE_CHECKING:
    from devenv.cluster.place import Place

NOT_RUNNING = 3
UNHEALTHY = 4
ROLES = ("user", "admin")


def up(
    reporter: Reporter,
    *,
    level: str,
    instance: str | None,
    runtime: str | None,
    values: Sequence[str] = (),
    project_file: str = "",
    json: bool,
) -> None:
    """Bring a level up, prove it, and say where it answers."""
    file = Path(project_file).absolute() if project_file else None
    session = _open(
        reporter, instance, level=level, values=_paths(values), runtime=runtime, project_file=file
    )
    if level == "hub":
        _tell_plan(reporter, session)
    if level == "kind":
        _tell_values(reporter, session)
    with ExitStack() as block:
        block.enter_context(interrupts.orderly())
        session.require_reachable()
        session.require_room()
        for each in session.locked:
            block.enter_context(each.lock(session.level.command, reporter.warn))
        session.require_no_other_runtime()
        session.require_no_other_level()
        session.require_shareable()
        if session.place:
            from devenv import sharing

            sharing.require_nothing_shared(session)
        session.instance.create()
        names = tuple(service.name for service in session.services)
        block.enter_context(reporter.progress(names, title=f"up {session.instance.id}"))
        session.runtime.prepare(session.own_services, reporter.step)
        session.remember()
        session.vault.fill()
        if (
            session.site.is_provisioned_at_start or session.place
        ) and session.project.s3.provider != "external":
            session.vault.choose_s3_key()
        for note in (*session.settings_without_effect(), *session.claim_ports()):
            reporter.warn(note)
        block.callback(session.runtime.release)
        stack = session.stack(reporter.step)
        started = stack.up()
    for change in stack.changes:
        reporter.note(f"provisioned: {change}")
    for service in stack.started:
        for notice in session.runtime.notices(service.name):
            reporter.note(f"{service.name}: {notice}")
    for name in stack.restarted:
        reporter.note(f"{name} was started anew: its settings have changed")
    for name in stack.outdated:
        reporter.warn(
            f"{name} runs with settings, keys or an image of before:"
            f" ./dev down and {session.level.command} give it the new ones"
        )
    for notice in session.notices():
        reporter.warn(notice)
    _tell_runtime(reporter, session)
    _tell_result(reporter, session, started=started, json=json)


def down(reporter: Reporter, *, instance: str | None, purge: bool, json: bool) -> None:
    """Stop everything; with ``purge`` delete the state folder, which must carry our mark.

    A purge deletes the cluster too, once the instance was on it. Raises ConflictError, before anything is
    stopped, when the instance has left it and other projects are there.
    """
    session = Session.open_to_stop(instance)
    cluster = session.used_place if purge else session.place
    with ExitStack() as block:
        block.enter_context(interrupts.orderly())
        for each in (session.instance, *((cluster.instance,) if cluster else ())):
            block.enter_context(each.lock("./dev down", reporter.warn))
        if purge and cluster:
            _tell_projects(reporter, session, cluster)
        block.enter_context(reporter.progress((), title=f"down {session.instance.id}"))
        stopped = session.stack(reporter.step, session.stoppable).down()
        session.runtime.close()
        if purge:
            for runtime in session.used_runtimes:
                runtime.purge()
        purged = session.instance.purge() if purge else False
    if json:
        reporter.data({"instance": session.instance.id, "stopped": stopped, "purged": purged})
        return
    if purged:
        reporter.result(f"Everything of {session.instance.id} was deleted.")
    elif stopped:
        reporter.result(f"Stopped. The data of {session.instance.id} stay in {session.runtime.data_place}.")
    else:
        reporter.result(f"Nothing of {session.instance.id} was running.")
    if purge and session.project.jupyter_home:
        reporter.note(f"{session.project.jupyter_home} is yours and was left alone")


def status(reporter: Reporter, *, instance: str | None, json: bool) -> int:
    """Show every service; return the exit code."""
    session = _open(reporter, instance)
    if not session.is_known():
        found: list[Status] = []
    else:
        found = session.stack(_silent).status()
    rows = [_row(session, each) for each in found]
    if json:
        reporter.data(_facts(session, rows))
    elif not rows:
        reporter.result(f"{session.instance.id} has never been up. Start it with ./dev up")
    else:
        columns = ("service", "state", "address", "pid", "memory", "since", "restarts", "detail")
        reporter.table(columns, [_cells(row) for row in rows])
        reporter.note(f"state folder: {session.instance.root}")
    return _code(found, {service.name for service in session.own_services})


def environment(reporter: Reporter, *, instance: str | None, form: str, view: str, role: str) -> None:
    """Print the contract, or with the admin's variables added."""
    session = _open(reporter, instance)
    seen_from = _one_of(View, view, "view")
    if role not in ROLES:
        raise UsageError(f"there is no role {role!r}", hint=f"Choose one of: {', '.join(ROLES)}")
    if seen_from is View.CONTAINER:
        session = _for_containers(reporter, session)
    else:
        _require_running(session)
    variables = contract.user(session.site, seen_from)
    if role == "admin":
        for service in session.services:
            variables |= service.admin(session.site, seen_from)
    reporter.result(formats.render(variables, form))


def logs(reporter: Reporter, *, instance: str | None, service: str, lines: int, follow: bool) -> None:
    """Print the tail of one log or of all."""
    session = _open(reporter, instance)
    names = tuple(each.name for each in session.services)
    everything = (*names, *(f"users/{log.stem}" for log in sorted(session.instance.logs.glob("users/*.log"))))
    if service and service not in everything:
        raise UsageError(f"there is no service {service!r}", hint=f"Choose one of: {', '.join(everything)}")
    if not session.instance.exists():
        raise NotRunningError(f"{session.instance.id} has never been up", hint="Start it with ./dev up")
    chosen = (service,) if service else names
    for name in chosen:
        for line in session.runtime.tail(name, lines):
            reporter.result(line if service else f"{name:<8}  {line}")
    if follow:
        with interrupts.orderly():
            for name, line in session.runtime.follow(chosen):
                reporter.result(line if service else f"{name:<8}  {line}")


def execute(
    reporter: Reporter,
    *,
    instance: str | None,
    file: Path,
    output: Path | None,
    timeout: float | None,
    json: bool,
) -> None:
    """Execute a notebook against the running level."""
    from devenv import notebooks

    session = _open(reporter, instance)
    notebooks.check(file, output)
    _require_running(session)
    row = file.name
    with interrupts.orderly(), reporter.progress((row,), title="run"):
        reporter.step(row, "starting", "starting a kernel")
        try:
            done = session.runtime.run_notebook(
                session.site,
                file,
                output=output,
                timeout=timeout,
                on_cell=lambda cell: reporter.step(row, "starting", f"cell {cell.number} of {cell.of}"),
            )
        except BaseException:
            reporter.step(row, "failed")
            raise
        reporter.step(row, "ready", f"{done.cells} cells")
    if json:
        written = str(done.output) if done.output else None
        reporter.data({"file": str(file), "cells": done.cells, "seconds": done.seconds, "output": written})
    else:
        reporter.result(f"{file.name}: all {done.cells} cells ran in {done.seconds:.1f} s")
        if done.output:
            reporter.result(f"The notebook with its outputs: {done.output}")


def check_values(
    reporter: Reporter, *, instance: str | None, values: Sequence[str], chart: Path | None, json: bool
) -> int:
    """Check the values files; return the exit code."""
    from devenv import values_tasks

    session = _open(reporter, instance, values=_paths(values))
    return values_tasks.check(reporter, files=session.values_files, chart=chart, json=json)


def render_values(
    reporter: Reporter, *, instance: str | None, values: Sequence[str], form: str, json: bool
) -> None:
    """Show what the values become at this level, or in a local cluster."""
    from devenv import values_tasks

    session = _open(reporter, instance, level="hub", values=_paths(values))
    values_tasks.render(reporter, local=session.local, files=session.values_files, form=form, json=json)


def diff_values(
    reporter: Reporter, *, instance: str | None, values: Sequence[str], json: bool, form: str = "hub"
) -> None:
    """Show in what the local hub, with no cluster or in one, differs from production."""
    from devenv import values_tasks

    session = _open(reporter, instance, level="hub", values=_paths(values))
    values_tasks.diff(reporter, local=session.local, files=session.values_files, json=json, form=form)


def _paths(names: Sequence[str]) -> tuple[Path, ...] | None:
    return tuple(Path(name).absolute() for name in names) or None


def _open(
    reporter: Reporter,
    instance: str | None,
    *,
    level: str | None = None,
    values: tuple[Path, ...] | None = None,
    runtime: str | None = None,
    project_file: Path | None = None,
) -> Session:
    session = Session.open(instance, level=level, values=values, runtime=runtime, project_file=project_file)
    for notice in session.project.notices:
        reporter.warn(notice)
    return session


def _for_containers(reporter: Reporter, session: Session) -> Session:
    """The same instance as docker-compose.yaml runs it, by hand too; a key is made when there is none."""
    if not session.is_known() or not session.vault.current.s3_access_key_id:
        with session.instance.lock("./dev env", reporter.warn):
            session.instance.create()
            session.vault.fill()
            if session.project.s3.provider != "external":
                session.vault.choose_s3_key()
    if session.choice.runtime != "compose":
        reporter.note("addresses in the network of docker-compose.yaml, which has data of its own")
    return dataclasses.replace(session, asked_level="jupyter", asked_runtime="compose")


def _require_running(session: Session) -> None:
    """Raise NotRunningError unless every service runs."""
    missing = [s.name for s in session.own_services if session.condition(s).phase is not Phase.RUNNING]
    if missing:
        raise NotRunningError(
            f"not running in {session.instance.id}: {', '.join(missing)}",
            hint=f"Start it with {session.level.command}",
        )


def _tell_values(reporter: Reporter, session: Session) -> None:
    """Which values files count, before anything starts: they may not be valid."""
    if session.uses_sample:
        reporter.note(f"{PROJECT_VALUES.name} is not there yet: {SAMPLE_VALUES} stands in for it")
    reporter.note(f"values: {', '.join(map(str, session.plan.files))}")
    for notice in session.plan.notices:
        reporter.warn(notice)


def _tell_projects(reporter: Reporter, session: Session, place: Place) -> None:
    """Whose data go with the cluster; whoever is not on it any more may not delete those of others."""
    from devenv.cluster import slots

    own = session.instance.name
    names = [slot.project for slot in slots.taken(place)]
    others = [name for name in names if name != own]
    if others and not session.place:
        raise ConflictError(
            f"the cluster {place.id} holds the data of {', '.join(others)} too",
            hint=f"Nothing was deleted: ./dev down, then ./dev project.delete {own} takes this one off alone",
        )
    gone = ", ".join(names) or "no project"
    reporter.warn(f"the cluster {place.id} is deleted with all that is on it: {gone}")


def _tell_plan(reporter: Reporter, session: Session) -> None:
    """What the values files ask of the hub here."""
    _tell_values(reporter, session)
    if session.plan.configuration.post_start and not hub_settings.runs_post_start(session.project):
        reporter.note(
            "not run: singleuser.lifecycleHooks.postStart, it would run as you;"
            " hub.post_start: true in devenv.yaml allows it"
        )
    limits = session.plan.configuration.limits
    if limits:
        reporter.note(f"told to people's servers and held by nobody: {', '.join(limits)}")
    unapplied = session.plan.configuration.unapplied
    if unapplied:
        keys = ", ".join(each.path for each in unapplied)
        reporter.note(f"no meaning without a cluster: {keys} (./dev values.diff says why)")


def _tell_runtime(reporter: Reporter, session: Session) -> None:
    choice = session.choice
    if choice.runtime == "kind":
        return
    reporter.note(f"runtime {choice.runtime}: {choice.why}")
    for other in session.used_runtimes:
        if other.name != choice.runtime:
            reporter.note(f"the data of the runtime {other.name} are its own, and stay in {other.data_place}")
    if choice.runtime == "process" and docker_engine.answers(session.environ):
        reporter.note("a Docker engine answers here: ./dev up --runtime compose runs production's image")


def _tell_result(reporter: Reporter, session: Session, *, started: bool, json: bool) -> None:
    links = _links(session)
    if json:
        rows = [_row(session, each) for each in session.stack(_silent).status()]
        reporter.data({**_facts(session, rows), "started": started, **links})
        return
    what = {"jupyter": "JupyterLab is up", "hub": "The hub is up", "kind": "The hub is up in the cluster"}
    reporter.result(f"{what[session.level.name] if started else 'All of it was up already'}: {links['url']}")
    if "sign_in_url" in links:
        reporter.result(f"Open this first, it lets your browser sign in as anybody: {links['sign_in_url']}")


def _links(session: Session) -> dict[str, str]:
    if session.level.name in ("hub", "kind"):
        links = {"url": hub_settings.public_url(session.site)}
        if session.plan.signs_in_by_github:
            links["sign_in_url"] = GitHubService.link(session.site)
        return links
    return {"url": JupyterService.link(session.site)}


def _facts(session: Session, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return {
        "instance": session.instance.id,
        "state_folder": str(session.instance.root),
        "services": list(rows),
    }


def _row(session: Session, status: Status) -> dict[str, Any]:
    address = _address(session, status.name)
    condition = status.condition
    since = time.strftime("%Y-%m-%dT%H:%M:%S%z", time.localtime(condition.since)) if condition.since else None
    return {
        "name": status.name,
        "state": status.state,
        "address": address,
        "pid": condition.pid or None,
        "memory_bytes": condition.memory or None,
        "since": since,
        "restarts": condition.restarts,
        "detail": status.detail,
    }


def _address(session: Session, service: str) -> str | None:
    if service == "s3" and session.project.s3.endpoint:
        return session.project.s3.endpoint
    try:
        return str(session.site.endpoint(service, View.HOST))
    except DevenvError:
        return None


def _cells(row: dict[str, Any]) -> tuple[object, ...]:
    memory = f"{row['memory_bytes'] / 2**20:.0f} MiB" if row["memory_bytes"] else None
    since = row["since"][:19].replace("T", " ") if row["since"] else None
    return (
        row["name"], row["state"], row["address"], row["pid"], memory, since, row["restarts"], row["detail"],
    )  # fmt: skip


def _code(found: Sequence[Status], own: set[str]) -> int:
    if all(each.state == "stopped" for each in found if each.name in own):
        return NOT_RUNNING
    return 0 if all(each.state == "ready" for each in found) else UNHEALTHY


def _one_of(kind: type[View], text: str, what: str) -> View:
    try:
        return kind(text)
    except ValueError:
        choices = ", ".join(each.value for each in kind)
        raise UsageError(f"there is no {what} {text!r}", hint=f"Choose one of: {choices}") from None


def _silent(service: str, state: State, detail: str) -> None:
    """Progress that nobody wants to see."""
