"""What reaches the engine: S3, IAM and STS requests with one complete set of credentials, or none at all."""

from __future__ import annotations

import hmac
import json
import os
from typing import Any

from .answers import Answer, error_answer, send_answer
from .planes import SERVICES, parse_query, signed_for
from .reliance import ENGINE, ENGINE_VERSION
from .settings import Settings

HEALTH_PATH = "/_devenv/health"
_TOKEN_HEADER = b"x-devenv-token"
_CLOSED = ("/_ministack", "/_localstack", "/_aws", "/_devenv")

# A write is refused while it would leave less than this: room for sidecars, state and the journal.
_RESERVE = 16 << 20

_QUERY_V4 = {
    f"X-Amz-{name}" for name in ("Algorithm", "Credential", "Date", "Expires", "SignedHeaders", "Signature")
}
_QUERY_V2 = {"AWSAccessKeyId", "Signature", "Expires"}


class Gate:
    """The ASGI application that is served: it answers for itself, refuses, or passes on to the engine."""

    def __init__(self, engine: Any, settings: Settings) -> None:
        self._engine = engine
        self._settings = settings

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await _live(receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008})
        elif scope["type"] == "http":
            await self._serve(scope, receive, send)

    async def _serve(self, scope: Any, receive: Any, send: Any) -> None:
        answer = self._health(scope) if scope["path"] == HEALTH_PATH else self._refusal(scope)
        if answer is None:
            await self._engine(scope, receive, send)
            return
        if not _headers(scope, b"expect"):
            await _drain(receive)
        await send_answer(send, answer, head=scope["method"] == "HEAD")

    def _health(self, scope: Any) -> Answer:
        token = _headers(scope, _TOKEN_HEADER)
        if len(token) != 1 or not hmac.compare_digest(token[0], self._settings.admin_token.encode()):
            return _denied("Access Denied")
        told = {
            "instance": self._settings.instance,
            "engine": ENGINE,
            "version": ENGINE_VERSION,
            "pid": os.getpid(),
        }
        return 200, {"Content-Type": "application/json"}, json.dumps(told).encode()

    def _refusal(self, scope: Any) -> Answer | None:
        if scope["path"].startswith(_CLOSED):
            return _denied("This server's administration is closed.")
        query = parse_query(scope.get("query_string", b""))
        authorization = _headers(scope, b"authorization")
        if refused := _credentials_refused(authorization, query):
            return refused
        service = signed_for(authorization[0].decode("latin-1") if authorization else "", query)
        if service not in SERVICES:
            return _denied(f"This server answers for {', '.join(SERVICES)} only, not for '{service[:40]}'.")
        return self._no_room(scope)

    def _no_room(self, scope: Any) -> Answer | None:
        """Refuse a write that does not fit, before it is read."""
        if scope["method"] not in ("PUT", "POST"):
            return None
        length = _headers(scope, b"content-length")
        size = int(length[0]) if length and length[0].isdigit() else 0
        disk = os.statvfs(self._settings.data_dir)
        free = disk.f_bavail * disk.f_frsize
        if free - size >= _RESERVE and (disk.f_favail > 0 or disk.f_files == 0):
            return None
        return error_answer(
            507,
            "InsufficientStorage",
            f"The file system of {self._settings.data_dir} is full: {free >> 20} MiB are free, this request"
            f" needs {(size + _RESERVE) >> 20} MiB with the reserve. Nothing was changed.",
        )


def _credentials_refused(authorization: list[bytes], query: dict[str, list[str]]) -> Answer | None:
    """Refuse all but one complete, well-spelled set of credentials.

    The engine looks for a key in one place and for its signature in another; a request that has both, or
    halves, could name one key and be verified by another. S3 itself takes one mechanism at a time.
    https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html
    """
    folded = {name.lower() for name in query}
    version_4 = not folded.isdisjoint({"x-amz-algorithm", "x-amz-credential", "x-amz-signature"})
    version_2 = not folded.isdisjoint({"awsaccesskeyid", "signature"})
    if len(authorization) + version_4 + version_2 > 1:
        return error_answer(400, "InvalidArgument", "Only one auth mechanism allowed")
    if authorization and not authorization[0].startswith((b"AWS4-HMAC-SHA256 ", b"AWS ")):
        return error_answer(400, "InvalidArgument", "Unsupported Authorization Type")
    for wanted, found in ((_QUERY_V4, version_4), (_QUERY_V2, version_2)):
        if found and any(len(query.get(name, ())) != 1 for name in wanted):
            return error_answer(
                403,
                "AccessDenied",
                f"Query-string authentication requires {', '.join(sorted(wanted))}, once each.",
            )
    if version_4 and query["X-Amz-Algorithm"] != ["AWS4-HMAC-SHA256"]:
        return error_answer(
            400, "AuthorizationQueryParametersError", "X-Amz-Algorithm must be AWS4-HMAC-SHA256"
        )
    return None


def _denied(message: str) -> Answer:
    return error_answer(403, "AccessDenied", message)


def _headers(scope: Any, name: bytes) -> list[bytes]:
    return [value for found, value in scope["headers"] if found.lower() == name]


async def _drain(receive: Any) -> None:
    """Read the rest of a request: a client that is still sending would not see the answer."""
    while True:
        message = await receive()
        if message["type"] != "http.request" or not message.get("more_body"):
            return


async def _live(receive: Any, send: Any) -> None:
    while True:
        phase = (await receive())["type"].rpartition(".")[2]
        await send({"type": f"lifespan.{phase}.complete"})
        if phase == "shutdown":
            return
