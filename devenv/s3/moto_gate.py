"""Who asks, and what the policies say to it: the door of the in-memory provider.

moto's own door knows neither links nor form uploads, takes policy patterns for regular expressions and
forgets the source of a copy; this one is closed to whatever it does not know. Not known here: conditions in
policies (an Allow with one allows nothing, a Deny with one denies all), session tokens, bucket policies.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import os
import re
import urllib.parse
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.auth import HmacV1Auth, S3SigV4Auth, S3SigV4QueryAuth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from moto.core.request import Request
from moto.iam.access_control import IAMUserAccessKey
from moto.iam.models import iam_backends

Need = tuple[str, str]
SKEW = timedelta(minutes=15)
WEEK = 7 * 24 * 3600

# Sub-resources and the noun in their permissions' names,
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-with-s3-policy-actions.html
BUCKET_NOUNS = {
    "accelerate": "AccelerateConfiguration",
    "acl": "BucketAcl",
    "analytics": "AnalyticsConfiguration",
    "cors": "BucketCORS",
    "encryption": "EncryptionConfiguration",
    "intelligent-tiering": "IntelligentTieringConfiguration",
    "inventory": "InventoryConfiguration",
    "lifecycle": "LifecycleConfiguration",
    "location": "BucketLocation",
    "logging": "BucketLogging",
    "metrics": "MetricsConfiguration",
    "notification": "BucketNotification",
    "object-lock": "BucketObjectLockConfiguration",
    "ownershipControls": "BucketOwnershipControls",
    "policy": "BucketPolicy",
    "policyStatus": "BucketPolicyStatus",
    "publicAccessBlock": "BucketPublicAccessBlock",
    "replication": "ReplicationConfiguration",
    "requestPayment": "BucketRequestPayment",
    "tagging": "BucketTagging",
    "versioning": "BucketVersioning",
    "website": "BucketWebsite",
}
OBJECT_NOUNS = {"acl": "Acl", "legal-hold": "LegalHold", "retention": "Retention", "tagging": "Tagging"}


class RefusedError(Exception):
    """A request that is not let in, with S3's code for it."""

    def __init__(self, code: str, message: str, status: int = 403) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status


DENIED = RefusedError("AccessDenied", "Access Denied")
MISMATCH = RefusedError("SignatureDoesNotMatch", "The signature does not match the request")


@dataclass(frozen=True)
class Caller:
    """Who signed a request, by the policies that hold for it; anonymous callers have none."""

    policies: tuple[Mapping[str, Any], ...] = ()

    def may(self, action: str, resource: str) -> bool:
        """Deny beats Allow, and silence is a no."""
        effects = [
            _effect(statement, action, resource)
            for document in self.policies
            for statement in _list(document["Statement"])
        ]
        return "Allow" in effects and "Deny" not in effects

    def require(self, needs: Iterable[Need]) -> None:
        for action, resource in needs:
            if not self.may(action, resource):
                raise DENIED


def authenticate(request: Request, account: str) -> Caller:
    """The caller of a request by its signature: version 4 or 2, in a header, a link or a form."""
    authorization, query = request.headers.get("Authorization", ""), request.args
    if "X-Amz-Security-Token" in request.headers or "X-Amz-Security-Token" in query:
        raise RefusedError("InvalidToken", "Session tokens are not known here", 400)
    if authorization.startswith("AWS4-HMAC-SHA256 "):
        return _by_header(request, account, authorization)
    if authorization.startswith("AWS "):
        return _by_old_header(request, account, authorization)
    if "X-Amz-Algorithm" in query:
        return _by_link(request, account)
    if "AWSAccessKeyId" in query:
        return _by_old_link(request, account)
    if authorization:
        raise RefusedError("InvalidArgument", "Unsupported authorization", 400)
    if request.method == "POST" and "policy" in request.form:
        return _by_form(request, account)
    return Caller()


