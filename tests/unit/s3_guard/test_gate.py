"""The gate: what reaches the engine and what does not."""

from __future__ import annotations

import asyncio
import json
import os
from collections import namedtuple
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from devenv.s3.guard.gate import HEALTH_PATH, Gate
from devenv.s3.guard.settings import Settings

TOKEN = "the token of this instance"
V4 = "AWS4-HMAC-SHA256 Credential=KEY/20261123/us-east-1/{}/aws4_request, SignedHeaders=host, Signature=00"
PRESIGNED = {
    "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
    "X-Amz-Credential": "KEY/20261123/us-east-1/s3/aws4_request",
    "X-Amz-Date": "20261123T000000Z",
    "X-Amz-Expires": "60",
    "X-Amz-SignedHeaders": "host",
    "X-Amz-Signature": "00",
}
PRESIGNED_V2 = {"AWSAccessKeyId": "KEY", "Signature": "x", "Expires": "1"}


class Exchange:
    """One request through a gate, and what came back."""

    def __init__(self, folder: Path, *, engine_status: int = 299) -> None:
        self.reached = False
        self.sent: list[dict[str, Any]] = []
        self._engine_status = engine_status
        self._gate = Gate(self._engine, Settings("127.0.0.1", 1, folder, "ROOT", "secret", TOKEN, "habari-1"))

    async def _engine(self, _scope: Any, _receive: Any, send: Any) -> None:
        self.reached = True
        await send({"type": "http.response.start", "status": self._engine_status, "headers": []})

    def run(
        self,
        method: str = "GET",
        path: str = "/lake/key",
        query: str | dict[str, str] = "",
        headers: list[tuple[str, str]] | None = None,
        kind: str = "http",
    ) -> int:
        async def receive() -> dict[str, Any]:
            return {
                "type": f"{kind}.connect" if kind == "websocket" else "http.request",
                "body": b"",
                "more_body": False,
            }

        async def send(message: dict[str, Any]) -> None:
            self.sent.append(message)

        scope = {
            "type": kind,
            "method": method,
            "path": path,
            "query_string": (query if isinstance(query, str) else urlencode(query)).encode(),
            "headers": [(name.encode(), value.encode()) for name, value in headers or []],
        }
        asyncio.run(self._gate(scope, receive, send))
        return int(self.sent[0].get("status", 0))

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.sent)


@pytest.mark.parametrize(
    ("query", "headers"),
    [
        ("", []),
        ("", [("authorization", V4.format("s3"))]),
        ("", [("authorization", V4.format("iam"))]),
        ("", [("authorization", V4.format("sts"))]),
        ("", [("authorization", "AWS KEY:signature")]),
        (PRESIGNED, []),
        (PRESIGNED_V2, []),
        ("list-type=2&prefix=a%2F", []),
    ],
    ids=["anonymous", "v4", "iam", "sts", "v2", "presigned", "presigned-v2", "list"],
)
def test_s3_iam_and_sts_requests_reach_the_engine(
    tmp_path: Path, query: str | dict[str, str], headers: list[tuple[str, str]]
) -> None:
    exchange = Exchange(tmp_path)
    assert exchange.run(query=query, headers=headers) == 299


