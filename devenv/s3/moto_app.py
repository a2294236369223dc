"""The WSGI application of the in-memory provider: moto's S3, IAM and STS behind one door."""

from __future__ import annotations

import io
import urllib.parse
from collections.abc import Callable, Iterable
from typing import Any
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from botocore.exceptions import ClientError
from moto.core.request import (
    PRESERVED_HEADER_NAMES_ENVIRON_KEY,
    Request,
    environ_key_for_header,
    should_preserve_original_header_name,
)
from moto.iam.models import iam_backends
from moto.iam.responses import IamResponse
from moto.s3.responses import S3Response
from moto.sts.responses import TokenResponse
from werkzeug.exceptions import HTTPException
from werkzeug.serving import WSGIRequestHandler
from werkzeug.wrappers import Response

from devenv.s3.moto_gate import Caller, RefusedError, authenticate, s3_needs
from devenv.s3.provider import KeyPair

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
Answer = tuple[int, dict[str, Any], Any]
_S3_XML = "http://s3.amazonaws.com/doc/2006-03-01/"
_ADMIN_POLICY = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}'


class Handler(WSGIRequestHandler):
    """Silent, and true to header names with an underscore (metadata has them; WSGI loses them)."""

    def make_environ(self) -> dict[str, Any]:
        environ = super().make_environ()
        names = {
            environ_key_for_header(name): name
            for name in self.headers
            if should_preserve_original_header_name(name)
        }
        environ |= {key: self.headers[name] for key, name in names.items()}
        environ[PRESERVED_HEADER_NAMES_ENVIRON_KEY] = names
        return environ

    def log(self, type: str, message: str, *args: Any) -> None:
        pass


class _WireRequest(Request):
    from_wsgi_server = True


def make_admin(account: str) -> KeyPair:
    """The one user that a new account begins with; it may do everything."""
    backend = iam_backends[account]["aws"]
    backend.create_user("us-east-1", "admin")
    backend.put_user_policy("admin", "everything", _ADMIN_POLICY)
    key = backend.create_access_key("admin")
    return KeyPair(key.access_key_id, key.secret_access_key)


def application(account: str) -> Application:
    """The WSGI application whose data all lie in one account."""

    def serve(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        environ["HTTP_X_MOTO_ACCOUNT_ID"] = account
        request = _WireRequest(environ)
        with request:
            status, headers, body = _answer(request, account)
        response = Response(b"" if request.method == "HEAD" else body, int(status), headers)
        if request.method == "HEAD" and "content-length" in headers:
            response.headers["Content-Length"] = headers["content-length"]
        return response(environ, start)

    return serve


def _answer(request: Request, account: str) -> Answer:
    service = _service(request)
    try:
        caller = authenticate(request, account)
        if service == "s3":
            return _s3(request, caller)
        _require_account_right(request, caller, service)
        dispatch = IamResponse.dispatch if service == "iam" else TokenResponse.dispatch
        return _three(dispatch(request, request.raw_url, request.headers))
    except RefusedError as refused:
        return _error(service, refused)
    except ClientError as error:
        return 400, {}, error.response["Error"]["Message"]
    except HTTPException as error:
        return error.code or 500, {"content-type": "application/xml"}, error.description or ""
    except NotImplementedError as error:
        return _error(service, RefusedError("NotImplemented", str(error), 501))


def _service(request: Request) -> str:
    """The service a request was signed for: S3 unless its scope names IAM or STS."""
    scope = request.headers.get("Authorization", "").partition("Credential=")[2].split(",")[0].split("/")
    return scope[3] if len(scope) == 5 and scope[3] in ("iam", "sts") else "s3"


def _require_account_right(request: Request, caller: Caller, service: str) -> None:
    action = request.form.get("Action", "")
    free = ("GetCallerIdentity", "GetSessionToken")  # AWS asks no permission for these
    if not (service == "sts" and action in free and caller.policies):
        caller.require([(f"{service}:{action}", "*")])


def _s3(request: Request, caller: Caller) -> Answer:
    path = request.raw_path[1:]
    bucket, _slash, raw_key = path.partition("/")
    key = urllib.parse.unquote(raw_key)
    caller.require(s3_needs(request, bucket, key))
    if request.method == "POST" and not key and "delete" in request.args:
        return _delete_each(request, caller, bucket)
    if key:
        return _three(S3Response.key_dispatch(request, request.raw_url, request.headers))
    dispatch = S3Response.ambiguous_dispatch if bucket else S3Response.bucket_dispatch
    return _three(dispatch(request, request.raw_url, request.headers))


def _delete_each(request: Request, caller: Caller, bucket: str) -> Answer:
    """A bulk delete: the keys the caller may delete go on to moto, the others are told as refused."""
    if not caller.policies:
        raise RefusedError("AccessDenied", "Access Denied")
    allowed: list[dict[str, str]] = []
    refused: list[dict[str, str]] = []
    for entry in _entries(request):
        action = "s3:DeleteObjectVersion" if "VersionId" in entry else "s3:DeleteObject"
        may = caller.may(action, f"arn:aws:s3:::{bucket}/{entry.get('Key', '')}")
        (allowed if may else refused).append(entry)
    if not refused:
        return _three(S3Response.ambiguous_dispatch(request, request.raw_url, request.headers))
    told = "".join(
        f"<Error><Key>{escape(entry['Key'])}</Key><Code>AccessDenied</Code>"
        "<Message>Access Denied</Message></Error>"
        for entry in refused
    )
    if not allowed:
        return 200, {}, f'<DeleteResult xmlns="{_S3_XML}">{told}</DeleteResult>'
    again = _WireRequest(_with_body(request.environ, _bulk(allowed)))
    status, headers, body = _three(S3Response.ambiguous_dispatch(again, request.raw_url, request.headers))
    text = body.decode() if isinstance(body, bytes) else str(body)
    return status, headers, text.replace("</DeleteResult>", f"{told}</DeleteResult>")


def _entries(request: Request) -> list[dict[str, str]]:
    try:
        wanted = ElementTree.fromstring(request.get_data())  # noqa: S314 - the test's own process wrote it
    except ElementTree.ParseError:
        raise RefusedError("MalformedXML", "The list of keys is not XML", 400) from None
    objects = (child for child in wanted if child.tag.endswith("Object"))
    return [{part.tag.rpartition("}")[2]: part.text or "" for part in item} for item in objects]


def _bulk(entries: list[dict[str, str]]) -> bytes:
    objects = (
        "<Object>"
        + "".join(f"<{name}>{escape(value)}</{name}>" for name, value in entry.items())
        + "</Object>"
        for entry in entries
    )
    return f'<Delete xmlns="{_S3_XML}">{"".join(objects)}</Delete>'.encode()


def _with_body(environ: dict[str, Any], body: bytes) -> dict[str, Any]:
    return {**environ, "wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body))}


def _three(answer: Any) -> Answer:
    return answer if isinstance(answer, tuple) else (200, {}, answer)


def _error(service: str, refused: RefusedError) -> Answer:
    code = refused.code
    if service != "s3" and code == "InvalidAccessKeyId":
        code = "InvalidClientTokenId"  # the same refusal by IAM's name
    error = f"<Error><Code>{code}</Code><Message>{escape(refused.message)}</Message></Error>"
    body = error if service == "s3" else f"<ErrorResponse>{error}</ErrorResponse>"
    return refused.status, {"content-type": "application/xml"}, body
