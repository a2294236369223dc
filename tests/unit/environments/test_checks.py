"""Which checks ./dev test and ./dev lint run, and that every one of them is heard."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from devenv import checks, commands
from devenv.errors import UnhealthyError


def names(chosen: tuple[checks.Check, ...]) -> list[str]:
    return [check.name for check in chosen]


def test_test_without_a_choice_runs_everything() -> None:
    assert names(checks.test()) == ["lint", "format", "types", "tests"]
    assert checks.test()[-1].arguments == checks.BESIDE


@pytest.mark.parametrize(
    ("choice", "arguments"),
    [
        ({"expression": "kill and not slow"}, ("-k", "kill and not slow")),
        ({"unit": True}, ("tests/unit",)),
        ({"paths": ["tests/contract"], "expression": "x"}, ("tests/contract", "-k", "x")),
    ],
)
def test_a_part_of_the_tests_is_pytest_alone(choice: dict[str, Any], arguments: tuple[str, ...]) -> None:
    (only,) = checks.test(**choice)
    assert only.arguments == arguments


def test_all_checks_run_and_the_failed_ones_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def stream(argv: commands.Argv, on_line: Callable[[str], None], **_: Any) -> int:
        return 1 if argv[2] in {"mypy", "pytest"} else 0

    monkeypatch.setattr(commands, "stream", stream)
    said: list[str] = []
    with pytest.raises(UnhealthyError, match="types and tests failed"):
        checks.run(checks.test(), said.append)
    told = [line.split(":")[0] for line in said]
    assert sorted(told) == ["format", "lint", "tests", "types"]
    assert [name for name in told if name != "tests"] == ["lint", "format", "types"]


def test_what_a_static_check_says_is_not_mixed_with_what_the_tests_say(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def stream(argv: commands.Argv, on_line: Callable[[str], None], **_: Any) -> int:
        for number in range(3):
            on_line(f"{argv[2]} {number}")
        return 0

    monkeypatch.setattr(commands, "stream", stream)
    said: list[str] = []
    checks.run(checks.test(), said.append)
    (types,) = [text for text in said if "mypy" in text]
    assert [line.split(":")[0] for line in types.splitlines()] == ["mypy 0", "mypy 1", "mypy 2", "types"]
    assert [text for text in said if "pytest" in text] == ["pytest 0", "pytest 1", "pytest 2"]


def test_lint_mends_only_when_asked() -> None:
    assert not any("--fix" in check.arguments for check in checks.lint())
    assert "--check" in checks.lint()[1].arguments
    assert "--check" not in checks.lint(fix=True)[1].arguments
