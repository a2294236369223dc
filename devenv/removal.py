"""What the task ``project.delete`` does: one project off the cluster, with its data; nobody else's."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from devenv import interrupts, project, session, sharing, state
from devenv.cluster import slots
from devenv.cluster.place import Place
from devenv.endpoints import View
from devenv.errors import ConflictError, DevenvError, NotRunningError, UsageError
from devenv.report import Reporter
from devenv.runtimes.runtime import Phase
from devenv.services.postgres import ExploreDatabaseService, HubDatabaseService
from devenv.services.s3 import S3Service
from devenv.session import Session

if TYPE_CHECKING:
    from devenv.helm.chart import Chart
    from devenv.runtimes.kind import KindRuntime

_Step = tuple[str, Callable[[], Iterable[str]]]


def delete(reporter: Reporter, *, name: str, yes: bool, json: bool) -> None:
    """Delete a project: its release and namespace, databases, roles, S3 user, own buckets, instance.

    The public bucket stays, because others have it too, and so do the project's files, which are yours. A
    deletion that was killed is finished by the next. Raises UsageError for a project that is not here or when
    nobody can be asked, NotRunningError while the servers that hold its data are stopped, ConflictError for
    what another project has as well: before anything is deleted.
    """
    opened = _opened(name)
    on_cluster = slots.of(Place.of(opened.instance), name) is not None
    if on_cluster:
        opened = dataclasses.replace(opened, asked_level="kind")
        opened.require_no_other_runtime()
        _require_servers(opened)
        sharing.require_nothing_shared(opened)
    else:
        _require_stopped(opened)
    for line in _what_goes(opened, on_cluster=on_cluster):
        reporter.note(f"to be deleted: {line}")
    if not (yes or reporter.confirm(f"Delete the project {name}, with all its data?", name)):
        reporter.result("Nothing was deleted.")
        return
    gone = _delete(reporter, opened, _steps(opened, on_cluster=on_cluster))
    if json:
        kept = str(opened.project.file) if opened.project.file else None
        reporter.data({"project": name, "deleted": gone, "kept": kept})
        return
    reporter.result(f"The project {name} is deleted.")
    if opened.project.file:
        reporter.note(f"{opened.project.file} and the values files are yours and were left alone")


def _opened(name: str) -> Session:
    environ = project.environment()
    known = [each.name for each in state.instances_of(session.CHECKOUT, state.data_root(environ))]
    if name not in known:
        raise UsageError(
            f"there is no project {name!r} here", hint=f"There is: {', '.join(known) or 'none at all'}"
        )
    return Session.open_to_stop(name)


def _require_servers(opened: Session) -> None:
    """Raise NotRunningError unless the cluster and the servers run: only they can give up what they hold."""
    needed = [service for service in opened.own_services if service.name not in ("github", "release")]
    stopped = [each.name for each in needed if opened.condition(each).phase is not Phase.RUNNING]
    if stopped:
        start = f"./dev kind --project {opened.project_file}" if opened.project_file else "./dev kind"
        raise NotRunningError(
            f"{', '.join(stopped)} must run for its data to be deleted",
            hint=f"Start it with {start}; or ./dev down --purge deletes the cluster with all projects on it",
        )


def _require_stopped(opened: Session) -> None:
    if running := opened.running():
        raise ConflictError(
            f"{', '.join(running)} of {opened.instance.id} run",
            hint=f"./dev down --instance {opened.instance.name}, then try again",
        )


def _what_goes(opened: Session, *, on_cluster: bool) -> Iterator[str]:
    if on_cluster:
        name = opened.instance.name
        yield f"the release habari-{name} and the namespace {name}, with people's servers and homes"
        yield ", ".join(sorted(sharing.held(opened.project)))
        yield f"the S3 user {opened.project.name} with its key"
    yield f"the credentials and the logs in {opened.instance.root}"


def _steps(opened: Session, *, on_cluster: bool) -> Iterator[_Step]:
    """In an order that can be repeated from any point: what says that there is a project goes last."""
    if on_cluster:
        yield "release", lambda: _undeploy(opened)
        yield "databases", lambda: _drop(opened)
        yield "s3", lambda: _withdraw(opened)
        yield "cluster", lambda: _leave(opened)
    yield "instance", lambda: _purge(opened)


def _delete(reporter: Reporter, opened: Session, steps: Iterable[_Step]) -> list[str]:
    steps = list(steps)
    gone: list[str] = []
    rows = [row for row, _ in steps]
    with ExitStack() as block:
        block.enter_context(interrupts.orderly())
        for each in opened.locked:
            block.enter_context(each.lock("./dev project.delete", reporter.warn))
        block.enter_context(reporter.progress(rows, title=f"delete {opened.instance.id}"))
        for row, step in steps:
            reporter.step(row, "stopping")
            try:
                words = tuple(step())
            except BaseException:
                reporter.step(row, "failed")
                raise
            gone += words
            reporter.step(row, "stopped", ", ".join(words) or "nothing was there")
    return gone


def _undeploy(opened: Session) -> tuple[str, ...]:
    from devenv.helm.release import Release

    runtime, instance = _kind(opened), opened.instance
    release = Release(runtime.helm, instance.name, _chart(runtime), (), instance.secrets / "helm")
    return release.undeploy(runtime.api)


def _chart(runtime: KindRuntime) -> Chart:
    """The release's chart; to take it away, it need not be at hand, only known by name."""
    from devenv.helm import chart as charts

    try:
        return runtime.chart
    except DevenvError:
        pinned = charts.pin()
        return charts.Chart(Path(pinned.name), pinned.name, pinned.version)


def _drop(opened: Session) -> Iterator[str]:
    from devenv.postgres import roles

    for service in (HubDatabaseService, ExploreDatabaseService):
        yield from roles.drop(
            opened.runtime.endpoint(service.name, View.HOST).port,
            superuser_password=opened.vault.current.postgres_admin_password,
            databases=[getattr(opened.project.databases, which) for which in service.databases],
        )


def _withdraw(opened: Session) -> tuple[str, ...]:
    from devenv.s3 import withdrawal
    from devenv.s3.provision import Wanted

    wanted, buckets = opened.project, opened.project.buckets
    connection = S3Service.connection(opened.site)
    if connection.admin is None:
        return (f"left alone, because no admin key is given: the buckets at {connection.endpoint_url}",)
    asked = Wanted(buckets.public, buckets.lake, buckets.notebooks, user_name=wanted.name)
    return withdrawal.withdraw(connection, asked)


def _leave(opened: Session) -> tuple[str, ...]:
    _kind(opened).leave()
    return ("its sign-in and its address",)


def _purge(opened: Session) -> Iterator[str]:
    """What the instance keeps by other runtimes too, then the instance itself."""
    for runtime in opened.used_runtimes:
        if runtime.name != "kind":
            runtime.purge()
    if opened.instance.purge():
        yield str(opened.instance.root)


def _kind(opened: Session) -> KindRuntime:
    from devenv.runtimes.kind import KindRuntime

    assert isinstance(opened.runtime, KindRuntime)
    return opened.runtime
