"""``/files/``: downloads of any size, whole or in ranges, passed on as they come."""

from __future__ import annotations

import asyncio
import mimetypes
from functools import partial
from typing import Any
from urllib.parse import quote

from jupyter_server.auth.decorator import authorized
from jupyter_server.base.handlers import AuthenticatedFileHandler
from tornado import web
from tornado.iostream import StreamClosedError

from jupyter_buckets.names import Place
from jupyter_buckets.problems import ProblemError
from jupyter_buckets.store import MIB

# S3 evaluates these by itself: https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html
_CONDITIONS = {"If-None-Match": "IfNoneMatch", "If-Match": "IfMatch"}


class BucketFilesHandler(AuthenticatedFileHandler):
    """Serves local files as jupyter_server does, and objects out of their buckets."""

    @web.authenticated
    @authorized
    async def head(self, path: str) -> None:  # type: ignore[override]
        await self._serve(path, body=False)

    @web.authenticated
    @authorized
    async def get(self, path: str, include_body: bool = True) -> None:  # type: ignore[override]
        await self._serve(path, body=include_body)

    async def _serve(self, path: str, *, body: bool) -> None:
        manager: Any = self.contents_manager
        place = manager.place(path)
        if place is None:
            await super().get(path, include_body=body)  # type: ignore[misc]
            return
        self.check_xsrf_cookie()
        if (place.hidden and not manager.allow_hidden) or not place.path:
            raise web.HTTPError(404)
        await self._serve_object(place, body=body)

    async def _serve_object(self, place: Place, *, body: bool) -> None:
        store = self.contents_manager.buckets_contents.store  # type: ignore[attr-defined]
        answer = await self._ask(store, place, body=body)
        if answer is None:
            self.set_status(304)
            return
        self._set_headers(place, answer)
        if not body:
            return
        stream = answer["Body"]
        try:
            while piece := await store.run(partial(stream.read, MIB)):
                self.write(piece)
                await self.flush()
        except StreamClosedError:
            pass  # the reader has gone
        except Exception as error:
            # The answer's head has been sent: only a broken connection still tells that the rest is missing.
            self.log.error("%s broke off while it was sent: %s", place.url, error)
            if self.request.connection is not None:
                self.request.connection.stream.close()  # type: ignore[attr-defined]
        finally:
            await asyncio.to_thread(stream.close)

    async def _ask(self, store: Any, place: Place, *, body: bool) -> dict[str, Any] | None:
        """S3's answer, None for a 304."""
        headers = self.request.headers
        asked = {name: headers[header] for header, name in _CONDITIONS.items() if header in headers}
        wanted = headers.get("Range")
        if wanted and wanted.startswith("bytes=") and "," not in wanted:
            asked["Range"] = wanted
            if "If-Range" in headers:
                asked["IfMatch"] = headers["If-Range"]
        try:
            return dict(await store.call("get_object" if body else "head_object", place, **asked))
        except ProblemError as problem:
            if problem.status_code == 304:
                return None
            if problem.code == "PreconditionFailed" and "If-Range" in headers:
                # another object by now: all of it
                return dict(await store.call("get_object" if body else "head_object", place))
            if problem.status_code == 416:
                self.set_header("Content-Range", "bytes */*")
            raise

    def _set_headers(self, place: Place, answer: dict[str, Any]) -> None:
        if "ContentRange" in answer:
            self.set_status(206)
            self.set_header("Content-Range", answer["ContentRange"])
        self.set_header("Accept-Ranges", "bytes")
        self.set_header("Content-Length", str(answer["ContentLength"]))
        self.set_header("Content-Type", _content_type(place.name))
        self.set_header("Last-Modified", answer["LastModified"])
        self.set_header("Etag", answer["ETag"])
        self.set_header("Cache-Control", "no-cache")
        self.set_header("X-Content-Type-Options", "nosniff")
        if place.name.endswith(".ipynb") or self.get_argument("download", None):
            self.set_header(
                "Content-Disposition", f"attachment; filename*=utf-8''{quote(place.name, safe='')}"
            )

    def compute_etag(self) -> str | None:
        return None


def _content_type(name: str) -> str:
    if name.endswith(".ipynb"):
        return "application/x-ipynb+json"
    kind, encoding = mimetypes.guess_type(name)
    if encoding is not None:
        return "application/gzip" if encoding == "gzip" else "application/octet-stream"
    if kind == "text/plain":
        return "text/plain; charset=UTF-8"
    return kind or "application/octet-stream"
