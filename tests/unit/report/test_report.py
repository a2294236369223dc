"""What a command prints: to the letter where it is plain, and what a terminal gets where it is drawn."""

from __future__ import annotations

import io
import json
import os
import pty
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from devenv import report
from devenv.errors import UnhealthyError

ROOT = Path(__file__).parents[3]
TROUBLE = UnhealthyError("s3 does not answer", hint="./dev logs s3", details=("first\nsecond", "third"))


class Printed:
    """A reporter on streams that are no terminals, with a clock that the test moves."""

    def __init__(self, *, encoding: str = "utf-8", as_json: bool = False, verbose: bool = False) -> None:
        self.now = 100.0
        self._streams = [io.TextIOWrapper(io.BytesIO(), encoding=encoding, newline="") for _ in range(2)]
        out, err = self._streams
        self.reporter = report.make(
            json=as_json, verbose=verbose, environ={"TERM": "xterm"}, out=out, err=err, clock=lambda: self.now
        )

    @property
    def out(self) -> str:
        return self._text(0)

    @property
    def err(self) -> str:
        return self._text(1)

    def _text(self, number: int) -> str:
        stream = self._streams[number]
        content = stream.buffer.getvalue()  # type: ignore[attr-defined]
        return str(content.decode(stream.encoding))


def test_progress_without_a_terminal_is_one_line_for_each_change() -> None:
    printed = Printed()

    with printed.reporter.progress(["postgres", "s3"], title="up"):
        printed.reporter.step("postgres", "starting")
        printed.now += 1.24
        printed.reporter.step("postgres", "ready", "127.0.0.1:5432")
        printed.now += 100
        printed.reporter.step("s3", "failed", "exit code 1")

    assert printed.err == (
        "[  0.0s] postgres  starting\n"
        "[  1.2s] postgres  ready     127.0.0.1:5432\n"
        "[101.2s] s3        failed    exit code 1\n"
    )
    assert printed.out == ""


def test_saying_the_same_twice_prints_it_once() -> None:
    printed = Printed()

    for state in ("waiting", "waiting", "starting", "starting"):
        printed.reporter.step("s3", state)  # type: ignore[arg-type]

    assert printed.err == "[  0.0s] s3  waiting\n[  0.0s] s3  starting\n"


def test_a_progress_inside_another_joins_it() -> None:
    printed = Printed()

    with printed.reporter.progress(["postgres"], title="up"):
        printed.now += 2
        with printed.reporter.progress(["s3"], title="roll back"):
            printed.reporter.step("s3", "stopping")
        printed.reporter.step("postgres", "stopped")

    assert printed.err == "[  2.0s] s3        stopping\n[  2.0s] postgres  stopped\n"


def test_each_progress_has_a_clock_and_services_of_its_own() -> None:
    printed = Printed()

    with printed.reporter.progress(["a-long-name"], title="down"):
        pass
    printed.now += 60
    with printed.reporter.progress(["s3"], title="up"):
        printed.reporter.step("s3", "ready")

    assert printed.err == "[  0.0s] s3  ready\n"


@pytest.mark.parametrize(
    ("say", "expected"),
    [
        pytest.param(lambda r: r.note("Lab answers"), "Lab answers\n", id="note"),
        pytest.param(lambda r: r.warn("port taken"), "warning: port taken\n", id="warn"),
        pytest.param(
            lambda r: r.error(TROUBLE),
            "error: s3 does not answer. ./dev logs s3\n    first\n    second\n    third\n",
            id="error with details",
        ),
        pytest.param(lambda r: r.error(UnhealthyError("gone")), "error: gone\n", id="error without a hint"),
        pytest.param(lambda r: r.note("a\nb"), "a b\n", id="two lines become one"),
        pytest.param(
            lambda r: r.note("\x1b[31mred\x1b[0m \x1b]0;title\x07x"), "red x\n", id="colours of a log"
        ),
        pytest.param(lambda r: r.note("a\x07\x1bb"), "a\\x07\\x1bb\n", id="control characters"),
        pytest.param(lambda r: r.note("[bold]x[/]"), "[bold]x[/]\n", id="markup"),
        pytest.param(
            lambda r: r.note("caf\u00e9 \udce9"), "caf\u00e9 \\udce9\n", id="an undecodable file name"
        ),
        pytest.param(lambda r: r.command("psql -h x"), "", id="command without verbose"),
    ],
)
def test_messages_are_lines_on_standard_error(say: Callable[[report.Reporter], None], expected: str) -> None:
    printed = Printed()

    say(printed.reporter)

    assert printed.err == expected
    assert printed.out == ""


