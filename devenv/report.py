"""The only door to printing: progress and messages on standard error, results on standard output.

Rich is imported only when something is drawn on a terminal, because its import takes longer than most
of what is printed.
"""

from __future__ import annotations

import errno
import os
import re
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TextIO

from devenv.errors import DevenvError, UsageError

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.live import Live

State = Literal["waiting", "starting", "ready", "stopping", "stopped", "failed", "skipped"]
# of a service or another row: its state, and a detail
Progress = Callable[[str, State, str], None]

_BUSY = frozenset(("starting", "stopping"))
_STYLES: Mapping[State, str] = {
    "ready": "green",
    "failed": "bold red",
    "starting": "cyan",
    "stopping": "cyan",
}
_MARKS: Mapping[State, str] = {"ready": "+", "failed": "x", "skipped": "-"}
_SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_ASCII_SPINNER = "|/-\\"
_STATE_WIDTH = 8
_ESCAPE_SEQUENCE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?)")


@dataclass
class _Row:
    """One service in the progress: when it began to move, and when it came to rest."""

    state: State = "waiting"
    detail: str = ""
    began: float | None = None
    ended: float | None = None


def make(
    *,
    json: bool = False,
    verbose: bool = False,
    environ: Mapping[str, str] | None = None,
    out: TextIO | None = None,
    err: TextIO | None = None,
    answers: TextIO | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Reporter:
    """The reporter of one command.

    With ``json`` nothing is drawn and nothing but :meth:`Reporter.data` should go to ``out``. ``environ``
    (for TERM and NO_COLOR) and the streams are those of the process when they are not given.
    """
    if environ is None:
        from devenv.project import environment

        environ = environment()
    return Reporter(
        out=_Screen(out or sys.stdout, environ, plain=json),
        err=_Screen(err or sys.stderr, environ, plain=json),
        answers=answers or sys.stdin,
        verbose=verbose,
        clock=clock,
    )


class Reporter:
    """Prints for one command. Every method may be called from any thread."""

    def __init__(
        self, *, out: _Screen, err: _Screen, answers: TextIO, verbose: bool, clock: Callable[[], float]
    ) -> None:
        self._out = out
        self._err = err
        self._answers = answers
        self._verbose = verbose
        self._clock = clock
        self._began = clock()
        self._lock = threading.RLock()
        self._rows: dict[str, _Row] = {}
        self._live: Live | None = None
        self._in_progress = False

    @contextmanager
    def progress(self, services: Iterable[str], *, title: str) -> Iterator[None]:
        """Show these services until the block ends, however it ends.

        On a terminal that is a table in place, otherwise one line for each change. A progress inside
        another one adds its services to the outer one.
        """
        with self._lock:
            outermost = not self._in_progress
            if outermost:
                self._rows, self._began, self._in_progress = {}, self._clock(), True
            for service in services:
                self._rows.setdefault(service, _Row())
        if not outermost:
            yield
            return
        try:
            if self._err.is_drawable:
                with self._drawn(title):
                    yield
            else:
                yield
        finally:
            self._in_progress = False

    def step(self, service: str, state: State, detail: str = "") -> None:
        """A service has come to a state; saying the same twice prints it once."""
        now = self._clock()
        with self._lock:
            row = self._rows.setdefault(service, _Row())
            repeated = (row.state, row.detail) == (state, detail) and row.began is not None
            if row.began is None or (state in _BUSY and row.ended is not None):
                row.began = now
            row.state, row.detail = state, detail
            row.ended = None if state in _BUSY or state == "waiting" else now
            if self._live is None and not repeated:
                width = max(map(len, self._rows))
                line = f"[{now - self._began:5.1f}s] {service:<{width}}  {state:<{_STATE_WIDTH}}  {detail}"
                self._err.write(line)

    def note(self, text: str) -> None:
        """One line that is worth knowing."""
        self._say(text)

    def warn(self, text: str) -> None:
        """One line about something that is not as it should be, and does not stop the command."""
        self._say(text, label="warning:", style="33")

    def ask(self, question: str) -> str | None:
        """What somebody types as the answer; None where nobody is at a terminal to be asked.

        Not for use within a progress.
        """
        if self._answers is None or self._answers.closed or not self._answers.isatty():
            return None
        with self._lock:
            self._err.write_text(f"{self._err.clean(question)} ")
        return self._answers.readline().strip()

    def confirm(self, question: str, name: str) -> bool:
        """Whether somebody types the name of what is to go. Raises UsageError where nobody can be asked."""
        typed = self.ask(f"{question} Type {name} to go on:")
        if typed is None:
            raise UsageError(
                f"{question} There is nobody at a terminal to be asked", hint="Say --yes when it is meant"
            )
        return typed == name

    def command(self, text: str) -> None:
        """A command that is about to run, ready to be pasted; shown with ``--verbose`` only.

        Secrets must be masked by the caller.
        """
        if self._verbose:
            self._say(text, label="+", style="2")

    def error(self, trouble: DevenvError) -> None:
        """What happened and what to do next in one line, the details indented below."""
        self._say(str(trouble), label="error:", style="1;31")
        for detail in trouble.details:
            for line in detail.splitlines() or [""]:
                self._say(f"    {line}")

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        """A result for people. None is shown as an empty cell."""
        cells = [["" if cell is None else self._out.clean(str(cell)) for cell in row] for row in rows]
        with self._lock:
            if self._out.is_drawable:
                self._out.console().print(_rich_table(columns, cells))
                return
            for line in _aligned([list(columns), *cells]):
                self._out.write(line)

    def data(self, value: Any) -> None:
        """A result for machines: JSON in the order given. Raises TypeError for what JSON cannot say."""
        from json import dumps

        text = dumps(value, indent=2, ensure_ascii=False)
        if not self._out.can_show(text):
            text = dumps(value, indent=2)
        with self._lock:
            self._out.write_text(text + "\n")

    def result(self, text: str) -> None:
        """Text for standard output as it is: lines of ``KEY=value``, a path, an address."""
        with self._lock:
            self._out.write_text(text if text.endswith("\n") else text + "\n")

    def _say(self, text: str, *, label: str = "", style: str = "") -> None:
        live = self._live
        if live is not None:
            # Not under the lock: the table's own thread takes Rich's lock first and then this one.
            live.console.print(_rich_line(self._err.clean(text), label, style), soft_wrap=True)
            return
        with self._lock:
            self._err.write(text, label=label, style=style)

    @contextmanager
    def _drawn(self, title: str) -> Iterator[None]:
        from rich.live import Live

        console = self._err.console()
        live = Live(
            console=console,
            get_renderable=lambda: self._rendered(title, console),
            refresh_per_second=8,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        try:
            with live:
                self._live = live
                yield
        finally:
            self._live = None

    def _rendered(self, title: str, console: Console) -> RenderableType:
        from rich.console import Group
        from rich.constrain import Constrain
        from rich.text import Text

        now = self._clock()
        frames = _SPINNER if self._err.is_unicode else _ASCII_SPINNER
        frame = frames[int(now * 10) % len(frames)]
        with self._lock:
            rows = {name: _Row(**vars(row)) for name, row in self._rows.items()}
            began = self._began
        width = max((len(text) for text in (*rows, title)), default=0)
        lines = [
            Text.assemble(
                "  ", (f"{title:<{width}}", "bold"), f"  {'':{_STATE_WIDTH}}  {_seconds(began, now)}"
            )
        ]
        for name, row in rows.items():
            style = _STYLES.get(row.state, "dim")
            mark = frame if row.state in _BUSY else _MARKS.get(row.state, " ")
            state = (f"{row.state:<{_STATE_WIDTH}}", style)
            tail = f"  {_seconds(row.began, row.ended or now)}  {self._err.clean(row.detail)}"
            lines.append(Text.assemble((mark, style), f" {name:<{width}}  ", state, tail))
        for line in lines:
            line.no_wrap, line.overflow = True, "ellipsis" if self._err.is_unicode else "crop"
        # Room for the ^C that a terminal echoes: on a full last line it would scroll the table.
        return Constrain(Group(*lines), max(1, console.width - 4))


class _Screen:
    """A stream and what it can show."""

    def __init__(self, stream: TextIO, environ: Mapping[str, str], *, plain: bool) -> None:
        self._stream = stream
        self._encoding = (getattr(stream, "encoding", None) or "utf-8").lower()
        terminal = not stream.closed and stream.isatty()
        self.is_drawable = terminal and not plain and environ.get("TERM", "") not in ("", "dumb", "unknown")
        self._is_coloured = self.is_drawable and not environ.get("NO_COLOR")
        self.is_unicode = self._encoding.replace("-", "").startswith("utf")

    def can_show(self, text: str) -> bool:
        """Whether the stream's encoding has all characters of the text."""
        try:
            text.encode(self._encoding)
        except UnicodeEncodeError:
            return False
        return True

    def clean(self, text: str) -> str:
        """The text on one line, without terminal control, in characters that the stream can write."""
        text = " ".join(_ESCAPE_SEQUENCE.sub("", text).expandtabs(4).splitlines())
        text = "".join(char if char.isprintable() or char == "\xa0" else ascii(char)[1:-1] for char in text)
        return text.encode(self._encoding, "backslashreplace").decode(self._encoding)

    def write(self, text: str, *, label: str = "", style: str = "") -> None:
        """Write one line."""
        if label:
            label = f"\x1b[{style}m{label}\x1b[0m " if self._is_coloured else f"{label} "
        self.write_text(f"{label}{self.clean(text)}".rstrip() + "\n")

    def write_text(self, text: str) -> None:
        """Write as it is. A reader or a terminal that has gone away is not an error."""
        if not self.can_show(text):
            text = text.encode(self._encoding, "backslashreplace").decode(self._encoding)
        try:
            self._stream.write(text)
            self._stream.flush()
        except OSError as trouble:
            if trouble.errno not in (errno.EPIPE, errno.EIO):
                raise
            self._discard_the_rest()

    def console(self) -> Console:
        """A Rich console on this stream."""
        from rich.console import Console

        class VisibleCursor(Console):
            """Leaves the cursor alone, so that a killed command does not leave a terminal without one."""

            def show_cursor(self, show: bool = True) -> bool:  # noqa: ARG002
                return False

        return VisibleCursor(
            file=self._stream,
            force_terminal=True,
            no_color=not self._is_coloured,
            highlight=False,
            legacy_windows=False,
        )

    def _discard_the_rest(self) -> None:
        # Python flushes at exit too, and would complain then.
        with suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)


def _seconds(began: float | None, now: float) -> str:
    return f"{'':6}" if began is None else f"{now - began:5.1f}s"


def _aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()


def _rich_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> RenderableType:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(Text(column), overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    return table


def _rich_line(text: str, label: str, style: str) -> RenderableType:
    from rich.text import Text

    return Text.from_ansi(f"\x1b[{style}m{label}\x1b[0m ").append(text) if label else Text(text)
