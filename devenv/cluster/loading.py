"""Images of this machine's engine into the node's store, straight from one to the other: what lacks there.

The node's containerd answers long before its Kubernetes does: images come in while the cluster is made.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from devenv import commands, waiting
from devenv.commands import Leash
from devenv.errors import MissingError, UnhealthyError
from devenv.waiting import NotYet

ANSWER_SECONDS = 120
_IMPORT = ("ctr", "--namespace", "k8s.io", "images", "import", "--digests", "--snapshotter", "overlayfs", "-")


def missing(node: str, images: Mapping[str, str], environ: Mapping[str, str]) -> list[str]:
    """Those of ``images`` (the engine's ids by name) that the node does not have just so."""
    # the runtime's own names: of Docker's images the hub's host is left out
    listed = commands.run(("docker", "exec", node, "crictl", "images", "--output", "json"), env=environ)
    there = {
        (tag, each["id"])
        for each in json.loads(listed.stdout)["images"]
        for tag in each.get("repoTags") or ()
    }
    return [name for name, found in images.items() if (canonical(name), found) not in there]


def canonical(name: str) -> str:
    """The name with its registry: habari/hub:1 is docker.io/habari/hub:1.

    https://pkg.go.dev/github.com/distribution/reference#ParseNormalizedNamed
    """
    first, slash, _ = name.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        return name
    return f"docker.io/{name}" if slash else f"docker.io/library/{name}"


def load(node: str, names: Sequence[str], environ: Mapping[str, str], leash: Leash) -> None:
    """Copy images, layers that they share once. Raises UnhealthyError with the node's own words."""
    save = ("docker", "save", *names)
    take = ("docker", "exec", "--interactive", node, *_IMPORT)
    is_done, said = commands.pipe(save, take, env=environ, leash=leash)
    if not is_done:
        raise _trouble(names, said)


def wait_for_store(node: str, environ: Mapping[str, str], leash: Leash) -> None:
    """Wait until the node takes images."""

    def probe() -> None:
        leash.check()
        if commands.run(("docker", "exec", node, "ctr", "version"), env=environ, check=False).code:
            raise NotYet("the node's containerd does not answer")

    waiting.until(probe, what="the node", seconds=ANSWER_SECONDS)


def _trouble(names: Sequence[str], said: Sequence[str]) -> UnhealthyError | MissingError:
    details = tuple(line for line in said if line.strip())[-5:]
    if any("no space left" in line for line in said):
        return MissingError("the disk of the Docker engine is full", details=details)
    return UnhealthyError(
        f"the node did not take {', '.join(names)}", hint="Run it again; its words:", details=details
    )
