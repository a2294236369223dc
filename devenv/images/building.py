"""One build: its command, what its lines mean, and what went wrong in one line."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from devenv import commands, pip_settings
from devenv.errors import DevenvError, MissingError, UnhealthyError
from devenv.images.engine import Engine
from devenv.images.pins import CHECKOUT, Image
from devenv.images.sources import Sources

_STEP = re.compile(r"#\d+ \[(?:\S+ +)?(\d+)/(\d+)\] (.+)")
_WORD = re.compile(r"#\d+ (?:\d+\.\d+ )?(.+)")
_DISK_FULL = re.compile(r"no space left on device|disk quota exceeded", re.IGNORECASE)
_NO_BASE = re.compile(
    r"failed to resolve source metadata|pull access denied|failed to authorize|failed to do request|"
    r"manifest unknown|error getting credentials",
    re.IGNORECASE,
)
_OFFLINE = re.compile(
    r"temporary failure (?:in name resolution|resolving)|could not resolve|name or service not known|"
    r"NewConnectionError|Max retries exceeded|connection (?:refused|timed out|reset)|network is unreachable|"
    r"dial tcp: lookup .* no such host|i/o timeout|\b(?:ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ETIMEDOUT)\b",
    re.IGNORECASE,
)
_CERTIFICATE = re.compile(
    r"certificate verif\w+ failed|certificate is NOT trusted|unable to get (?:local )?issuer|"
    r"SELF_SIGNED_CERT|x509: certificate",
    re.IGNORECASE,
)
_ENGINE_GONE = re.compile(
    r"cannot connect to the docker daemon|error reading from server|EOF$", re.IGNORECASE
)


@dataclass(frozen=True)
class Build:
    """What one build is given besides its sources."""

    image: Image
    base: str
    references: Sequence[str]
    labels: Mapping[str, str]


def run(engine: Engine, build: Build, sources: Sources, say: Callable[[str], None]) -> None:
    """Build and tag one image; ``say`` gets a few words a step. Raises a DevenvError.

    An interrupted build leaves no image and no tag, and the next one goes on from its cache.
    """
    transcript = Transcript(build.image.name, say)
    with sources.files() as secrets:
        argv = command(engine, build, sources, secrets)
        code = commands.stream(argv, transcript.take, env=engine.environ, cwd=CHECKOUT)
    if code:
        raise transcript.trouble()


def command(engine: Engine, build: Build, sources: Sources, secrets: Mapping[str, Path]) -> tuple[str, ...]:
    """The argv: secrets by file, proxies by the names of variables, so none of their values is in it."""
    words = ["docker", "buildx", "build", "--builder", engine.builder, "--load", "--progress", "plain"]
    # BuildKit's own statements of origin would name the machine's files
    words += [
        "--provenance=false",
        "--file",
        str(build.image.dockerfile),
        "--build-arg",
        f"BASE={build.base}",
    ]
    for name in sources.proxies:
        words += ["--build-arg", name]
    for name, file in secrets.items():
        words += ["--secret", f"id={name},src={file}"]
    for name, value in build.labels.items():
        words += ["--label", f"{name}={value}"]
    for reference in build.references:
        words += ["--tag", reference]
    if sources.needs_host_network:
        words += ["--network", "host"]
    return (*words, str(CHECKOUT))


class Transcript:
    """The lines of ``--progress plain``, in a few words for the person, and kept for the diagnosis."""

    def __init__(self, name: str, say: Callable[[str], None]) -> None:
        self._name = name
        self._say = say
        self._lines: deque[str] = deque(maxlen=200)

    def take(self, line: str) -> None:
        self._lines.append(pip_settings.masked(line))
        if step := _STEP.match(line):
            number, of, what = step.groups()
            self._say(f"step {number} of {of}: {shortened(what)}")

    def trouble(self) -> DevenvError:
        """Why the build failed, with its last words."""
        said = "\n".join(self._lines)
        last = tuple(self._words())[-10:]
        if _DISK_FULL.search(said):
            return MissingError(
                "the engine's disk is full",
                hint="docker system df tells what takes it; docker builder prune frees the caches of builds",
                details=last[-2:],
            )
        if _NO_BASE.search(said):
            return MissingError(
                f"the base of {self._name} could not be pulled",
                hint="Where no registry is reached: ./dev images.build --from mirrors",
                details=last[-2:],
            )
        if _CERTIFICATE.search(said):
            return MissingError(
                f"a package index shows a certificate that the build of {self._name} does not trust",
                hint="Set HABARI_CA_BUNDLE to the file of your certificate authorities",
                details=last,
            )
        if _OFFLINE.search(said):
            return MissingError(
                f"the build of {self._name} reached no package index",
                hint="Check the network, and what apt-get update and pip config, npm config, go env tell",
                details=last,
            )
        if _ENGINE_GONE.search(said):
            return MissingError(
                "the Docker engine went away during the build", hint="Start it, then repeat the command"
            )
        return UnhealthyError(
            f"{self._name} could not be built", hint="Its last words are below", details=last
        )

    def _words(self) -> list[str]:
        """What the steps said, without BuildKit's numbers and its repetition of the Dockerfile."""
        words = []
        for line in self._lines:
            if line.startswith("------"):
                break
            if match := _WORD.match(line):
                words.append(match[1])
        return words


def shortened(what: str) -> str:
    """A step's instruction without its mounts, in at most 60 characters."""
    words = [word for word in what.split() if not word.startswith(("--mount=", "--chmod=", "--from="))]
    text = " ".join(words).replace("/run/habari-build/", "").replace("RUN sh ", "RUN ")
    return text if len(text) <= 60 else f"{text[:57]}..."
