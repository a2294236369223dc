"""Whether a Docker engine answers, asked on a socket that the test made."""

from __future__ import annotations

import socket
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from devenv import docker_engine


@contextmanager
def engine(reply: bytes) -> Iterator[tuple[str, list[bytes]]]:
    """A local socket that gives one reply; its address, and what it was asked."""
    asked: list[bytes] = []
    # a socket's path may have 107 bytes, which the test's own folder may exceed
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as listener:
        path = Path(folder) / "docker.sock"
        listener.bind(str(path))
        listener.listen()

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                asked.append(connection.recv(1024))
                connection.sendall(reply)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"unix://{path}", asked
        thread.join(5)


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        pytest.param(b"HTTP/1.0 200 OK\r\n\r\nOK", True, id="an engine"),
        pytest.param(b"HTTP/1.0 500 Internal Server Error\r\n\r\n", False, id="an engine in trouble"),
        pytest.param(b"", False, id="no word"),
    ],
)
def test_an_engine_answers_when_its_ping_does(reply: bytes, expected: bool) -> None:
    with engine(reply) as (address, asked):
        assert docker_engine.answers({"DOCKER_HOST": address}, seconds=5) is expected

    assert asked[0].startswith(b"GET /_ping ")


@pytest.mark.parametrize(
    "address",
    [
        pytest.param("unix:///not/there.sock", id="no socket"),
        pytest.param("tcp://127.0.0.1:2375", id="not local"),
        pytest.param("ssh://somebody@elsewhere", id="elsewhere"),
        pytest.param("nonsense", id="nonsense"),
        pytest.param("unix://" + "x" * 200, id="longer than a socket's path may be"),
    ],
)
def test_anything_else_is_no_engine(address: str) -> None:
    assert docker_engine.answers({"DOCKER_HOST": address}) is False
