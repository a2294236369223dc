"""The trouble that a program of ours tells by its last line and its exit code."""

from __future__ import annotations

import pytest

from devenv import errors


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (2, errors.UsageError),
        (4, errors.UnhealthyError),
        (5, errors.MissingError),
        (6, errors.ConflictError),
        (None, errors.UnhealthyError),
    ],
)
def test_the_exit_code_says_which_kind_of_trouble_it_was(code: int | None, kind: type) -> None:
    told = errors.told_by("error: hub.extraConfig.a line 3: NameError", code)

    assert type(told) is kind
    assert str(told) == "hub.extraConfig.a line 3: NameError"


@pytest.mark.parametrize("line", ["", "error:", "[E] error: in a log", "an error: said"])
def test_a_line_of_a_log_is_no_trouble_told(line: str) -> None:
    assert errors.told_by(line, 2) is None
