"""The release of one project: ``habari-<project>`` in the namespace ``<project>``, by the seed's own call."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from devenv.errors import ConflictError, UsageError
from devenv.helm import ready, trouble
from devenv.helm.api import Api
from devenv.helm.chart import Chart
from devenv.helm.cli import Helm, Revision

if TYPE_CHECKING:
    from devenv.values.files import Loaded

DESCRIPTION = "habari"
# What YAML 1.1 reads otherwise than JSON, or not at all; it knows no pairs of escapes for large characters.
_NOT_IN_YAML = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")


@dataclass(frozen=True)
class Checked:
    """What was found before anything changed. ``by`` says who judged the values: a schema or the toolkit."""

    rendered: str = field(repr=False)
    by: str
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Applied:
    """What applying came to: ``changed`` is false when the release was there just so."""

    changed: bool
    revision: int
    healed: str = ""


def name_of(project: str) -> str:
    """The release of a project."""
    return f"habari-{project}"


@dataclass(frozen=True)
class Release:
    """A project's chart and values on a cluster.

    ``files`` are the values in the seed's order and ``overlay`` is laid over all of them; production has
    none. ``folder`` (0700) keeps what is handed to helm and is no file of the user's. ``heals`` allows to put
    right what a killed helm left: only for a cluster where nobody else deploys.
    """

    helm: Helm
    project: str
    chart: Chart
    files: tuple[Path, ...]
    folder: Path
    overlay: Mapping[str, Any] | None = field(default=None, repr=False)
    heals: bool = True

    @property
    def name(self) -> str:
        return name_of(self.project)

    @property
    def namespace(self) -> str:
        return self.project

    @cached_property
    def loaded(self) -> Loaded:
        """The files, read and translated. Raises UsageError with every problem."""
        from devenv.values import files

        return files.load(self.files)

    @cached_property
    def tree(self) -> dict[str, Any]:
        """The values as the chart gets them, the overlay included."""
        from devenv.values.merge import merge

        return merge(self.loaded.tree, self.overlay or {})

    @cached_property
    def digest(self) -> str:
        """What tells one state of chart and values from another; no value can be read from it."""
        said = json.dumps(self.tree, sort_keys=True, ensure_ascii=False, default=str)
        return hashlib.sha256(f"{self.chart.digest()}\0{said}".encode()).hexdigest()[:32]

    def check(self, *, kubernetes: str = "", served: Sequence[str] = ()) -> Checked:
        """Judge the values by the chart's schema and render the chart; nothing is changed.

        ``kubernetes`` is the cluster's version and ``served`` its API versions, when there is a cluster.
        Raises UsageError with every problem.
        """
        from devenv.helm import fit

        self._require_namespace()
        warnings, by = self._judged()
        rendered = self.helm.template(
            self.name,
            self.chart.path,
            self.namespace,
            self.write(),
            kubernetes=kubernetes,
            served=served,
        )
        fit.require(self.chart, rendered, served=served, kubernetes=kubernetes)
        return Checked(rendered, by, (*self.loaded.notices, *warnings))

    def apply(self, *, seconds: int = 300, on_line: Callable[[str], None] = lambda _: None) -> Applied:
        """Install the release or bring it up to date; nothing happens when it is deployed just so.

        It is not waited for: :meth:`answer` tells whether it is ready. Raises ConflictError for a namespace
        with somebody else's release and for an operation that is under way.
        """
        history = self.require_ours()
        if self._is_newest(history):
            return Applied(False, history[-1].number)
        healed = self._heal(history)
        last = self.helm.status(self.name, self.namespace) if healed else (history or (None,))[-1]
        self.helm.upgrade(
            self.name,
            self.chart.path,
            self.namespace,
            self.write(),
            description=self._description,
            seconds=seconds,
            on_line=on_line,
        )
        return Applied(True, last.number + 1 if last else 1, healed)

    def is_current(self) -> bool:
        """Whether this chart with these values is what is deployed."""
        return self._is_newest(self.helm.history(self.name, self.namespace))

    def answer(self, api: Api) -> str:
        """One line that says that everything of the release is ready.

        Raises NotYet with what is missing, UnhealthyError with the reason when waiting will not mend it.
        """
        return ready.answer(api, self.name, self.namespace, self.chart.label)

    def why_not(self, api: Api) -> tuple[trouble.Trouble, ...]:
        """What is wrong with the release's pods, volumes and jobs, for a wait that is over."""
        return trouble.find(api, self.namespace)

    def require_ours(self) -> tuple[Revision, ...]:
        """The release's history. Raises ConflictError for a namespace with somebody else's release."""
        self._require_namespace()
        others = [each for each in self.helm.releases(self.namespace) if each.name != self.name]
        if others:
            raise ConflictError(
                f"the namespace {self.namespace} holds the release {others[0].name} ({others[0].chart}),"
                f" which is not {self.name}",
                hint="Nothing was touched; choose another project name, or remove that release yourself",
            )
        history = self.helm.history(self.name, self.namespace)
        if history and not self._is_ours(history):
            raise ConflictError(
                f"the release {self.name} is of another chart, {history[-1].chart}, and not made by us",
                hint="Nothing was touched; choose another project name, or remove that release yourself",
            )
        return history

    def undeploy(self, api: Api, *, seconds: float = 180) -> tuple[str, ...]:
        """Remove the release and then its namespace with people's servers and homes; the words of what went.

        Nothing to remove is no error. Raises ConflictError for somebody else's release.
        """
        gone = []
        if self.require_ours():
            self.helm.uninstall(self.name, self.namespace)
            gone.append(f"release {self.name}")
        if api.delete_namespace(self.namespace, seconds=seconds):
            gone.append(f"namespace {self.namespace}")
        return tuple(gone)

    def write(self) -> tuple[Path, ...]:
        """The values files to hand to helm: the user's own, or what stands in for one that was translated."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = []
        for number, path in enumerate(self.loaded.files):
            today = self.loaded.translated.get(path)
            found.append(path.absolute() if today is None else self._written(f"{number}-{path.stem}", today))
        if self.overlay is not None:
            found.append(self._written("overlay", self.overlay))
        return tuple(found)

    @property
    def _description(self) -> str:
        return f"{DESCRIPTION} {self.digest}"

    def _written(self, stem: str, tree: Mapping[str, Any]) -> Path:
        """JSON, which is YAML too; whole or not at all, and readable by its owner alone."""
        target = self.folder / f"{stem}.json"
        draft = target.with_name(f".{target.name}.{os.getpid()}.new")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as handle:
            text = json.dumps(tree, indent=1, ensure_ascii=False, default=str)
            handle.write(_NOT_IN_YAML.sub(lambda found: f"\\u{ord(found[0]):04x}", text))
        draft.replace(target)
        return target

    def _judged(self) -> tuple[tuple[str, ...], str]:
        from dataclasses import replace

        from devenv.values import check

        schema = self.chart.path if self.chart.has_schema else None
        warnings = check.require(replace(self.loaded, tree=self.tree), schema)
        by = f"the schema of {self.chart.label}" if schema else "the keys that the toolkit knows"
        return warnings, by

    def _is_ours(self, history: Sequence[Revision]) -> bool:
        """By our mark; or by hand with the same chart, as the platform's own instructions have it."""
        chart = history[-1].chart
        is_same = chart.startswith(f"{self.chart.name}-") and chart[len(self.chart.name) + 1 :][:1].isdigit()
        return is_same or any(each.description.startswith(f"{DESCRIPTION} ") for each in history)

    def _is_newest(self, history: Sequence[Revision]) -> bool:
        last = history[-1] if history else None
        return last is not None and last.status == "deployed" and last.description == self._description

    def _heal(self, history: Sequence[Revision]) -> str:
        """End what a killed helm left half done; the words of what was done."""
        if not _is_half_done(history):
            return ""
        was = history[-1].status
        if not self.heals:
            verb = "rollback" if _last_good(history) else "uninstall"
            raise ConflictError(
                f"{self.name} is {was} since {history[-1].updated}: at work, or killed in the middle",
                hint=f"When nobody is at work: helm {verb} {self.name} --namespace {self.namespace}",
            )
        if self._end_strays():
            # one that was asked to end has put its release in order by itself
            history = self.helm.history(self.name, self.namespace)
            if not _is_half_done(history):
                return f"a helm of an earlier command was at work ({was}): it was ended"
        good = _last_good(history)
        if good and was != "uninstalling":
            self.helm.rollback(self.name, good, self.namespace)
            return f"the release was {was}: back to revision {good} first"
        self.helm.uninstall(self.name, self.namespace)
        return f"the release was {was}: removed first"

    def _end_strays(self) -> bool:
        """End a helm that outlived its command: it would go on in the middle of the next one."""
        import signal

        from devenv import processes

        found = processes.marked(self.helm.mark) if self.helm.mark else ()
        processes.end(found, first=signal.SIGTERM, seconds=10)
        return bool(found)

    def _require_namespace(self) -> None:
        if self.namespace == "default" or self.namespace.startswith("kube-"):
            raise UsageError(
                f"{self.namespace} is a namespace of Kubernetes itself and no project's",
                hint="Give the project another name in devenv.yaml",
            )


def _is_half_done(history: Sequence[Revision]) -> bool:
    return bool(history) and (history[-1].is_pending or history[-1].status == "uninstalling")


def _last_good(history: Sequence[Revision]) -> int:
    """The revision to go back to; 0 when none was ever deployed."""
    good = [each.number for each in history[:-1] if each.status in ("deployed", "superseded")]
    return good[-1] if good else 0
