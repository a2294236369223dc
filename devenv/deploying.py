"""What the tasks ``deploy`` and ``undeploy`` do: the project's release on a cluster that is named."""

from __future__ import annotations

import re
import shlex
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from devenv import interrupts, kubeconfig, project, session, state, waiting
from devenv.errors import ConflictError, UnhealthyError, UsageError
from devenv.helm import chart as charts
from devenv.helm import trouble
from devenv.helm.api import Api, Thing
from devenv.helm.chart import Chart
from devenv.helm.cli import Helm, Target
from devenv.helm.release import Applied, Release
from devenv.project import Project
from devenv.report import Reporter

# What the sample values have where production's own belongs.
_PLACEHOLDER = re.compile(r"<[\w -]+>|\w+://\S*<\w+>\S*")
# What else may be in a namespace, and is nothing of a hub's.
_KINDS = {
    "deployments": "deployment",
    "statefulsets": "statefulset",
    "daemonsets": "daemonset",
    "cronjobs": "cronjob",
    "jobs": "job",
    "pods": "pod",
    "persistentvolumeclaims": "persistentvolumeclaim",
    "services": "service",
    "ingresses": "ingress",
    "secrets": "secret",
    "configmaps": "configmap",
    "serviceaccounts": "serviceaccount",
}
# Kubernetes makes these in each namespace:
# https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/
_EVERYWHERE = (("configmaps", "kube-root-ca.crt"), ("serviceaccounts", "default"))
_HUBS = "jupyterhub"


def _helm(target: Target, environ: Mapping[str, str]) -> Helm:
    folder = state.data_root(environ) / "cache" / "helm"
    return Helm(target, folder, environ, keeps_driver=True)


def _api(target: Target) -> Api:
    from devenv.cluster.api import ClusterApi

    return ClusterApi(target)


@dataclass(frozen=True)
class Asked:
    """What the command line says; nothing that is missing is guessed from the user's current context."""

    context: str
    project: str
    kubeconfig: str = ""
    values: Sequence[str] = ()
    chart: str = ""
    # the drivers, or stand-ins of the tests
    helm: Callable[[Target, Mapping[str, str]], Helm] = field(default=_helm, repr=False)
    api: Callable[[Target], Api] = field(default=_api, repr=False)


@dataclass(frozen=True)
class Deployment:
    """A project's release, the cluster it is for, and the project file's notices."""

    release: Release
    api: Api
    target: Target
    notices: tuple[str, ...]

    @property
    def where(self) -> str:
        return f"the namespace {self.release.namespace} of {self.target.context}"


def deploy(reporter: Reporter, *, asked: Asked, seconds: int, json: bool) -> None:
    """Install the project's release or bring it up to date, and wait until all of it is ready.

    The seed's own call, without the local overlay. Values, chart and cluster are checked before anything
    changes. Raises UsageError for any of them, ConflictError for somebody else's release, UnhealthyError with
    the reason when the release does not get ready.
    """
    if seconds <= 0:
        raise UsageError(f"--timeout is {seconds}", hint="Give it a number of seconds above zero")
    with interrupts.orderly(), _opened(asked, deploys=True) as made:
        _tell(reporter, made)
        release, row = made.release, made.release.name
        with reporter.progress((row,), title=f"deploy to {made.target.context}"):
            try:
                applied = _apply(reporter, made, seconds)
                answer = _wait(made, seconds)
            except BaseException:
                reporter.step(row, "failed")
                raise
            reporter.step(row, "ready", answer)
        if json:
            reporter.data({**_facts(made), "changed": applied.changed, "revision": applied.revision})
            return
        what = "is deployed and ready" if applied.changed else "was deployed just so, and is ready"
        reporter.result(f"{row} ({release.chart.label}), revision {applied.revision}, {what} in {made.where}")


def undeploy(reporter: Reporter, *, asked: Asked, yes: bool, json: bool) -> None:
    """Uninstall the project's release and delete its namespace, after asking.

    Raises UsageError where nobody can be asked and ``yes`` was not said, ConflictError for a namespace with
    somebody else's release, or with somebody else's things and no release of ours.
    """
    with interrupts.orderly(), _opened(asked, deploys=False) as made:
        for notice in made.notices:
            reporter.warn(notice)
        release = made.release
        release.helm.version()
        release.require_ours()
        _tell_what_goes(reporter, made)
        if not (yes or reporter.confirm(f"Delete all of it from {made.where}?", release.project)):
            reporter.result("Nothing was deleted.")
            return
        gone = release.undeploy(made.api)
        if json:
            reporter.data({**_facts(made), "deleted": list(gone)})
        elif gone:
            reporter.result(f"Deleted from {made.target.context}: {', '.join(gone)}")
        else:
            reporter.result(f"There was nothing of {release.name} in {made.where}")


@contextmanager
def _opened(asked: Asked, *, deploys: bool) -> Iterator[Deployment]:
    environ = project.environment()
    named = Path(asked.kubeconfig).absolute() if asked.kubeconfig else None
    target = kubeconfig.target(asked.context, named, environ)
    wanted = _project(asked, environ)
    helm = asked.helm(target, environ)
    files = _values(asked, wanted) if deploys else ()
    if deploys:
        _require_filled(files, wanted)
        helm.version()
    chart = _chart(asked, wanted, helm, environ, deploys=deploys)
    with tempfile.TemporaryDirectory(prefix="habari-deploy-") as folder:
        # somebody else may be at work in that cluster, so nothing that looks half done is put right
        release = Release(helm, wanted.name, chart, files, Path(folder), heals=False)
        yield Deployment(release, asked.api(target), target, wanted.notices)


