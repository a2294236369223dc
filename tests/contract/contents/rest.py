"""A Jupyter server as a process, and its contents API as a person with curl uses it."""

from __future__ import annotations

import base64
import http.client
import json
import os
import secrets
import socket
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

JUPYTER = Path(__file__).parents[3] / "jupyter"
PACKAGE = JUPYTER / "buckets"
START = JUPYTER / "etc" / "start_server.py"
MANAGER = "jupyter_buckets.manager.BucketsContentsManager"


@dataclass
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def message(self) -> str:
        """What the person reads."""
        return str(self.json()["message"])


@dataclass
class Server:
    """A server in a home of its own; ``contract`` is the environment that it gets."""

    python: Path
    home: Path
    contract: Mapping[str, str]
    options: tuple[str, ...] = ()
    module: str = "jupyter_server"
    port: int = 0
    token: str = field(default_factory=lambda: secrets.token_hex(8))
    process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> str:
        return self.home.with_suffix(".log").read_text()

    def start(self) -> Server:
        self.home.mkdir(parents=True, exist_ok=True)
        self.port = self.port or free_port()
        env = {
            "PATH": f"{self.python.parent}:{os.environ['PATH']}",
            "HOME": str(self.home.with_suffix(".user")),
            "PYTHONPATH": str(PACKAGE),
            "JUPYTER_TOKEN": self.token,
            **self.contract,
        }
        argv = [str(self.python), str(START), self.module, "--allow-root", "--no-browser"]
        argv += ["--ServerApp.ip=127.0.0.1", f"--ServerApp.port={self.port}", "--ServerApp.port_retries=0"]
        argv += [f"--ServerApp.root_dir={self.home}", f"--ServerApp.contents_manager_class={MANAGER}"]
        argv += [
            "--FileContentsManager.delete_to_trash=False",
            "--FileContentsManager.always_delete_dir=True",
        ]
        with self.home.with_suffix(".log").open("ab") as log:
            self.process = subprocess.Popen([*argv, *self.options], env=env, stdout=log, stderr=log)
        self._wait()
        return self

    def stop(self, *, hard: bool = False) -> None:
        if self.process:
            self.process.kill() if hard else self.process.terminate()
            self.process.wait(30)
            self.process = None

    def _wait(self) -> None:
        for _ in range(300):
            assert self.process is not None
            assert self.process.poll() is None, self.log
            try:
                if self.ask("GET", "/api/status").status == 200:
                    return
            except OSError:
                time.sleep(0.1)
        raise AssertionError(f"the server does not answer: {self.log}")

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        seconds: float = 60,
    ) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=seconds)
        try:
            sent = None if body is None else json.dumps(body)
            connection.request(
                method, path, sent, {"Authorization": f"token {self.token}", **(headers or {})}
            )
            got = connection.getresponse()
            return Answer(got.status, dict(got.getheaders()), got.read())
        finally:
            connection.close()

    def contents(self, method: str, path: str, body: Any = None, query: str = "") -> Answer:
        return self.ask(method, f"/api/contents/{quote(path)}{query}", body)

    def get(self, path: str, **query: Any) -> dict[str, Any]:
        asked = "&".join(f"{name}={value}" for name, value in query.items())
        answer = self.contents("GET", path, query=f"?{asked}")
        assert answer.status == 200, answer
        return dict(answer.json())

    def names(self, path: str) -> set[str]:
        return {entry["name"] for entry in self.get(path)["content"]}

    def save(
        self, path: str, content: Any, *, form: str = "text", kind: str = "file", status: int | None = None
    ) -> Any:
        """PUT; without ``status`` it has to succeed."""
        answer = self.contents("PUT", path, {"type": kind, "format": form, "content": content})
        assert answer.status in ((200, 201) if status is None else (status,)), answer
        return answer.json() if status is None else answer

    def save_bytes(self, path: str, content: bytes) -> Any:
        return self.save(path, base64.b64encode(content).decode(), form="base64")

    def text(self, path: str) -> str:
        return str(self.get(path, type="file", format="text")["content"])

    def make_folder(self, path: str) -> Any:
        return self.save(path, None, form="json", kind="directory")

    def delete(self, path: str) -> None:
        answer = self.contents("DELETE", path)
        assert answer.status == 204, answer

    def rename(self, old: str, new: str) -> Answer:
        return self.contents("PATCH", old, {"path": new})

    def copy(self, source: str, folder: str) -> Answer:
        return self.contents("POST", folder, {"copy_from": source})

    def piece(self, path: str, number: int, content: bytes) -> Answer:
        encoded = base64.b64encode(content).decode()
        model = {"type": "file", "format": "base64", "chunk": number, "content": encoded}
        return self.contents("PUT", path, model)

    def upload(self, path: str, content: bytes, size: int = 1 << 20) -> Answer:
        """As Lab does it: pieces 1, 2, 3 … and the last as -1."""
        pieces = [content[start : start + size] for start in range(0, len(content), size)]
        for number, piece in enumerate(pieces[:-1], 1):
            answer = self.piece(path, number, piece)
            assert answer.status in (200, 201), answer
        return self.piece(path, -1, pieces[-1])

    def download(self, path: str, **headers: str) -> Answer:
        return self.ask("GET", f"/files/{quote(path)}", headers=headers)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def notebook(source: str) -> dict[str, Any]:
    cell = {
        "cell_type": "code",
        "id": "a",
        "metadata": {},
        "source": source,
        "execution_count": None,
        "outputs": [],
    }
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return {"cells": [cell], "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
