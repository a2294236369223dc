"""What the providers promise before anything runs."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from devenv.errors import ConflictError, DevenvError, MissingError, NotRunningError, UsageError
from devenv.s3 import minio_limits, ministack, moto_limits
from devenv.s3.external import External
from devenv.s3.moto_gate import Caller, RefusedError
from devenv.s3.provider import Connection, KeyPair

SECRET = "a-secret-that-nobody-may-see"
KEY = KeyPair("AKIAUSERUSERUSERUSER", SECRET)
DOCS = Path(__file__).parents[3] / "docs" / "s3.md"


def config_in(folder: Path) -> Path:
    return ministack.write_config(
        folder, port=4566, data_dir=folder / "data", root=KEY, admin_token="token" * 4, instance="habari-1a2b"
    )


def test_the_servers_settings_are_for_its_owner_alone(tmp_path: Path) -> None:
    config = config_in(tmp_path)
    assert config.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [config]
    assert json.loads(config.read_text()) == {
        "host": "127.0.0.1",
        "port": 4566,
        "data_dir": str(tmp_path / "data"),
        "root_access_key_id": KEY.access_key_id,
        "root_secret_access_key": SECRET,
        "admin_token": "token" * 4,
        "instance": "habari-1a2b",
        "log_level": "WARNING",
    }


def test_no_secret_is_in_a_command_or_a_repr(tmp_path: Path) -> None:
    config = config_in(tmp_path)
    words = ministack.argv(Path("/env/bin/python"), config)
    assert words == ("/env/bin/python", "-I", str(ministack.GUARD), str(config))
    connection = Connection("http://127.0.0.1:1", "us-east-1", admin=KEY, user=KEY)
    assert SECRET not in repr(connection)
    assert KEY.access_key_id in repr(connection)


def test_health_of_a_port_where_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(NotRunningError):
        ministack.health(port, "token")


def test_health_of_a_port_that_another_program_holds() -> None:
    import http.server
    import threading

    class Stranger(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"<html>hello")

        def log_message(self, *words: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Stranger) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        with pytest.raises(ConflictError, match="held by another program"):
            ministack.health(server.server_port, "token")
        server.shutdown()


@pytest.mark.parametrize(
    "url",
    [
        "",
        "minio:9000",
        "ftp://minio:9000",
        "http://",
        "http://u:p@minio:9000",
        "http://minio/path",
        "http://m:x",
    ],
)
def test_an_address_that_is_none_is_wrong_use(url: str) -> None:
    with pytest.raises(UsageError) as told:
        External(url, "us-east-1", user=KEY)
    assert "u:p" not in str(told.value)


def test_an_own_endpoint_needs_the_keys_that_its_apis_ask_for() -> None:
    with pytest.raises(MissingError, match="access key that notebooks get"):
        External("http://minio:9000", "us-east-1", admin=KEY)
    with pytest.raises(MissingError, match="admin key"):
        External("http://minio:9000", "us-east-1", iam_endpoint_url="http://minio:9000")


def test_an_own_endpoint_that_is_down_is_not_running() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(NotRunningError) as told:
        External(f"http://127.0.0.1:{port}", "us-east-1", user=KEY).start()
    assert isinstance(told.value, DevenvError)


PATTERNS = [
    pytest.param("s3:*", "s3:PutObject", True, id="any-action"),
    pytest.param("s3:getobject", "s3:GetObject", True, id="actions-in-any-case"),
    pytest.param("s3:Get?bject", "s3:GetObject", True, id="one-letter"),
    pytest.param("s3:GetObject", "s3:GetObjectVersion", False, id="whole-name"),
    pytest.param("s3.GetObject", "s3:GetObject", False, id="dot-is-a-dot"),
]


@pytest.mark.parametrize(("pattern", "action", "allowed"), PATTERNS)
def test_a_pattern_of_a_policy_is_no_regular_expression(pattern: str, action: str, allowed: bool) -> None:
    statement = {"Effect": "Allow", "Action": pattern, "Resource": "*"}
    assert Caller(({"Statement": statement},)).may(action, "arn:aws:s3:::b/k") is allowed


def test_deny_beats_allow_and_a_condition_never_opens() -> None:
    allow = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
    deny = {"Effect": "Deny", "Action": "s3:PutObject", "Resource": "arn:aws:s3:::b/*"}
    caller = Caller(({"Statement": [allow, deny]},))
    assert caller.may("s3:GetObject", "arn:aws:s3:::b/k")
    assert not caller.may("s3:PutObject", "arn:aws:s3:::b/k")
    conditional = Caller(({"Statement": [allow | {"Condition": {"Bool": {"x": "true"}}}]},))
    assert not conditional.may("s3:GetObject", "arn:aws:s3:::b/k")
    with pytest.raises(RefusedError):
        Caller().require([("s3:GetObject", "arn:aws:s3:::b/k")])


def test_the_documentation_lists_what_moto_and_minio_get_wrong() -> None:
    told = [
        line.strip("| ").split(" | ")[0]
        for line in DOCS.read_text().splitlines()
        if " rows |" in line or " row |" in line
    ]
    assert told == [limit.what for limit in (*moto_limits.LIMITS, *minio_limits.LIMITS)]
