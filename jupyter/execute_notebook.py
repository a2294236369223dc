"""Execute a notebook cell by cell in a fresh kernel, and tell on stderr how it goes, one JSON object a line.

    python execute_notebook.py FILE [--output OUT|-] [--timeout SECONDS] [--parent PID]

Runs in the notebook environment (nbclient, nbformat). The lines:

    {"cell": 3, "of": 12, "seconds": 0.41}                       cell [3] has run
    {"failed": {"cell": 4, "of": 12, "source": ..., "ename": ..., "evalue": ..., "traceback": [...]}}
    {"invalid": "why FILE or OUT cannot be used"}

Cells count as Lab's execution counters do: code cells that are not empty, from 1. A failure in no cell at all
(the kernel did not start) has cell 0. Exit code 0: all ran; 2: invalid; 4: failed; 130: SIGINT or SIGTERM.

FILE is never changed. OUT gets the notebook with its outputs, whole or not at all, also after a failure;
``-`` writes it to stdout. The kernel works in FILE's folder, as it does in Lab.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import signal
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import nbformat
from jupyter_client.kernelspec import NoSuchKernel
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, DeadKernelError

EXIT_DONE, EXIT_INVALID, EXIT_FAILED, EXIT_INTERRUPTED = 0, 2, 4, 130

# Colours and cursor movements, ECMA-48 section 5.4.
_CONTROL_SEQUENCE = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")


class InvalidError(Exception):
    """FILE or OUT cannot be used; the message says why."""


class SignalledError(Exception):
    """The run was stopped by SIGINT or SIGTERM; the kernel is gone."""


class TooLongError(Exception):
    """The notebook took longer than it may; the kernel is gone."""


class Execution(NotebookClient):
    """One run of one notebook, which a signal or a deadline can stop."""

    def __init__(
        self, notebook: nbformat.NotebookNode, folder: Path, deadline: float | None, parent: int = 0
    ) -> None:
        super().__init__(
            notebook,
            timeout=None,
            startup_timeout=120,
            shutdown_kernel="immediate",
            resources={"metadata": {"path": str(folder)}},
            on_cell_execute=self._cell_starts,
            on_cell_executed=self._cell_ran,
        )
        self.deadline = deadline
        self.starter = parent
        self.of = sum(1 for cell in notebook.cells if cell.cell_type == "code" and cell.source.strip())
        self.running: nbformat.NotebookNode | None = None
        self.number = 0
        self._started = 0.0
        self._interrupts = 0
        self._stopped_by: Exception | None = None
        self._task: asyncio.Task[None]

    async def run(self) -> None:
        """Execute every cell.

        Raises CellExecutionError, DeadKernelError, NoSuchKernel, TooLongError or SignalledError; the kernel
        is gone whichever it is.
        """
        task = asyncio.current_task()
        assert task is not None
        self._task = task
        loop = asyncio.get_running_loop()
        if self.deadline is not None:
            late = TooLongError(f"the notebook did not finish within {self.deadline:g} s")
            loop.call_later(self.deadline, self._stop, late)
        if self.starter:
            self._look_for(self.starter)
        try:
            await self.async_execute()
        except (Exception, asyncio.CancelledError) as trouble:
            if self._stopped_by is not None:
                raise self._stopped_by from trouble
            raise

    async def async_start_new_kernel(self, **options: Any) -> None:
        # nbclient installs handlers of its own just before, which leave the run waiting for a dead kernel.
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._on_signal, number)
        # Without it every account of the machine could read the cells' outputs from the kernel's ports.
        await super().async_start_new_kernel(transport_encryption="auto", **options)

    def _look_for(self, parent: int) -> None:
        """Stop once ``parent`` is not the parent any more: a killed command leaves no run behind."""
        if os.getppid() != parent:
            self._stop(SignalledError())
        else:
            asyncio.get_running_loop().call_later(1, self._look_for, parent)

    def _on_signal(self, number: int) -> None:
        self._interrupts += number == signal.SIGINT
        # A program that got Ctrl-C with this one may add a SIGTERM: only a second Ctrl-C means "at once".
        # The kernel polls for its parent and follows within a second.
        if self._interrupts > 1:
            os._exit(EXIT_INTERRUPTED)
        self._stop(SignalledError())

    def _stop(self, reason: Exception) -> None:
        if self._stopped_by is None:
            self._stopped_by = reason
            self._task.cancel()

    def _cell_starts(self, cell: nbformat.NotebookNode, **_: Any) -> None:
        self.running, self.number, self._started = cell, self.number + 1, time.monotonic()

    def _cell_ran(self, cell: nbformat.NotebookNode, execute_reply: dict[str, Any], **_: Any) -> None:
        may_fail = "raises-exception" in cell.metadata.get("tags", [])
        if execute_reply["content"]["status"] == "ok" or may_fail:
            seconds = round(time.monotonic() - self._started, 3)
            tell({"cell": self.number, "of": self.of, "seconds": seconds})


def tell(fact: dict[str, Any]) -> None:
    """Write one line of the protocol."""
    sys.stderr.write(json.dumps(fact) + "\n")
    sys.stderr.flush()


def read_notebook(file: Path) -> nbformat.NotebookNode:
    """The notebook in format 4, whatever it was stored in. Raises InvalidError."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            notebook = nbformat.read(file, as_version=4)
        nbformat.validate(notebook)
    except OSError as trouble:
        raise InvalidError(f"{file} cannot be read: {trouble.strerror}") from trouble
    except Exception as trouble:  # nbformat raises whatever a malformed file makes it stumble over
        reason = str(trouble).partition("\n")[0] or type(trouble).__name__
        raise InvalidError(f"{file} is not a notebook: {reason[:300]}") from trouble
    return notebook


