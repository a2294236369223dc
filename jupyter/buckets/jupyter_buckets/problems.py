"""What S3 said, as an answer for a person: which bucket, which action, what to do; never a 500.

503 and 424 are not used: on a hub Lab takes them for a server that has stopped, and offers to start it.
"""

from __future__ import annotations

import re

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,
    CredentialRetrievalError,
    EndpointConnectionError,
    HTTPClientError,
    NoCredentialsError,
    PartialCredentialsError,
    ReadTimeoutError,
)
from tornado.web import HTTPError

# The IAM action of each operation: https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html
ACTIONS = {
    "list_objects_v2": "s3:ListBucket",
    "head_object": "s3:GetObject",
    "get_object": "s3:GetObject",
    "put_object": "s3:PutObject",
    "copy_object": "s3:PutObject",
    "copy": "s3:PutObject",
    "create_multipart_upload": "s3:PutObject",
    "upload_part": "s3:PutObject",
    "complete_multipart_upload": "s3:PutObject",
    "abort_multipart_upload": "s3:AbortMultipartUpload",
    "delete_object": "s3:DeleteObject",
    "delete_objects": "s3:DeleteObject",
}
# https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
_DENIED = {"AccessDenied", "403", "AllAccessDisabled", "AccountProblem"}
_MISSING = {"NoSuchKey", "404", "NotFound"}
_BAD_KEY = {
    "ExpiredToken",
    "ExpiredTokenException",
    "InvalidAccessKeyId",
    "InvalidToken",
    "RequestTimeTooSkewed",
    "SignatureDoesNotMatch",
    "TokenRefreshRequired",
    "UnrecognizedClientException",
}
_BUSY = {"SlowDown", "RequestLimitExceeded", "Throttling", "ThrottlingException", "TooManyRequests"}
_NAMED_ACTION = re.compile(r"\bs3:[A-Za-z]+")


class ProblemError(HTTPError):
    """An HTTP error with a message for the reader, and S3's own error code (``""`` without one)."""

    def __init__(self, status: int, message: str, *, code: str = "", reason: str | None = None) -> None:
        super().__init__(status, message, reason=reason)
        self.message = message
        self.code = code

    @property
    def log_message(self) -> str:
        """The message as it is: tornado doubles percent signs here, and the reader would see that."""
        return self.message


def denied(bucket: str, action: str, key: str = "") -> ProblemError:
    """A 403 that names the bucket and the action."""
    what = f' for "{key}"' if key else ""
    told = (
        "it can only be read" if action in ("s3:PutObject", "s3:DeleteObject") else "your key may not do that"
    )
    return ProblemError(403, f'Bucket "{bucket}" denies {action}{what}: {told} here.', code="AccessDenied")


def from_client_error(error: ClientError, operation: str, bucket: str, key: str) -> ProblemError:
    """What an answer of S3 means. ``operation`` is boto3's name of the call."""
    told = error.response.get("Error", {})
    code, message = str(told.get("Code", "")), str(told.get("Message", ""))
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    where = f'"{key}" in bucket "{bucket}"' if key else f'bucket "{bucket}"'
    if status == 304:
        return ProblemError(304, f"{where} is what the browser has already.", code="NotModified")
    if code in _DENIED:
        named = _NAMED_ACTION.search(message)
        return denied(bucket, named[0] if named else ACTIONS.get(operation, f"s3 {operation}"), key)
    if code == "NoSuchBucket":
        return ProblemError(
            502, f'Bucket "{bucket}" does not exist. Was it renamed, or not made yet?', code=code
        )
    if code in _MISSING:
        return ProblemError(404, f"There is no {where}.", code="NoSuchKey")
    if code in _BAD_KEY:
        told_key = f"S3 refuses the access key ({code}): it has expired, was deleted or is wrong."
        return ProblemError(403, told_key, code=code)
    if code == "PreconditionFailed" or status == 412:
        return ProblemError(
            409, f"{where} was changed by somebody else meanwhile.", code="PreconditionFailed"
        )
    if code == "InvalidObjectState":
        return ProblemError(409, f"{where} is archived; restore it first.", code=code)
    if code in _BUSY:
        return ProblemError(502, f"S3 asks for fewer requests ({code}); try again in a moment.", code=code)
    if status == 507:
        return ProblemError(507, message or "S3 has no room left.", code=code)
    known = status if 400 <= status < 500 else 502
    return ProblemError(known, f"S3 answered {code or status} for {where}: {message}", code=code)


def from_trouble(error: BotoCoreError | HTTPClientError, endpoint: str, seconds: float) -> ProblemError:
    """What it means when no answer came at all."""
    if isinstance(error, NoCredentialsError | PartialCredentialsError | CredentialRetrievalError):
        no_key = (
            "There is no access key for S3: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not (both) set."
        )
        return ProblemError(403, no_key, code="NoCredentials")
    if isinstance(error, ReadTimeoutError):
        return late(endpoint, seconds)
    if isinstance(error, EndpointConnectionError | ConnectionError | HTTPClientError):
        away = f"S3 at {endpoint} cannot be reached. The local files are not affected."
        return ProblemError(502, away, code="Unreachable")
    return ProblemError(502, f"S3 cannot be used: {error}", code=type(error).__name__)


def late(endpoint: str, seconds: float) -> ProblemError:
    return ProblemError(504, f"S3 at {endpoint} did not answer within {seconds:.0f} s.", code="Timeout")
