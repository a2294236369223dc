"""The only door through which programs are started.

No shell is ever involved: an argv is a tuple of words. Secrets travel in the environment, a 0600 file
or on standard input, never in an argv, so every argv may be shown (``--verbose``) as it is.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Protocol

from devenv.errors import DevenvError, InterruptedByUser, MissingError

Argv = Sequence[str | Path]
_CHUNK_BYTES = 1 << 16

# Set by the command line for --verbose: it gets each command as a line that can be pasted.
trace: Callable[[str], None] | None = None

# Detached children outlive this process; a reference keeps Popen from warning about that.
_detached: list[subprocess.Popen[bytes]] = []


@dataclass(frozen=True)
class Completed:
    """How a program that ran to its end came out."""

    argv: tuple[str, ...]
    code: int
    stdout: str
    stderr: str


class CommandFailedError(DevenvError):
    """A program ended with a code other than 0. ``completed`` keeps everything it said."""

    exit_code = 4
    kind = "unhealthy"

    def __init__(self, completed: Completed) -> None:
        self.completed = completed
        said = (completed.stderr or completed.stdout).strip().splitlines()
        super().__init__(
            f"{Path(completed.argv[0]).name} ended with code {completed.code}",
            hint="Its last words are below",
            details=tuple(said[-12:]),
        )


class Run(Protocol):
    """:func:`run`, or a stand-in of the tests."""

    def __call__(
        self,
        argv: Argv,
        *,
        env: Mapping[str, str] | None = None,
        timeout: float = 60,
        check: bool = True,
    ) -> Completed: ...


class Stream(Protocol):
    """:func:`stream`, or a stand-in of the tests."""

    def __call__(
        self, argv: Argv, on_line: Callable[[str], None], *, env: Mapping[str, str] | None = None
    ) -> int: ...


class Leash:
    """Programs that one thread waits for and another may end: after :meth:`pull` none is started either."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._children: list[subprocess.Popen[Any]] = []
        self._is_pulled = False

    def pull(self) -> None:
        """End them (SIGTERM); whoever waits for one sees it end."""
        with self._lock:
            self._is_pulled = True
            children = list(self._children)
        for child in children:
            if child.poll() is None:
                child.terminate()

    def check(self) -> None:
        """Raise InterruptedByUser once it was pulled."""
        if self._is_pulled:
            raise InterruptedByUser("interrupted")

    def popen(self, argv: Argv, **options: Any) -> subprocess.Popen[Any]:
        """Start a program on it, with the options of :class:`subprocess.Popen`."""
        words = _announce(argv)
        with self._lock:
            self.check()
            try:
                child: subprocess.Popen[Any] = subprocess.Popen(words, **options)
            except (FileNotFoundError, PermissionError) as error:
                raise _not_started(words, error) from error
            self._children.append(child)
        return child


def run(
    argv: Argv,
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    stdin: str | None = None,
    timeout: float = 60,
    check: bool = True,
    account: str | None = None,
) -> Completed:
    """Run a program to its end and return what it said.

    ``timeout`` is in seconds. Raises :class:`MissingError` when the program is not there,
    :class:`CommandFailedError` when it ends badly (unless ``check`` is false) and
    :class:`DevenvError` when it takes too long.
    """
    words = _announce(argv)
    try:
        done = subprocess.run(
            words,
            env=None if env is None else dict(env),
            cwd=cwd,
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            check=False,
            **_as_account(account),
        )
    except (FileNotFoundError, PermissionError) as error:
        raise _not_started(words, error) from error
    except subprocess.TimeoutExpired as error:
        raise DevenvError(f"{Path(words[0]).name} took more than {timeout:g} s and was stopped") from error
    completed = Completed(words, done.returncode, done.stdout, done.stderr)
    if check and completed.code:
        raise CommandFailedError(completed)
    return completed