def s3_needs(request: Request, bucket: str, key: str) -> tuple[Need, ...]:
    """The permissions an S3 request needs. A bulk delete needs none here: it is decided key by key."""
    if not bucket:
        return (("s3:ListAllMyBuckets", "*"),)
    resource = f"arn:aws:s3:::{bucket}"
    if key:
        return _object_needs(request, f"{resource}/{key}")
    if request.method == "POST":
        if "delete" in request.args:
            return ()
        return (("s3:PutObject", f"{resource}/{request.form.get('key', '')}"),)
    return ((_bucket_action(request), resource),)


def _bucket_action(request: Request) -> str:
    method, query = request.method, request.args
    for name, noun in BUCKET_NOUNS.items():
        if name in query:
            removable = method == "DELETE" and name in ("policy", "website")
            verb = {"GET": "Get", "PUT": "Put"}.get(method, "Delete" if removable else "Put")
            return f"s3:{verb}{noun}"
    if method == "PUT":
        return "s3:CreateBucket"
    if method == "DELETE":
        return "s3:DeleteBucket"
    if "uploads" in query:
        return "s3:ListBucketMultipartUploads"
    return "s3:ListBucketVersions" if "versions" in query else "s3:ListBucket"


def _object_needs(request: Request, resource: str) -> tuple[Need, ...]:
    method, query = request.method, request.args
    version = "Version" if "versionId" in query else ""
    verb = {"GET": "Get", "HEAD": "Get", "DELETE": "Delete"}.get(method, "Put")
    for name, noun in OBJECT_NOUNS.items():
        if name in query:
            return ((f"s3:{verb}Object{version}{noun}", resource),)
    if "uploadId" in query and method in ("GET", "DELETE"):
        action = "s3:ListMultipartUploadParts" if method == "GET" else "s3:AbortMultipartUpload"
        return ((action, resource),)
    if "restore" in query:
        return (("s3:RestoreObject", resource),)
    if "select" in query:
        return (("s3:GetObject", resource),)
    needs = [(f"s3:{verb}Object{version}", resource)]
    if "attributes" in query:
        needs.append((f"s3:GetObject{version}Attributes", resource))
    if verb == "Put" and "x-amz-tagging" in request.headers:
        needs.append(("s3:PutObjectTagging", resource))
    if source := request.headers.get("x-amz-copy-source"):
        path, _mark, query_text = source.partition("?")
        action = "s3:GetObjectVersion" if "versionId=" in query_text else "s3:GetObject"
        needs.append((action, f"arn:aws:s3:::{urllib.parse.unquote(path).removeprefix('/')}"))
    return tuple(needs)


def _effect(statement: Mapping[str, Any], action: str, resource: str) -> str:
    """This statement's word on a call: Allow, Deny, or nothing."""
    names_action = any(
        _matches(pattern.lower(), action.lower()) for pattern in _list(statement.get("Action"))
    )
    names_resource = any(_matches(pattern, resource) for pattern in _list(statement.get("Resource")))
    if "NotAction" in statement or "NotResource" in statement:
        raise RefusedError("NotImplemented", "NotAction and NotResource are not known here", 501)
    if not (names_action and names_resource):
        return ""
    effect = str(statement["Effect"])
    return "" if effect == "Allow" and "Condition" in statement else effect


def _matches(pattern: str, text: str) -> bool:
    """Only * and ? are special: reference_policies_elements_resource.html of the IAM guide."""
    parts = (".*" if part == "*" else "." if part == "?" else re.escape(part) for part in pattern)
    return re.fullmatch("".join(parts), text, re.DOTALL) is not None


