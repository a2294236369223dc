"""``python start_server.py MODULE ARGUMENT...``: what ``python -m`` does with them, half a second sooner.

JupyterLab asks yarn for its registry while it is imported, wherever there is a node. That is for builds of
JupyterLab itself, which ask again.
"""

import contextlib
import os
import runpy
import sys
from pathlib import Path

NOWHERE = "/nonexistent"

path = os.environ.get("PATH")
os.environ["PATH"] = NOWHERE
with contextlib.suppress(ImportError):
    import jupyterlab.labapp  # noqa: F401
if path is None:
    del os.environ["PATH"]
else:
    os.environ["PATH"] = path

# as -m has it
sys.path[0] = str(Path.cwd())
sys.argv = sys.argv[1:]
runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
