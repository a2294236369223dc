"""What is started for a notebook, and what the lines of the run add up to."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from devenv import commands, notebooks
from devenv.errors import UnhealthyError, UsageError
from devenv.notebooks import CellRan, Transcript

ENV = {
    "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "s3-secret",
    "EXPLORE_DB_PASSWORD": "db-secret",
    "EXPLORE_DB_URL": "postgresql://explore:db-secret@127.0.0.1:5432/explore",
    "EMPTY_TOKEN": "",
}
FAILED = {
    "cell": 2,
    "of": 3,
    "source": "1 / 0",
    "ename": "ZeroDivisionError",
    "evalue": "division by zero",
    "traceback": ["Cell In[2], line 1", "----> 1 1 / 0", "ZeroDivisionError: division by zero"],
}


def transcript(*lines: str | dict[str, Any], seen: list[CellRan] | None = None) -> Transcript:
    """A transcript that has read ``lines``."""
    cells: list[CellRan] = [] if seen is None else seen
    result = Transcript(Path("a.ipynb"), ENV, cells.append)
    for line in lines:
        result.take(line if isinstance(line, str) else json.dumps(line))
    return result


def test_every_cell_is_told_of_as_it_ends() -> None:
    seen: list[CellRan] = []
    done = transcript(
        {"cell": 1, "of": 2, "seconds": 0.25}, {"cell": 2, "of": 2, "seconds": 1}, seen=seen
    ).conclude(0, Path("out.ipynb"))
    assert seen == [CellRan(1, 2, 0.25), CellRan(2, 2, 1)]
    assert (done.cells, done.seconds, done.output) == (2, 1.25, Path("out.ipynb"))


def test_a_notebook_with_nothing_to_execute_is_done() -> None:
    assert transcript().conclude(0, None).cells == 0


def test_a_failing_cell_is_shown_with_its_source_and_traceback() -> None:
    with pytest.raises(UnhealthyError) as raised:
        transcript({"cell": 1, "of": 3, "seconds": 0.1}, {"failed": FAILED}).conclude(4, None)
    assert raised.value.what == "a.ipynb failed in cell [2] of 3: ZeroDivisionError: division by zero"
    assert raised.value.details == ("    1 / 0", *FAILED["traceback"])


def test_after_a_failure_the_written_output_is_named() -> None:
    with pytest.raises(UnhealthyError, match=r"out\.ipynb"):
        transcript({"failed": FAILED}).conclude(4, Path("out.ipynb"))


def test_a_failure_outside_all_cells_says_so() -> None:
    with pytest.raises(UnhealthyError, match="failed in its kernel: RuntimeError"):
        transcript({"failed": {**FAILED, "cell": 0, "ename": "RuntimeError"}}).conclude(4, None)


def test_a_long_cell_is_shown_by_its_ends() -> None:
    source = "\n".join(f"line {number}" for number in range(200))
    with pytest.raises(UnhealthyError) as raised:
        transcript({"failed": {**FAILED, "source": source, "traceback": []}}).conclude(4, None)
    details = raised.value.details
    assert len(details) == 25
    assert details[0] == "    line 0" and details[-1] == "    line 199"
    assert "176 lines left out" in details[12]


def test_no_secret_of_the_environment_reaches_an_error() -> None:
    leaking = {
        **FAILED,
        "source": "key = 's3-secret'",
        "evalue": ENV["EXPLORE_DB_URL"],
        "traceback": ["password is db-secret"],
    }
    with pytest.raises(UnhealthyError) as raised:
        transcript({"failed": leaking}).conclude(4, None)
    shown = str(raised.value) + "\n".join(raised.value.details)
    assert "db-secret" not in shown and "s3-secret" not in shown
    assert "AKIAEXAMPLE" not in shown and "explore:********@" in shown


def test_an_invalid_notebook_is_wrong_use() -> None:
    with pytest.raises(UsageError, match="not a notebook"):
        transcript({"invalid": "a.ipynb is not a notebook"}).conclude(2, None)


@pytest.mark.parametrize(
    ("lines", "code", "words"),
    [
        pytest.param(("ModuleNotFoundError: nbclient",), 1, "code 1", id="a-bug-in-the-runner"),
        pytest.param((), -9, "was it killed", id="killed-without-a-word"),
        pytest.param(('{"cell": 1, "of": 2, "seconds": 0.1}',), 130, "code 130", id="stopped-half-way"),
    ],
)
def test_an_end_without_a_verdict_is_a_failure(lines: tuple[str, ...], code: int, words: str) -> None:
    with pytest.raises(UnhealthyError, match=words):
        transcript(*lines).conclude(code, None)


@pytest.mark.parametrize(
    "line",
    [
        pytest.param("", id="empty"),
        pytest.param("[IPKernelApp] WARNING | something", id="a-log-line"),
        pytest.param("null", id="json-null"),
        pytest.param("[1, 2]", id="json-list"),
        pytest.param('{"cell": "3", "of": 4, "seconds": 1}', id="wrong-type"),
        pytest.param('{"failed": {"cell": 1}}', id="incomplete-failure"),
        pytest.param('{"cell": 1, "of":', id="torn"),
    ],
)
def test_a_stray_line_decides_nothing(line: str) -> None:
    assert transcript(line, {"cell": 1, "of": 1, "seconds": 0}).conclude(0, None).cells == 1


def test_stray_lines_are_the_last_words_of_a_runner_that_broke() -> None:
    with pytest.raises(UnhealthyError) as raised:
        transcript(*(f"line {number}" for number in range(60))).conclude(1, None)
    assert raised.value.details == tuple(f"line {number}" for number in range(35, 60))


@pytest.fixture
def notebook(tmp_path: Path) -> Path:
    path = tmp_path / "a b é.ipynb"
    path.write_text("{}")
    return path


def test_the_command_holds_absolute_paths_and_no_secret(notebook: Path) -> None:
    words = notebooks.argv(Path("/nb/bin/python"), notebook, notebook.with_name("out.ipynb"), 90)
    assert words[0] == "/nb/bin/python"
    assert Path(words[1]).is_file() and words[2] == str(notebook)
    assert words[3:5] == ("--parent", str(os.getpid()))
    assert words[5:] == ("--output", str(notebook.with_name("out.ipynb")), "--timeout", "90")


def test_output_and_timeout_are_optional(notebook: Path) -> None:
    assert "--output" not in (words := notebooks.argv(Path("python"), notebook, None, None))
    assert "--timeout" not in words


def test_a_usable_notebook_and_output_pass(notebook: Path, tmp_path: Path) -> None:
    notebooks.check(notebook, None)
    notebooks.check(notebook, tmp_path / "out.ipynb")


@pytest.mark.parametrize(
    ("file", "output", "words"),
    [
        pytest.param("none.ipynb", None, "there is no notebook", id="missing"),
        pytest.param("", None, "there is no notebook", id="a-folder"),
        pytest.param("script.py", None, "is not a notebook", id="another-kind-of-file"),
        pytest.param("a b é.ipynb", "a b é.ipynb", "replace the notebook", id="output-is-the-input"),
        pytest.param("a b é.ipynb", "link.ipynb", "replace the notebook", id="output-links-to-the-input"),
        pytest.param("a b é.ipynb", "", "is a folder", id="output-is-a-folder"),
        pytest.param("a b é.ipynb", "no/out.ipynb", "there is no folder", id="output-in-no-folder"),
    ],
)
def test_what_cannot_be_used_is_refused_before_anything_starts(
    notebook: Path, tmp_path: Path, file: str, output: str | None, words: str
) -> None:
    (tmp_path / "script.py").touch()
    (tmp_path / "link.ipynb").symlink_to(notebook)
    with pytest.raises(UsageError, match=words):
        notebooks.check(tmp_path / file, None if output is None else tmp_path / output)


def test_a_run_starts_the_notebook_environment_with_the_whole_environment(
    notebook: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[tuple[Any, Any]] = []

    def stream(argv: Any, on_line: Any, *, env: Any) -> int:
        started.append((argv, env))
        on_line('{"cell": 1, "of": 1, "seconds": 0.5}')
        return 0

    monkeypatch.setattr(commands, "stream", stream)
    done = notebooks.run(
        notebook, python=Path("python"), env=ENV, output=None, timeout=None, on_cell=lambda cell: None
    )
    assert done.cells == 1
    assert started == [(notebooks.argv(Path("python"), notebook, None, None), ENV)]
    assert not any(secret in " ".join(started[0][0]) for secret in ("s3-secret", "db-secret"))
