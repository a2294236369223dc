"""hub.extraConfig: each entry's code in order, with ``c`` and the names that the chart has in scope."""

from __future__ import annotations

import traceback
from collections.abc import Iterable
from types import CodeType
from typing import Any

from .exits import WRONG_USE, StartError
from .settings import ExtraConfig


def run(entries: Iterable[ExtraConfig], scope: dict[str, Any]) -> None:
    """Run each entry in ``scope``, which they share: what one defines the next may use.

    Raises :class:`StartError` (exit code 2) that names entry, line and file; what was raised is its cause.
    """
    for entry in entries:
        try:
            exec(_compiled(entry), scope)  # noqa: S102 - the hub's own configuration, as in the chart
        except SyntaxError as error:
            own = error.filename == _filename(entry)
            line = error.lineno if own and error.lineno else _line_of(error, entry)
            raise StartError(WRONG_USE, _told(entry, line, error.msg, error)) from error
        except Exception as error:
            raise StartError(WRONG_USE, _told(entry, _line_of(error, entry), str(error), error)) from error
        except SystemExit as error:
            line = _line_of(error, entry)
            raise StartError(
                WRONG_USE, _told(entry, line, f"exit({error.code!r}) was called", error)
            ) from error


def _compiled(entry: ExtraConfig) -> CodeType:
    return compile(entry.code, _filename(entry), "exec")


def _filename(entry: ExtraConfig) -> str:
    """What a traceback shows; there is no such file, so no line is quoted from a wrong one."""
    return f"<hub.extraConfig.{entry.name}>"


def _line_of(error: BaseException, entry: ExtraConfig) -> int | None:
    """The line of the entry that the error came from: its innermost frame there."""
    frames = traceback.extract_tb(error.__traceback__)
    return next((each.lineno for each in reversed(frames) if each.filename == _filename(entry)), None)


def _told(entry: ExtraConfig, line: int | None, message: str, error: BaseException) -> str:
    place = f"hub.extraConfig.{entry.name}" + (f" line {line}" if line else "")
    if entry.file:
        place += f" ({entry.file}" + (f" line {entry.line + line - 1}" if line else "") + ")"
    told = " ".join(message.split())
    return f"{place}: {type(error).__name__}" + (f": {told}" if told else "")
