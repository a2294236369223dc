"""The helm command line: one cluster, named in each call, and settings of its own.

Helm 3 and Helm 4 are both driven; what is passed here means the same to both.
https://helm.sh/docs/helm/helm and https://helm.sh/docs/overview have the flags and what has changed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from devenv import commands
from devenv.commands import Completed, Run, Stream
from devenv.errors import MissingError
from devenv.helm import failures
from devenv.state import MARK_VARIABLE

OLDEST = (3, 16)
INSTALL = (
    "go install helm.sh/helm/v4/cmd/helm@latest (with Go), brew install helm,"
    " or https://helm.sh/docs/intro/install"
)
# Revisions that a release keeps: each is a Secret of up to 1 MiB in the namespace.
HISTORY = 10

# What the user's helm is told by variables; a release of ours must not depend on it.
_FOREIGN = re.compile(r"HELM_\w+|KUBECONFIG")
# The user's sign-in to registries of charts is read, never written.
_KEPT = frozenset(("HELM_REGISTRY_CONFIG",))
# Where a team keeps its releases: of the cluster that it deploys to, never of the local one.
_DRIVER = frozenset(("HELM_DRIVER", "HELM_DRIVER_SQL_CONNECTION_STRING"))
# Every one by name: with none of them Helm 3 shows two and Helm 4 all.
_STATES = ("--deployed", "--failed", "--pending", "--superseded", "--uninstalling", "--uninstalled")


@dataclass(frozen=True)
class Target:
    """Which cluster a call is for; it is spelled out each time, and no default of the user's is read."""

    kubeconfig: Path
    context: str


@dataclass(frozen=True)
class Revision:
    """One state of a release; ``chart`` is its name and version as one word, ``updated`` is RFC 3339."""

    number: int
    status: str
    chart: str
    description: str
    updated: str

    @property
    def is_pending(self) -> bool:
        """An operation is under way, or was killed in the middle."""
        return self.status.startswith("pending-")


@dataclass(frozen=True)
class Listed:
    """A release of a namespace, as ``helm list`` has it."""

    name: str
    status: str
    chart: str


