"""Requests below boto3: signed by botocore, sent as they are, or bent on purpose."""

from __future__ import annotations

import http.client
import re
import urllib.parse
from collections.abc import Iterable
from contextlib import closing
from typing import Any

from botocore.auth import HmacV1Auth, HmacV1QueryAuth, S3SigV4Auth, S3SigV4QueryAuth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from contract.s3.world import Answer, World
from devenv.s3.provider import Connection, KeyPair


def quote(key: str) -> str:
    return urllib.parse.quote(key, safe="/~-_.")


def url_of(world: World, bucket: str, key: str = "", query: str = "") -> str:
    return f"{world.connection.endpoint_url}/{bucket}/{quote(key)}" + (f"?{query}" if query else "")


def credentials(key: KeyPair) -> Credentials:
    return Credentials(key.access_key_id, key.secret_access_key)


def line_to(url: str) -> http.client.HTTPConnection:
    parts = urllib.parse.urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    return kind(parts.hostname or "", parts.port, timeout=20)


def send(
    method: str, url: str, headers: dict[str, str] | None = None, body: bytes = b""
) -> tuple[Answer, bytes, Any]:
    connection = line_to(url)
    target = url.split(urllib.parse.urlsplit(url).netloc, 1)[1]
    try:
        connection.request(method, target, body=body, headers=headers or {})
        response = connection.getresponse()
        content = response.read()
    finally:
        connection.close()
    code = re.search(rb"<Code>([\w.]+)</Code>", content) if response.status >= 300 else None
    return Answer(response.status, code[1].decode() if code else ""), content, response.headers


def signed(
    world: World,
    method: str,
    url: str,
    key: KeyPair | None = None,
    *,
    headers: dict[str, str] | None = None,
    body: bytes = b"",
    service: str = "s3",
    version: int = 4,
) -> dict[str, str]:
    """The headers of a request with its signature."""
    request = AWSRequest(method=method, url=url, data=body, headers=dict(headers or {}))
    request.context["client_config"] = None
    secret = credentials(key or world.user)
    if version == 2:
        HmacV1Auth(secret).add_auth(request)
    else:
        request.context["payload_signing_enabled"] = True
        signer = S3SigV4Auth if service == "s3" else SigV4Auth
        signer(secret, service, world.connection.region).add_auth(request)
    return dict(request.headers.items())


def presigned(
    world: World,
    method: str,
    url: str,
    key: KeyPair | None = None,
    *,
    expires: int = 300,
    headers: dict[str, str] | None = None,
    version: int = 4,
) -> str:
    """A link; ``expires`` seconds from now, negative for one that has ended."""
    request = AWSRequest(method=method, url=url, headers=dict(headers or {}))
    secret = credentials(key or world.user)
    if version == 2:
        HmacV1QueryAuth(secret, expires=expires).add_auth(request)
    else:
        S3SigV4QueryAuth(secret, "s3", world.connection.region, expires=expires).add_auth(request)
    return str(request.url)


def put_many(connection: Connection, bucket: str, keys: Iterable[str]) -> None:
    """Put small objects as the admin by one line, for which the SDK takes three times as long."""
    assert connection.admin
    signer = S3SigV4Auth(credentials(connection.admin), "s3", connection.region)
    with closing(line_to(connection.endpoint_url)) as line:
        for key in keys:
            path = f"/{bucket}/{quote(key)}"
            request = AWSRequest("PUT", f"{connection.endpoint_url}{path}", data=b"x")
            request.context["payload_signing_enabled"] = True
            signer.add_auth(request)
            line.request("PUT", path, b"x", dict(request.headers.items()))
            answer = line.getresponse()
            content = answer.read()
            assert answer.status == 200, content
