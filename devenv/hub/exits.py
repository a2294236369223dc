"""Foreseen trouble of the hub, with the exit code it ends in."""

from __future__ import annotations

WRONG_USE = 2
UNHEALTHY = 4
MISSING = 5
CONFLICT = 6


class StartError(Exception):
    """One line for the operator, and an exit code: 2 invalid file, 4 unhealthy, 5 missing, 6 a conflict."""

    def __init__(self, exit_code: int, line: str) -> None:
        super().__init__(line)
        self.exit_code = exit_code
