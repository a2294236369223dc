"""The runner of notebooks, as a program: its lines, its exit codes, and that no kernel outlives it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest

from devenv import environments

SCRIPT = Path(__file__).parents[3] / "jupyter" / "execute_notebook.py"
SLEEP = "import time\ntime.sleep(600)"


@pytest.fixture(scope="session")
def notebook_python(machine_root: Path) -> Path:
    """The interpreter of the notebook environment."""
    return environments.python(environments.locate("notebook", machine_root))


@dataclass
class Runner:
    """The runner in a home of its own; everything it starts carries ``mark`` in its environment."""

    python: Path
    folder: Path
    mark: str = field(default_factory=lambda: uuid.uuid4().hex)

    def notebook(self, *cells: str, kernel: str = "python3") -> Path:
        path = self.folder / "a b é.ipynb"
        code = [
            {"cell_type": "code", "id": f"c{n}", "metadata": {}, "source": cell}
            | {"execution_count": None, "outputs": []}
            for n, cell in enumerate(cells)
        ]
        metadata = {"kernelspec": {"name": kernel, "display_name": kernel, "language": "python"}}
        content = {"cells": code, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}
        path.write_text(json.dumps(content))
        return path

    def start(self, *words: str | Path) -> subprocess.Popen[str]:
        env = {"PATH": os.environ["PATH"], "HOME": str(self.folder), "DEVENV_TEST_MARK": self.mark}
        return subprocess.Popen(
            [str(self.python), str(SCRIPT), *map(str, words)],
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *words: str | Path) -> tuple[int, list[Any], str]:
        """The exit code, the facts told on stderr, and stdout."""
        child = self.start(*words)
        stdout, stderr = child.communicate(timeout=120)
        return child.returncode, facts(stderr), stdout

    def processes(self) -> list[psutil.Process]:
        """Everything alive that this runner started, itself included."""
        found = []
        for process in psutil.process_iter():
            try:
                if process.environ().get("DEVENV_TEST_MARK") == self.mark:
                    found.append(process)
            except psutil.Error:
                continue
        return [process for process in found if process.status() != psutil.STATUS_ZOMBIE]


def facts(stderr: str) -> list[Any]:
    return [json.loads(line) for line in stderr.splitlines() if line.startswith("{")]


def until_second_cell_runs(child: subprocess.Popen[str]) -> None:
    """Return once the first cell has ended, so that the second is running."""
    assert child.stderr is not None
    for line in child.stderr:
        if line.startswith('{"cell": 1,'):
            return
    raise AssertionError("the first cell never ended")


def gone(runner: Runner, within: float) -> bool:
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        if not runner.processes():
            return True
        time.sleep(0.1)
    return False


@pytest.fixture
def runner(notebook_python: Path, tmp_path: Path) -> Iterator[Runner]:
    runner = Runner(notebook_python, tmp_path)
    yield runner
    left = runner.processes()
    for process in left:
        process.kill()
    assert not left, "something outlived the runner"


def test_cells_run_in_the_notebooks_folder_and_the_input_stays_as_it_is(runner: Runner) -> None:
    file, output = (
        runner.notebook("x = 6", "", "import os; print(x * 7, os.getcwd())"),
        runner.folder / "o.ipynb",
    )
    before = file.read_bytes()
    code, told, stdout = runner.run(file, "--output", output)
    assert code == 0 and stdout == "" and file.read_bytes() == before
    assert [(fact["cell"], fact["of"]) for fact in told] == [(1, 2), (2, 2)]
    last = json.loads(output.read_text())["cells"][2]
    assert "".join(last["outputs"][0]["text"]) == f"42 {runner.folder}\n"
    assert last["execution_count"] == 2


def test_stdout_carries_the_notebook_and_nothing_else(runner: Runner) -> None:
    code, _, stdout = runner.run(runner.notebook("import os; os.system('echo hello')"), "--output", "-")
    assert code == 0 and len(json.loads(stdout)["cells"]) == 1


def test_a_failing_cell_ends_the_run_and_its_outputs_are_kept(runner: Runner) -> None:
    output = runner.folder / "o.ipynb"
    file = runner.notebook("import json", "print('so far')\njson.loads('{')", "3")
    code, told, _ = runner.run(file, "--output", output)
    failed = told[-1]["failed"]
    assert code == 4
    assert (failed["cell"], failed["of"], failed["ename"]) == (2, 3, "JSONDecodeError")
    assert failed["source"].startswith("print(")
    assert "\x1b" not in "".join(failed["traceback"])
    assert any(line.startswith("----> 2 json.loads") for line in failed["traceback"])
    assert "so far" in output.read_text()


@pytest.mark.parametrize(
    ("cell", "words", "ename"),
    [
        pytest.param(
            "import os, signal; os.kill(os.getpid(), signal.SIGKILL)", (), "DeadKernel", id="killed"
        ),
        pytest.param(SLEEP, ("--timeout", "6"), "Timeout", id="too-long"),
    ],
)
def test_a_lost_kernel_is_a_failure_of_its_cell(
    runner: Runner, cell: str, words: tuple[str, ...], ename: str
) -> None:
    output = runner.folder / "o.ipynb"
    code, told, _ = runner.run(runner.notebook("1", cell), "--output", output, *words)
    assert code == 4 and told[-1]["failed"]["ename"] == ename and told[-1]["failed"]["cell"] == 2
    assert json.loads(output.read_text())["cells"][0]["outputs"]


@pytest.mark.parametrize(
    "signals",
    [
        pytest.param((signal.SIGINT,), id="ctrl-c"),
        pytest.param((signal.SIGTERM,), id="terminated"),
        pytest.param((signal.SIGINT, signal.SIGTERM), id="ctrl-c-to-the-group-and-its-parent"),
    ],
)
def test_a_signal_ends_runner_and_kernel_and_keeps_the_outputs(
    runner: Runner, signals: tuple[signal.Signals, ...]
) -> None:
    output = runner.folder / "o.ipynb"
    child = runner.start(runner.notebook("'first'", SLEEP), "--output", output)
    until_second_cell_runs(child)
    for number in signals:
        child.send_signal(number)
    child.communicate(timeout=20)
    assert child.returncode == 130
    assert "first" in output.read_text()
    assert not runner.processes()


@pytest.mark.parametrize(
    "signals",
    [
        pytest.param((signal.SIGKILL,), id="kill-9"),
        pytest.param((signal.SIGINT, signal.SIGINT), id="ctrl-c-twice"),
    ],
)
def test_a_kernel_follows_a_runner_that_ends_at_once(
    runner: Runner, signals: tuple[signal.Signals, ...]
) -> None:
    child = runner.start(runner.notebook("1", SLEEP), "--output", runner.folder / "o.ipynb")
    until_second_cell_runs(child)
    for number in signals:
        child.send_signal(number)
        time.sleep(0.05)
    child.communicate(timeout=20)
    assert gone(runner, within=15)
    assert not [path for path in runner.folder.iterdir() if path.name.startswith(".o.ipynb")]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        pytest.param("{nope", "is not a notebook", id="not-json"),
        pytest.param("[]", "is not a notebook", id="json-of-another-kind"),
        pytest.param(
            '{"cells": [{}], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}', "invalid", id="broken-cell"
        ),
    ],
)
def test_a_file_that_is_no_notebook_is_named(runner: Runner, content: str, words: str) -> None:
    file = runner.notebook("1")
    file.write_text(content)
    code, told, _ = runner.run(file)
    assert code == 2 and words in told[-1]["invalid"]


def test_a_kernel_that_is_not_installed_is_named_and_no_output_written(runner: Runner) -> None:
    output = runner.folder / "o.ipynb"
    code, told, _ = runner.run(runner.notebook("1", kernel="julia-1"), "--output", output)
    assert code == 2 and "'julia-1'" in told[-1]["invalid"] and not output.exists()


def test_the_output_never_replaces_the_input(runner: Runner) -> None:
    file = runner.notebook("1")
    before = file.read_bytes()
    code, _, _ = runner.run(file, "--output", file)
    assert code == 2 and file.read_bytes() == before
