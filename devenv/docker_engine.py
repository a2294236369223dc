"""Whether a Docker engine answers: asked without Docker's client, on its socket alone."""

from __future__ import annotations

import socket
from collections.abc import Mapping

SOCKET = "/var/run/docker.sock"


def answers(environ: Mapping[str, str], *, seconds: float = 0.3) -> bool:
    """Ping the engine of DOCKER_HOST, or of the usual socket (GET /_ping of the Engine API).

    Only a local socket is asked; an engine elsewhere is not looked for.
    """
    address = environ.get("DOCKER_HOST") or f"unix://{SOCKET}"
    scheme, _, path = address.partition("://")
    if scheme != "unix":
        return False
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(seconds)
            connection.connect(path)
            connection.sendall(b"GET /_ping HTTP/1.0\r\nHost: docker\r\n\r\n")
            return b" 200 " in connection.recv(256)
    except OSError:
        return False
