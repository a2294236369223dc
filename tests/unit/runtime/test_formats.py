"""The variables of the contract arrive in other programs as they are, whatever characters they have."""

from __future__ import annotations

import json
import subprocess

import pytest

from devenv import formats
from devenv.errors import UsageError

VALUES = {
    "PLAIN": "us-east-1",
    "URL": "postgresql://u:p%40ss@127.0.0.1:5434/explore",
    "EMPTY": "",
    "SPACES": "  two words ",
    "QUOTES": """it's "quoted" `now`""",
    "DOLLAR": "$HOME ${HOME} $(id) \\n",
    "UNICODE": "Ümläut 新",
    "HASH": "a # b",
}


def test_json_is_one_flat_object_in_order() -> None:
    text = formats.render(VALUES, "json")

    assert json.loads(text) == VALUES
    assert list(json.loads(text)) == list(VALUES)
    assert "Ü" in text


@pytest.mark.parametrize("name", VALUES)
def test_a_shell_gets_the_very_value(name: str) -> None:
    script = formats.render(VALUES, "shell") + f'printf %s "${name}"'

    said = subprocess.run(["sh", "-c", script], capture_output=True, check=True, env={"HOME": "/wrong"})

    assert said.stdout.decode() == VALUES[name]


def test_the_shell_form_exports() -> None:
    assert formats.render({"A": "1"}, "shell") == "export A=1\n"


@pytest.mark.parametrize(
    ("value", "line"),
    [
        pytest.param("us-east-1", "A=us-east-1", id="plain"),
        pytest.param("", "A=", id="empty"),
        pytest.param("$HOME", "A='$HOME'", id="not to be replaced"),
        pytest.param("a # b", "A='a # b'", id="no comment"),
        pytest.param("it's", r"A='it\'s'", id="a quote"),
    ],
)
def test_an_env_file_keeps_special_characters_in_quotes(value: str, line: str) -> None:
    assert formats.render({"A": value}, "dotenv") == f"{line}\n"


def test_another_format_is_wrong_use() -> None:
    with pytest.raises(UsageError, match="there is no format 'xml'"):
        formats.render(VALUES, "xml")
