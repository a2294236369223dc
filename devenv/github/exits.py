"""Foreseen trouble of the server, with the exit code it ends in."""

from __future__ import annotations

WRONG_USE = 2
CONFLICT = 6


class StartError(Exception):
    """One line for the operator, and an exit code: 2 wrong use or an invalid file, 6 a conflict."""

    def __init__(self, exit_code: int, line: str) -> None:
        super().__init__(line)
        self.exit_code = exit_code
