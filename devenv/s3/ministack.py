"""The default S3: a policy-enforcing engine behind our guard, one process that keeps what it acknowledged.

This module knows how that process is told what to be; the guard itself is in ``devenv/s3/guard``.
"""

from __future__ import annotations

import http.client
import json
import secrets
import signal
import socket
from pathlib import Path
from typing import Any

from devenv import commands, processes, waiting
from devenv.errors import ConflictError, NotRunningError, UnhealthyError
from devenv.s3.provider import Connection, KeyPair, Limit, Provider
from devenv.state import write_json

GUARD = Path(__file__).with_name("guard")
HOST = "127.0.0.1"
REGION = "us-east-1"


def write_config(
    folder: Path, *, port: int, data_dir: Path, root: KeyPair, admin_token: str, instance: str
) -> Path:
    """Write ``folder/s3.json`` (0600: it holds secrets) in one step and return its path."""
    config = {
        "host": HOST,
        "port": port,
        "data_dir": str(data_dir),
        "root_access_key_id": root.access_key_id,
        "root_secret_access_key": root.secret_access_key,
        "admin_token": admin_token,
        "instance": instance,
        "log_level": "WARNING",
    }
    target = folder / "s3.json"
    write_json(target, config)
    return target


def argv(python: Path, config: Path) -> tuple[str, ...]:
    """The command of the server; ``python`` is the S3 environment's. Isolated: no user site, no PYTHON*."""
    return (str(python), "-I", str(GUARD), str(config))


def health(port: int, token: str, *, timeout: float = 2.0) -> dict[str, Any]:
    """Who listens on ``port``: instance, engine, version, pid. ``timeout`` in seconds; no proxy is asked.

    Raises NotRunningError when nobody listens, ConflictError when it is not the owner of ``token``,
    UnhealthyError when it listens and does not answer.
    """
    connection = http.client.HTTPConnection(HOST, port, timeout=timeout)
    try:
        connection.request("GET", "/_devenv/health", headers={"X-Devenv-Token": token})
        response = connection.getresponse()
        status, body = response.status, response.read(65536)
    except ConnectionRefusedError:
        raise NotRunningError(f"S3 does not listen on port {port}", hint="Start it with: ./dev up") from None
    except TimeoutError:
        raise UnhealthyError(f"S3 on port {port} did not answer within {timeout:g} s") from None
    except (OSError, http.client.HTTPException) as error:
        raise UnhealthyError(f"port {port} does not answer as S3 does: {error}") from None
    finally:
        connection.close()
    try:
        told = json.loads(body) if status == 200 else None
    except ValueError:
        told = None
    if not isinstance(told, dict):
        raise ConflictError(f"port {port} is held by another program than this instance's S3")
    return told


class MiniStack(Provider):
    """The default server as a test suite starts it: its own port, secrets and folder.

    ``python`` is the S3 environment's interpreter; data and configuration are in ``folder`` and survive a
    stop, so a second start finds them.
    """

    name = "ministack"
    persistent = True
    limits: tuple[Limit, ...] = ()

    def __init__(self, python: Path, folder: Path, *, instance: str = "test") -> None:
        self._python = python
        self._folder = folder
        self._instance = instance
        self._root = KeyPair("AKIA" + secrets.token_hex(8).upper(), secrets.token_urlsafe(30))
        self._token = secrets.token_urlsafe(24)
        self._process: processes.Identity | None = None

    def start(self) -> Connection:
        """Return once the server answers to its token; UnhealthyError with its last lines otherwise."""
        port, data_dir, log = _free_port(), self._folder / "data", self._folder / "s3.log"
        data_dir.mkdir(parents=True, exist_ok=True)
        config = write_config(
            self._folder,
            port=port,
            data_dir=data_dir,
            root=self._root,
            admin_token=self._token,
            instance=self._instance,
        )
        pid = commands.spawn(argv(self._python, config), log=log, env={}, cwd=self._folder)
        self._process = processes.identify(pid)
        try:
            waiting.until(
                lambda: self._answer(port),
                what="S3",
                seconds=30,
                alive=lambda: self._require_life(log),
                tail=lambda: _tail(log),
            )
        except BaseException:
            self.stop()
            raise
        url = f"http://{HOST}:{port}"
        return Connection(url, REGION, admin=self._root, iam_endpoint_url=url, takes_keys=True)

    def stop(self) -> None:
        if self._process:
            processes.end([self._process], first=signal.SIGTERM, seconds=10)
            self._process = None

    def _answer(self, port: int) -> None:
        try:
            health(port, self._token)
        except (NotRunningError, UnhealthyError) as error:
            raise waiting.NotYet(error.what) from None

    def _require_life(self, log: Path) -> None:
        commands.reap()
        if not self._process or not processes.is_alive(self._process):
            raise UnhealthyError("S3 ended while it was starting", details=_tail(log))


def _tail(log: Path) -> tuple[str, ...]:
    return tuple(log.read_text(errors="replace").splitlines()[-8:])


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])
