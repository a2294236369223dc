"""The command of a build, and what its lines mean. No engine is asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from devenv.images import building, pins
from devenv.images.building import Build, Transcript
from devenv.images.engine import Engine
from devenv.images.sources import Sources

SECRET = "https://somebody:pass" + "word@mirror.example/simple"
IMAGE = pins.load().images["s3"]
BUILD = Build(IMAGE, "habari/base:trixie-1", ("habari/s3:0.1", "habari/s3:local"), {"habari.image": "s3"})
ENGINE = Engine({"HTTPS_PROXY": SECRET}, "default")


def sources(**secrets: str) -> Sources:
    return Sources({name: text.encode() for name, text in secrets.items()}, ("HTTPS_PROXY",))


def test_no_secret_is_in_the_command() -> None:
    given = sources(pip=f"[global]\nindex-url = {SECRET}\n")
    with given.files() as files:
        argv = building.command(ENGINE, BUILD, given, files)
        assert files["pip"].stat().st_mode & 0o777 == 0o600
    assert SECRET not in " ".join(argv)
    assert SECRET not in repr(given)
    assert argv[argv.index("HTTPS_PROXY") - 1] == "--build-arg"
    assert not files["pip"].exists()


def test_each_reference_and_label_is_set_by_the_build_itself() -> None:
    argv = building.command(ENGINE, BUILD, sources(), {})
    assert [argv[place + 1] for place, word in enumerate(argv) if word == "--tag"] == list(BUILD.references)
    assert "habari.image=s3" in argv
    assert "BASE=habari/base:trixie-1" in argv


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        pytest.param("http://127.0.0.1:3141/root/pypi", True, id="an index on this machine"),
        pytest.param("http://me:secret@localhost/simple", True, id="with a password"),
        pytest.param("https://mirror.example/127.0.0.1/", False, id="only in the path"),
        pytest.param("", False, id="none"),
    ],
)
def test_a_loopback_index_needs_the_hosts_network(address: str, expected: bool) -> None:
    given = sources(pip=f"index-url = {address}\n")
    assert given.needs_host_network is expected
    assert ("--network" in building.command(ENGINE, BUILD, given, {})) is expected


def test_a_step_is_told_without_its_mounts() -> None:
    told: list[str] = []
    transcript = Transcript("s3", told.append)
    transcript.take(
        "#7 [packages 3/5] RUN --mount=type=secret,id=pip     sh /run/habari-build/pip-install /opt/x y"
    )
    transcript.take("#7 0.412 Collecting botocore")
    transcript.take("#8 [2/9] COPY --chmod=0644 a b")
    assert told == ["step 3 of 5: RUN pip-install /opt/x y", "step 2 of 9: COPY a b"]


TROUBLES = [
    pytest.param("#9 3.1 write /x: no space left on device", "the engine's disk is full", id="disk full"),
    pytest.param(
        "ERROR: failed to solve: debian:x: failed to resolve source metadata for docker.io/library/debian:x",
        "the base of s3 could not be pulled",
        id="no registry",
    ),
    pytest.param(
        "#9 2.0 Temporary failure resolving 'mirror.example'", "reached no package index", id="apt is offline"
    ),
    pytest.param(
        "#9 2.0 pip._vendor.urllib3.exceptions.MaxRetryError: Max retries exceeded with url: /simple/",
        "reached no package index",
        id="pip is offline",
    ),
    pytest.param("#9 2.0 npm error code ENOTFOUND", "reached no package index", id="npm is offline"),
    pytest.param(
        "#9 2.0 go: x@v1: dial tcp: lookup proxy.example on [::1]:53: no such host",
        "reached no package index",
        id="go is offline",
    ),
    pytest.param(
        "#9 2.0 tls: failed to verify certificate: x509: certificate signed by unknown authority",
        "a certificate that the build of s3 does not trust",
        id="a private authority of go's",
    ),
    pytest.param(
        "#9 2.0 SSLError(SSLCertVerificationError(1, 'certificate verify failed: self-signed certificate'))",
        "a certificate that the build of s3 does not trust",
        id="a private authority",
    ),
    pytest.param("#9 2.0 E: Unable to locate package x", "s3 could not be built", id="anything else"),
]


@pytest.mark.parametrize(("line", "expected"), TROUBLES)
def test_a_failed_build_is_told_by_its_cause(line: str, expected: str) -> None:
    transcript = Transcript("s3", lambda words: None)
    transcript.take("#9 [2/5] RUN x")
    transcript.take(line)
    assert expected in transcript.trouble().what


def test_the_last_words_of_a_failure_carry_no_password() -> None:
    transcript = Transcript("s3", lambda words: None)
    transcript.take(f"#9 2.0 Looking in indexes: {SECRET}")
    transcript.take("#9 2.1 ERROR: no such package")
    transcript.take("------")
    transcript.take(" > [2/5] RUN x:")
    error = transcript.trouble()
    assert error.details == (
        "Looking in indexes: https://***@mirror.example/simple",
        "ERROR: no such package",
    )


def test_the_builds_context_is_the_checkout() -> None:
    assert Path(building.command(ENGINE, BUILD, sources(), {})[-1]) == pins.CHECKOUT
