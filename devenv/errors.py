"""Foreseen trouble, each kind with its exit code.

A :class:`DevenvError` is printed as one line: what happened, where, and what to do next.
Anything else that escapes is a bug and keeps its traceback.
"""

from __future__ import annotations


class DevenvError(Exception):
    """Trouble that was foreseen.

    ``what`` is one clause without a full stop; ``hint`` says what to do next; ``details`` are
    further lines (a log's tail, a list of problems) that are printed indented below.
    """

    exit_code = 1
    kind = "error"

    def __init__(self, what: str, *, hint: str = "", details: tuple[str, ...] = ()) -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint
        self.details = details

    def __str__(self) -> str:
        return f"{self.what}. {self.hint}" if self.hint else self.what


class UsageError(DevenvError):
    """Wrong use of a command, or a file that is not valid."""

    exit_code = 2
    kind = "usage"


class NotRunningError(DevenvError):
    """The command needs something that is not running."""

    exit_code = 3
    kind = "not-running"


class UnhealthyError(DevenvError):
    """Something that should work was started and does not."""

    exit_code = 4
    kind = "unhealthy"


class MissingError(DevenvError):
    """Something required is not there: a program, disk space, a permission."""

    exit_code = 5
    kind = "missing"


class ConflictError(DevenvError):
    """A port, a folder or a process belongs to somebody else."""

    exit_code = 6
    kind = "conflict"


_BY_EXIT_CODE = {kind.exit_code: kind for kind in (UsageError, MissingError, ConflictError)}


def told_by(line: str, exit_code: int | None) -> DevenvError | None:
    """The trouble that a program of ours ended with: its ``error:`` line, and its exit code as the kind."""
    label, _, text = line.partition("error: ")
    if label or not text:
        return None
    return _BY_EXIT_CODE.get(exit_code or 0, UnhealthyError)(text)


class InterruptedByUser(DevenvError):  # noqa: N818 - a wish, not an error
    """Ctrl-C, after an orderly stop."""

    exit_code = 130
    kind = "interrupted"