def _project(asked: Asked, environ: Mapping[str, str]) -> Project:
    if not asked.project:
        raise UsageError(
            "no project file is named", hint="Name it: --project FILE, in the format of devenv.yaml"
        )
    # the file alone says whose namespace it is, not what a shell was left with
    kept = {name: text for name, text in environ.items() if name != "HABARI_NAME"}
    return project.load(session.CHECKOUT, kept, file=Path(asked.project).absolute())


def _values(asked: Asked, wanted: Project) -> tuple[Path, ...]:
    """The command's, the project file's, or the shared one and the checkout's own; never the sample."""
    if asked.values:
        return tuple(Path(name).absolute() for name in asked.values)
    if wanted.values_files:
        return wanted.values_files
    if session.PROJECT_VALUES.exists():
        return (session.SHARED_VALUES, session.PROJECT_VALUES)
    raise UsageError(
        f"{wanted.file} names no values files, and {session.PROJECT_VALUES} is not there",
        hint="Name them with hub.values in the project file, or with --values",
    )


def _require_filled(files: Sequence[Path], wanted: Project) -> None:
    """Raise UsageError while the values have what the sample asks to be filled in."""
    from devenv.values import files as values_files
    from devenv.values.keys import leaves

    loaded = values_files.load(files)
    left = [
        loaded.locate(path, f"{value!r} is to be filled in")
        for path, value in leaves(loaded.tree)
        if isinstance(value, str) and _PLACEHOLDER.fullmatch(value)
    ]
    if left:
        raise UsageError(
            f"the values of {wanted.name} are not filled in: {len(left)} to go", details=tuple(left)
        )


def _chart(asked: Asked, wanted: Project, helm: Helm, environ: Mapping[str, str], *, deploys: bool) -> Chart:
    path = Path(asked.chart).absolute() if asked.chart else wanted.chart_path
    if deploys:
        return charts.find(path, helm, state.data_root(environ))
    # to take a release away its chart need not be at hand, only known by name
    if path is not None and path.exists():
        return charts.read(path)
    pinned = charts.pin()
    return Chart(Path(pinned.name), pinned.name, pinned.version)


def _tell(reporter: Reporter, made: Deployment) -> None:
    for notice in made.notices:
        reporter.warn(notice)
    reporter.note(f"cluster: the context {made.target.context} of {made.target.kubeconfig}")
    reporter.note(f"values: {', '.join(map(str, made.release.files))}; chart: {made.release.chart.label}")


def _apply(reporter: Reporter, made: Deployment, seconds: int) -> Applied:
    release, row = made.release, made.release.name
    reporter.step(row, "starting", f"checking the values against {release.chart.label}")
    for warning in release.check().warnings:
        reporter.warn(warning)
    reporter.step(row, "starting", "asking the cluster what it serves")
    release.check(kubernetes=made.api.version(), served=tuple(made.api.served()))
    release.require_ours()
    reporter.step(row, "starting", f"helm upgrade --install {row}")
    return release.apply(seconds=seconds, on_line=lambda line: reporter.step(row, "starting", line))


def _wait(made: Deployment, seconds: int) -> str:
    """How much of the release is ready, when all is. Raises UnhealthyError with the reason otherwise."""
    release, is_late = made.release, False

    def tail() -> tuple[str, ...]:
        nonlocal is_late
        is_late = True
        return ()

    try:
        # a cluster that others use is not asked twenty times a second
        return waiting.until(
            lambda: release.answer(made.api), what=release.name, seconds=seconds, tail=tail, longest_pause=2
        )
    except UnhealthyError as error:
        if not is_late:
            raise
        words = ("kubectl", "--context", made.target.context, "--namespace", release.namespace, "get", "pods")
        raise trouble.error(error.what, release.why_not(made.api), hint=shlex.join(words)) from None


def _tell_what_goes(reporter: Reporter, made: Deployment) -> None:
    """What a namespace takes along. Raises ConflictError when none of it is ours."""
    release = made.release
    is_there = bool(release.helm.history(release.name, release.namespace))
    found = [(kind, each) for kind in _KINDS for each in made.api.things(kind, release.namespace)]
    homes = sum(kind == "persistentvolumeclaims" for kind, _ in found)
    foreign = sorted(
        f"{_KINDS[kind]} {each['metadata']['name']}"
        for kind, each in found
        if (kind, each["metadata"]["name"]) not in _EVERYWHERE and not _is_ours(each, release.name)
    )
    if foreign and not is_there:
        raise ConflictError(
            f"{made.where} holds no release {release.name}, but somebody else's things",
            hint="Nothing was touched; look at it yourself",
            details=tuple(foreign[:12]),
        )
    reporter.note(f"to be deleted: {release.name if is_there else 'no release'}, and {made.where}")
    if homes:
        reporter.warn(f"{homes} volume{'s' if homes > 1 else ''} with people's homes in it go too")
    for each in foreign:
        reporter.warn(f"not of the release, and goes too: {each}")


def _is_ours(thing: Thing, release: str) -> bool:
    """By labels of the chart and of KubeSpawner, which people's servers and homes have as well, or by Helm.

    Helm names the release at all that it makes, and in the labels of what it keeps of each revision:
    https://helm.sh/docs/topics/advanced/#storage-backends
    """
    labels = thing["metadata"].get("labels") or {}
    notes = thing["metadata"].get("annotations") or {}
    return (
        _HUBS in (labels.get("app"), labels.get("app.kubernetes.io/name"))
        or notes.get("meta.helm.sh/release-name") == release
        or (labels.get("owner"), labels.get("name")) == ("helm", release)
    )


def _facts(made: Deployment) -> dict[str, str]:
    return {
        "release": made.release.name,
        "namespace": made.release.namespace,
        "context": made.target.context,
        "kubeconfig": str(made.target.kubeconfig),
        "chart": made.release.chart.label,
    }
