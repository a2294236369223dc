"""Answers of the server's own, as S3 words its errors."""

from __future__ import annotations

import errno
from typing import Any
from uuid import uuid4
from xml.sax.saxutils import escape

Answer = tuple[int, dict[str, Any], Any]

# What a full disk, or a full quota, is called by the kernel.
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def error_answer(status: int, code: str, message: str, **elements: str) -> Answer:
    """An S3 error document; ``elements`` follow the message, in their order.

    https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
    """
    request_id = uuid4().hex[:16].upper()
    named = {"Code": code, "Message": message, **elements, "RequestId": request_id}
    inner = "".join(f"<{name}>{escape(text)}</{name}>" for name, text in named.items())
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error>{inner}</Error>'.encode()
    return status, {"Content-Type": "application/xml", "x-amz-request-id": request_id}, body


def storage_failed(cause: BaseException, where: str) -> Answer:
    """The answer to a request that could not be kept; ``where`` names the folder.

    A full disk is 507, which SDKs do not repeat; anything else is S3's InternalError, which they do.
    """
    if isinstance(cause, OSError):
        reason = f"{cause.strerror or cause} (the file system of {where})"
        if cause.errno in _NO_ROOM:
            return error_answer(507, "InsufficientStorage", f"Nothing was changed: {reason}.")
        return error_answer(500, "InternalError", f"Nothing was changed: {reason}.")
    return error_answer(500, "InternalError", f"Nothing was changed: {type(cause).__name__} in the server.")


async def send_answer(send: Any, answer: Answer, *, head: bool = False) -> None:
    """Send an answer over ASGI; a HEAD gets its headers only."""
    status, headers, body = answer
    pairs = [(name.lower().encode(), str(value).encode()) for name, value in headers.items()]
    pairs.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": pairs})
    await send({"type": "http.response.body", "body": b"" if head else body, "more_body": False})
