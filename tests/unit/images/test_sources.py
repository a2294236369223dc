"""How the host reaches packages, from the words of its own clients."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from devenv import commands
from devenv.commands import Completed
from devenv.errors import MissingError, UsageError
from devenv.images import sources

INDEX = "https://me:secret@mirror.example/simple"


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., dict[str, str]]:
    """An environment in which apt, pip and npm say what the test wants; "" means there is no such program."""

    def made(
        *, targets: str = "", conf: str = "", pip: str = "", npmrc: str = "", go: str = "", **environ: str
    ) -> dict[str, str]:
        programs = {"apt-get": targets, "apt-config": conf, "pip3": pip, "go": go}

        def which(name: str, path: str | None = None) -> str | None:
            return name if programs.get(name) else None

        def run(argv: Any, **_: Any) -> Completed:
            return Completed(tuple(argv), 0, programs[str(argv[0])], "")

        monkeypatch.setattr(sources.shutil, "which", which)
        monkeypatch.setattr(commands, "run", run)
        (tmp_path / ".npmrc").write_text(npmrc)
        return {"HOME": str(tmp_path), "PATH": "/bin", **environ}

    return made


def test_debians_mirror_and_its_security_archive_are_handed_on(host: Callable[..., dict[str, str]]) -> None:
    environ = host(
        targets="Debian\thttp://mirror.example/debian/\nDebian\thttp://other.example/debian/\n"
        "Debian-Security\thttp://mirror.example/security/\n"
    )
    assert sources.apt_sources(environ, "trixie").splitlines() == [
        f"deb [signed-by={sources.KEYRING}] http://mirror.example/debian trixie main",
        f"deb [signed-by={sources.KEYRING}] http://mirror.example/security trixie-security main",
    ]


def test_a_named_mirror_wins_over_apts_own(host: Callable[..., dict[str, str]]) -> None:
    environ = host(targets="Debian\thttp://a.example/\n", HABARI_DEBIAN_MIRROR="http://b.example/debian")
    assert "http://b.example/debian trixie main" in sources.apt_sources(environ, "trixie")


def test_a_machine_that_is_no_debian_is_told_so(host: Callable[..., dict[str, str]]) -> None:
    with pytest.raises(MissingError, match="HABARI_DEBIAN_MIRROR"):
        sources.require_mirror(host(), "trixie")


def test_pips_own_settings_reach_the_build(host: Callable[..., dict[str, str]]) -> None:
    environ = host(pip=f"global.index-url='{INDEX}'\nglobal.find-links='/opt/wheels'\n:env:.timeout='180'\n")
    given = sources.of_host(environ, "trixie")
    assert given.secrets["pip"].decode().splitlines() == ["[global]", f"index-url = {INDEX}", "timeout = 180"]
    assert INDEX not in repr(given)


def test_apts_proxy_reaches_the_build_and_nothing_else_of_it(host: Callable[..., dict[str, str]]) -> None:
    environ = host(conf='Acquire::http::Proxy "http://p:1";\nDir::Etc "etc/apt";\nDPkg::Post-Invoke "rm";\n')
    assert sources.of_host(environ, "trixie").secrets["apt_conf"] == b'Acquire::http::Proxy "http://p:1";\n'


def test_npms_file_and_variables_are_joined(host: Callable[..., dict[str, str]]) -> None:
    environ = host(
        npmrc="//r.example/:_authToken=x\ncafile=/not/there\n", npm_config_registry="https://r.example/"
    )
    npm = sources.of_host(environ, "trixie").secrets["npm"].decode()
    assert npm == "//r.example/:_authToken=x\nregistry=https://r.example/\n"


def test_gos_own_settings_reach_the_build_as_lines_of_sh(host: Callable[..., dict[str, str]]) -> None:
    proxy = "https://me:se'cret@mirror.example/go,direct"
    environ = host(go=json.dumps({"GOPROXY": proxy, "GOSUMDB": "off", "GOPRIVATE": ""}), GOPROXY="not asked")
    given = sources.of_host(environ, "trixie")
    script = f'{given.secrets["go"].decode()}printf "%s|%s|%s" "$GOPROXY" "$GOSUMDB" "${{GOPRIVATE-unset}}"'
    assert subprocess.check_output(["sh", "-c", script], text=True) == f"{proxy}|off|unset"
    assert "cret" not in repr(given)


def test_without_a_go_its_variables_are_taken(host: Callable[..., dict[str, str]]) -> None:
    environ = host(GOPROXY="https://mirror.example/go", GOFLAGS="-mod=vendor")
    assert sources.of_host(environ, "trixie").secrets["go"] == b"GOPROXY=https://mirror.example/go\n"
    assert sources.of_host(host(), "trixie").secrets["go"] == b""


def test_a_private_authority_is_found_where_pip_finds_it(
    host: Callable[..., dict[str, str]], tmp_path: Path
) -> None:
    bundle = tmp_path / "ca.pem"
    bundle.write_bytes(b"certificates")
    assert sources.of_host(host(PIP_CERT=str(bundle)), "trixie").secrets["ca"] == b"certificates"
    assert sources.of_host(host(), "trixie").secrets["ca"] == b""


def test_a_bundle_that_is_too_large_for_a_secret_is_refused(
    host: Callable[..., dict[str, str]], tmp_path: Path
) -> None:
    bundle = tmp_path / "ca.pem"
    bundle.write_bytes(b"x" * (sources.MAX_SECRET_BYTES + 1))
    with pytest.raises(UsageError, match="HABARI_CA_BUNDLE"):
        sources.of_host(host(HABARI_CA_BUNDLE=str(bundle)), "trixie")


def test_a_bundle_that_is_not_there_is_told(host: Callable[..., dict[str, str]], tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="cannot be read"):
        sources.of_host(host(HABARI_CA_BUNDLE=str(tmp_path / "gone.pem")), "trixie")


def test_proxies_are_named_and_never_written(host: Callable[..., dict[str, str]]) -> None:
    given = sources.of_host(host(HTTPS_PROXY="http://me:secret@proxy.example:1"), "trixie")
    assert given.proxies == ("HTTPS_PROXY",)
    assert not any(b"secret" in text for text in given.secrets.values())
