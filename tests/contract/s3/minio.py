"""MinIO in a container of our image: started, provisioned and told as docker-compose.minio.yaml has it."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Mapping

from integration.compose.building import build
from integration.compose.passing import container

from devenv.errors import UnhealthyError
from devenv.images import engine
from devenv.images.pins import CHECKOUT
from devenv.s3.minio_limits import LIMITS
from devenv.s3.provider import Connection, KeyPair, Limit, Provider

IMAGE = "habari/minio:local"
START = CHECKOUT / "images" / "minio" / "start.sh"
READY = "for i in $(seq 600); do test -e /tmp/habari-provisioned && exit 0; sleep 0.1; done; exit 1"


class MinIO(Provider):
    """One server with ``buckets`` by role and a user of its own with the project's policy.

    It has no IAM API of AWS's kind: user and policy are made by its own client, in the container.
    """

    name = "minio"
    persistent = True

    def __init__(self, buckets: Mapping[str, str]) -> None:
        self._buckets = buckets
        self._admin, self._user = _key(), _key()
        self._stack = contextlib.ExitStack()

    @property
    def limits(self) -> tuple[Limit, ...]:
        return LIMITS

    def start(self) -> Connection:
        """Makes the image of Go modules, unless it is there."""
        build("minio")
        variables = {
            "AWS_ACCESS_KEY_ID": self._user.access_key_id,
            "AWS_SECRET_ACCESS_KEY": self._user.secret_access_key,
            "S3_ADMIN_ACCESS_KEY_ID": self._admin.access_key_id,
            "S3_ADMIN_SECRET_ACCESS_KEY": self._admin.secret_access_key,
            **{f"S3_BUCKET_NAME_{role.upper()}": name for role, name in self._buckets.items()},
        }
        docker, files = engine.connect(os.environ), {START: "/start.sh"}
        started = container(docker, IMAGE, 9000, variables, "/start.sh", entrypoint="sh", files=files)
        made = self._stack.enter_context(started)
        if made.exec(["sh", "-c", READY]).exit_code:
            said = b"".join(made.get_logs()).decode(errors="replace").splitlines()
            self.stop()
            raise UnhealthyError("MinIO is not ready", details=tuple(said[-8:]))
        address = f"http://127.0.0.1:{made.get_exposed_port(9000)}"
        return Connection(address, "us-east-1", self._admin, user=self._user)

    def stop(self) -> None:
        self._stack.close()


def _key() -> KeyPair:
    return KeyPair(f"AKIA{secrets.token_hex(8).upper()}", secrets.token_hex(20))
