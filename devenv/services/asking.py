"""One cheap question by HTTP to a service on the loopback address."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from devenv.endpoints import Endpoint
from devenv.waiting import NotYet

SECONDS = 3


@dataclass(frozen=True)
class Reply:
    """Status, headers (names in lower case) and body of an answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body's content, or None when it is not JSON."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None


def get(endpoint: Endpoint, path: str, headers: Mapping[str, str] | None = None) -> Reply:
    """GET without following redirects. Raises NotYet when nobody answers in HTTP."""
    return _exchange(endpoint, "GET", path, None, headers or {})


def post(endpoint: Endpoint, path: str, form: Mapping[str, str], headers: Mapping[str, str]) -> Reply:
    """POST a form, as :func:`get`."""
    encoded = {**headers, "Content-Type": "application/x-www-form-urlencoded"}
    return _exchange(endpoint, "POST", path, urlencode(form), encoded)


def _exchange(
    endpoint: Endpoint, method: str, path: str, body: str | None, headers: Mapping[str, str]
) -> Reply:
    connection = http.client.HTTPConnection(endpoint.host, endpoint.port, timeout=SECONDS)
    try:
        connection.request(method, path, body, dict(headers))
        response = connection.getresponse()
        content = response.read()
    except (OSError, http.client.HTTPException) as error:
        raise NotYet(f"nothing answers at {endpoint}: {error}") from error
    finally:
        connection.close()
    found = {name.lower(): value for name, value in response.getheaders()}
    return Reply(response.status, found, content)
