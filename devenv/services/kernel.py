"""One cell through a Jupyter server, as a browser runs it: REST for the kernel, a websocket for the cell.

https://jupyter-server.readthedocs.io/en/latest/developers/rest-api.html and
https://jupyter-client.readthedocs.io/en/latest/messaging.html
"""

from __future__ import annotations

import contextlib
import http.client
import json
import uuid
from typing import TYPE_CHECKING, Any

from devenv.endpoints import Endpoint
from devenv.errors import UnhealthyError

if TYPE_CHECKING:
    from websockets.sync.client import ClientConnection


class UnreachableError(UnhealthyError):
    """Nobody listens, or the connection broke."""


def execute(endpoint: Endpoint, token: str, code: str, *, seconds: float = 60) -> str:
    """Start a kernel, execute ``code`` in it, end the kernel, and return what the cell printed.

    ``seconds`` bounds each single answer. Raises UnhealthyError when the kernel does not get to it.
    """
    kernel = str(ask(endpoint, token, "POST", "/api/kernels", seconds=seconds)["id"])
    try:
        return _converse(endpoint, token, kernel, code, seconds)
    finally:
        with contextlib.suppress(UnhealthyError):
            ask(endpoint, token, "DELETE", f"/api/kernels/{kernel}", seconds=seconds)


def ask(endpoint: Endpoint, token: str, method: str, path: str, *, seconds: float) -> Any:
    """One call of the REST API: the JSON answer or None. Raises UnreachableError or UnhealthyError."""
    connection = http.client.HTTPConnection(endpoint.host, endpoint.port, timeout=seconds)
    try:
        connection.request(method, path, headers={"Authorization": f"token {token}"})
        response = connection.getresponse()
        body = response.read()
    except OSError as error:
        raise UnreachableError(f"nothing answers at {endpoint}: {error}") from error
    except http.client.HTTPException as error:
        raise UnhealthyError(f"{endpoint} does not answer as Jupyter does: {error!r}") from error
    finally:
        connection.close()
    if response.status >= 400:
        raise UnhealthyError(f"Jupyter answered {response.status} {response.reason} to {method} {path}")
    return json.loads(body) if body else None


def _converse(endpoint: Endpoint, token: str, kernel: str, code: str, seconds: float) -> str:
    from websockets.exceptions import WebSocketException
    from websockets.sync.client import connect

    request = _execute_request(code)
    url = f"ws://{endpoint}/api/kernels/{kernel}/channels"
    headers = {"Authorization": f"token {token}"}
    try:
        # proxy=None: a proxy of the environment must never see the loopback
        with connect(
            url, additional_headers=headers, proxy=None, open_timeout=seconds, max_size=None
        ) as socket:
            socket.send(json.dumps(request))
            return _printed(socket, request["header"]["msg_id"], seconds)
    except TimeoutError:
        raise UnhealthyError(f"a kernel did not run a cell within {seconds:g} s") from None
    except (OSError, WebSocketException) as error:
        raise UnreachableError(f"the connection to a kernel at {endpoint} broke: {error}") from error


def _printed(socket: ClientConnection, asked: str, seconds: float) -> str:
    """What the cell of message ``asked`` prints until its kernel is idle again."""
    printed: list[str] = []
    while True:
        message = json.loads(socket.recv(timeout=seconds))
        if message["parent_header"].get("msg_id") != asked:
            continue
        content = message["content"]
        if message["msg_type"] == "stream":
            printed.append(content["text"])
        elif message["msg_type"] == "execute_reply" and content["status"] != "ok":
            raise UnhealthyError(f"a cell failed in the kernel: {content.get('evalue', content['status'])}")
        elif message["msg_type"] == "status" and content["execution_state"] == "idle":
            return "".join(printed)


def _execute_request(code: str) -> dict[str, Any]:
    header = {
        "msg_id": uuid.uuid4().hex,
        "msg_type": "execute_request",
        "username": "devenv",
        "session": uuid.uuid4().hex,
        "version": "5.4",
    }
    content = {
        "code": code,
        "silent": False,
        "store_history": False,
        "allow_stdin": False,
        "stop_on_error": True,
        "user_expressions": {},
    }
    return {
        "header": header,
        "parent_header": {},
        "metadata": {},
        "content": content,
        "channel": "shell",
        "buffers": [],
    }
