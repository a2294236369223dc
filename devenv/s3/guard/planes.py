"""The engine reduced to S3, IAM and STS, with a root whose signature is checked."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qs

from .answers import error_answer

SERVICES = ("s3", "iam", "sts")

_SCOPE = re.compile(r"Credential=[^/,\s]*/[^/,\s]*/[^/,\s]*/([^/,\s]*)/")


def signed_for(authorization: str, query: dict[str, list[str]]) -> str:
    """The service a request is meant for: the one in its signature's scope, S3 when it has no such scope.

    S3 alone takes requests without a scope: anonymous ones, signature version 2, and forms.
    """
    if authorization.startswith("AWS4-"):
        scope = _SCOPE.search(authorization)
        return scope.group(1) if scope else ""
    credential = next(
        (values[0] for name, values in query.items() if name.lower() == "x-amz-credential"), None
    )
    if credential is None:
        return "s3"
    parts = credential.split("/")
    return parts[3] if len(parts) == 5 else ""


def install(app: Any, evaluator: Any, s3: Any, root_access_key_id: str) -> None:
    """Close every other plane of the engine and have it verify root as it verifies IAM users."""
    _close_other_planes(app)
    _refuse_anonymous_buckets(s3)
    # The engine never checks the signature of a key it takes for root, and takes "test" and every 12-digit
    # key for it. Root is one key now, and "is root" no longer exempts from the check.
    evaluator.is_root_access_key = lambda access_key_id: access_key_id in ("", root_access_key_id)
    evaluator._is_root_key = lambda access_key_id: not access_key_id


def _refuse_anonymous_buckets(s3: Any) -> None:
    """Without credentials nobody lists or makes buckets; the engine asks a bucket's owner, and finds none."""
    apply_scope = s3._apply_bucket_scope

    def apply_bucket_scope(
        method: str,
        bucket: str,
        key: str,
        headers: Any,
        query: Any,
        body: bytes = b"",
        internal: bool = False,
    ) -> Any:
        denied = apply_scope(method, bucket, key, headers, query, body, internal)
        unowned = not bucket or (s3._bucket_owner_account(bucket) is None and method not in ("GET", "HEAD"))
        if denied is None and unowned and not s3._request_access_key(method, key, headers, query, body):
            return error_answer(403, "AccessDenied", "Access Denied")
        return denied

    s3._apply_bucket_scope = apply_bucket_scope


def _close_other_planes(app: Any) -> None:
    async def before_body(
        method: str, path: str, headers: dict[str, str], query_params: Any, request_id: str
    ) -> Any:
        return app._handle_options_request(method, path, headers, query_params, request_id)

    async def after_body(*_request: Any) -> None:
        return None

    async def by_host(
        method: str,
        path: str,
        headers: dict[str, str],
        body: bytes,
        query_params: Any,
        request_id: str,
        **_raw: Any,
    ) -> Any:
        host = headers.get("host", "")
        answer = await app._handle_s3_vhost_request(host, path, method, headers, body, query_params)
        if answer is None:
            return None
        target = app._s3_cors_target(host, path, path_style=False)
        if target:
            from ministack.services import s3

            answer[1].update(s3.cors_response_headers(target[0], method, headers))
        return app._with_data_plane_headers(answer, request_id, include_s3_id=True, wildcard_cors=False)

    def detect_service(_method: str, _path: str, headers: dict[str, str], query_params: Any) -> str:
        return signed_for(headers.get("authorization", ""), query_params)

    app._handle_pre_body_request = before_body
    app._handle_post_body_shortcuts = after_body
    app._handle_special_data_plane_request = by_host
    app.detect_service = detect_service


def parse_query(query_string: bytes) -> dict[str, list[str]]:
    """The query as the engine reads it."""
    return parse_qs(query_string.decode("utf-8", "replace"), keep_blank_values=True)