@pytest.mark.parametrize(
    ("status", "query", "headers"),
    [
        (403, "", [("authorization", V4.format("lambda"))]),
        (403, "", [("authorization", V4.format("s3-object-lambda"))]),
        (403, "", [("authorization", "AWS4-HMAC-SHA256 Credential=KEY")]),
        (400, "", [("authorization", "Bearer x")]),
        (400, "", [("authorization", "AWS4-ECDSA-P256-SHA256 Credential=KEY/20261123/s3/aws4_request")]),
        (400, "", [("authorization", V4.format("s3")), ("authorization", V4.format("s3"))]),
        (400, PRESIGNED, [("authorization", V4.format("s3"))]),
        (400, {**PRESIGNED, **PRESIGNED_V2}, []),
        (400, {**PRESIGNED, "X-Amz-Algorithm": "AWS4-ECDSA-P256-SHA256"}, []),
        (403, {"X-Amz-Credential": PRESIGNED["X-Amz-Credential"]}, []),
        (403, {"X-Amz-Algorithm": "AWS4-HMAC-SHA256"}, []),
        (403, {name.lower(): value for name, value in PRESIGNED.items()}, []),
        (403, urlencode(PRESIGNED) + "&X-Amz-Credential=ROOT/20261123/us-east-1/s3/aws4_request", []),
        (403, {**PRESIGNED, "X-Amz-Credential": "KEY/20261123/us-east-1/lambda/aws4_request"}, []),
        (403, {"AWSAccessKeyId": "ROOT"}, []),
        (403, {"awsaccesskeyid": "ROOT", "signature": "x", "expires": "1"}, []),
    ],
    ids=[
        "lambda", "object-lambda", "no-scope", "bearer", "sigv4a", "two-headers", "header-and-query",
        "v4-and-v2",
        "presigned-sigv4a", "credential-alone", "algorithm-alone", "lower-case", "credential-twice",
        "presigned-lambda", "v2-key-alone", "v2-lower-case",
    ],
)  # fmt: skip
def test_other_planes_and_half_or_double_credentials_are_refused(
    tmp_path: Path, status: int, query: str | dict[str, str], headers: list[tuple[str, str]]
) -> None:
    exchange = Exchange(tmp_path)
    assert exchange.run(query=query, headers=headers) == status
    assert not exchange.reached
    assert exchange.body.startswith(b"<?xml")
    assert b"<Error><Code>" in exchange.body


@pytest.mark.parametrize("path", ["/_ministack/reset", "/_localstack/health", "/_aws/ses", "/_devenv/other"])
def test_administration_is_closed_to_root_too(tmp_path: Path, path: str) -> None:
    exchange = Exchange(tmp_path)
    assert exchange.run("POST", path, headers=[("authorization", V4.format("s3"))]) == 403
    assert not exchange.reached


def test_keys_that_start_with_an_underscore_are_keys(tmp_path: Path) -> None:
    assert Exchange(tmp_path).run(path="/_SUCCESS", headers=[("host", "lake.localhost")]) == 299


@pytest.mark.parametrize("token", ["", "wrong", TOKEN + "x"], ids=["empty", "wrong", "longer"])
def test_health_is_refused_without_the_token(tmp_path: Path, token: str) -> None:
    exchange = Exchange(tmp_path)
    assert exchange.run(path=HEALTH_PATH, headers=[("x-devenv-token", token)]) == 403
    assert b"habari" not in exchange.body


def test_health_tells_what_runs_to_who_has_the_token(tmp_path: Path) -> None:
    exchange = Exchange(tmp_path)
    assert exchange.run(path=HEALTH_PATH, headers=[("X-Devenv-Token", TOKEN)]) == 200
    told = json.loads(exchange.body)
    assert told == {"instance": "habari-1", "engine": "ministack", "version": "1.5.33", "pid": os.getpid()}


def test_a_refused_head_has_no_body(tmp_path: Path) -> None:
    exchange = Exchange(tmp_path)
    assert exchange.run("HEAD", "/_ministack/health") == 403
    assert exchange.body == b""


def test_a_websocket_is_closed_before_it_opens(tmp_path: Path) -> None:
    exchange = Exchange(tmp_path)
    exchange.run(kind="websocket")
    assert exchange.sent == [{"type": "websocket.close", "code": 1008}]


@pytest.mark.parametrize(
    ("method", "length", "status"),
    [("PUT", 1 << 20, 507), ("POST", 1 << 20, 507), ("PUT", 0, 299), ("GET", 0, 299), ("DELETE", 0, 299)],
)
def test_a_write_that_does_not_fit_is_refused_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str, length: int, status: int
) -> None:
    disk = namedtuple("disk", "f_bavail f_frsize f_favail f_files")
    monkeypatch.setattr(os, "statvfs", lambda _path: disk((16 << 20) // 4096, 4096, 10, 100))
    exchange = Exchange(tmp_path)
    assert exchange.run(method, headers=[("content-length", str(length))]) == status
    if status == 507:
        assert str(tmp_path).encode() in exchange.body


def test_a_file_system_without_free_inodes_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = namedtuple("disk", "f_bavail f_frsize f_favail f_files")
    monkeypatch.setattr(os, "statvfs", lambda _path: disk(1 << 30, 4096, 0, 100))
    assert Exchange(tmp_path).run("PUT") == 507
