"""DeleteObjects, judged key by key: the keys a caller may delete are deleted, the others told as refused.

https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from .answers import Answer, error_answer

_MOST = 1000
# A parser reads a bare carriage return as a line feed, which would be another key.
_RETURN = {"\r": "&#13;"}

May = Callable[[str, str], bool]
"""Whether the caller may delete a key, in a version ("" for the current one)."""


def split(s3: Any, body: bytes, may: May) -> tuple[Answer | None, bytes, str]:
    """The body without what the caller may not delete, and that for ``tell``; first a refusal of it all."""
    try:
        # the engine's own parser, which resolves no entities
        wanted = s3.fromstring(body)
    except (ValueError, SyntaxError, LookupError):
        return error_answer(400, "MalformedXML", "The list of keys is not XML."), body, ""
    # The engine takes the objects of the one namespace or of the other: whichever it takes has been judged.
    entries = [entry for entry in wanted if entry.tag in ("Object", f"{{{s3.S3_NS}}}Object")]
    if not 0 < len(entries) <= _MOST:
        return error_answer(400, "MalformedXML", f"Name 1 to {_MOST} keys."), body, ""
    told = ""
    for entry in entries:
        key, version = _text(s3, entry, "Key"), _text(s3, entry, "VersionId")
        if not may(key, version):
            wanted.remove(entry)
            told += _refusal(key, version)
    return None, _as_bytes(wanted) if told else body, told


def tell(answer: Answer, told: str) -> Answer:
    """The engine's answer with the refused keys added."""
    status, fields, body = answer
    if status != 200 or not told:
        return answer
    opened = body[:-2].rstrip() + b">" if body.endswith(b"/>") else body.removesuffix(b"</DeleteResult>")
    return status, fields, opened + told.encode() + b"</DeleteResult>"


def _text(s3: Any, entry: Any, name: str) -> str:
    found = s3._find_xml_tag(entry, name)
    return (found.text or "") if found is not None else ""


def _as_bytes(wanted: Any) -> bytes:
    text: str = ElementTree.tostring(wanted, "unicode")
    return text.replace("\r", _RETURN["\r"]).encode()


def _refusal(key: str, version: str) -> str:
    of_version = f"<VersionId>{escape(version)}</VersionId>" if version else ""
    return (
        f"<Error><Key>{escape(key, _RETURN)}</Key>{of_version}"
        "<Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
    )
