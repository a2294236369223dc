"""The access key that was chosen before the server ran, without the engine that makes keys."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from devenv.s3.guard import given_key

GIVEN = ("AKIAGIVENGIVENGIVEN0", "the secret that was given")


class Iam(SimpleNamespace):
    """As much of the engine's IAM as the module relies on."""

    def __init__(self) -> None:
        super().__init__(_access_keys={}, made=0)
        self.handle_request: Any = self.answer

    async def answer(self, method: str, path: str, headers: Any, body: bytes, query: Any) -> Any:
        if b"CreateAccessKey" not in body:
            return 200, {}, b"<AccessKeyId>not a new one</AccessKeyId>"
        self.made += 1
        key = {
            "UserName": "habari",
            "AccessKeyId": f"AKIAMADE{self.made}",
            "SecretAccessKey": f"made {self.made}",
        }
        self._access_keys[key["AccessKeyId"]] = key
        told = f"<AccessKeyId>{key['AccessKeyId']}</AccessKeyId><Secret>{key['SecretAccessKey']}</Secret>"
        return 200, {"Content-Length": str(len(told))}, told.encode()

    def call(self, action: str) -> Any:
        return asyncio.run(self.handle_request("POST", "/", {}, f"Action={action}".encode(), {}))


@pytest.fixture
def iam() -> Iam:
    return Iam()


def test_the_first_key_that_is_made_is_the_given_one(iam: Iam) -> None:
    given_key.install(iam, *GIVEN)
    status, headers, body = iam.call("CreateAccessKey")
    assert (status, headers) == (200, {})
    assert body.decode() == f"<AccessKeyId>{GIVEN[0]}</AccessKeyId><Secret>{GIVEN[1]}</Secret>"
    assert iam._access_keys == {
        GIVEN[0]: {"UserName": "habari", "AccessKeyId": GIVEN[0], "SecretAccessKey": GIVEN[1]}
    }


def test_a_second_key_is_the_engines_own(iam: Iam) -> None:
    given_key.install(iam, *GIVEN)
    iam.call("CreateAccessKey")
    iam.call("CreateAccessKey")
    assert set(iam._access_keys) == {GIVEN[0], "AKIAMADE2"}


def test_other_calls_are_answered_as_they_were(iam: Iam) -> None:
    given_key.install(iam, *GIVEN)
    assert iam.call("ListAccessKeys")[2] == b"<AccessKeyId>not a new one</AccessKeyId>"


def test_without_a_given_key_nothing_is_changed(iam: Iam) -> None:
    before = iam.handle_request
    given_key.install(iam, "", "")
    assert iam.handle_request == before
