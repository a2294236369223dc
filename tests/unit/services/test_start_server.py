"""Jupyter's servers start as ``python -m`` has it, but JupyterLab finds no node while it is imported."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

START = Path(__file__).resolve().parents[3] / "jupyter" / "etc" / "start_server.py"
SERVER = """
import json, os, sys
told = {"argv": sys.argv[1:], "main": __name__, "path": os.environ.get("PATH"), "first": sys.path[0]}
print(json.dumps(told))
print(json.dumps(getattr(sys, "path_of_lab", "not imported")))
"""
LAB = "import os, shutil, sys\nsys.path_of_lab = shutil.which('node')\n"


@pytest.mark.parametrize(("has_lab", "seen"), [(True, None), (False, "not imported")])
def test_a_server_gets_what_it_was_given_and_lab_finds_no_node(
    tmp_path: Path, has_lab: bool, seen: str | None
) -> None:
    packages, work, programs = (tmp_path / name for name in ("packages", "work", "programs"))
    for folder in (packages, work, programs):
        folder.mkdir()
    (packages / "server.py").write_text(SERVER)
    (programs / "node").write_text("#!/bin/sh\n")
    (programs / "node").chmod(0o755)
    if has_lab:
        (packages / "jupyterlab").mkdir()
        (packages / "jupyterlab" / "__init__.py").touch()
        (packages / "jupyterlab" / "labapp.py").write_text(LAB)
    environ = {"PATH": str(programs), "PYTHONPATH": str(packages)}

    said = subprocess.run(
        (sys.executable, START, "server", "--port", "1"),
        cwd=work,
        env=environ,
        capture_output=True,
        check=True,
    )

    told, found = map(json.loads, said.stdout.splitlines())
    assert told["argv"] == ["--port", "1"]
    assert told["main"] == "__main__"
    assert told["path"] == str(programs)
    assert Path(told["first"]).samefile(work)
    assert found == seen