def test_verbose_shows_commands() -> None:
    printed = Printed(verbose=True)

    printed.reporter.command("initdb -D 'a b'")

    assert printed.err == "+ initdb -D 'a b'\n"


def test_a_table_without_a_terminal_is_aligned_text() -> None:
    printed = Printed()

    printed.reporter.table(["service", "state"], [["postgres", "ready"], ["s3", None], ["a\nb", 7]])

    assert printed.out == "service   state\npostgres  ready\ns3\na b       7\n"
    assert printed.err == ""


def test_a_table_without_rows_is_its_head() -> None:
    printed = Printed()

    printed.reporter.table(["service", "state"], [])

    assert printed.out == "service  state\n"


def test_data_is_json_in_the_order_given() -> None:
    printed = Printed(as_json=True)

    printed.reporter.step("s3", "ready")
    printed.reporter.data({"b": 1, "a": "caf\u00e9"})

    assert printed.out == '{\n  "b": 1,\n  "a": "caf\u00e9"\n}\n'
    assert printed.err == "[  0.0s] s3  ready\n"


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_any_text_can_be_printed_in_any_locale(encoding: str) -> None:
    printed = Printed(encoding=encoding)
    text = "caf\u00e9 \u2192 \udce9 \U0001f600"

    printed.reporter.note(text)
    printed.reporter.step("s3", "ready", text)
    printed.reporter.table([text], [[text]])
    printed.reporter.result(f"NAME={text}")
    before = len(printed.out)
    printed.reporter.data([text])

    assert json.loads(printed.out[before:]) == [text]
    assert printed.err.count("\n") == 2


def test_lines_of_many_threads_do_not_mix() -> None:
    printed = Printed()
    names = [f"service-{number:02}" for number in range(8)]

    def run(name: str) -> None:
        for number in range(50):
            printed.reporter.step(name, "starting", f"{name} {number}")
            printed.reporter.note(f"{name} note")

    threads = [threading.Thread(target=run, args=(name,)) for name in names]
    with printed.reporter.progress(names, title="up"):
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    lines = printed.err.splitlines()
    assert len(lines) == 8 * 50 * 2
    assert all(line.count("service-") in (1, 2) and line[-1] in "0123456789e" for line in lines)


def test_a_reader_that_went_away_is_not_an_error() -> None:
    program = (
        "from devenv import report; r = report.make(environ={});"
        "[r.result('x' * 100) for _ in range(10000)]; r.note('still here')"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        child.stdout.readline()
        child.stdout.close()
        assert child.stderr.read() == b"still here\n"
        assert child.wait(20) == 0


def test_rich_is_not_imported_without_a_terminal() -> None:
    program = (
        "import sys; from devenv import report; r = report.make(environ={'TERM': 'xterm'})\n"
        "with r.progress(['s3'], title='up'): r.step('s3', 'ready')\n"
        "r.table(['a'], [['b']])\n"
        "sys.exit('rich' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, timeout=20)

    assert done.returncode == 0, done.stderr


PROGRAM = """
import sys, threading
from devenv import report
from devenv.errors import InterruptedByUser
reporter = report.make(verbose=True)
try:
    with reporter.progress(["postgres", "s3"], title="up"):
        reporter.step("postgres", "starting")
        reporter.step("postgres", "ready", "[b]127.0.0.1:5432[/b] " + "x" * 100 + " \\u2192")
        reporter.step("s3", "starting", "ministack")
        reporter.command("run me")
        reporter.note("[b]note[/b]")
        reporter.warn("careful")
        if "wait" in sys.argv:
            threading.Event().wait(20)
        reporter.step("s3", "ready")
except KeyboardInterrupt:
    reporter.error(InterruptedByUser("interrupted"))
reporter.table(["service"], [["[b]postgres[/b]"]])
"""


def on_a_terminal(
    *arguments: str, environ: Mapping[str, str], interrupt_after: str = "", columns: int = 60
) -> str:
    """What a terminal receives from the program above, interrupted once it has shown a text."""
    leader, follower = pty.openpty()
    child = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *arguments],
        cwd=ROOT,
        env={
            "PATH": os.environ["PATH"],
            "COLUMNS": str(columns),
            "LINES": "24",
            "PYTHONUTF8": "1",
            **environ,
        },
        stdin=follower,
        stdout=follower,
        stderr=follower,
        start_new_session=True,
    )
    os.close(follower)
    received, deadline = b"", time.monotonic() + 30
    try:
        while time.monotonic() < deadline:
            try:
                chunk = os.read(leader, 4096)
            except OSError:  # Linux answers EIO when the last writer is gone
                break
            if not chunk:
                break
            received += chunk
            if interrupt_after and interrupt_after.encode() in received:
                child.send_signal(signal.SIGINT)
                interrupt_after = ""
        assert child.wait(10) == 0, received
    finally:
        child.kill()
        child.wait()
        os.close(leader)
    return received.decode()


