"""An access key that was chosen before there was a server: the next key that is made becomes it.

IAM chooses its keys itself, and tells them once. A container's key has to be in a file that notebooks
read before any server runs, so the server is told of it and hands out that one.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs

from .answers import Answer


def install(iam: Any, key_id: str, secret: str) -> None:
    """Have CreateAccessKey give out this key, as long as nobody has it. Empty texts change nothing."""
    if not key_id or not secret:
        return
    handle = iam.handle_request

    async def handle_request(
        method: str, path: str, headers: dict[str, str], body: bytes, query: dict[str, Any]
    ) -> Any:
        answer = await handle(method, path, headers, body, query)
        return _exchanged(iam, answer, key_id, secret) if _makes_a_key(body, query) else answer

    iam.handle_request = handle_request


def _makes_a_key(body: bytes, query: dict[str, Any]) -> bool:
    posted = parse_qs(body.decode("utf-8", "replace")).get("Action", [])
    return [*posted, *query.get("Action", [])] == ["CreateAccessKey"]


def _exchanged(iam: Any, answer: Answer, key_id: str, secret: str) -> Answer:
    status, headers, body = answer
    if status != 200 or key_id in iam._access_keys:
        return answer
    made = next(known for known in iam._access_keys if f"<AccessKeyId>{known}<".encode() in body)
    record = iam._access_keys.pop(made)
    body = body.replace(made.encode(), key_id.encode())
    body = body.replace(record["SecretAccessKey"].encode(), secret.encode())
    iam._access_keys[key_id] = {**record, "AccessKeyId": key_id, "SecretAccessKey": secret}
    headers.pop("Content-Length", None)
    return status, headers, body
