"""What a request is judged by is what it does: the same action, on the same object.

The engine finds the action and the object of its policy check in one way and what it runs in another. Left
alone, a PutObject with ``?Action=GetObject`` was judged as a read; an IAM call whose action its check could
not find was not judged at all; ``.s3keep/`` was judged as ``.s3keep``, for the check dropped the empty parts
of a key; and a copy's version, or a form in its body, could hide its source from the check.
"""

from __future__ import annotations

import hashlib
import re
from typing import Any
from urllib.parse import parse_qs, parse_qsl, unquote

from .answers import Answer, error_answer

_FORM = "application/x-www-form-urlencoded"
_SHA256 = re.compile(r"[0-9a-f]{64}")


def install(app: Any, iam_actions: Any, s3: Any) -> None:
    """Judge S3 requests by method, path and subresource alone, and refuse what has no known action."""
    _read_no_form_for_s3(app)
    _judge_what_is_done(iam_actions, s3)
    _judge_where_it_is_done(iam_actions, s3)
    iam_actions._s3_source_object = copy_source
    iam_actions.s3_additional_checks = _further_checks(iam_actions, s3)


def _read_no_form_for_s3(app: Any) -> None:
    """S3 has no parameters in a body; the engine let its policy check see them, and nothing else."""
    merge = app._routing_params

    def routing_params(method: str, path: str, headers: dict[str, str], body: bytes, query: Any) -> Any:
        if app.detect_service(method, path, headers, query) == "s3":
            return query
        return merge(method, path, headers, body, query)

    app._routing_params = routing_params


def _judge_what_is_done(iam_actions: Any, s3: Any) -> None:
    extract, action_of = iam_actions.extract_iam_action, iam_actions._s3_action

    def s3_action(method: str, path: str, query: dict[str, Any]) -> str | None:
        bucket, key = s3._parse_bucket_key(path, {})
        if is_bulk_delete(method, key, query):
            return None  # each of its keys is judged by itself, in bulk_delete
        # The engine asks its path for no more than whether there is a key, and "/bucket//" has one.
        action: str | None = action_of(method, f"/{bucket}/key" if key else f"/{bucket}", query)
        return action

    def extract_iam_action(
        service: str, method: str, path: str, headers: dict[str, str], body: bytes, query: dict[str, Any]
    ) -> str | None:
        if service == "s3":
            action = s3_action(method, path, query)
            return f"s3:{action}" if action else None
        found: str | None = extract(service, method, path, headers, body, query)
        return found or f"{service}:Unknown"

    iam_actions._s3_action = s3_action
    iam_actions.extract_iam_action = extract_iam_action


def _judge_where_it_is_done(iam_actions: Any, s3: Any) -> None:
    extract = iam_actions.extract_resource_arn

    def extract_resource_arn(service: str, method: str, path: str, *rest: Any) -> str:
        if service != "s3":
            found: str = extract(service, method, path, *rest)
            return found
        bucket, key = s3._parse_bucket_key(path, {})
        return resource(bucket, key) if bucket else "*"

    iam_actions.extract_resource_arn = extract_resource_arn


def _further_checks(iam_actions: Any, s3: Any) -> Any:
    def further_checks(
        method: str, path: str, headers: dict[str, str], _body: bytes, query: dict[str, Any]
    ) -> list[tuple[str, str]]:
        """The actions that a request on an object needs beside its own, each with its object."""
        bucket, key = s3._parse_bucket_key(path, {})
        if not key:
            return []
        action, where = iam_actions._s3_action(method, path, query), resource(bucket, key)
        checks = []
        if source := copy_source(headers):
            arn, version = source
            checks.append(("s3:GetObjectVersion" if version else "s3:GetObject", arn))
        if action == "PutObject" and headers.get("x-amz-tagging"):
            checks.append(("s3:PutObjectTagging", where))
        if action in ("GetObjectAttributes", "GetObjectVersionAttributes"):
            checks.append((f"s3:{action.removesuffix('Attributes')}", where))
        bypass = headers.get("x-amz-bypass-governance-retention", "").strip().lower() == "true"
        if bypass and action in iam_actions._S3_GOVERNANCE_BYPASS_ACTIONS:
            checks.append(("s3:BypassGovernanceRetention", where))
        return checks

    return further_checks


def resource(bucket: str, key: str) -> str:
    """The ARN that a policy names an object by; of the bucket when ``key`` is empty.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/security_iam_service-with-iam.html
    """
    return f"arn:aws:s3:::{bucket}/{key}" if key else f"arn:aws:s3:::{bucket}"


def copy_source(headers: dict[str, str]) -> tuple[str, str] | None:
    """The ARN and the version that ``x-amz-copy-source`` names, read as CopyObject reads it; None without."""
    if not headers.get("x-amz-copy-source"):
        return None
    bucket, key, version = split_source(headers["x-amz-copy-source"])
    return resource(bucket, key), version


def split_source(source: str) -> tuple[str, str, str]:
    """Bucket, key and version ("" for the current one) of an ``x-amz-copy-source`` header."""
    path, _mark, query = source.lstrip("/").partition("?")
    bucket, _slash, key = unquote(path).partition("/")
    return bucket, key, parse_qs(query, keep_blank_values=True).get("versionId", [""])[0]


def is_bulk_delete(method: str, key: str, query: dict[str, Any]) -> bool:
    """Whether a request is a DeleteObjects."""
    return method == "POST" and not key and "delete" in query


def form_refused(method: str, key: str, headers: dict[str, str], access_key: str) -> Answer | None:
    """The refusal of a form upload that carries credentials outside of its form.

    A form's fields name its key, and the policy that it was signed with; the engine would judge such a
    request by its bucket.
    """
    kind = headers.get("content-type", "")
    if method != "POST" or key or not kind.startswith("multipart/form-data") or not access_key:
        return None
    return error_answer(400, "InvalidArgument", "A POST to a bucket is signed in its form.")


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
