from __future__ import annotations

import socket
import struct
import threading
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from devenv.errors import ConflictError, UnhealthyError
from devenv.postgres import ask, scram
from devenv.postgres.ask import State
from devenv.postgres.wire import Login
from devenv.waiting import NotYet

NAME = "habari-0a1b2c"
PASSWORD = "tell-nobody"

Serve = Callable[[socket.socket], None]


@contextmanager
def _server(serve: Serve) -> Iterator[int]:
    """A listener on loopback that plays ``serve`` to the one client that comes."""

    def play() -> None:
        connection, _ = listener.accept()
        with connection:
            serve(connection)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        player = threading.Thread(target=play)
        player.start()
        yield listener.getsockname()[1]
        player.join(5)


def _login(port: int, password: str = PASSWORD) -> Login:
    return Login(port, "explore", password, "explore")


def _message(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!i", len(body) + 4) + body


def _error(sqlstate: bytes) -> bytes:
    return _message(b"E", b"SFATAL\0C" + sqlstate + b"\0Msome words\0\0")


def _start(connection: socket.socket) -> None:
    size = struct.unpack("!i", connection.recv(4, socket.MSG_WAITALL))[0]
    connection.recv(size - 4, socket.MSG_WAITALL)


def _read(connection: socket.socket) -> bytes:
    size = struct.unpack("!i", connection.recv(5, socket.MSG_WAITALL)[1:])[0]
    return connection.recv(size - 4, socket.MSG_WAITALL)


def _saying(said: bytes) -> Serve:
    def serve(connection: socket.socket) -> None:
        _start(connection)
        connection.sendall(said)

    return serve


def _postgres(*, knows: str = PASSWORD, name: str = NAME, iterations: int = 4096) -> Serve:
    """A server that speaks SCRAM by the book, and answers any query with its name."""

    def serve(connection: socket.socket) -> None:
        _start(connection)
        connection.sendall(_message(b"R", struct.pack("!i", 10) + b"SCRAM-SHA-256\0\0"))
        first = _read(connection).split(b"n,,")[1]
        salt = b"0123456789abcdef"
        theirs = first.split(b"r=")[1] + b"more"
        challenge = b"r=%s,s=%s,i=%d" % (theirs, b64encode(salt), iterations)
        connection.sendall(_message(b"R", struct.pack("!i", 11) + challenge))
        if iterations > 4096:
            return
        bare, proof = _read(connection).split(b",p=")
        keys = scram.keys(knows, salt, iterations)
        signed = b",".join((first, challenge, bare))
        signature = scram.mac(keys.stored, signed)
        if knows == PASSWORD:
            assert bytes(a ^ b for a, b in zip(b64decode(proof), signature, strict=True)) == keys.client
        final = b"v=" + b64encode(scram.mac(keys.server, signed))
        connection.sendall(_message(b"R", struct.pack("!i", 12) + final))
        connection.sendall(
            _message(b"R", struct.pack("!i", 0)) + _message(b"S", b"a\0b\0") + _message(b"Z", b"I")
        )
        if knows == PASSWORD:
            _read(connection)
            row = struct.pack("!hi", 1, len(name)) + name.encode()
            connection.sendall(_message(b"T", b"") + _message(b"D", row) + _message(b"Z", b"I"))
            _read(connection)

    return serve


@pytest.mark.parametrize(
    ("serve", "state"),
    [
        pytest.param(_postgres(), State.READY, id="our own server"),
        pytest.param(_postgres(name="habari-ffffff"), State.OTHER_SERVER, id="another instance's server"),
        pytest.param(
            _postgres(knows="else"), State.OTHER_SERVER, id="a server that does not know the password"
        ),
        pytest.param(
            _postgres(iterations=2**31 - 1), State.OTHER_SERVER, id="an absurd number of iterations"
        ),
        pytest.param(_saying(_error(b"57P03")), State.STARTING, id="starting up"),
        pytest.param(_saying(_error(b"28P01")), State.DENIED, id="wrong password"),
        pytest.param(_saying(_error(b"42501")), State.DENIED, id="no right to the database"),
        pytest.param(_saying(_error(b"3D000")), State.NO_DATABASE, id="no such database"),
        pytest.param(_saying(_error(b"53300")), State.BROKEN, id="too many connections"),
        pytest.param(_saying(b""), State.BROKEN, id="closed half-way"),
        pytest.param(
            _saying(_message(b"R", struct.pack("!i", 0))), State.OTHER_SERVER, id="lets everybody in"
        ),
        pytest.param(
            _saying(_message(b"R", struct.pack("!i", 3))), State.OTHER_SERVER, id="wants it in the clear"
        ),
        pytest.param(_saying(b"HTTP/1.1 400 Bad Request\r\n\r\n"), State.OTHER_SERVER, id="a web server"),
        pytest.param(_saying(_message(b"R", b"")), State.OTHER_SERVER, id="a message cut short"),
    ],
)
def test_each_kind_of_server_is_told_apart(serve: Serve, state: State) -> None:
    with _server(serve) as port:
        assert ask.answer(_login(port), name=NAME).state is state


def test_a_server_that_wants_the_password_in_the_clear_does_not_get_it() -> None:
    heard: list[bytes] = []

    def serve(connection: socket.socket) -> None:
        _start(connection)
        connection.sendall(_message(b"R", struct.pack("!i", 3)))
        heard.append(connection.recv(1000))

    with _server(serve) as port:
        ask.answer(_login(port), name=NAME)
    assert heard == [b""]


def test_a_server_that_says_nothing_is_silent_when_the_time_is_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        said = ask.answer(_login(listener.getsockname()[1]), name=NAME, seconds=0.05)
    assert said.state is State.SILENT


def test_a_port_on_which_nobody_listens_is_refused() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert ask.answer(_login(port), name=NAME).state is State.REFUSED


@pytest.mark.parametrize(
    ("serve", "error"),
    [
        pytest.param(_saying(_error(b"57P03")), NotYet, id="starting up is worth waiting for"),
        pytest.param(_saying(b""), NotYet, id="a broken connection too"),
        pytest.param(_saying(_error(b"28P01")), UnhealthyError, id="a refused login is not"),
        pytest.param(
            _saying(b"HTTP/1.1 400 Bad Request\r\n\r\n"), ConflictError, id="nor is somebody else's server"
        ),
    ],
)
def test_prove_waits_only_for_what_can_still_come(serve: Serve, error: type[Exception]) -> None:
    with _server(serve) as port, pytest.raises(error):
        ask.prove(_login(port), name=NAME)


def test_prove_returns_when_the_server_is_ready() -> None:
    with _server(_postgres()) as port:
        ask.prove(_login(port), name=NAME)


def test_a_login_does_not_show_its_password() -> None:
    assert PASSWORD not in repr(_login(1))