def test_a_terminal_gets_a_table_in_place() -> None:
    received = on_a_terminal(environ={"TERM": "xterm-256color"})

    assert "\x1b[1A" in received
    assert "[b]127.0.0.1:5432[/b]" in received
    assert "[b]note[/b]" in received
    assert "[b]postgres[/b]" in received
    assert "\x1b[33mwarning:\x1b[0m careful" in received
    assert "[  0." not in received


def test_nothing_is_hidden_or_left_behind_after_ctrl_c() -> None:
    received = on_a_terminal("wait", environ={"TERM": "xterm-256color"}, interrupt_after="careful")

    assert "\x1b[?25l" not in received  # the cursor is never hidden
    assert "\x1b[?1049h" not in received  # nor the screen switched
    assert "Traceback" not in received
    last_frame, _, rest = received.rpartition("error:")
    assert last_frame.removesuffix("\x1b[1;31m").endswith("\n")
    assert "interrupted" in rest


def test_drawn_lines_leave_room_for_an_echoed_ctrl_c() -> None:
    from rich.text import Text

    for columns in (24, 60):
        received = on_a_terminal(environ={"TERM": "xterm-256color"}, columns=columns)
        frames = [
            line for line in received.replace("\r", "\n").split("\n") if "127.0.0.1" in line or "up " in line
        ]
        assert frames
        assert all(Text.from_ansi(line).cell_len <= columns - 4 for line in frames)


def test_no_color_keeps_the_table_and_drops_the_colours() -> None:
    received = on_a_terminal(environ={"TERM": "xterm-256color", "NO_COLOR": "1"})

    assert "\x1b[1A" in received
    assert not [
        code for code in ("\x1b[31m", "\x1b[32m", "\x1b[33m", "\x1b[36m", "\x1b[1;31m") if code in received
    ]


@pytest.mark.parametrize("term", ["dumb", "", "unknown"])
def test_a_terminal_that_cannot_move_its_cursor_gets_plain_lines(term: str) -> None:
    received = on_a_terminal(environ={"TERM": term})

    assert "\x1b" not in received
    assert "postgres  ready     [b]127.0.0.1:5432[/b]" in received


def test_a_terminal_without_unicode_gets_ascii() -> None:
    received = on_a_terminal(
        environ={"TERM": "xterm", "PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii"}, columns=200
    )

    assert received.isascii()
    assert "\\u2192" in received


class Typing(io.StringIO):
    """A terminal with somebody at it."""

    def isatty(self) -> bool:
        return True


def test_somebody_at_a_terminal_is_asked_on_standard_error() -> None:
    out, err = io.StringIO(), io.StringIO()
    reporter = report.make(environ={}, out=out, err=err, answers=Typing("weather\n"))

    assert reporter.ask("Type weather:") == "weather"
    assert (out.getvalue(), err.getvalue()) == ("", "Type weather: ")


def test_where_nobody_is_at_a_terminal_nobody_is_asked() -> None:
    err = io.StringIO()
    reporter = report.make(environ={}, err=err, answers=io.StringIO("weather\n"))

    assert reporter.ask("Type weather:") is None
    assert err.getvalue() == ""
