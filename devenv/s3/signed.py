"""One signed S3 request without an SDK.

``up`` and ``status`` ask S3 with the notebook's own key each time; importing boto3 alone would take longer
than all the rest. Signature: AWS Signature Version 4,
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

from __future__ import annotations

import hashlib
import hmac
import http.client
import re
import urllib.parse
from datetime import UTC, datetime

from devenv.errors import DevenvError, NotRunningError, UnhealthyError
from devenv.s3.provider import KeyPair

_EMPTY_BODY = hashlib.sha256(b"").hexdigest()


class NoAnswerError(UnhealthyError):
    """Something listens, and the connection broke or stayed silent."""


def reach(endpoint_url: str, *, timeout: float = 3.0) -> None:
    """Get any HTTP answer, without a key. Raises NotRunningError or NoAnswerError."""
    url = urllib.parse.urlsplit(endpoint_url)
    connection_type = http.client.HTTPSConnection if url.scheme == "https" else http.client.HTTPConnection
    connection = connection_type(url.hostname or "", url.port, timeout=timeout)
    try:
        connection.request("GET", "/")
        connection.getresponse().read(65536)
    except (OSError, http.client.HTTPException) as error:
        raise _unreachable(endpoint_url, error) from None
    finally:
        connection.close()


def prove(endpoint_url: str, region: str, key: KeyPair, bucket: str, *, timeout: float = 3.0) -> None:
    """List at most one key of ``bucket``; ``timeout`` in seconds.

    Proxy variables never matter. Raises NotRunningError when nobody listens, UnhealthyError when the answer
    is not a 200 (with the S3 error code) or is no HTTP.
    """
    url = urllib.parse.urlsplit(endpoint_url)
    path, query = "/" + urllib.parse.quote(bucket), "list-type=2&max-keys=1"
    headers = sign("GET", url.netloc, path, query, region, key)
    connection_type = http.client.HTTPSConnection if url.scheme == "https" else http.client.HTTPConnection
    connection = connection_type(url.hostname or "", url.port, timeout=timeout)
    try:
        connection.request("GET", f"{path}?{query}", headers=headers)
        response = connection.getresponse()
        status, body = response.status, response.read(65536)
    except (OSError, http.client.HTTPException) as error:
        raise _unreachable(endpoint_url, error) from None
    finally:
        connection.close()
    if status != 200:
        code = re.search(rb"<Code>(\w+)</Code>", body)
        said = code[1].decode() if code else "no S3 error code"
        raise UnhealthyError(f"S3 at {endpoint_url} does not list bucket {bucket}: HTTP {status}, {said}")


def sign(
    method: str, host: str, path: str, query: str, region: str, key: KeyPair, *, now: datetime | None = None
) -> dict[str, str]:
    """The headers of a bodiless request; ``path`` is percent-encoded, ``query`` encoded and sorted."""
    moment = (now or datetime.now(UTC)).strftime("%Y%m%dT%H%M%SZ")
    headers = {"host": host, "x-amz-content-sha256": _EMPTY_BODY, "x-amz-date": moment}
    names = ";".join(headers)
    lines = "".join(f"{name}:{value}\n" for name, value in headers.items())
    canonical = "\n".join((method, path, query, lines, names, _EMPTY_BODY))
    scope = f"{moment[:8]}/{region}/s3/aws4_request"
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    text = "\n".join(("AWS4-HMAC-SHA256", moment, scope, digest))
    secret = f"AWS4{key.secret_access_key}".encode()
    for part in scope.split("/"):
        secret = _hmac(secret, part)
    headers["authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={key.access_key_id}/{scope}, "
        f"SignedHeaders={names}, Signature={_hmac(secret, text).hex()}"
    )
    return headers


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def _unreachable(endpoint_url: str, error: Exception) -> DevenvError:
    if isinstance(error, ConnectionRefusedError):
        return NotRunningError(f"nothing answers at {endpoint_url}", hint="Start it with: ./dev up")
    return NoAnswerError(f"S3 at {endpoint_url} does not answer: {str(error) or type(error).__name__}")
