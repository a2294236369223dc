"""Nothing of how this machine reaches packages is in an image: no authority, no address, no credential."""

from __future__ import annotations

import os
import re
import secrets
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from devenv.images import bases, building, pins, sources
from devenv.images.building import Build
from devenv.images.engine import Engine
from devenv.images.sources import Sources
from integration.compose.building import build
from integration.compose.conftest import CHECKOUT, without

pytestmark = [pytest.mark.integration, pytest.mark.slow]

PINS = pins.load()
OURS = ("postgres", "s3", "jupyter", "github", "hub", "proxy", "minio")
CHUNK = 8 << 20


def found(docker: Engine, references: Sequence[str], needles: Sequence[bytes]) -> set[bytes]:
    """Which of ``needles`` are anywhere in what the engine saves of images: layers, configuration, history.

    Layers are archives of plain files in it, so a text of a file stands there as it is. What images share is
    saved once.
    """
    argv = ("docker", "image", "save", *references)
    seen: set[bytes] = set()
    longest = max(map(len, needles))
    with subprocess.Popen(argv, env=dict(docker.environ), stdout=subprocess.PIPE) as saving:
        assert saving.stdout is not None
        tail = b""
        while chunk := saving.stdout.read(CHUNK):
            text = tail + chunk
            # one after the other: a search for a literal is many times as fast as one for several at once
            seen |= {needle for needle in needles if needle in text}
            tail = text[-longest:]
    assert saving.returncode == 0
    return seen


def authorities_of_this_machine() -> list[bytes]:
    """A line of each certificate in this machine's bundle that Debian's own package does not have."""
    bundle = sources.of_host(os.environ, PINS.suite).secrets["ca"].decode("ascii", "replace")
    known = "".join(path.read_text() for path in Path("/usr/share/ca-certificates").rglob("*.crt"))
    bodies = re.findall(r"-----BEGIN CERTIFICATE-----\n(.+?)-----END", bundle, re.DOTALL)
    return [line.encode() for body in bodies if (line := body.splitlines()[5]) not in known]


def test_what_a_build_is_handed_is_in_no_layer_and_no_history(images: Engine) -> None:
    """Built from nothing, with a mark in every secret and in a proxy's password."""
    mark = f"canary-{secrets.token_hex(8)}"
    host = sources.of_host(os.environ, PINS.suite)
    marked = {
        "apt_sources": host.secrets["apt_sources"] + f"# {mark}\n".encode(),
        "apt_conf": host.secrets["apt_conf"] + f'Habari::Mark "{mark}";\n'.encode(),
        "pip": (host.secrets["pip"] or b"[global]\n") + f"# {mark}\n".encode(),
        "npm": f"; {mark}\n".encode() + host.secrets["npm"],
        "ca": host.secrets["ca"] + f"# {mark}\n".encode() if host.secrets["ca"] else b"",
    }
    reference = f"habari/test-{secrets.token_hex(4)}:0.1"
    environ = {**images.environ, "NO_PROXY": f"localhost,{mark}"}
    # the step that is repeated is the one with the secrets, so the cache may not answer for it
    image = PINS.images["s3"]
    build = Build(image, bases.debian(PINS).reference, (reference,), {"habari.test": "yes"})
    proxies = Sources(marked, (*host.proxies, "NO_PROXY"))
    engine = Engine(environ, images.builder)
    try:
        with proxies.files() as files:
            words = list(building.command(engine, build, proxies, files))
            words.insert(3, "--no-cache")
            done = engine.run(*words[1:], timeout=600)
        assert done.code == 0, done.stderr[-3000:]
        # the search does look into layers: a line of a file in one
        known = (CHECKOUT / "images" / "s3" / "start.py").read_bytes().splitlines()[7]
        assert found(engine, [reference], [mark.encode(), known]) == {known}
        assert mark not in engine.run("image", "history", "--no-trunc", reference).stdout
        assert mark not in engine.run("image", "inspect", reference).stdout
    finally:
        engine.run("image", "rm", "--force", reference)


@pytest.fixture(scope="module")
def built(images: Engine) -> Engine:
    """The engine with all of our images."""
    build(*OURS)
    return images


@pytest.fixture(scope="module")
def addresses() -> set[str]:
    """Where this machine gets Debian's packages."""
    return {line.split()[2] for line in sources.apt_sources(os.environ, PINS.suite).splitlines()}


every_image = pytest.mark.parametrize("name", OURS)


def test_no_image_has_this_machines_authorities(built: Engine) -> None:
    lines = authorities_of_this_machine()
    if not lines:
        pytest.skip("this machine trusts nobody but Debian's own authorities: there is nothing to look for")
    references = [f"habari/{name}:local" for name in OURS]

    there = found(built, references, lines)

    assert not there, {reference: found(built, [reference], lines) for reference in references}


@every_image
def test_no_image_is_configured_for_a_package_index(built: Engine, name: str) -> None:
    """apt, pip and npm have no settings in it; made from mirrors, even apt's own list is empty."""
    stored = built.image(f"habari/{name}:local")
    if stored is None or stored.labels.get("habari.from") != "mirrors":
        without(f"habari/{name}:local was not built from mirrors")
    settings = "/etc/pip.conf /root/.config /root/.pip /root/.npmrc /root/.cache /run/secrets"
    lists = "/etc/apt/sources.list* /etc/apt/auth.conf*"
    script = f"find {settings} {lists} -type f -size +0 2>/dev/null; echo then; cat /etc/apt/apt.conf.d/*"

    files, _, apt = shell(built, name, script).partition("then\n")

    assert files == ""
    assert "://" not in apt


def shell(docker: Engine, name: str, script: str) -> str:
    image = f"habari/{name}:local"
    done = docker.run("run", "--rm", "--user", "0", "--entrypoint", "sh", image, "-c", script)
    assert done.code == 0, done.stderr
    return done.stdout


@every_image
def test_no_history_tells_an_address_or_a_secret(built: Engine, addresses: set[str], name: str) -> None:
    history = built.run("image", "history", "--no-trunc", f"habari/{name}:local").stdout
    assert not [address for address in addresses if address in history]
    assert not re.search(r"(?i)(password|token|secret)\s*[=:]\s*\S{8,}", history)
