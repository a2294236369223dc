"""What the images' tasks do, from the pins to the printed result."""

from __future__ import annotations

import contextlib
import fcntl
import functools
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from devenv import project, state
from devenv.errors import ConflictError, DevenvError, NotRunningError, UsageError
from devenv.images import bases, building, content, engine, pins, sources, versions
from devenv.images.engine import Engine, Stored
from devenv.images.pins import BASE, ORIGINS, Image, Pins
from devenv.report import Reporter

# What the compose files take when they are not told otherwise: a name that moves, never pushed.
LOCAL = "local"


@dataclass(frozen=True)
class _Plan:
    """One image that shall be there: its content's key, and what it stands on."""

    image: Image
    base: bases.Base
    key: str


def build(
    reporter: Reporter, *, names: Sequence[str] = (), origin: str = "registry", json: bool = False
) -> None:
    """Build what is not there yet; a version that is there is never written over.

    ``origin`` is where bases come from: "registry", or "mirrors" (a Debian made here). Every image that is
    built gets the next version and the name that the compose files take.
    """
    if origin not in ORIGINS:
        raise UsageError(f"there is no origin {origin!r}", hint=f"Choose one of: {', '.join(ORIGINS)}")
    pinned = pins.load()
    chosen = pinned.chosen(names) if set(names) != {BASE} else ()
    docker = engine.connect(project.environment())
    rows = tuple(image.name for image in chosen)
    results = []
    title = f"images from {origin}"
    # apt, pip and npm are asked only when there is something to build
    host = functools.cache(lambda: sources.of_host(docker.environ, pinned.suite))
    one_at_a_time = functools.partial(_one_at_a_time, docker.environ, on_wait=reporter.warn)
    with reporter.progress((*((BASE,) if origin == "mirrors" else ()), *rows), title=title):
        if origin == "mirrors" or BASE in names:
            with one_at_a_time(BASE), _told(reporter, BASE) as say:
                made = bases.make_debian(docker, pinned, say)
                reporter.step(BASE, "ready", "made" if made else "is there")
        for image in chosen:
            with one_at_a_time(image.name), _told(reporter, image.name) as say:
                results.append(_build_one(docker, pinned, image, origin, host, say))
                reporter.step(image.name, "ready", results[-1]["detail"])
    if json:
        reporter.data({"origin": origin, "images": results})
    elif results:
        reporter.result("\n".join(f"{each['reference']}  {each['detail']}" for each in results))


def listing(reporter: Reporter, *, json: bool = False) -> None:
    """Print each image of the pins that the engine has: version, size, age, what differs from the pins."""
    pinned = pins.load()
    docker = engine.connect(project.environment())
    rows = [row for image in pinned.images.values() for row in _rows(docker, pinned, image)]
    if base := docker.image(bases.debian(pinned).reference):
        rows.append(_row(BASE, bases.debian(pinned).reference, base, ""))
    if json:
        reporter.data({"images": rows})
        return
    reporter.table(
        ("image", "version", "size", "age", "differs from the pins"),
        [
            (row["image"], row["version"], _size(row["size_bytes"]), _age(row["created"]), row["differs"])
            for row in rows
        ],
    )


def push(reporter: Reporter, *, repository: str = "", names: Sequence[str] = (), json: bool = False) -> None:
    """Push each image's newest version to ``repository``; a version that is there is never replaced."""
    if not repository:
        raise UsageError(
            "no repository is named",
            hint="For example: ./dev images.push --repository registry.example/habari",
        )
    pinned = pins.load()
    chosen = pinned.chosen(names)
    docker = engine.connect(project.environment())
    newest = {image: _newest(docker, pinned, image) for image in chosen}
    results = []
    with reporter.progress([image.name for image in chosen], title=f"push to {repository}"):
        for image, (version, stored) in newest.items():
            with _told(reporter, image.name) as say:
                results.append(
                    _push_one(docker, f"{repository.rstrip('/')}/{image.name}", version, stored, say)
                )
                reporter.step(image.name, "ready", results[-1]["detail"])
    if json:
        reporter.data({"images": results})
    else:
        reporter.result("\n".join(f"{each['reference']}  {each['detail']}" for each in results))


