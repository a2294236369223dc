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
    assert [line.split(":")[0] for line in said] == ["lint", "format", "types", "tests"]


def test_lint_mends_only_when_asked() -> None:
    assert not any("--fix" in check.arguments for check in checks.lint())
    assert "--check" in checks.lint()[1].arguments
    assert "--check" not in checks.lint(fix=True)[1].arguments
