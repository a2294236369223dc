"""The access key that its caller chose, without the engine that makes keys."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from devenv.s3.guard import given_key

ROOT = "ROOTKEYOFTHISTEST"
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

    def call(self, action: str, key: tuple[str, str] | None = None) -> Any:
        names = ("X-Devenv-Access-Key-Id", "X-Devenv-Secret-Access-Key")
        headers = dict(zip(names, key, strict=True)) if key else {}
        return asyncio.run(self.handle_request("POST", "/", headers, f"Action={action}".encode(), {}))


@pytest.fixture
def iam() -> Iam:
    made = Iam()
    given_key.install(made, ROOT)
    return made


def test_the_key_that_is_made_is_the_chosen_one(iam: Iam) -> None:
    status, headers, body = iam.call("CreateAccessKey", GIVEN)
    assert (status, headers) == (200, {})
    assert body.decode() == f"<AccessKeyId>{GIVEN[0]}</AccessKeyId><Secret>{GIVEN[1]}</Secret>"
    assert iam._access_keys == {
        GIVEN[0]: {"UserName": "habari", "AccessKeyId": GIVEN[0], "SecretAccessKey": GIVEN[1]}
    }


def test_a_key_that_somebody_has_is_given_to_nobody_else(iam: Iam) -> None:
    iam.call("CreateAccessKey", GIVEN)
    iam.call("CreateAccessKey", (GIVEN[0], "another secret of this key"))
    assert set(iam._access_keys) == {GIVEN[0], "AKIAMADE2"}
    assert iam._access_keys[GIVEN[0]]["SecretAccessKey"] == GIVEN[1]


@pytest.mark.parametrize(
    "key",
    [(ROOT, GIVEN[1]), ("123456789012", GIVEN[1]), ("short", GIVEN[1]), (GIVEN[0], "short")],
    ids=["root's own", "an account's number", "a short id", "a short secret"],
)
def test_a_key_that_would_open_other_doors_is_refused_and_none_is_made(
    iam: Iam, key: tuple[str, str]
) -> None:
    status, _, body = iam.call("CreateAccessKey", key)
    assert (status, iam.made) == (400, 0)
    assert key[1].encode() not in body


def test_other_calls_are_answered_as_they_were(iam: Iam) -> None:
    assert iam.call("ListAccessKeys", GIVEN)[2] == b"<AccessKeyId>not a new one</AccessKeyId>"


def test_without_a_chosen_key_the_engine_makes_its_own(iam: Iam) -> None:
    iam.call("CreateAccessKey")
    assert set(iam._access_keys) == {"AKIAMADE1"}
