"""The action a request is judged by is the action it does.

The engine finds the action for its policy check in one way and the operation to run in another: a PutObject
with ``?Action=GetObject`` was judged as a read, and an IAM call whose action its check could not find was not
judged at all.
"""

from __future__ import annotations

import hashlib
import re
from typing import Any
from urllib.parse import parse_qsl

from .answers import Answer, error_answer

_FORM = "application/x-www-form-urlencoded"
_SHA256 = re.compile(r"[0-9a-f]{64}")


def install(iam_actions: Any) -> None:
    """Judge S3 requests by method, path and subresource alone, and refuse what has no known action."""
    extract = iam_actions.extract_iam_action

    def extract_iam_action(
        service: str, method: str, path: str, headers: dict[str, str], body: bytes, query: dict[str, Any]
    ) -> str | None:
        if service != "s3":
            action: str | None = extract(service, method, path, headers, body, query)
            return action or f"{service}:Unknown"
        shown = {name: value for name, value in query.items() if name != "Action"}
        without_target = {name: value for name, value in headers.items() if name != "x-amz-target"}
        found: str | None = extract(service, method, path, without_target, b"", shown)
        return found

    iam_actions.extract_iam_action = extract_iam_action


def query_call_refused(headers: dict[str, str], body: bytes, query: dict[str, Any]) -> Answer | None:
    """The refusal of an IAM or STS call that is not one plain query-protocol action, as SDKs send it."""
    try:
        posted = [value for name, value in parse_qsl(body.decode()) if name == "Action"]
    except UnicodeDecodeError:
        posted = []
    named = posted + list(query.get("Action", ()))
    plain = not body or headers.get("content-type", "").partition(";")[0].strip().lower() == _FORM
    if len(named) == 1 and plain and "x-amz-target" not in headers and "content-encoding" not in headers:
        return None
    return error_answer(400, "InvalidAction", "Send one Action, as a form or in the query.")


def body_refused(headers: dict[str, str], body: bytes) -> Answer | None:
    """The refusal of a body that is not the signed one.

    https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
    """
    signed = headers.get("x-amz-content-sha256", "")
    if not _SHA256.fullmatch(signed) or "x-amz-decoded-content-length" in headers:
        return None
    computed = hashlib.sha256(body).hexdigest()
    if computed == signed:
        return None
    return error_answer(
        400,
        "XAmzContentSHA256Mismatch",
        "The provided 'x-amz-content-sha256' header does not match what was computed.",
        ClientComputedContentSHA256=signed,
        S3ComputedContentSHA256=computed,
    )
