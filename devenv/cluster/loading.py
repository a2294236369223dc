"""Images of this machine's engine into the node's store: what lacks there, by a folder that the node mounts.

The engine writes the archive while the node is made, and the node's containerd takes it long before its
Kubernetes answers. Through `docker exec` the same bytes take five times as long.
"""

from __future__ import annotations

import json
import tarfile
from collections.abc import Mapping, Sequence, Set
from typing import IO

from devenv import commands, waiting
from devenv.cluster import layers
from devenv.cluster.config import MARK
from devenv.cluster.place import Place
from devenv.commands import Argv, Leash
from devenv.errors import MissingError, UnhealthyError
from devenv.waiting import NotYet

# kind fetches the node's image first, where that is not here: it is the one that gives up, not we.
ANSWER_SECONDS = 3600
ARCHIVE = "images.tar"
_STORE = ("ctr", "--namespace", "k8s.io")
_IMPORT = (*_STORE, "images", "import", "--local", "--digests", "--snapshotter", "overlayfs")


def missing(node: str, images: Mapping[str, str], environ: Mapping[str, str]) -> list[str]:
    """Those of ``images`` (the engine's ids by name) that the node does not have just so."""
    there = _stored(node, environ) if images else {}
    return [name for name, found in images.items() if there.get(canonical(name)) != found]


def nameless(node: str, images: Mapping[str, str], environ: Mapping[str, str]) -> list[str]:
    """Those of ``images`` of whose name the node has none at all."""
    there = _stored(node, environ) if images else {}
    return [name for name in images if canonical(name) not in there]


def _stored(node: str, environ: Mapping[str, str]) -> dict[str, str]:
    """The ids of the node's images by their names."""
    # the runtime's own names: of Docker's images the hub's host is left out
    listed = commands.run(("docker", "exec", node, "crictl", "images", "--output", "json"), env=environ)
    return {
        tag: each["id"] for each in json.loads(listed.stdout)["images"] for tag in each.get("repoTags") or ()
    }


def canonical(name: str) -> str:
    """The name with its registry: habari/hub:1 is docker.io/habari/hub:1.

    https://pkg.go.dev/github.com/distribution/reference#ParseNormalizedNamed
    """
    first, slash, _ = name.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        return name
    return f"docker.io/{name}" if slash else f"docker.io/library/{name}"


def bring(
    place: Place,
    names: Sequence[str],
    environ: Mapping[str, str],
    leash: Leash,
    *,
    is_being_made: bool = False,
) -> None:
    """Give the node images of the engine; one that ``is_being_made`` is waited for.

    Raises MissingError for a full disk, UnhealthyError with the engine's words for anything else. Nothing of
    what was written on the way stays.
    """
    if not names:
        return
    try:
        if is_being_made:
            save(place, names, environ, leash)
            wait_for_store(place.node, environ, leash)
            take(place, names, environ, leash)
        else:
            _bring_what_lacks(place, names, environ, leash)
    finally:
        (place.mark / ARCHIVE).unlink(missing_ok=True)


def _bring_what_lacks(place: Place, names: Sequence[str], environ: Mapping[str, str], leash: Leash) -> None:
    """Of an image that was built anew, few layers are new."""
    try:
        save(place, names, environ, leash, without=_blobs(place.node, environ))
        take(place, names, environ, leash)
    except UnhealthyError:
        # short of room the node may have dropped one meanwhile
        save(place, names, environ, leash)
        take(place, names, environ, leash)


def _blobs(node: str, environ: Mapping[str, str]) -> Set[str]:
    """The digests of what the node's store holds."""
    listed = commands.run(("docker", "exec", node, *_STORE, "content", "ls", "--quiet"), env=environ)
    return frozenset(listed.stdout.split())


def save(
    place: Place,
    names: Sequence[str],
    environ: Mapping[str, str],
    leash: Leash,
    *,
    without: Set[str] = frozenset(),
) -> None:
    """Write images where the node will see them, layers that they share once, some ``without``.

    Raises as :func:`bring`.
    """
    place.mark.mkdir(exist_ok=True)
    archive, what = place.mark / ARCHIVE, f"the engine did not save {', '.join(names)}"
    if not without:
        said: list[str] = []
        argv: Argv = ("docker", "save", "--output", archive, *names)
        if commands.stream(argv, said.append, env=environ, leash=leash):
            raise _trouble(what, said)
        return
    broken: list[str] = []

    def copy(source: IO[bytes]) -> None:
        try:
            layers.leave_out(source, target, without)
        except tarfile.TarError as error:
            broken.append(str(error))

    try:
        with archive.open("wb") as target:
            done = commands.pipe(("docker", "save", *names), copy, env=environ, leash=leash)
    except OSError as error:
        raise _trouble(what, (str(error).lower(),)) from error
    if done.code or broken:
        raise _trouble(what, (*broken, *done.stderr.splitlines()))


def take(place: Place, names: Sequence[str], environ: Mapping[str, str], leash: Leash) -> None:
    """Let the node take what was saved. Raises as :func:`bring`."""
    said: list[str] = []
    argv = ("docker", "exec", place.node, *_IMPORT, f"{MARK}/{ARCHIVE}")
    if commands.stream(argv, said.append, env=environ, leash=leash):
        raise _trouble(f"the node did not take {', '.join(names)}", said)


def wait_for_store(node: str, environ: Mapping[str, str], leash: Leash) -> None:
    """Wait until the node takes images."""

    def probe() -> None:
        leash.check()
        if commands.run(("docker", "exec", node, "ctr", "version"), env=environ, check=False).code:
            raise NotYet("the node's containerd does not answer")

    waiting.until(probe, what="the node", seconds=ANSWER_SECONDS)


def _trouble(what: str, said: Sequence[str]) -> UnhealthyError | MissingError:
    details = tuple(line for line in said if line.strip())[-5:]
    if any("no space left" in line for line in said):
        return MissingError("a disk is full: the state folder's, or the engine's", details=details)
    return UnhealthyError(what, hint="Run it again; its words:", details=details)