def stream(
    argv: Argv,
    on_line: Callable[[str], None],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    on_stdout: Callable[[str], None] | None = None,
    holds_stdin: bool = False,
    leash: Leash | None = None,
) -> int:
    """Run a program and hand over each line of its standard error as it comes; return its exit code.

    Standard output goes to ``on_stdout``, or to ``on_line`` too when that is not given. Whatever
    interrupts the wait (Ctrl-C) ends the program first. With ``holds_stdin`` its standard input ends
    when this process does, however that ends. A ``leash`` that is pulled ends it too: InterruptedByUser.
    """
    leash = leash or Leash()
    child = leash.popen(
        argv,
        env=None if env is None else dict(env),
        cwd=cwd,
        stdin=subprocess.PIPE if holds_stdin else subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE if on_stdout else subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    code = _pump(child, on_line, on_stdout)
    leash.check()
    return code


def pipe(
    argv: Argv,
    take: Callable[[IO[bytes]], object],
    *,
    env: Mapping[str, str] | None = None,
    leash: Leash | None = None,
) -> Completed:
    """Run a program while ``take`` reads its standard output; how it came out, without that.

    What ``take`` raises ends the program, and so does a ``leash`` that is pulled: InterruptedByUser.
    """
    leash = leash or Leash()
    with tempfile.TemporaryFile() as said:
        child = leash.popen(
            argv,
            env=None if env is None else dict(env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=said,
        )
        with _ended(child):
            assert child.stdout is not None
            take(child.stdout)
            # what nobody wants is read too, or the program would wait for ever
            while child.stdout.read(_CHUNK_BYTES):
                pass
            code = child.wait()
        leash.check()
        said.seek(0)
        return Completed(tuple(map(str, argv)), code, "", said.read().decode(errors="replace"))


def spawn(
    argv: Argv,
    *,
    log: Path,
    env: Mapping[str, str],
    cwd: Path,
    account: str | None = None,
) -> int:
    """Start a program that outlives this one and return its pid.

    It gets a session of its own, so neither Ctrl-C nor a closed terminal reaches it, and ``log`` in
    append mode as both its outputs, so that the file can be truncated while it runs.
    """
    words = _announce(argv)
    with log.open("ab") as out:
        try:
            child = subprocess.Popen(
                words,
                env=dict(env),
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
                **_as_account(account),
            )
        except (FileNotFoundError, PermissionError) as error:
            raise _not_started(words, error) from error
    _detached.append(child)
    return child.pid


def exit_code(pid: int) -> int | None:
    """How a detached child of this very process ended; None while it runs, and for anybody else's."""
    return next((child.poll() for child in _detached if child.pid == pid), None)


def reap() -> None:
    """Collect the detached children that have ended, so that none of them stays as a zombie."""
    for child in _detached:
        child.poll()


def _announce(argv: Argv) -> tuple[str, ...]:
    words = tuple(str(word) for word in argv)
    if trace:
        trace(shlex.join(words))
    return words


def _as_account(account: str | None) -> dict[str, Any]:
    """Popen's arguments for running as another account; its groups are dropped too."""
    if account is None:
        return {}
    import pwd

    entry = pwd.getpwnam(account)
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def _pump(
    child: subprocess.Popen[str],
    on_line: Callable[[str], None],
    on_stdout: Callable[[str], None] | None,
) -> int:
    with _ended(child):
        reader: threading.Thread | None = None
        if on_stdout:
            reader = threading.Thread(target=_feed, args=(child.stdout, on_stdout), daemon=True)
            reader.start()
        _feed(child.stderr if on_stdout else child.stdout, on_line)
        code = child.wait()
        if reader:
            reader.join()
        return code


@contextmanager
def _ended(child: subprocess.Popen[Any]) -> Iterator[None]:
    """End the program when whoever waits for it is interrupted; close its pipes."""
    try:
        yield
    except BaseException:
        child.terminate()
        try:
            child.wait(5)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
        raise
    finally:
        for pipe in (child.stdin, child.stdout, child.stderr):
            if pipe:
                pipe.close()


def _feed(lines: object, take: Callable[[str], None]) -> None:
    for line in lines:  # type: ignore[attr-defined]
        take(line.rstrip("\n"))


def _not_started(words: tuple[str, ...], error: OSError) -> MissingError:
    if isinstance(error, FileNotFoundError):
        missing = error.filename or words[0]
        return MissingError(f"{os.fspath(missing)} is not there", hint="./dev doctor lists what is needed")
    return MissingError(
        f"{words[0]} may not be started: {error.strerror}",
        hint="Check its permissions and those of the folders above it",
    )
