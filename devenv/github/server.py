"""One process, one listening socket: bounded in connections, sizes and times, whatever is sent."""

from __future__ import annotations

import errno
import logging
import re
import signal
import socket
import sys
import threading
import time
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

from .application import Application
from .exits import CONFLICT, WRONG_USE, StartError
from .messages import Answer, BadRequestError, Request, json_answer
from .settings import Settings, read_settings

MAX_BODY = 64 << 10
_MAX_CONNECTIONS = 64
# Seconds: between two bytes, and for a connection as a whole.
_SILENCE = 10.0
_WHOLE = 20.0
_UNPRINTABLE = re.compile(r"[^\x21-\x7e]")

log = logging.getLogger("github")


class Server(ThreadingHTTPServer):
    """Serves one :class:`Settings`; port 0 takes any free one. Close it with ``server_close``."""

    daemon_threads = True
    block_on_close = False
    # A person's browser opens several connections ahead of need.
    request_queue_size = 64

    def __init__(self, settings: Settings) -> None:
        self._places = threading.BoundedSemaphore(_MAX_CONNECTIONS)
        self._deadlines: dict[socket.socket, float] = {}
        super().__init__((settings.host, settings.port), Handler)
        self.application = Application(settings, port=self.server_port)

    def server_bind(self) -> None:
        """Bind without asking DNS for this machine's name, as the base class does."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def process_request(self, request: Any, client_address: Any) -> None:
        if not self._places.acquire(blocking=False):
            self.shutdown_request(request)
            return
        self._deadlines[request] = time.monotonic() + _WHOLE
        try:
            super().process_request(request, client_address)
        except BaseException:
            self._done(request)
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._done(request)

    def _done(self, request: Any) -> None:
        self._deadlines.pop(request, None)
        self._places.release()

    def service_actions(self) -> None:
        """Several times a second: end what takes too long. Its thread then reads an end, and goes."""
        now = time.monotonic()
        for connection, deadline in list(self._deadlines.items()):
            if now > deadline:
                self._deadlines.pop(connection, None)
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    continue

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - the base class has them
        """A client that went away is no event; anything else is a bug, and keeps its traceback."""
        if not isinstance(sys.exception(), OSError):
            log.exception("a request failed")


class Handler(BaseHTTPRequestHandler):
    """Reads one request, asks the application, writes its answer, closes."""

    server: Server
    protocol_version = "HTTP/1.1"
    server_version = "habari-github"
    sys_version = ""
    timeout = _SILENCE
    _BODILESS: ClassVar[set[int]] = {204, 304}

    def _serve(self) -> None:
        self.close_connection = True
        path, _, query = self.path.partition("?")
        try:
            request = Request(
                method=self.command,
                path=path,
                query=_checked(query),
                headers=self._single_headers(),
                body=self._body(),
                peer=self.client_address[:2],
                own=self.connection.getsockname()[:2],
            )
        except _TooLargeError:
            self._send(self.server.application.bad_request(path, 413, "the body is larger than 64 KiB"))
        except BadRequestError as bad:
            self._send(self.server.application.bad_request(path, 400, str(bad)))
        else:
            self._send(self._answer(request))

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _serve  # noqa: N815 - its names

    def _answer(self, request: Request) -> Answer:
        try:
            return self.server.application.answer(request)
        except Exception:
            log.exception("a bug: %s cannot be answered", request.method)
            return json_answer(500, {"message": "A bug: the server's log has it"})

    def _single_headers(self) -> dict[str, str]:
        names = [name.lower() for name in self.headers]
        if any(names.count(name) > 1 for name in ("host", "content-length", "origin", "authorization")):
            raise BadRequestError("a header is there twice")
        return {name: self.headers[name] for name in names}

    def _body(self) -> bytes:
        if "transfer-encoding" in self.headers:
            raise BadRequestError("a body must say its length")
        length = self.headers.get("content-length", "0")
        if not (length.isascii() and length.isdigit()):
            raise BadRequestError("Content-Length is not a number")
        if len(length) > 9 or int(length) > MAX_BODY:
            raise _TooLargeError
        body = self.rfile.read(int(length))
        if len(body) < int(length):
            raise BadRequestError("the body ended early")
        return body

    def _send(self, answer: Answer) -> None:
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if answer.status not in self._BODILESS:
            self.send_header("Content-Length", str(len(answer.body)))
        self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:  # noqa: ARG002
        """What the base class finds wrong before there is a request, without echoing what was sent."""
        self.close_connection = True
        status = HTTPStatus(code)
        # It may have stopped before it knew these.
        self.command = getattr(self, "command", None) or "GET"
        self.request_version = "HTTP/1.1"
        self._send(self.server.application.bad_request("", code, status.phrase))

    def log_request(self, code: Any = "-", size: Any = "-") -> None:  # noqa: ARG002
        """One line: queries hold codes, states and keys, and stay out of it."""
        path = _UNPRINTABLE.sub("?", getattr(self, "path", "").partition("?")[0])[:200]
        log.info("%s %s %d", _UNPRINTABLE.sub("?", self.command or "-")[:10], path or "-", int(code))

    def log_error(self, format: str, *args: Any) -> None:
        """Nothing: a connection that stayed silent is no event."""


class _TooLargeError(Exception):
    pass


def _checked(query: str) -> str:
    if not query.isascii() or not query.isprintable():
        raise BadRequestError("the address is not encoded as it should be")
    return query


def main(arguments: list[str]) -> int:
    """Serve until SIGTERM or SIGINT, then return 0; foreseen trouble is one line and its exit code."""
    logging.basicConfig(
        level="INFO", stream=sys.stdout, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    try:
        if len(arguments) != 2:
            raise StartError(WRONG_USE, "usage: python -I devenv/github/__main__.py <config.json>")
        server = _bound(read_settings(Path(arguments[1])))
    except StartError as trouble:
        print(f"github: {trouble}", file=sys.stderr)  # noqa: T201 - this process has no report module
        return trouble.exit_code
    for number in (signal.SIGTERM, signal.SIGINT):
        # shutdown() waits for the loop, which the handler interrupts: so from another thread.
        signal.signal(number, lambda *_: threading.Thread(target=server.shutdown, daemon=True).start())
    with server:
        log.info("listening on %s:%d", *server.server_address[:2])
        server.serve_forever(poll_interval=0.2)
    return 0


def _bound(settings: Settings) -> Server:
    try:
        return Server(settings)
    except OSError as error:
        code = CONFLICT if error.errno in (errno.EADDRINUSE, errno.EACCES) else WRONG_USE
        raise StartError(
            code, f"cannot listen on {settings.host}:{settings.port}: {error.strerror}"
        ) from None
