"""Signatures by hand, and what is said when S3 does not answer."""

from __future__ import annotations

import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from devenv import commands
from devenv.errors import NotRunningError, UnhealthyError
from devenv.s3 import signed
from devenv.s3.provider import KeyPair

# https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html, its last example
EXAMPLE = KeyPair("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
EXAMPLE_SIGNATURE = "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"
KEY = KeyPair("AKIAUSERUSERUSERUSER", "a-secret-that-nobody-may-see")


def test_the_signature_is_that_of_awss_own_example() -> None:
    headers = signed.sign(
        "GET",
        "examplebucket.s3.amazonaws.com",
        "/",
        "max-keys=2&prefix=J",
        "us-east-1",
        EXAMPLE,
        now=datetime(2013, 5, 24, tzinfo=UTC),
    )
    assert headers["authorization"].endswith(f"Signature={EXAMPLE_SIGNATURE}")
    assert "SignedHeaders=host;x-amz-content-sha256;x-amz-date," in headers["authorization"]


@contextmanager
def answering(answer: bytes) -> Iterator[str]:
    """A server that gives one answer to each of its clients."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    client, _address = listener.accept()
                except OSError:
                    return
                with client:
                    client.recv(65536)
                    client.sendall(answer)

        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)


def http(status: str, body: str = "") -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}".encode()


def test_a_bucket_that_can_be_listed_is_proved() -> None:
    with answering(http("200 OK", "<ListBucketResult/>")) as url:
        signed.prove(url, "us-east-1", KEY, "lake")


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        pytest.param(
            http("403 Forbidden", "<Code>AccessDenied</Code>"), "HTTP 403, AccessDenied", id="refused"
        ),
        pytest.param(
            http("404 Not Found", "<Code>NoSuchBucket</Code>"), "HTTP 404, NoSuchBucket", id="missing"
        ),
        pytest.param(http("302 Found"), "HTTP 302, no S3 error code", id="a-web-page"),
        pytest.param(b"SSH-2.0-OpenSSH_9.2\r\n", "does not answer", id="no-http"),
        pytest.param(b"", "does not answer", id="hangs-up"),
    ],
)
def test_a_wrong_answer_is_told_with_its_code(answer: bytes, said: str) -> None:
    with answering(answer) as url, pytest.raises(UnhealthyError, match=said) as told:
        signed.prove(url, "us-east-1", KEY, "lake")
    assert KEY.secret_access_key not in str(told.value)


def test_nobody_listening_is_not_running() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(NotRunningError, match="nothing answers"):
        signed.prove(f"http://127.0.0.1:{port}", "us-east-1", KEY, "lake")


def test_a_silent_server_is_given_up_after_the_time_given() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with pytest.raises(UnhealthyError, match="timed out"):
            signed.prove(url, "us-east-1", KEY, "lake", timeout=0.05)


def test_asking_s3_every_day_imports_no_sdk() -> None:
    code = (
        "import sys; import devenv.s3.signed, devenv.s3.ministack, devenv.s3.provision, devenv.s3.moto;"
        "print([name for name in ('boto3', 'botocore', 'moto', 'werkzeug') if name in sys.modules])"
    )
    root = Path(__file__).parents[3]
    assert commands.run([sys.executable, "-c", code], cwd=root).stdout.strip() == "[]"
