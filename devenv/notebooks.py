"""Executing a notebook in the notebook environment: what is started, and what its lines mean.

``jupyter/execute_notebook.py`` does the work, in the other environment; its docstring is the protocol
that :class:`Transcript` reads.
"""

from __future__ import annotations

import json
import os
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from devenv import commands
from devenv.errors import UnhealthyError, UsageError

_SCRIPT = Path(__file__).resolve().parent.parent / "jupyter" / "execute_notebook.py"

_SECRET_WORDS = ("SECRET", "PASSWORD", "TOKEN")
_SHOWN_LINES = 25


@dataclass(frozen=True)
class CellRan:
    """Cell ``number`` of ``of`` has run without an error; numbers are Lab's execution counters."""

    number: int
    of: int
    seconds: float


@dataclass(frozen=True)
class Executed:
    """A notebook whose cells have all run; ``output`` is where the notebook with its outputs lies."""

    file: Path
    cells: int
    seconds: float
    output: Path | None


def run(
    file: Path,
    *,
    python: Path,
    env: Mapping[str, str],
    output: Path | None,
    timeout: float | None,
    on_cell: Callable[[CellRan], None],
) -> Executed:
    """Execute ``file`` with the notebook environment's ``python`` and the whole environment ``env``.

    ``timeout`` is for the notebook as a whole, in seconds. ``on_cell`` is told of each cell that has run.
    ``file`` is never changed; ``output`` is written whole or not at all, after a failure too.

    Raises UsageError for a file that cannot be used, UnhealthyError with the failing cell as its details.
    """
    check(file, output)
    transcript = Transcript(file, env, on_cell)
    code = commands.stream(argv(python, file, output, timeout), transcript.take, env=env)
    return transcript.conclude(code, output)


def check(file: Path, output: Path | None) -> None:
    """Raises UsageError when ``file`` is no notebook's file, or ``output`` no place for its result."""
    if not file.is_file():
        raise UsageError(f"there is no notebook {file}", hint="Name an .ipynb file")
    if file.suffix != ".ipynb":
        raise UsageError(f"{file} is not a notebook", hint="Name an .ipynb file")
    if output is None:
        return
    if output.exists() and output.samefile(file):
        raise UsageError(f"the output would replace the notebook {file} itself", hint="Name another file")
    if output.is_dir():
        raise UsageError(f"{output} is a folder", hint="Name a file for the output")
    if not output.absolute().parent.is_dir():
        raise UsageError(f"there is no folder {output.parent}", hint="Make it, or name another file")


def argv(python: Path, file: Path, output: Path | None, timeout: float | None) -> tuple[str, ...]:
    """The words of the command; none of them is a secret."""
    words = [str(python), str(_SCRIPT), str(file.absolute()), "--parent", str(os.getpid())]
    if output is not None:
        words += ["--output", str(output.absolute())]
    if timeout is not None:
        words += ["--timeout", f"{timeout:g}"]
    return tuple(words)


class Transcript:
    """What the lines of one execution add up to. Secrets of ``env`` are masked in whatever it raises."""

    def __init__(self, file: Path, env: Mapping[str, str], on_cell: Callable[[CellRan], None]) -> None:
        self._file = file
        self._secrets = tuple(
            value for name, value in env.items() if value and any(word in name for word in _SECRET_WORDS)
        )
        self._on_cell = on_cell
        self._ran: list[CellRan] = []
        self._failed: dict[str, Any] | None = None
        self._invalid = ""
        self._stray: deque[str] = deque(maxlen=_SHOWN_LINES)

    def take(self, line: str) -> None:
        """Read one line; what is not of the protocol is kept as possible last words."""
        fact = _fact(line)
        match fact:
            case {"cell": int(number), "of": int(of), "seconds": int() | float() as seconds}:
                self._ran.append(CellRan(number, of, seconds))
                self._on_cell(self._ran[-1])
            case {"failed": {"cell": int(), "of": int(), "ename": str(), "evalue": str()} as failed}:
                self._failed = failed
            case {"invalid": str(reason)}:
                self._invalid = reason
            case _:
                self._stray.append(line)

    def conclude(self, code: int, output: Path | None) -> Executed:
        """The outcome, once the program has ended with ``code``. Raises as :func:`run` says."""
        if self._invalid:
            raise UsageError(self._masked(self._invalid))
        if self._failed is not None:
            raise self._failure(self._failed, output)
        if code != 0:
            raise UnhealthyError(
                f"{self._file.name} was not executed to its end (code {code})",
                hint="Its last words are below" if self._stray else "It left no word; was it killed?",
                details=tuple(self._masked(line) for line in self._stray),
            )
        return Executed(self._file, len(self._ran), round(sum(cell.seconds for cell in self._ran), 3), output)

    def _failure(self, failed: dict[str, Any], output: Path | None) -> UnhealthyError:
        place = f"cell [{failed['cell']}] of {failed['of']}" if failed["cell"] else "its kernel"
        source = [f"    {line}" for line in str(failed.get("source", "")).splitlines()]
        words = [str(line) for line in failed.get("traceback", [])]
        return UnhealthyError(
            self._masked(f"{self._file.name} failed in {place}: {failed['ename']}: {failed['evalue']}"),
            hint=f"The notebook with the outputs up to there is {output}" if output else "",
            details=tuple(self._masked(line) for line in _middle_left_out(source) + _middle_left_out(words)),
        )

    def _masked(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "********")
        return text


def _fact(line: str) -> object:
    try:
        return json.loads(line)
    except ValueError:
        return None


def _middle_left_out(lines: list[str]) -> list[str]:
    if len(lines) <= _SHOWN_LINES:
        return lines
    half = _SHOWN_LINES // 2
    return [*lines[:half], f"    ({len(lines) - 2 * half} lines left out)", *lines[-half:]]
