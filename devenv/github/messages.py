"""One request and one answer, apart from sockets."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qsl, unquote

# On every answer, whatever it is.
_ALWAYS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    # Not no-referrer: with that a browser sends "Origin: null" with the page's own forms.
    # https://fetch.spec.whatwg.org/#append-a-request-origin-header
    "Referrer-Policy": "same-origin",
}
NO_CONTENT_POLICY = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
_MAX_FIELDS = 100

Address = tuple[str, int]


class BadRequestError(Exception):
    """What was sent cannot be understood, and why."""


@dataclass(frozen=True)
class Request:
    """What was asked. ``headers`` are by lower-case name; ``query`` is as it was sent.

    ``peer`` and ``own`` are the connection's two ends.
    """

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    peer: Address = ("127.0.0.1", 0)
    own: Address = ("127.0.0.1", 0)

    def header(self, name: str) -> str:
        return self.headers.get(name.lower(), "")

    def arguments(self) -> dict[str, str]:
        """The query's parameters. Raises :class:`BadRequestError` when one stands there twice.

        https://www.rfc-editor.org/rfc/rfc6749#section-3.1
        """
        return _pairs(self.query)

    def form(self) -> dict[str, str]:
        """The body's fields, sent as a form or as JSON. Raises :class:`BadRequestError`."""
        kind = self.header("content-type").partition(";")[0].strip().lower()
        if kind == "application/json":
            return _json_fields(self.body)
        if kind != "application/x-www-form-urlencoded":
            raise BadRequestError("the body is neither a form nor JSON")
        try:
            return _pairs(self.body.decode("ascii"))
        except UnicodeDecodeError:
            raise BadRequestError("the form is not encoded as forms are") from None

    def segments(self) -> list[str]:
        """The path's parts. Decoded one by one: an encoded slash stays within its part."""
        return [unquote(part, errors="replace") for part in self.path.split("/")[1:]]


@dataclass(frozen=True)
class Answer:
    """What goes back; ``headers`` has what is common to all answers already."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)

    def adding(self, **headers: str) -> Answer:
        """The same with more headers: ``Set_Cookie="…"`` for Set-Cookie."""
        more = {name.replace("_", "-"): value for name, value in headers.items()}
        return replace(self, headers={**self.headers, **more})


def json_answer(status: int, value: Any) -> Answer:
    return _answer(status, json.dumps(value).encode(), "application/json; charset=utf-8")


def form_answer(status: int, encoded: str) -> Answer:
    return _answer(status, encoded.encode(), "application/x-www-form-urlencoded; charset=utf-8")


def html_answer(status: int, document: str, policy: str) -> Answer:
    return _answer(status, document.encode(), "text/html; charset=utf-8", policy)


def empty_answer(status: int) -> Answer:
    return _answer(status, b"", "")


def see_other(location: str, status: int = 303) -> Answer:
    """A redirect that is followed with a GET; its place must be encoded already."""
    assert location.isascii() and location.isprintable() and " " not in location
    return _answer(status, b"", "").adding(Location=location)


def _answer(status: int, body: bytes, kind: str, policy: str = NO_CONTENT_POLICY) -> Answer:
    described = {"Content-Type": kind} if kind else {}
    return Answer(status, body, {**_ALWAYS, **described, "Content-Security-Policy": policy})


def _pairs(text: str) -> dict[str, str]:
    try:
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=_MAX_FIELDS)
    except ValueError:
        raise BadRequestError("the parameters are not encoded as they should be") from None
    found = dict(pairs)
    if len(found) < len(pairs):
        raise BadRequestError("a parameter is there twice")
    return found


def _json_fields(body: bytes) -> dict[str, str]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        raise BadRequestError("the body is not JSON") from None
    if not isinstance(found, dict):
        raise BadRequestError("the body is not a JSON object")
    fields = {name: value for name, value in found.items() if isinstance(value, str)}
    try:
        "".join([*fields, *fields.values()]).encode()
    except UnicodeEncodeError:
        raise BadRequestError("the body has half a character") from None
    return fields
