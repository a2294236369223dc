"""The launcher: a fresh environment, a private umask, a life of its own; by tiny real programs."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from devenv.hub import launch, processes

SHELL = ("/bin/sh", "-c")


def launched(folder: Path, script: str, **more: Any) -> dict[str, Any]:
    request = {
        "argv": [*SHELL, script],
        "env": {"ONLY": "this"},
        "cwd": str(folder),
        "log": str(folder / "a.log"),
        "wait": 10,
        **more,
    }
    done = subprocess.run(
        (sys.executable, "-I", "-S", launch.__file__),
        input=json.dumps(request),
        capture_output=True,
        text=True,
        check=True,
        env={"SECRET_OF_THE_HUB": "x"},
        timeout=30,
    )
    assert done.stderr == ""
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def test_a_program_gets_the_asked_environment_and_no_more(tmp_path: Path) -> None:
    assert launched(tmp_path, "/usr/bin/env; umask; /bin/pwd; cat") == {"status": 0}
    told = (tmp_path / "a.log").read_text()
    assert "ONLY=this\n" in told
    assert "SECRET_OF_THE_HUB" not in told
    assert "0077\n" in told
    assert f"\n{tmp_path}\n" in told


def test_the_log_is_appended_to_and_private(tmp_path: Path) -> None:
    launched(tmp_path, "echo one")
    launched(tmp_path, "echo two >&2")
    assert (tmp_path / "a.log").read_text() == "one\ntwo\n"
    assert stat.S_IMODE((tmp_path / "a.log").stat().st_mode) == 0o600


def test_a_log_that_is_a_link_is_not_written_to(tmp_path: Path) -> None:
    (tmp_path / "target").write_text("as it was")
    (tmp_path / "a.log").symlink_to(tmp_path / "target")
    assert "error" in launched(tmp_path, "echo one")
    assert (tmp_path / "target").read_text() == "as it was"


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"argv": ["/no/such/program"]}, "No such file or directory"),
        ({"argv": ["/"]}, "Permission denied"),
        ({"cwd": "/no/such/folder"}, "No such file or directory: /no/such/folder"),
        ({"log": "/no/such/folder/a.log"}, "No such file or directory: /no/such/folder/a.log"),
    ],
    ids=["program", "folder as a program", "folder", "log"],
)
def test_what_prevents_the_start_is_told(tmp_path: Path, changed: dict[str, Any], told: str) -> None:
    assert told in launched(tmp_path, "true", **changed)["error"]


def test_the_exit_code_of_what_is_waited_for_is_told(tmp_path: Path) -> None:
    assert launched(tmp_path, "exit 3") == {"status": 3}


def test_what_takes_too_long_is_ended_with_all_its_group(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    answer = launched(tmp_path, f"sleep 60 & echo $$ $! > {pids}; wait", wait=0.3)
    assert answer == {"status": None}
    left = [int(pid) for pid in pids.read_text().split()]
    # the kernel may take a moment to carry a SIGKILL out
    assert any(not any(map(processes.identify, left)) for _ in range(5000))


def test_a_server_leads_a_session_of_its_own_and_outlives_the_launcher(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    pid = launched(tmp_path, f"read line < {fifo}; echo $line", wait=0)["pid"]
    assert os.getsid(pid) == pid != os.getsid(0)
    # opening blocks until the program reads, so it is alive
    fifo.write_text("still here\n")


def test_files_are_placed_once_and_never_over_what_is_there(tmp_path: Path) -> None:
    files = {"samples": {"a.ipynb": "{}"}}
    launched(tmp_path, "true", files=files)
    assert (tmp_path / "samples" / "a.ipynb").read_text() == "{}"
    (tmp_path / "samples" / "a.ipynb").write_text("changed")
    launched(tmp_path, "true", files=files)
    assert (tmp_path / "samples" / "a.ipynb").read_text() == "changed"
    assert sorted(each.name for each in tmp_path.iterdir()) == ["a.log", "samples"]


def test_a_folder_that_cannot_be_placed_is_a_notice_and_the_program_runs(tmp_path: Path) -> None:
    assert launched(tmp_path, "echo ran", files={"no/such/folder": {"a": ""}}) == {"status": 0}
    told = (tmp_path / "a.log").read_text()
    assert "notice: no/such/folder was not copied" in told
    assert told.endswith("ran\n")
