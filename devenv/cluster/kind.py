"""The kind command line, told in each call which cluster, which network and which kubeconfig.

https://kind.sigs.k8s.io/docs/user/quick-start/
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from devenv import commands
from devenv.cluster import trouble
from devenv.cluster.place import Place
from devenv.commands import Argv, Run, Stream
from devenv.errors import MissingError
from devenv.state import MARK_VARIABLE

# The first that makes clusters of the current Kubernetes; older ones know older configurations.
OLDEST = (0, 24)
INSTALL = (
    "go install sigs.k8s.io/kind@latest (with Go), brew install kind,"
    " or https://kind.sigs.k8s.io/docs/user/quick-start/#installation"
)
# What the user's shell may say about kind and clusters.
_FOREIGN = re.compile(r"KIND_\w+|KUBECONFIG")


@dataclass(frozen=True)
class Kind:
    """Calls of kind for one cluster. ``environ`` is the user's: proxies and the engine are taken from it."""

    place: Place
    environ: Mapping[str, str] = field(repr=False)
    run: Run = commands.run
    stream: Stream = commands.stream

    @property
    def child_environ(self) -> dict[str, str]:
        """The environment of each call: the network is made before, so that others may stand on it."""
        kept = {name: text for name, text in self.environ.items() if not _FOREIGN.fullmatch(name)}
        return {
            **kept,
            "KIND_EXPERIMENTAL_PROVIDER": "docker",
            "KIND_EXPERIMENTAL_DOCKER_NETWORK": self.place.id,
            # also where a call would fall back to it
            "KUBECONFIG": str(self.place.kubeconfig),
            MARK_VARIABLE: self.place.instance.mark("kind"),
        }

    def version(self) -> str:
        """Its version. Raises MissingError when kind is not there or too old."""
        try:
            said = self.run(("kind", "version", "--quiet"), env=self.child_environ, timeout=30, check=False)
        except MissingError:
            raise MissingError("kind is not there", hint=f"Get it: {INSTALL}") from None
        numbers = tuple(int(part) for part in re.findall(r"\d+", said.stdout)[:2])
        if said.code or not numbers:
            raise MissingError("kind does not say its version", hint=f"Get another: {INSTALL}")
        if numbers < OLDEST:
            wanted = ".".join(map(str, OLDEST))
            raise MissingError(
                f"kind is {said.stdout.strip()}, {wanted} is needed", hint=f"Get it: {INSTALL}"
            )
        return said.stdout.strip()

    def create(self, image: str, on_line: Callable[[str], None]) -> None:
        """Make the cluster of :attr:`Place.config`. A node that fails stays, so that its logs can be read.

        Raises a DevenvError that says why.
        """
        said: list[str] = []

        def take(line: str) -> None:
            said.append(line)
            on_line(line)

        argv = self._words("create", "cluster", "--config", self.place.config, "--image", image, "--retain")
        if self.stream(argv, take, env=self.child_environ):
            raise trouble.of_create(said)
        self.place.kubeconfig.chmod(0o600)

    def delete(self) -> None:
        """Remove the cluster with all that is in it; nothing when there is none."""
        self.run(self._words("delete", "cluster"), env=self.child_environ, timeout=180)

    def export_logs(self, folder: Path) -> None:
        """Copy what the node has to say into ``folder``, as far as it lets itself be asked."""
        argv = ("kind", "export", "logs", folder, "--name", self.place.id)
        self.run(argv, env=self.child_environ, timeout=120, check=False)

    def _words(self, *words: str | Path) -> Argv:
        return ("kind", *words, "--name", self.place.id, "--kubeconfig", self.place.kubeconfig)


def driver(place: Place, environ: Mapping[str, str], leash: commands.Leash) -> Kind:
    """The driver whose long calls end when ``leash`` is pulled."""
    return Kind(place, environ, stream=partial(commands.stream, leash=leash))
