"""A node for the proxy: the machine's when it will do, PyPI's otherwise; and what npm is told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from devenv import commands, environments, node
from devenv.errors import MissingError


def add_program(folder: Path, name: str, script: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / name
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return program


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "path"


@pytest.fixture
def environ(path: Path) -> dict[str, str]:
    return {"PATH": str(path)}


@pytest.mark.parametrize(
    ("script", "with_npm", "will_do"),
    [
        pytest.param("echo v20.20.2", True, True, id="the oldest that will do"),
        pytest.param("echo v26.1.0", True, True, id="newer"),
        pytest.param("echo v18.20.4", True, False, id="too old"),
        pytest.param("echo v20.20.2", False, False, id="without npm"),
        pytest.param("echo 'no version is set' >&2; exit 126", True, False, id="a shim that starts nothing"),
    ],
)
def test_the_machines_node_is_taken_when_it_will_do(
    path: Path, environ: dict[str, str], script: str, with_npm: bool, will_do: bool
) -> None:
    program = add_program(path, "node", script)
    if with_npm:
        add_program(path, "npm", "exit 1")
    found = node.of_machine(environ)
    assert found == (node.Node(program, (path / "npm",)) if will_do else None)
    assert environments.required_by_proxy(environ) == (("proxy",) if will_do else ("node", "proxy"))


def test_a_program_that_cannot_be_started_is_no_node(path: Path, environ: dict[str, str]) -> None:
    add_program(path, "npm", "exit 1")
    add_program(path, "node", "").write_text("#!/nonexistent/interpreter\n")
    assert node.of_machine(environ) is None


def test_the_proxy_runs_by_the_machines_node(path: Path, environ: dict[str, str], tmp_path: Path) -> None:
    add_program(path, "npm", "exit 1")
    program = add_program(path, "node", "echo v22.1.0")
    script = environments.locate("proxy", tmp_path).home / node.PROXY
    assert environments.proxy_argv(tmp_path, environ) == (str(program), str(script))


def test_the_proxy_runs_by_the_wheels_node_where_there_is_none(
    environ: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(MissingError, match="install nodejs and npm"):
        environments.proxy_argv(tmp_path, environ)
    monkeypatch.setattr(environments, "is_current", lambda _: True)
    found = environments.find_node(tmp_path, environ)
    assert found.program == environments.locate("node", tmp_path).program
    assert found.npm[0] == found.program
    assert found.npm[1].parts[-5:] == ("lib", "node_modules", "npm", "bin", "npm-cli.js")


class FakeNpm:
    """Stands in for npm: notes how it is called, and leaves what it would."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.ran: list[list[str]] = []
        self.says = ""

    def stream(self, argv: commands.Argv, on_line: Callable[[str], None], **kept: Any) -> int:
        assert kept["cwd"] == self.home
        self.ran.append([str(word) for word in argv][5:])  # what comes before holds the lock
        if self.says:
            on_line(self.says)
            return 1
        add_program((self.home / node.PROXY).parent, node.PROXY.name, "")
        return 0


@pytest.fixture
def npm(path: Path, environ: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeNpm:
    add_program(path, "node", "echo v20.20.2")
    add_program(path, "npm", "")
    fake = FakeNpm(environments.locate("proxy", tmp_path).home)
    monkeypatch.setattr(commands, "stream", fake.stream)
    return fake


def test_npm_installs_what_the_lock_says_runs_no_scripts_and_is_asked_once(
    npm: FakeNpm, path: Path, environ: dict[str, str], tmp_path: Path
) -> None:
    proxy = environments.locate("proxy", tmp_path)
    lines: list[str] = []
    assert environments.ensure(proxy, lines.append, environ) == proxy.program
    assert environments.ensure(proxy, lines.append, environ) == proxy.program
    (words,) = npm.ran
    assert words[:2] == [str(path / "npm"), "ci"]
    assert "--ignore-scripts" in words
    assert (proxy.home / "package-lock.json").read_bytes() == proxy.lock.read_bytes()
    assert any(line.startswith("installing") for line in lines)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("npm error code ENOTFOUND", "No connection to the npm registry; .*`npm config list`"),
        ("npm error code EAI_AGAIN", "No connection to the npm registry"),
        (
            "npm error FetchError: reason: connect ECONNREFUSED 127.0.0.1:9",
            "No connection to the npm registry",
        ),
        ("npm error code ENOSPC", "is full"),
        ("npm error code EINTEGRITY at http://me:s3cret@h/x", "could not be installed"),
    ],
)
def test_a_failure_of_npm_is_told_in_one_line_with_its_cause(
    npm: FakeNpm, environ: dict[str, str], tmp_path: Path, said: str, told: str
) -> None:
    npm.says = said
    proxy = environments.locate("proxy", tmp_path)
    with pytest.raises(MissingError, match=told) as raised:
        environments.ensure(proxy, lambda line: None, environ)
    assert "\n" not in str(raised.value)
    assert "s3cret" not in proxy.log.read_text() + "".join(raised.value.details)
    assert not environments.is_current(proxy)