@contextlib.contextmanager
def _one_at_a_time(
    environ: Mapping[str, str], name: str, *, on_wait: Callable[[str], None]
) -> Iterator[None]:
    """Two builds of one image beside one another would both take the version that follows."""
    path = state.data_root(environ) / "locks" / f"image-{name}.lock"
    path.parent.mkdir(mode=0o711, parents=True, exist_ok=True)
    with path.open("a") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            on_wait(f"another command builds {name}; waiting for it")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _build_one(
    docker: Engine,
    pinned: Pins,
    image: Image,
    origin: str,
    host: Callable[[], sources.Sources],
    say: Callable[[str], None],
) -> dict[str, Any]:
    plan = _plan(pinned, image, origin)
    repository = f"{pinned.repository}/{image.name}"
    # what somebody has built on one of ours has its labels too, and no version of ours
    same = {
        version: each
        for each in docker.images(habari_image=image.name)
        if each.labels.get("habari.key") == plan.key
        and (version := versions.newest(repository, each.references))
    }
    if same:
        version = max(same, key=versions.order)
        docker.tag(same[version].id, f"{repository}:{LOCAL}")
        return _result(image, f"{repository}:{version}", "nothing has changed", built=False)
    taken = [reference for each in docker.images(habari_image="") for reference in each.references]
    version = versions.following(repository, taken, pinned.version)
    references = (f"{repository}:{version}", f"{repository}:{LOCAL}")
    labels = {
        "habari.image": image.name,
        "habari.version": version,
        "habari.key": plan.key,
        "habari.base": plan.base.reference,
        "habari.from": origin,
    }
    # The distributions of a registry's Jupyter images are not Debian's.
    own = host() if origin == "mirrors" or image.base == "debian" else host().without("apt_sources")
    begun = time.monotonic()
    building.run(docker, building.Build(image, plan.base.reference, references, labels), own, say)
    return _result(image, references[0], f"built in {time.monotonic() - begun:.0f} s", built=True)


def _plan(pinned: Pins, image: Image, origin: str) -> _Plan:
    base = bases.wanted(pinned, image, origin)
    return _Plan(image, base, content.key(image, base.key))


def _result(image: Image, reference: str, detail: str, *, built: bool) -> dict[str, Any]:
    return {"image": image.name, "reference": reference, "built": built, "detail": detail}


def _rows(docker: Engine, pinned: Pins, image: Image) -> Iterable[dict[str, Any]]:
    repository = f"{pinned.repository}/{image.name}"
    found = [
        (versions.newest(repository, stored.references), stored)
        for stored in docker.images(habari_image=image.name)
    ]
    versioned = sorted(
        ((version, stored) for version, stored in found if version),
        key=lambda pair: versions.order(pair[0]),
        reverse=True,
    )
    if not versioned:
        yield _row(image.name, "", None, f"not built: ./dev images.build --name {image.name}")
    for place, (version, stored) in enumerate(versioned):
        yield _row(image.name, version, stored, "superseded" if place else difference(pinned, image, stored))


def difference(pinned: Pins, image: Image, stored: Stored) -> str:
    """In what an image differs from what would be built now, by its base or its files; "" when in nothing."""
    origin = stored.labels.get("habari.from", "registry")
    plan = _plan(pinned, image, origin if origin in ORIGINS else "registry")
    if stored.labels.get("habari.base") != plan.base.reference:
        return f"stands on {stored.labels.get('habari.base')}, pinned is {plan.base.reference}"
    return "" if stored.labels.get("habari.key") == plan.key else "its files have changed since it was built"


def _row(name: str, version: str, stored: Stored | None, differs: str) -> dict[str, Any]:
    return {
        "image": name,
        "version": version.rpartition(":")[2],
        "size_bytes": stored.size if stored else None,
        "created": stored.created if stored else None,
        "from": stored.labels.get("habari.from") if stored else None,
        "differs": differs,
    }


def _newest(docker: Engine, pinned: Pins, image: Image) -> tuple[str, Stored]:
    repository = f"{pinned.repository}/{image.name}"
    found = {
        version: stored
        for stored in docker.images(habari_image=image.name)
        if (version := versions.newest(repository, stored.references))
    }
    if not found:
        raise NotRunningError(f"{image.name} is not built", hint=f"./dev images.build --name {image.name}")
    version = max(found, key=versions.order)
    return version, found[version]


def _push_one(
    docker: Engine, repository: str, version: str, stored: Stored, say: Callable[[str], None]
) -> dict[str, Any]:
    from devenv.images import registry

    reference = f"{repository}:{version}"
    result = {"reference": reference, "pushed": False}
    if registry.has(docker, reference):
        if not any(digest.startswith(f"{repository}@") for digest in stored.digests):
            raise ConflictError(
                f"{reference} is there already, and was not pushed from here",
                hint="A version is never replaced: raise `version` in images/pins.toml and build again",
            )
        return {**result, "detail": "was there already"}
    docker.tag(stored.id, reference)
    registry.push(docker, reference, say)
    return {**result, "pushed": True, "detail": "pushed"}


class _told:  # noqa: N801 - a context manager
    """A row of the progress: it starts, says what it does, and fails when the block does."""

    def __init__(self, reporter: Reporter, name: str) -> None:
        self._reporter = reporter
        self._name = name

    def __enter__(self) -> Callable[[str], None]:
        self._reporter.step(self._name, "starting")
        return lambda words: self._reporter.step(self._name, "starting", words)

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, DevenvError):
            self._reporter.step(self._name, "failed", error.what)
        elif error is not None:
            self._reporter.step(self._name, "failed", "interrupted")


def _size(size: int | None) -> str | None:
    return None if size is None else f"{size / 1e6:.0f} MB"


def _age(created: str | None) -> str | None:
    """How long ago, in the largest unit that fits. The engine gives UTC with nanoseconds."""
    if not created:
        return None
    moment = datetime.fromisoformat(created[:19] + "+00:00")
    seconds = max(0, int(time.time() - moment.timestamp()))
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds // length} {unit}"
    return f"{seconds} s"
