"""The real server: whatever is sent, an answer or the end of the connection; never a secret in its log."""

from __future__ import annotations

import http.client
import json
import logging
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from pathlib import Path
from urllib.parse import urlencode

import pytest
from unit.github.browsing import SETTINGS, authorize, seal_in

from devenv.github import server as server_module
from devenv.github.__main__ import NAME
from devenv.github.exits import CONFLICT, StartError
from devenv.github.messages import Answer
from devenv.github.server import MAX_BODY, Handler, Server

MAIN = Path(server_module.__file__).with_name("__main__.py")


def ask(server: Server, method: str, path: str, body: str = "", **headers: str) -> Answer:
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=10)
    try:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body or None, named)
        response = connection.getresponse()
        return Answer(response.status, response.read(), dict(response.getheaders()))
    finally:
        connection.close()


@contextmanager
def connected(server: Server) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", server.server_port), timeout=10) as connection:
        yield connection


def said(server: Server, sent: bytes) -> bytes:
    """Everything that comes back for some bytes."""
    with connected(server) as connection:
        connection.sendall(sent)
        received = b""
        # What was not read of it makes the end a reset.
        with suppress(ConnectionResetError):
            while more := connection.recv(65536):
                received += more
        return received


def test_a_whole_sign_in_passes_and_leaves_no_secret_in_the_log(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    entered = ask(server, "GET", f"/enter?{urlencode({'key': SETTINGS.key})}")
    cookie = entered.headers["Set-Cookie"].partition(";")[0]
    page = ask(server, "GET", authorize(), cookie=cookie)
    form = {"content_type": "application/x-www-form-urlencoded"}
    clicked = ask(
        server,
        "POST",
        authorize(),
        urlencode({"seal": seal_in(page), "login": "ada"}),
        cookie=cookie,
        origin=f"http://127.0.0.1:{server.server_port}",
        **form,
    )
    code = clicked.headers["Location"].partition("code=")[2].partition("&")[0]
    fields = {
        "code": code,
        "client_id": SETTINGS.client_id,
        "client_secret": SETTINGS.client_secret,
        "redirect_uri": SETTINGS.redirect_uris[0],
        "code_verifier": "a-verifier-of-at-least-forty-three-characters",
    }
    told = ask(
        server, "POST", "/login/oauth/access_token", urlencode(fields), accept="application/json", **form
    )
    token = json.loads(told.body)["access_token"]
    user = ask(server, "GET", "/api/v3/user", authorization=f"token {token}")
    assert json.loads(user.body)["login"] == "ada"
    lines = [record.getMessage() for record in caplog.records]
    assert lines == [
        "GET /enter 303",
        "GET /login/oauth/authorize 200",
        "POST /login/oauth/authorize 303",
        "POST /login/oauth/access_token 200",
        "GET /api/v3/user 200",
    ]


def test_a_head_has_the_headers_of_a_get_and_no_body(server: Server) -> None:
    got, headed = ask(server, "GET", "/healthz"), ask(server, "HEAD", "/healthz")
    assert headed.status == got.status == 200
    assert headed.headers["Content-Length"] == got.headers["Content-Length"]
    assert headed.body == b""


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET /healthz HTTP/1.1\r\nHost: evil.example\r\n\r\n", 403),
        (b"GET /healthz HTTP/1.0\r\n\r\n", 403),
        (b"GET /healthz HTTP/1.1\r\nHost: {host}\r\nHost: {host}\r\n\r\n", 400),
        (b"BREW /healthz HTTP/1.1\r\nHost: {host}\r\n\r\n", 501),
        (b"GET /healthz HTTP/9.9\r\n\r\n", 505),
        (b"nonsense\r\n\r\n", 400),
        (b"GET /\xff?\xff HTTP/1.1\r\nHost: {host}\r\n\r\n", 400),
        (b"GET /" + b"a" * 70000 + b" HTTP/1.1\r\n", 414),
        (b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 200 + b"\r\n", 431),
        (b"GET / HTTP/1.1\r\nA: " + b"b" * 70000 + b"\r\n", 431),
        (b"POST /login/oauth/access_token HTTP/1.1\r\nHost: {host}\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST /login/oauth/access_token HTTP/1.1\r\nHost: {host}\r\nContent-Length: 65537\r\n\r\n", 413),
        (b"POST /enter HTTP/1.1\r\nHost: {host}\r\nContent-Length: 9999999999999\r\n\r\n", 413),
        (b"POST /enter HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_is_wrong_gets_its_status_and_no_traceback(
    server: Server, caplog: pytest.LogCaptureFixture, sent: bytes, status: int
) -> None:
    host = f"127.0.0.1:{server.server_port}".encode()
    answer = said(server, sent.replace(b"{host}", host))
    assert answer.startswith(b"HTTP/1.1 %d " % status)
    assert b"X-Frame-Options: DENY" in answer
    assert not [record for record in caplog.records if record.exc_info]


def test_a_body_that_ends_early_is_a_bad_request(server: Server) -> None:
    head = (
        f"POST /enter HTTP/1.1\r\nHost: 127.0.0.1:{server.server_port}\r\nContent-Length: {MAX_BODY}\r\n\r\n"
    )
    with connected(server) as connection:
        connection.sendall(head.encode() + b"key=")
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(12) == b"HTTP/1.1 400"


def test_a_log_line_stays_one_line(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    said(server, b"GET /a\x1b[31m\x0bb?key=secret HTTP/1.1\r\n\r\n")
    assert "secret" not in caplog.text
    assert [
        ord(letter) for record in caplog.records for letter in record.getMessage() if ord(letter) < 32
    ] == []


def test_a_client_that_says_nothing_is_let_go(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Handler, "timeout", 0.05)
    with connected(server) as connection:
        assert connection.recv(1) == b""


def test_a_client_that_goes_on_for_ever_is_let_go(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "_WHOLE", 0.0)
    with connected(server) as connection:
        connection.sendall(b"GET /")
        assert connection.recv(1) == b""


def test_more_connections_than_there_are_places_for_are_closed_at_once(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server._places, "acquire", lambda blocking: False)
    with connected(server) as connection:
        assert connection.recv(1) == b""
    monkeypatch.undo()
    assert ask(server, "GET", "/healthz").status == 200


def test_a_bug_is_answered_and_keeps_its_traceback(
    server: Server, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_request: object) -> Answer:
        raise RuntimeError("a bug")

    monkeypatch.setattr(server.application, "answer", fail)
    assert ask(server, "GET", "/healthz?key=secret").status == 500
    assert [record for record in caplog.records if record.exc_info]
    assert "key=secret" not in caplog.text


def test_a_port_that_is_taken_is_a_conflict(server: Server) -> None:
    with pytest.raises(StartError, match="cannot listen on 127") as refused:
        server_module._bound(replace(SETTINGS, port=server.server_port))
    assert refused.value.exit_code == CONFLICT


def test_the_folder_runs_alone_and_tells_what_is_wrong_in_one_line(tmp_path: Path, server: Server) -> None:
    """The port is taken by ``server``: so everything was imported, and the process ends by itself."""
    config = tmp_path / "github.json"
    config.write_text(json.dumps(asdict(replace(SETTINGS, port=server.server_port))))
    config.chmod(0o600)
    ended = subprocess.run(
        (sys.executable, "-I", str(MAIN), str(config)),
        cwd=tmp_path, env={}, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (ended.returncode, ended.stdout) == (CONFLICT, "")
    assert ended.stderr.startswith("github: cannot listen on 127.0.0.1:")
    assert ended.stderr.count("\n") == 1
    assert NAME == "github"


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="this system has no /proc/net/tcp")
def test_the_account_of_a_live_connection_decides(server: Server) -> None:
    own = os.getuid()
    for uids, status in (((own or 1, own or 1), 403 if own else 200), ((own + 1, own + 1), 200)):
        kept_out = replace(SETTINGS, port=0, notebook_uids=uids)
        application = server.application
        try:
            server.application = type(application)(kept_out, port=server.server_port)
            entered = ask(server, "GET", f"/enter?{urlencode({'key': SETTINGS.key})}")
        finally:
            server.application = application
        assert entered.status == (303 if status == 200 else status)