def check_output(file: Path, output: str | None) -> None:
    """Raises InvalidError when ``output`` is the notebook itself or lies in no folder."""
    if output is None or output == "-":
        return
    target = Path(output)
    if target.exists() and target.samefile(file):
        raise InvalidError(f"the output would replace the notebook {file} itself")
    if target.is_dir() or not target.absolute().parent.is_dir():
        raise InvalidError(f"{output} is not a file in a folder that exists")


def write_notebook(notebook: nbformat.NotebookNode, output: str, stdout: int) -> None:
    """Write the notebook to ``output``, or to the file descriptor ``stdout`` for ``-``."""
    text = nbformat.writes(notebook) + "\n"
    if output == "-":
        with os.fdopen(stdout, "w", encoding="utf-8", closefd=False) as stream:
            stream.write(text)
        return
    target = Path(output)
    draft = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        draft.write_text(text, encoding="utf-8")
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)


def failure_of(run: Execution, ename: str, evalue: str, traceback: list[str]) -> dict[str, Any]:
    """The line that tells of a failure in the cell that was running."""
    source = run.running.source if run.running is not None else ""
    facts = {"cell": run.number, "of": run.of, "source": source, "ename": ename, "evalue": evalue}
    return {"failed": facts | {"traceback": traceback}}


def readable_traceback(cell: nbformat.NotebookNode | None) -> list[str]:
    """The lines of the cell's error without colours, and of library frames the innermost alone."""
    errors = [output for output in (cell.outputs if cell else []) if output.output_type == "error"]
    if not errors:
        return []
    parts = [_CONTROL_SEQUENCE.sub("", part) for part in errors[-1].traceback]
    frames = [index for index, part in enumerate(parts) if part.startswith("File ")]
    hidden = set(frames[:-1])
    return [line for index, part in enumerate(parts) if index not in hidden for line in part.splitlines()]


def execute(notebook: nbformat.NotebookNode, folder: Path, deadline: float | None, parent: int = 0) -> int:
    """Run the notebook, tell how it goes and return the exit code."""
    run = Execution(notebook, folder, deadline, parent)
    try:
        asyncio.run(run.run())
    except SignalledError:
        return EXIT_INTERRUPTED
    except NoSuchKernel as trouble:
        tell({"invalid": f"the notebook asks for the kernel {trouble.name!r}, which is not installed"})
        return EXIT_INVALID
    except CellExecutionError as trouble:
        tell(failure_of(run, trouble.ename, trouble.evalue, readable_traceback(run.running)))
    except DeadKernelError:
        tell(failure_of(run, "DeadKernel", "the kernel died (out of memory, or it was killed?)", []))
    except TooLongError as trouble:
        tell(failure_of(run, "Timeout", str(trouble), []))
    except RuntimeError as trouble:  # nbclient: the kernel did not answer after its start
        tell(failure_of(run, type(trouble).__name__, str(trouble), []))
    else:
        return EXIT_DONE
    return EXIT_FAILED


def parsed_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="Execute a notebook cell by cell in a fresh kernel.")
    parser.add_argument("file", type=Path, help="the notebook; it is never changed")
    parser.add_argument("--output", help="where the notebook with its outputs goes; - is stdout")
    parser.add_argument("--timeout", type=float, help="seconds that the whole notebook may take")
    parser.add_argument("--parent", type=int, default=0, help="stop when this pid is not the parent any more")
    return parser.parse_args()


def main() -> int:
    """Run the command line and return its exit code."""
    arguments = parsed_arguments()
    # Only the notebook may reach stdout: whatever a kernel writes there before it is ready goes to stderr.
    stdout = os.dup(1)
    os.dup2(2, 1)
    try:
        notebook = read_notebook(arguments.file)
        check_output(arguments.file, arguments.output)
    except InvalidError as trouble:
        tell({"invalid": str(trouble)})
        return EXIT_INVALID
    code = execute(notebook, arguments.file.absolute().parent, arguments.timeout, arguments.parent)
    if arguments.output is not None and code != EXIT_INVALID:
        write_notebook(notebook, arguments.output, stdout)
    return code


if __name__ == "__main__":
    sys.exit(main())
