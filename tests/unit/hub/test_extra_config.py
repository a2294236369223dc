"""hub.extraConfig: shared scope, order, and errors that name entry, line and file."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import pytest

from devenv.hub import extra_config
from devenv.hub.exits import WRONG_USE, StartError
from devenv.hub.settings import ExtraConfig


def entry(code: str, name: str = "10-mine", file: str = "jupyter/values.yaml", line: int = 40) -> ExtraConfig:
    return ExtraConfig(name, code, file, line)


def test_entries_run_in_order_and_share_what_they_define() -> None:
    c = SimpleNamespace()
    scope: dict[str, Any] = {"c": c}
    extra_config.run([entry("def f():\n    return 6 * 7"), entry("c.answer = f()", "20-then")], scope)
    assert c.answer == 42


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("a = 1\n\nb = missing", "line 3 (jupyter/values.yaml line 42): NameError: name 'missing' is"),
        ("if True\n  a", "line 1 (jupyter/values.yaml line 40): SyntaxError: expected ':'"),
        ("def f():\n  return {}['k']\n\nf()", "line 2 (jupyter/values.yaml line 41): KeyError: 'k'"),
        ("import json\njson.loads('x')", "line 2 (jupyter/values.yaml line 41): JSONDecodeError: "),
        ("exec('x y')", "line 1 (jupyter/values.yaml line 40): SyntaxError: invalid syntax"),
        ("raise ValueError('one\\ntwo')", "line 1 (jupyter/values.yaml line 40): ValueError: one two"),
        ("assert False", "line 1 (jupyter/values.yaml line 40): AssertionError"),
        ("raise SystemExit(3)", "line 1 (jupyter/values.yaml line 40): SystemExit: exit(3) was called"),
        ("\0", f"{'SyntaxError' if sys.version_info >= (3, 11, 4) else 'ValueError'}: source code"),
    ],
    ids=[
        "name",
        "syntax",
        "inside a function",
        "inside a library",
        "nested",
        "lines",
        "assert",
        "exit",
        "null",
    ],
)
def test_an_error_names_entry_line_and_file(code: str, told: str) -> None:
    with pytest.raises(StartError) as refused:
        extra_config.run([entry(code)], {})
    assert str(refused.value).startswith("hub.extraConfig.10-mine")
    assert told in str(refused.value)
    assert refused.value.exit_code == WRONG_USE
    assert "\n" not in str(refused.value)


def test_without_a_file_the_entry_and_its_line_are_named() -> None:
    with pytest.raises(StartError, match=r"^hub\.extraConfig\.10-mine line 1: ZeroDivisionError"):
        extra_config.run([entry("1 / 0", file="")], {})


def test_what_comes_after_an_error_does_not_run() -> None:
    scope: dict[str, Any] = {}
    with pytest.raises(StartError):
        extra_config.run([entry("1 / 0"), entry("after = True")], scope)
    assert "after" not in scope
