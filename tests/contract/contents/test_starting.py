"""What a server leaves alone until somebody needs it, so that it starts soon."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from contract.contents.rest import JUPYTER, PACKAGE

LANGUAGE_SERVERS = """
import sys
from jupyter_lsp.manager import LanguageServerManager
from traitlets.config import PyFileConfigLoader
config = PyFileConfigLoader("jupyter_server_config.py", sys.argv[1]).load_config()
manager = LanguageServerManager(config=config)
manager.initialize()
print(manager.find_node_module("a-language-server"))
"""


def run(python: Path, code: str, *words: str, folder: Path = Path("/")) -> str:
    """What it prints, in a folder whose programs come first."""
    environ = {"PYTHONPATH": str(PACKAGE), "PATH": f"{folder}:{os.environ['PATH']}"}
    argv = (str(python), "-c", code, *words)
    done = subprocess.run(
        argv, env=environ, cwd=folder, capture_output=True, text=True, check=True, timeout=60
    )
    return done.stdout.strip()


def test_the_sdk_of_s3_comes_with_the_first_call(notebook_python: Path) -> None:
    assert (
        run(notebook_python, "import sys, jupyter_buckets.manager; print('boto3' in sys.modules)") == "False"
    )


def test_the_machines_npm_is_not_asked_for_language_servers_and_the_folder_is(
    notebook_python: Path, tmp_path: Path
) -> None:
    npm = tmp_path / "npm"
    npm.write_text(f"#!/bin/sh\ntouch '{tmp_path}/asked'\n")
    npm.chmod(0o755)
    module = tmp_path / "node_modules" / "a-language-server"
    module.mkdir(parents=True)

    found = run(notebook_python, LANGUAGE_SERVERS, str(JUPYTER / "etc"), folder=tmp_path)

    assert found == str(module)
    assert not (tmp_path / "asked").exists()