@dataclass(frozen=True)
class Helm:
    """Calls of helm for one cluster.

    ``folder`` holds its settings and caches, ``environ`` is the user's environment, whose proxies,
    certificates and registry sign-in it gets. ``mark`` goes into the environment of each call, so that one
    that outlived its command is found. With ``keeps_driver`` the user's storage of releases counts too.
    """

    target: Target
    folder: Path
    environ: Mapping[str, str] = field(repr=False)
    mark: str = ""
    keeps_driver: bool = False
    run: Run = commands.run
    stream: Stream = commands.stream

    @property
    def child_environ(self) -> dict[str, str]:
        """The environment of each call."""
        kept = _KEPT | (_DRIVER if self.keeps_driver else frozenset())
        found = {
            name: text for name, text in self.environ.items() if name in kept or not _FOREIGN.fullmatch(name)
        }
        for each in ("cache", "config", "data"):
            found[f"HELM_{each.upper()}_HOME"] = str(self.folder / each)
        # what it learnt of a cluster's API, else below the user's own ~/.kube
        found["KUBECACHEDIR"] = str(self.folder / "kube")
        return {**found, MARK_VARIABLE: self.mark} if self.mark else found

    def version(self) -> tuple[int, ...]:
        """Major and minor. Raises MissingError when helm is not there or too old."""
        try:
            said = self.run(("helm", "version", "--short"), env=self.child_environ, timeout=30, check=False)
        except MissingError:
            raise MissingError("helm is not there", hint=f"Get it: {INSTALL}") from None
        found = re.search(r"v?(\d+)\.(\d+)", said.stdout)
        if said.code or not found:
            raise MissingError(
                "helm does not say its version", hint=f"Get another: {INSTALL}", details=failures.tail(said)
            )
        numbers = tuple(int(part) for part in found.groups())
        if numbers < OLDEST:
            raise MissingError(
                f"helm is {said.stdout.strip()}, 3.16 or newer is needed", hint=f"Get it: {INSTALL}"
            )
        return numbers

    def pull(self, repository: str, name: str, version: str, folder: Path) -> None:
        """Fetch a chart's archive into ``folder``. Raises MissingError when it cannot be had."""
        place = (f"{repository.rstrip('/')}/{name}",) if repository.startswith("oci://") else (name,)
        named = () if repository.startswith("oci://") else ("--repo", repository)
        argv = ("helm", "pull", *place, *named, "--version", version, "--destination", folder)
        done = self.run(argv, env=self.child_environ, timeout=180, check=False)
        if done.code:
            raise failures.of_pull(done, f"{name} {version}", repository)

    def template(
        self,
        release: str,
        chart: Path,
        namespace: str,
        values: Sequence[Path],
        *,
        kubernetes: str = "",
        served: Iterable[str] = (),
    ) -> str:
        """What would be sent to the cluster, as YAML with its secrets; nothing is asked and nothing changed.

        ``kubernetes`` is the cluster's version and ``served`` its API versions, which a chart may look at.
        Raises UsageError when the chart refuses the values or the version.
        """
        options = [*(("--kube-version", kubernetes) if kubernetes else ())]
        options += [word for each in sorted(served) for word in ("--api-versions", each)]
        argv = ("helm", "template", release, chart, "--namespace", namespace, *_files(values), *options)
        argv += ("--include-crds",)
        done = self.run(argv, env=self.child_environ, timeout=120, check=False)
        if done.code:
            raise failures.of_chart(done, chart.name)
        return done.stdout

    def upgrade(
        self,
        release: str,
        chart: Path,
        namespace: str,
        values: Sequence[Path],
        *,
        description: str,
        seconds: int,
        wait: bool = False,
        on_line: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Install the release, or bring it to this chart and these values.

        Hooks are waited for in any case, everything else with ``wait``; each at most ``seconds``. Whoever
        interrupts it leaves a failed release, and whoever kills it a pending one. Raises a DevenvError.
        """
        argv = self._words(
            "upgrade", "--install", release, chart, namespace=namespace, more=("--create-namespace",)
        )
        argv += (*_files(values), "--description", description, "--timeout", f"{seconds}s")
        argv += ("--history-max", str(HISTORY), *(("--wait",) if wait else ()))
        said: list[str] = []

        def take(line: str) -> None:
            said.append(line)
            if line and not failures.is_noise(line):
                on_line(line)

        # streamed, because an interrupted stream lets helm end in good order
        code = self.stream(argv, take, env=self.child_environ)
        if code:
            raise failures.of_release(Completed(tuple(map(str, argv)), code, "", "\n".join(said)), release)

    def history(self, release: str, namespace: str) -> tuple[Revision, ...]:
        """Every revision, oldest first; none when there is no such release."""
        argv = self._words("history", release, namespace=namespace, more=("--output", "json"))
        done = self.run(argv, env=self.child_environ, timeout=60, check=False)
        if done.code and failures.is_not_found(done):
            return ()
        if done.code:
            raise failures.of_release(done, release)
        found = [
            Revision(
                int(each["revision"]),
                str(each["status"]),
                str(each["chart"]),
                str(each.get("description", "")),
                str(each.get("updated", "")),
            )
            for each in json.loads(done.stdout or "[]")
        ]
        return tuple(sorted(found, key=lambda each: each.number))

    def status(self, release: str, namespace: str) -> Revision | None:
        """The newest revision, or None when there is no such release."""
        found = self.history(release, namespace)
        return found[-1] if found else None

    def releases(self, namespace: str) -> tuple[Listed, ...]:
        """Every release of a namespace in whatever state; none when there is no such namespace."""
        argv = self._words("list", namespace=namespace, more=(*_STATES, "--output", "json"))
        done = self.run(argv, env=self.child_environ, timeout=60, check=False)
        if done.code:
            raise failures.of_release(done, "list")
        return tuple(
            Listed(str(each["name"]), str(each["status"]), str(each["chart"]))
            for each in json.loads(done.stdout or "[]")
        )

    def rollback(self, release: str, revision: int, namespace: str, *, seconds: int = 120) -> None:
        """Bring the release back to one of its revisions."""
        more = ("--timeout", f"{seconds}s", "--history-max", str(HISTORY))
        self._call(release, seconds, "rollback", release, str(revision), namespace=namespace, more=more)

    def uninstall(self, release: str, namespace: str, *, seconds: int = 120) -> None:
        """Remove the release and wait until what it had is gone; no release is no error."""
        more = ("--ignore-not-found", "--wait", "--timeout", f"{seconds}s")
        self._call(release, seconds, "uninstall", release, namespace=namespace, more=more)

    def _call(
        self, release: str, seconds: int, *words: str | Path, namespace: str, more: Sequence[str]
    ) -> None:
        argv = self._words(*words, namespace=namespace, more=more)
        done = self.run(argv, env=self.child_environ, timeout=seconds + 30, check=False)
        if done.code:
            raise failures.of_release(done, release)

    def _words(
        self, *words: str | Path, namespace: str, more: Sequence[str | Path] = ()
    ) -> tuple[str | Path, ...]:
        cluster = ("--kubeconfig", self.target.kubeconfig, "--kube-context", self.target.context)
        return ("helm", *words, "--namespace", namespace, *more, *cluster)


def _files(values: Sequence[Path]) -> tuple[str | Path, ...]:
    return tuple(word for path in values for word in ("--values", path))
