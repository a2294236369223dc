"""The buckets in Lab's file browser beside hybridcontents + s3contents: one S3, one version of the server.

    .venv/bin/python benchmarks/contents.py [--rounds 10] [--gibibyte] [--rival-python PYTHON]

An instance called `bench-contents` is used and purged. Without --rival-python an environment for the rival is
made with pip in a temporary folder; its packages are named below and are in no lock of ours. --gibibyte
measures the memory of uploads and downloads of 1 GiB.
"""

from __future__ import annotations

import argparse
import base64
import http.client
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import boto3
import measure

CHECKOUT = Path(__file__).resolve().parent.parent
PACKAGE = CHECKOUT / "jupyter" / "buckets"
INSTANCE = "bench-contents"
RIVAL = ("hybridcontents==0.4.0", "s3contents==0.11.2", "s3fs>=2024", "boto3")
MIB = 1 << 20
PIECE = MIB  # what Lab sends at once

OURS = """
c.ServerApp.contents_manager_class = "jupyter_buckets.manager.BucketsContentsManager"
"""
# as the projects' own documentation has it; without files_handler_params every download is a 500
THEIRS = """
import os
from hybridcontents import HybridContentsManager
from jupyter_server.services.contents.largefilemanager import LargeFileManager
from s3contents import S3ContentsManager
c.ServerApp.contents_manager_class = HybridContentsManager
c.HybridContentsManager.manager_classes = {"": LargeFileManager, "lake": S3ContentsManager}
c.HybridContentsManager.manager_kwargs = {
    "": {"root_dir": os.getcwd()},
    "lake": {
        "bucket": os.environ["S3_BUCKET_NAME_LAKE"],
        "access_key_id": os.environ["AWS_ACCESS_KEY_ID"],
        "secret_access_key": os.environ["AWS_SECRET_ACCESS_KEY"],
        "endpoint_url": os.environ["AWS_ENDPOINT_URL"],
        "region_name": os.environ["AWS_DEFAULT_REGION"],
    },
}
c.HybridContentsManager.files_handler_params = {"path": ""}
"""


@dataclass
class Server:
    """One Jupyter server, spoken to over one connection as a browser does."""

    name: str
    python: Path
    home: Path
    contract: Mapping[str, str]
    configuration: str
    port: int = field(init=False)
    process: subprocess.Popen[bytes] = field(init=False)
    connection: http.client.HTTPConnection = field(init=False)

    def start(self) -> None:
        self.home.mkdir()
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        configuration = self.home / "configuration.py"
        configuration.write_text(self.configuration)
        env = {"PATH": os.environ["PATH"], "HOME": str(self.home), "JUPYTER_TOKEN": "bench", **self.contract}
        argv = [str(self.python), "-m", "jupyter_server", "--allow-root", "--no-browser"]
        argv += ["--ServerApp.ip=127.0.0.1", f"--ServerApp.port={self.port}", f"--config={configuration}"]
        self.process = subprocess.Popen(
            argv,
            cwd=self.home,
            env={**env, "PYTHONPATH": str(PACKAGE)},
            stderr=(self.home / "log").open("wb"),
        )
        self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=600)
        for _ in range(300):
            try:
                self.ask("GET", "/api/status")
                return
            except OSError:
                self.connection.close()
                time.sleep(0.1)
        raise SystemExit(f"{self.name} does not start: {(self.home / 'log').read_text()}")

    def ask(self, method: str, path: str, body: Any = None) -> bytes:
        sent = None if body is None else json.dumps(body)
        self.connection.request(method, path, sent, {"Authorization": "token bench"})
        answer = self.connection.getresponse()
        content = answer.read()
        if answer.status >= 300:
            raise SystemExit(f"{self.name}: {method} {path}: {answer.status} {content[:500]!r}")
        return content

    def contents(self, method: str, path: str, body: Any = None, query: str = "") -> bytes:
        return self.ask(method, f"/api/contents/lake/{quote(path)}{query}", body)

    def upload(self, path: str, size: int) -> None:
        piece = base64.b64encode(os.urandom(PIECE)).decode()
        last = size // PIECE
        for number in range(1, last + 1):
            model = {"type": "file", "format": "base64", "content": piece}
            self.contents("PUT", path, {**model, "chunk": number if number < last else -1})

    def download(self, path: str, size: int) -> None:
        self.connection.request("GET", f"/files/lake/{quote(path)}", headers={"Authorization": "token bench"})
        answer = self.connection.getresponse()
        received = 0
        while piece := answer.read(MIB):
            received += len(piece)
        assert (answer.status, received) == (200, size), (self.name, answer.status, received)

    @contextmanager
    def peak(self) -> Iterator[list[float]]:
        """MiB of memory at its highest, above what it was before."""
        status = Path(f"/proc/{self.process.pid}/status")

        def kibibytes(name: str) -> int:
            return int(status.read_text().split(f"{name}:")[1].split()[0])

        Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")
        before, told = kibibytes("VmRSS"), []
        yield told
        told.append((kibibytes("VmHWM") - before) / 1024)


def notebook() -> dict[str, Any]:
    """A notebook of about 20 KB."""
    cells = [
        {
            "cell_type": "code",
            "id": f"c{n}",
            "metadata": {},
            "source": "x = 1\n" * 30,
            "execution_count": None,
        }
        | {"outputs": []}
        for n in range(60)
    ]
    return {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}


