"""An access key that its caller chose: CreateAccessKey takes it from two headers instead of making one.

IAM chooses its keys itself, and tells them once. Here a key may have to be in a file that notebooks read
before any server runs, and the same project has the same key on each server that it meets. The call is
root's, as any call of IAM is, and the headers are signed with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs

from .answers import Answer, error_answer
from .settings import MIN_SECRET, is_key_id

KEY_ID_HEADER = "x-devenv-access-key-id"
SECRET_HEADER = "x-devenv-secret-access-key"  # noqa: S105 - a header's name, not a secret


def install(iam: Any, root_key_id: str) -> None:
    """Have CreateAccessKey give out the key of the headers, as long as nobody has it."""
    handle = iam.handle_request

    async def handle_request(
        method: str, path: str, headers: dict[str, str], body: bytes, query: dict[str, Any]
    ) -> Any:
        given = {name.lower(): value for name, value in headers.items()}
        key_id, secret = given.get(KEY_ID_HEADER, ""), given.get(SECRET_HEADER, "")
        if not key_id or not _makes_a_key(body, query):
            return await handle(method, path, headers, body, query)
        if not is_key_id(key_id) or key_id == root_key_id or len(secret) < MIN_SECRET:
            return error_answer(400, "ValidationError", "This access key cannot be given to anybody.")
        return _exchanged(iam, await handle(method, path, headers, body, query), key_id, secret)

    iam.handle_request = handle_request


def _makes_a_key(body: bytes, query: Mapping[str, Any]) -> bool:
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
