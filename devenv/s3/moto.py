"""S3 in memory, in the test's own process, ready in milliseconds; gone with the process.

Served without moto's own server: that one has an unauthenticated control plane (``/moto-api``), waits for
ever on a taken port, and needs packages this toolkit has no other use for. Here only S3, IAM and STS are
mounted, every call is authenticated, and an account number of its own keeps the data apart from other moto
users in the same process (``mock_aws`` empties all of moto when it begins: do not mix the two).
"""

from __future__ import annotations

import secrets
import threading
from typing import TYPE_CHECKING

from devenv.s3 import moto_limits
from devenv.s3.provider import Connection, Provider

if TYPE_CHECKING:
    from werkzeug.serving import BaseWSGIServer

HOST = "127.0.0.1"
REGION = "us-east-1"


class Moto(Provider):
    """An in-memory S3 with IAM, for test suites."""

    name = "moto"
    persistent = False
    limits = moto_limits.LIMITS

    def __init__(self) -> None:
        self._server: BaseWSGIServer | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> Connection:
        """Return with the server listening on a free port of the loopback address."""
        from werkzeug.serving import make_server

        from devenv.s3 import moto_app

        account = "".join(secrets.choice("123456789") for _ in range(12))
        admin = moto_app.make_admin(account)
        # Port 0: the system picks one that is free, so there is nothing to collide with.
        self._server = make_server(
            HOST, 0, moto_app.application(account), threaded=True, request_handler=moto_app.Handler
        )
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.02,), daemon=True, name="moto"
        )
        self._thread.start()
        url = f"http://{HOST}:{self._server.server_port}"
        return Connection(url, REGION, admin=admin, iam_endpoint_url=url)

    def stop(self) -> None:
        if self._server and self._thread:
            self._server.shutdown()
            self._thread.join()
            self._server.server_close()
            self._server = None