def actions(server: Server, fill: Callable[[str, int], None]) -> dict[str, Callable[[], float]]:
    """What is measured; each returns its seconds."""
    own = server.name
    model = {"type": "notebook", "format": "json", "content": notebook()}
    numbers = iter(range(1_000_000))

    def rename() -> float:
        number = next(numbers)
        server.contents("PUT", f"{own}/from {number}", {"type": "directory"})
        fill(f"{own}/from {number}", 200)
        return measure.seconds(
            lambda: server.contents("PATCH", f"{own}/from {number}", {"path": f"lake/{own}/to {number}"})
        )

    server.contents("PUT", f"{own}", {"type": "directory"})
    server.contents("PUT", f"{own}/many", {"type": "directory"})
    fill(f"{own}/many", 1000)
    server.contents("PUT", f"{own}/n.ipynb", model)
    server.upload(f"{own}/64", 64 * MIB)
    return {
        "list of 1,000 keys": lambda: measure.seconds(lambda: server.contents("GET", f"{own}/many")),
        "open a notebook": lambda: measure.seconds(
            lambda: server.contents("GET", f"{own}/n.ipynb", query="?type=notebook&content=1&hash=1")
        ),
        "save a notebook": lambda: measure.seconds(lambda: server.contents("PUT", f"{own}/n.ipynb", model)),
        "upload 64 MiB": lambda: measure.seconds(lambda: server.upload(f"{own}/64", 64 * MIB)),
        "download 64 MiB": lambda: measure.seconds(lambda: server.download(f"{own}/64", 64 * MIB)),
        "rename a folder of 200": rename,
    }


def gibibyte(server: Server) -> None:
    """Print what 1 GiB each way costs in memory."""
    size = 1024 * MIB
    steps = {"upload": lambda: server.upload(f"{server.name}/g", size)}
    steps["download"] = lambda: server.download(f"{server.name}/g", size)
    for what, step in steps.items():
        with server.peak() as told:
            taken = measure.seconds(step)
        print(f"| {server.name} | {what} of 1 GiB | {taken:.1f} s | +{told[0]:.0f} MiB |", flush=True)


def dev(*words: str) -> str:
    argv = [str(CHECKOUT / "dev"), *words, "--instance", INSTANCE]
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout


def rival_python(folder: Path, notebook_python: Path) -> Path:
    """An environment with the rival and the same jupyter_server."""
    version = subprocess.run(
        [str(notebook_python), "-c", "import jupyter_server as s; print(s.__version__)"],
        check=True, capture_output=True, text=True,
    ).stdout.strip()  # fmt: skip
    home = folder / "rival"
    subprocess.run([sys.executable, "-m", "venv", str(home)], check=True)
    install = [str(home / "bin" / "pip"), "install", "--quiet", *RIVAL, f"jupyter_server=={version}"]
    subprocess.run(install, check=True)
    return home / "bin" / "python"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--gibibyte", action="store_true")
    parser.add_argument("--rival-python", type=Path)
    asked = parser.parse_args()
    dev("up")
    try:
        contract = json.loads(dev("env", "--json"))
        s3 = boto3.client(
            "s3",
            endpoint_url=contract["AWS_ENDPOINT_URL"],
            region_name=contract["AWS_DEFAULT_REGION"],
            aws_access_key_id=contract["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=contract["AWS_SECRET_ACCESS_KEY"],
        )

        def fill(prefix: str, count: int) -> None:
            bucket = contract["S3_BUCKET_NAME_LAKE"]
            with ThreadPoolExecutor(8) as pool:
                keys = (f"{prefix}/file {n:04d}.csv" for n in range(count))
                list(pool.map(lambda key: s3.put_object(Bucket=bucket, Key=key, Body=b"x" * 1000), keys))

        python = notebook_python()
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place)
            theirs = asked.rival_python or rival_python(folder, python)
            servers = [
                Server("buckets", python, folder / "ours", contract, OURS),
                Server("s3contents", theirs, folder / "theirs", contract, THEIRS),
            ]
            try:
                for server in servers:
                    server.start()
                compare([actions(server, fill) for server in servers], servers, asked.rounds)
                if asked.gibibyte:
                    for server in servers:
                        gibibyte(server)
            finally:
                for server in servers:
                    server.process.kill()
                    server.process.wait()
    finally:
        dev("down", "--purge")


def notebook_python() -> Path:
    from devenv import environments, state

    return environments.python(environments.locate("notebook", state.data_root(os.environ)))


def compare(tables: list[dict[str, Callable[[], float]]], servers: list[Server], rounds: int) -> None:
    lines = []
    for what in tables[0]:
        taken = measure.in_turn(
            {s.name: table[what] for s, table in zip(servers, tables, strict=True)}, rounds
        )
        medians = [f"{statistics.median(taken[server.name]) * 1000:,.0f} ms" for server in servers]
        times = 1 / measure.ratio(taken, servers[0].name, servers[1].name)
        lines.append(f"| {what} | {' | '.join(medians)} | {times:.1f} |")
    print(f"| what | {' | '.join(server.name for server in servers)} | times faster |\n|---|---|---|---|")
    print("\n".join(lines))


if __name__ == "__main__":
    sys.path.insert(0, str(CHECKOUT))
    main()
