"""S3 as `up` runs it, beside its engine without our guard, and moto as test suites start it.

    .venv/bin/python benchmarks/s3.py [--rounds 10] [--heavy-rounds 5]

All three are asked by one connection each, in turn, with requests that were signed beforehand, bodies
included, as SDKs sign over plain HTTP. A round of a small operation is the median of 40 requests. "heavy" are
the list of 10,000 keys, in ten pages, and the object of 64 MiB. moto holds everything in memory and runs in
this process, as in a test suite; the engine without guard keeps objects in files, and has no journal.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.parse
from collections.abc import Callable
from pathlib import Path

import measure
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

CHECKOUT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(CHECKOUT))

from devenv import environments, state  # noqa: E402
from devenv.s3.ministack import MiniStack  # noqa: E402
from devenv.s3.moto import Moto  # noqa: E402
from devenv.s3.provider import Connection, KeyPair, Provider  # noqa: E402
from devenv.s3.provision import client  # noqa: E402

SMALL, LARGE, KEYS, BURST = os.urandom(4096), os.urandom(64 << 20), 10_000, 40
POLICY = {"Effect": "Allow", "Action": "s3:*", "Resource": ["arn:aws:s3:::lake", "arn:aws:s3:::lake/*"]}
SERVE = """
import asyncio, os
from hypercorn.asyncio import serve
from hypercorn.config import Config
from ministack.app import app
config = Config()
config.bind = ["127.0.0.1:" + os.environ["GATEWAY_PORT"]]
config.keep_alive_timeout = 75
asyncio.run(serve(app, config))
"""


class Engine(Provider):
    """The engine as its own documentation starts it, with the settings that the guard gives it."""

    name = "engine"

    def __init__(self, python: Path, folder: Path) -> None:
        self._python, self._folder = python, folder
        self._child: subprocess.Popen[bytes] | None = None

    def start(self) -> Connection:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        root = KeyPair("AKIAENGINEENGINEENGI", "the-engine-verifies-no-secret-of-root")
        environ = {
            "AUTH": "true",
            "SERVICES": "s3,iam,sts",
            "S3_PERSIST": "1",
            "PERSIST_STATE": "1",
            "S3_DATA_DIR": str(self._folder / "objects"),
            "STATE_DIR": str(self._folder / "state"),
            "GATEWAY_PORT": str(port),
            "AWS_ACCESS_KEY_ID": root.access_key_id,
            "AWS_SECRET_ACCESS_KEY": root.secret_access_key,
            "IOT_MTLS_ENABLED": "0",
            "LOG_LEVEL": "WARNING",
        }
        self._child = subprocess.Popen([str(self._python), "-I", "-c", SERVE], env=environ, cwd=self._folder)
        for _ in range(600):
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except OSError:
                time.sleep(0.05)
        url = f"http://127.0.0.1:{port}"
        return Connection(url, "us-east-1", admin=root, iam_endpoint_url=url)

    def stop(self) -> None:
        if self._child:
            self._child.send_signal(signal.SIGTERM)
            self._child.wait()


class Side:
    """One server, a user of a project in it, and a connection that stays open."""

    def __init__(self, provider: Provider) -> None:
        self.provider = provider
        self.connection = provider.start()
        url, region, admin = self.connection.endpoint_url, self.connection.region, self.connection.admin
        assert admin
        iam = client("iam", url, region, admin)
        iam.create_user(UserName="user")
        document = json.dumps({"Version": "2012-10-17", "Statement": [POLICY]})
        iam.put_user_policy(UserName="user", PolicyName="lake", PolicyDocument=document)
        key = iam.create_access_key(UserName="user")["AccessKey"]
        self._user = Credentials(key["AccessKeyId"], key["SecretAccessKey"])
        client("s3", url, region, admin).create_bucket(Bucket="lake")
        self._rounds: dict[str, int] = {}

    def ask(self, method: str, targets: list[str], body: bytes = b"") -> tuple[list[float], bytes]:
        """The seconds of each request and the last answer; signing is not in them."""
        signed = [self._signed(method, target, body) for target in targets]
        parts = urllib.parse.urlsplit(self.connection.endpoint_url)
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=120)
        connection.connect()
        taken, content = [], b""
        for target, headers in zip(targets, signed, strict=True):
            began = time.perf_counter()
            connection.request(method, target, body=body or None, headers=headers)
            answer = connection.getresponse()
            content = answer.read()
            taken.append(time.perf_counter() - began)
            if answer.status not in (200, 204):
                raise SystemExit(
                    f"{self.provider.name}: {method} {target}: {answer.status} {content[:300]!r}"
                )
        connection.close()
        return taken, content

    def _signed(self, method: str, target: str, body: bytes) -> dict[str, str]:
        request = AWSRequest(method, self.connection.endpoint_url + target, data=body)
        S3SigV4Auth(self._user, "s3", self.connection.region).add_auth(request)
        return dict(request.headers.items())

    def _burst(self, method: str, name: str, body: bytes = b"") -> float:
        taken, _content = self.ask(method, [f"/lake/{name}/{number}" for number in range(BURST)], body)
        return statistics.median(taken)

    def put_new(self) -> float:
        self._rounds["new"] = self._rounds.get("new", 0) + 1
        return self._burst("PUT", f"new-{self._rounds['new']}", SMALL)

    def overwrite(self) -> float:
        return self._burst("PUT", "new-1", SMALL)

    def get(self) -> float:
        return self._burst("GET", "new-1")

    def put_large(self) -> float:
        return self.ask("PUT", ["/lake/large"], LARGE)[0][0]

    def get_large(self) -> float:
        return self.ask("GET", ["/lake/large"])[0][0]

    def fill(self) -> None:
        self.ask("PUT", [f"/lake/list/{number:05d}" for number in range(KEYS)], b"x")

    def list_all(self) -> float:
        seconds, found, more = 0.0, 0, ""
        while True:
            taken, page = self.ask("GET", [f"/lake?{more}list-type=2&prefix=list%2F"])
            seconds, found = seconds + taken[0], found + page.count(b"<Key>")
            token = re.search(rb"<NextContinuationToken>(.*?)<", page)
            if not token:
                break
            more = f"continuation-token={urllib.parse.quote(token[1].decode(), safe='')}&"
        if found != KEYS:
            raise SystemExit(f"{self.provider.name} lists {found} keys of {KEYS}")
        return seconds


def row(what: str, taken: dict[str, list[float]]) -> str:
    medians = [f"{statistics.median(taken[name]) * 1000:.1f}" for name in ("engine", "guard", "moto")]
    ratios = [f"{measure.ratio(taken, 'guard', other):.2f}" for other in ("engine", "moto")]
    return "| " + " | ".join([what, *medians, *ratios, str(len(taken["guard"]))]) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--heavy-rounds", type=int, default=5)
    asked = parser.parse_args()
    environment = environments.locate("s3", state.data_root(os.environ))
    python = environments.ensure(environment, print, os.environ)
    lines = ["| what | engine ms | guard ms | moto ms | guard / engine | guard / moto | rounds |"]
    lines.append("|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as place:
        for name in ("engine", "guard"):
            Path(place, name).mkdir()
        providers: dict[str, Provider] = {
            "engine": Engine(python, Path(place, "engine")),
            "guard": MiniStack(python, Path(place, "guard")),
            "moto": Moto(),
        }
        try:
            sides = {name: Side(provider) for name, provider in providers.items()}

            def compare(what: str, action: Callable[[Side], float], rounds: int) -> None:
                print(what)
                actions = {name: lambda side=side: action(side) for name, side in sides.items()}
                lines.append(row(what, measure.in_turn(actions, rounds)))

            compare("put 4 KiB, new", Side.put_new, asked.rounds)
            compare("put 4 KiB, overwrite", Side.overwrite, asked.rounds)
            compare("get 4 KiB", Side.get, asked.rounds)
            compare("put 64 MiB", Side.put_large, asked.heavy_rounds)
            compare("get 64 MiB", Side.get_large, asked.heavy_rounds)
            for side in sides.values():
                side.fill()
            compare("list 10,000", Side.list_all, asked.heavy_rounds)
        finally:
            for provider in providers.values():
                provider.stop()
    print("\n".join(lines))


if __name__ == "__main__":
    main()
