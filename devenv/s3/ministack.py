"""The default S3: a policy-enforcing engine behind our guard, one process that keeps what it acknowledged.

This module knows how that process is told what to be; the guard itself is in ``devenv/s3/guard``.
"""

from __future__ import annotations

import http.client
import json
import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

from devenv.errors import ConflictError, NotRunningError, UnhealthyError
from devenv.s3.provider import KeyPair

GUARD = Path(__file__).with_name("guard")
HOST = "127.0.0.1"


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
    descriptor, name = tempfile.mkstemp(dir=folder, prefix=".s3-")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(config, file)
        Path(name).replace(target)
    except BaseException:
        with suppress(OSError):
            Path(name).unlink()
        raise
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
