"""One question to a PostgreSQL server, in its own protocol, over loopback.

It loads in no time where the full client takes some 0.4 s, reads none of the user's ``PG*`` variables, knows
SQLSTATEs of refused logins (texts are translated), and hands its password to nobody: only
SCRAM-SHA-256 is spoken, in which the server proves that it knows the password too.
Source: PostgreSQL's manual, "Frontend/Backend Protocol", version 3.0; RFC 5802 and RFC 7677.
"""

from __future__ import annotations

import hmac
import secrets
import socket
import struct
import time
from base64 import b64decode, b64encode
from dataclasses import dataclass, field

from devenv.postgres import scram

_VERSION_3 = 196608
_MECHANISM = b"SCRAM-SHA-256"
_OK, _SASL, _SASL_CONTINUE, _SASL_FINAL = 0, 10, 11, 12
# Nothing that is asked here has a longer answer; what claims to be longer is not PostgreSQL.
_LONGEST_MESSAGE = 1 << 20
# PostgreSQL's default is 4,096; a hostile number would keep this side busy for minutes.
_MOST_ITERATIONS = 100_000


class ServerError(Exception):
    """The server said no. ``sqlstate`` is its code (manual, appendix A)."""

    def __init__(self, sqlstate: str, message: str) -> None:
        super().__init__(message)
        self.sqlstate = sqlstate


class NotThisServer(Exception):  # noqa: N818 - an answer, not a fault
    """Whoever listens speaks another protocol, or asks for no SCRAM, or does not know the password."""


@dataclass(frozen=True)
class Login:
    """Who logs in where; the host is always 127.0.0.1."""

    port: int
    user: str
    password: str = field(repr=False)
    database: str


def ask(login: Login, sql: str, *, seconds: float) -> str:
    """The first column of the first row of ``sql``, as text.

    ``seconds`` bounds the whole. Raises :class:`ServerError`, :class:`NotThisServer`, or OSError
    (ConnectionRefusedError, TimeoutError) as the socket does.
    """
    end = time.monotonic() + seconds
    with socket.create_connection(("127.0.0.1", login.port), timeout=seconds) as connection:
        session = _Session(connection, end)
        try:
            session.log_in(login)
            return session.query(sql)
        except (ValueError, KeyError, struct.error) as error:
            raise NotThisServer("it does not keep to PostgreSQL's protocol") from error


class _Session:
    def __init__(self, connection: socket.socket, end: float) -> None:
        self._connection = connection
        self._end = end

    def log_in(self, login: Login) -> None:
        words = ("user", login.user, "database", login.database)
        body = b"".join(word.encode() + b"\0" for word in words) + b"\0"
        self._connection.sendall(struct.pack("!ii", len(body) + 8, _VERSION_3) + body)
        self._prove(login.password)
        while self._receive()[0] != b"Z":
            pass

    def query(self, sql: str) -> str:
        self._send(b"Q", sql.encode() + b"\0")
        value = ""
        while True:
            kind, body = self._receive()
            if kind == b"D":
                length = struct.unpack_from("!i", body, 2)[0]
                value = body[6 : 6 + max(length, 0)].decode()
            elif kind == b"Z":
                self._send(b"X", b"")
                return value

    def _prove(self, password: str) -> None:
        """RFC 5802, section 5; PostgreSQL takes the user name from the start message."""
        offered = self._authentication(_SASL).split(b"\0")
        if _MECHANISM not in offered:
            raise NotThisServer("it does not offer SCRAM-SHA-256")
        ours = "n=,r=" + secrets.token_urlsafe(18)
        hello = b"n,," + ours.encode()
        self._send(b"p", _MECHANISM + b"\0" + struct.pack("!i", len(hello)) + hello)

        theirs = self._authentication(_SASL_CONTINUE).decode("ascii")
        said = dict(part.split("=", 1) for part in theirs.split(","))
        if not said["r"].startswith(ours.removeprefix("n=,r=")):
            raise NotThisServer("it answers another login than this one")
        if int(said["i"]) > _MOST_ITERATIONS:
            raise NotThisServer("it asks for an absurd number of iterations")
        keys = scram.keys(password, b64decode(said["s"]), int(said["i"]))
        bare = f"c={b64encode(b'n,,').decode()},r={said['r']}"
        signed = f"{ours},{theirs},{bare}".encode()
        proof = bytes(a ^ b for a, b in zip(keys.client, scram.mac(keys.stored, signed), strict=True))
        self._send(b"p", f"{bare},p={b64encode(proof).decode()}".encode())

        final = self._authentication(_SASL_FINAL)
        if not hmac.compare_digest(final, b"v=" + b64encode(scram.mac(keys.server, signed))):
            raise NotThisServer("it does not know the password it asked for")
        self._authentication(_OK)

    def _authentication(self, expected: int) -> bytes:
        kind, body = self._receive()
        if kind != b"R" or struct.unpack_from("!i", body)[0] != expected:
            raise NotThisServer("it lets people in without SCRAM-SHA-256")
        return body[4:]

    def _send(self, kind: bytes, body: bytes) -> None:
        self._connection.sendall(kind + struct.pack("!i", len(body) + 4) + body)

    def _receive(self) -> tuple[bytes, bytes]:
        head = self._exactly(5)
        length = struct.unpack("!i", head[1:])[0] - 4
        if not 0 <= length <= _LONGEST_MESSAGE:
            raise NotThisServer("it does not keep to PostgreSQL's protocol")
        body = self._exactly(length)
        if head[:1] == b"E":
            raise _server_error(body)
        return head[:1], body

    def _exactly(self, size: int) -> bytes:
        received = b""
        while len(received) < size:
            left = self._end - time.monotonic()
            if left <= 0:
                raise TimeoutError("no answer in time")
            self._connection.settimeout(left)
            more = self._connection.recv(size - len(received))
            if not more:
                raise ConnectionResetError("the connection was closed half-way")
            received += more
        return received


def _server_error(body: bytes) -> ServerError:
    fields = {part[:1]: part[1:].decode(errors="replace") for part in body.split(b"\0") if part}
    return ServerError(fields.get(b"C", ""), fields.get(b"M", "it gave no reason"))
