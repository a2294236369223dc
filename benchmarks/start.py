"""`up` warm to the first executed cell, beside JupyterLab alone in the same environment.

    .venv/bin/python benchmarks/start.py [--rounds 10]

Both sides start a server, then a kernel, and end when a cell has printed. `up` starts PostgreSQL and S3
too, provisions and proves them; its own proof is the first cell. "up, then a cell of one's own" adds a
second kernel.
An instance called `bench-start` is used and purged.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import measure

CHECKOUT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(CHECKOUT))

from devenv import environments, state  # noqa: E402
from devenv.endpoints import Endpoint  # noqa: E402
from devenv.errors import DevenvError  # noqa: E402
from devenv.services import kernel  # noqa: E402
from devenv.services.jupyter import PROOF  # noqa: E402

INSTANCE = "bench-start"


dev = partial(measure.dev, INSTANCE)


def up() -> float:
    """A stopped instance to the end of `up`, whose proof has executed a cell."""
    dev("down")
    return measure.seconds(lambda: dev("up"))


def up_and_own_cell() -> float:
    """The same, and then a cell in a kernel of one's own."""
    dev("down")

    def action() -> None:
        dev("up")
        admin = json.loads(dev("env", "--as", "admin", "--json"))
        port = int(admin["JUPYTER_URL"].rstrip("/").rpartition(":")[2])
        kernel.execute(Endpoint("127.0.0.1", port), admin["JUPYTER_TOKEN"], PROOF)

    return measure.seconds(action)


def lab_alone() -> float:
    """JupyterLab with no configuration of ours, no database and no S3, to a first cell."""
    python = environments.python(environments.locate("notebook", state.data_root(os.environ)))
    with tempfile.TemporaryDirectory() as home, socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()
        env = {"HOME": home, "PATH": os.environ["PATH"], "LANG": "C.UTF-8", "JUPYTER_TOKEN": "benchmark"}
        argv = [str(python), "-m", "jupyterlab", "--no-browser", "--allow-root", "--ServerApp.ip=127.0.0.1"]
        argv += [f"--ServerApp.port={port}", "--ServerApp.port_retries=0", f"--ServerApp.root_dir={home}"]
        child: list[subprocess.Popen[bytes]] = []

        def action() -> None:
            child.append(
                subprocess.Popen(
                    argv, env=env, cwd=home, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
                )
            )
            first_cell(Endpoint("127.0.0.1", port))

        try:
            return measure.seconds(action)
        finally:
            child[0].send_signal(signal.SIGTERM)
            child[0].wait()


def first_cell(endpoint: Endpoint) -> None:
    """Ask until the server answers, then execute a cell."""
    for _ in range(3000):
        try:
            kernel.ask(endpoint, "benchmark", "GET", "/api/status", seconds=3)
            break
        except (OSError, DevenvError):
            time.sleep(0.02)
    kernel.execute(endpoint, "benchmark", PROOF)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=10)
    rounds = parser.parse_args().rounds
    dev("up")
    try:
        sides = {"up": up, "up, then a cell of one's own": up_and_own_cell, "JupyterLab alone": lab_alone}
        taken = measure.in_turn(sides, rounds)
    finally:
        dev("down", "--purge")
    print(measure.summary(taken))
    print(f"up / JupyterLab alone: {measure.ratio(taken, 'up', 'JupyterLab alone'):.2f}")


if __name__ == "__main__":
    main()