def _list(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _secret(account: str, key_id: str) -> tuple[Credentials, Caller]:
    backend = iam_backends[account]["aws"]
    for user in backend.list_users("/", None, None):
        for key in user.access_keys:
            if key.access_key_id == key_id and key.status == "Active":
                known = IAMUserAccessKey(account, "aws", key_id, {})
                documents = (
                    json.loads(policy["policy_document"] if isinstance(policy, dict) else policy.document)
                    for policy in known.collect_policies()
                )
                return Credentials(key_id, key.secret_access_key), Caller(tuple(documents))
    raise RefusedError("InvalidAccessKeyId", "The access key id does not exist")


def _by_header(request: Request, account: str, authorization: str) -> Caller:
    fields = dict(re.findall(r"(\w+)=([^,\s]+)", authorization))
    key_id, _day, region, service = _scope(fields.get("Credential", ""))
    credentials, caller = _secret(account, key_id)
    moment = request.headers.get("X-Amz-Date", "")
    if abs(datetime.now(UTC) - _moment(moment)) > SKEW:
        raise RefusedError("RequestTimeTooSkewed", "The clocks differ by more than 15 minutes")
    signer = (S3SigV4Auth if service == "s3" else SigV4Auth)(credentials, service, region)
    expected = _sign(signer, request, fields.get("SignedHeaders", ""), _query(request), moment)
    _compare(expected, fields.get("Signature", ""))
    _check_body(request)
    return caller


def _by_link(request: Request, account: str) -> Caller:
    query = request.args
    key_id, _day, region, _service = _scope(query.get("X-Amz-Credential", ""))
    seconds = query.get("X-Amz-Expires", "")
    if not seconds.isdigit() or int(seconds) > WEEK:
        raise RefusedError("AuthorizationQueryParametersError", "X-Amz-Expires is at most a week", 400)
    credentials, caller = _secret(account, key_id)
    moment = query.get("X-Amz-Date", "")
    signer = S3SigV4QueryAuth(credentials, "s3", region)
    unsigned = re.sub(r"(^|&)X-Amz-Signature=[^&]*", "", _query(request))
    expected = _sign(signer, request, query.get("X-Amz-SignedHeaders", ""), unsigned, moment)
    _compare(expected, query.get("X-Amz-Signature", ""))
    if datetime.now(UTC) > _moment(moment) + timedelta(seconds=int(seconds)):
        raise RefusedError("AccessDenied", "Request has expired")
    return caller


def _by_old_header(request: Request, account: str, authorization: str) -> Caller:
    key_id, _colon, signature = authorization.removeprefix("AWS ").partition(":")
    credentials, caller = _secret(account, key_id)
    _compare(_old_signature(credentials, request, None), signature)
    return caller


def _by_old_link(request: Request, account: str) -> Caller:
    credentials, caller = _secret(account, request.args["AWSAccessKeyId"])
    expires = request.args.get("Expires", "")
    _compare(_old_signature(credentials, request, expires), request.args.get("Signature", ""))
    if not expires.isdigit() or datetime.now(UTC).timestamp() > int(expires):
        raise RefusedError("AccessDenied", "Request has expired")
    return caller


def _by_form(request: Request, account: str) -> Caller:
    fields = {name.lower(): value for name, value in request.form.items()}
    key_id, day, region, service = _scope(fields.get("x-amz-credential", ""))
    credentials, caller = _secret(account, key_id)
    secret = f"AWS4{credentials.secret_key}".encode()
    for part in (day, region, service, "aws4_request"):
        secret = hmac.digest(secret, part.encode(), "sha256")
    _compare(
        hmac.digest(secret, fields["policy"].encode(), "sha256").hex(), fields.get("x-amz-signature", "")
    )
    try:
        policy = json.loads(base64.b64decode(fields["policy"], validate=True))
        end = datetime.fromisoformat(policy["expiration"])
    except (binascii.Error, ValueError, KeyError, TypeError):
        raise RefusedError("InvalidPolicyDocument", "The form's policy is not valid", 400) from None
    if datetime.now(UTC) > end:
        raise RefusedError("AccessDenied", "Invalid according to Policy: Policy expired.")
    fields["bucket"] = urllib.parse.unquote(request.raw_path.strip("/"))
    _check_conditions(policy.get("conditions", ()), fields, _file_size(request))
    return caller


def _check_conditions(conditions: Iterable[Any], fields: Mapping[str, str], size: int) -> None:
    """Each condition holds, and each field but those of the signature itself has a condition."""
    named = {"policy", "x-amz-signature", "file", "bucket"}
    for condition in conditions:
        if isinstance(condition, dict):
            tests = [("eq", name, value) for name, value in condition.items()]
        else:
            tests = [tuple(condition)]
        for kind, name, value in tests:
            if kind == "content-length-range":
                _check_size(size, int(name), int(value))
                continue
            field = str(name).removeprefix("$").lower()
            named.add(field)
            seen = fields.get(field, "")
            if not (seen == value if kind == "eq" else seen.startswith(value)):
                raise RefusedError("AccessDenied", "Invalid according to Policy: Policy Condition failed")
    extra = [name for name in fields if name not in named and not name.startswith("x-ignore-")]
    if extra:
        raise RefusedError("AccessDenied", "Invalid according to Policy: Extra input fields")


def _check_size(size: int, least: int, most: int) -> None:
    if size < least:
        raise RefusedError("EntityTooSmall", "The file is smaller than the policy allows", 400)
    if size > most:
        raise RefusedError("EntityTooLarge", "The file is larger than the policy allows", 400)


def _file_size(request: Request) -> int:
    file = request.files.get("file")
    if file is None:
        return len(request.form.get("file", "").encode())
    size = file.stream.seek(0, os.SEEK_END)
    file.stream.seek(0)
    return size


def _sign(signer: SigV4Auth, request: Request, names: str, query: str, moment: str) -> str:
    headers = {name: request.headers.get(name, "") for name in names.split(";")}
    url = f"http://{request.host}{request.raw_path}" + (f"?{query}" if query else "")
    again = AWSRequest(method=request.method, url=url, data=request.get_data(), headers=headers)
    again.context["timestamp"] = moment
    text = signer.string_to_sign(again, signer.canonical_request(again))
    return str(signer.signature(text, again))


class _OldAuth(HmacV1Auth):  # type: ignore[misc, unused-ignore]
    """Version 2 with the date the request came with; in a link its expiry stands there."""

    def __init__(self, credentials: Credentials, date: str) -> None:
        super().__init__(credentials)
        self._date = date

    def _get_date(self) -> str:
        return self._date


def _old_signature(credentials: Credentials, request: Request, expires: str | None) -> str:
    url = urllib.parse.urlsplit(f"http://{request.host}{request.raw_path}?{_query(request)}")
    again = AWSRequest(method=request.method, url=url.geturl(), headers=dict(request.headers.items()))
    date = "" if "X-Amz-Date" in request.headers else request.headers.get("Date", "")
    signer = _OldAuth(credentials, date if expires is None else expires)
    return str(signer.get_signature(request.method, url, again.headers))  # type: ignore[arg-type]


def _check_body(request: Request) -> None:
    """The body is what was signed: its hash is one of the signed headers, unless it says otherwise."""
    signed = request.headers.get("X-Amz-Content-SHA256", "")
    if re.fullmatch("[0-9a-f]{64}", signed) and hashlib.sha256(request.get_data()).hexdigest() != signed:
        raise RefusedError("XAmzContentSHA256Mismatch", "The body's hash is not the one signed", 400)
    md5 = base64.b64encode(hashlib.md5(request.get_data(), usedforsecurity=False).digest()).decode()
    if request.headers.get("Content-MD5", md5) != md5:
        raise RefusedError("BadDigest", "The Content-MD5 is not that of the body", 400)


def _compare(expected: str, given: str) -> None:
    if not hmac.compare_digest(expected.encode(), given.encode()):
        raise MISMATCH


def _scope(credential: str) -> tuple[str, str, str, str]:
    parts = credential.split("/")
    if len(parts) != 5:
        raise RefusedError("AuthorizationHeaderMalformed", "The credential has no scope", 400)
    return parts[0], parts[1], parts[2], parts[3]


def _moment(text: str) -> datetime:
    try:
        return datetime.strptime(text, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        raise RefusedError("AccessDenied", "The request has no valid date") from None


def _query(request: Request) -> str:
    return request.query_string.decode("ascii", "replace")
