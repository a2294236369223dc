"""Withdrawing a project, the same function for every provider: its own things go, and nobody else's."""

from __future__ import annotations

import itertools
import secrets
from dataclasses import replace
from typing import Any

import pytest

from contract.s3.killing import KilledError, dying
from contract.s3.wire import put_many
from devenv.errors import MissingError, UnhealthyError
from devenv.s3 import withdrawal as module
from devenv.s3.provider import Connection, KeyPair
from devenv.s3.provision import Wanted, client, provision
from devenv.s3.signed import prove
from devenv.s3.withdrawal import withdraw

pytestmark = pytest.mark.contract
# Where there is no such API, users are made and ended by other means than ours.
needs_iam = pytest.mark.usefixtures("iam")


def wanted_anew(**more: Any) -> Wanted:
    mark = f"habari-contract-{secrets.token_hex(4)}"
    names = {"public": f"{mark}-public", "lake": f"{mark}-lake", "notebooks": f"{mark}-notebooks"}
    return Wanted(**{**names, **more}, user_name=f"{mark}-user")


def provisioned(connection: Connection, wanted: Wanted) -> KeyPair:
    return provision(connection, wanted, keep=lambda key: None).user


def admin_s3(connection: Connection) -> Any:
    assert connection.admin
    return client("s3", connection.endpoint_url, connection.region, connection.admin)


def buckets_of(connection: Connection) -> set[str]:
    return {each["Name"] for each in admin_s3(connection).list_buckets()["Buckets"]}


def proved(connection: Connection, key: KeyPair, bucket: str) -> None:
    prove(connection.endpoint_url, connection.region, key, bucket, timeout=20)


def fill(s3: Any, wanted: Wanted) -> None:
    """Objects, versions of them that are gone, and an upload that nobody ended."""
    for number in range(3):
        s3.put_object(Bucket=wanted.lake, Key=f"a b/ü {number}.csv", Body=b"1")
    s3.put_bucket_versioning(Bucket=wanted.lake, VersioningConfiguration={"Status": "Enabled"})
    s3.put_object(Bucket=wanted.lake, Key="a b/ü 0.csv", Body=b"2")
    s3.delete_object(Bucket=wanted.lake, Key="a b/ü 1.csv")
    upload = s3.create_multipart_upload(Bucket=wanted.notebooks, Key="half")["UploadId"]
    s3.upload_part(Bucket=wanted.notebooks, Key="half", UploadId=upload, PartNumber=1, Body=b"x")


@needs_iam
def test_the_projects_own_go_with_all_that_is_in_them(connection: Connection) -> None:
    wanted = wanted_anew()
    user = provisioned(connection, wanted)
    fill(admin_s3(connection), wanted)

    changes = withdraw(connection, wanted)

    assert [each.split(" deleted")[0] for each in changes] == [
        f"user {wanted.user_name}",
        f"bucket {wanted.lake}",
        f"bucket {wanted.notebooks}",
    ]
    assert buckets_of(connection) & set(wanted.buckets) == {wanted.public}
    with pytest.raises(UnhealthyError, match="403"):
        proved(connection, user, wanted.public)


def test_without_an_api_for_users_the_buckets_go_and_the_key_is_named(connection: Connection) -> None:
    wanted = wanted_anew()
    user = provisioned(connection, wanted)
    fill(admin_s3(connection), wanted)

    changes = withdraw(replace(connection, iam_endpoint_url=None, user=user), wanted)

    assert f"no IAM API: the key of {wanted.user_name} is left" in changes[0]
    assert [each.split(" deleted")[0] for each in changes[1:]] == [
        f"bucket {wanted.lake}",
        f"bucket {wanted.notebooks}",
    ]
    assert buckets_of(connection) & set(wanted.buckets) == {wanted.public}


def test_more_objects_than_one_call_deletes_go_too(connection: Connection) -> None:
    wanted = wanted_anew()
    provisioned(connection, wanted)
    put_many(connection, wanted.lake, (f"{number:04}" for number in range(1003)))

    assert f"bucket {wanted.lake} deleted, with 1003 objects" in withdraw(connection, wanted)


@needs_iam
def test_another_project_keeps_what_it_has_and_the_public_bucket(connection: Connection) -> None:
    first = wanted_anew()
    second = wanted_anew(public=first.public)
    provisioned(connection, first)
    user = provisioned(connection, second)
    admin_s3(connection).put_object(Bucket=first.public, Key="shared.csv", Body=b"1")

    withdraw(connection, first)

    for bucket in second.buckets:
        proved(connection, user, bucket)
    assert admin_s3(connection).get_object(Bucket=first.public, Key="shared.csv")["Body"].read() == b"1"


@needs_iam
def test_what_is_gone_already_is_no_trouble(connection: Connection) -> None:
    wanted = wanted_anew()
    provisioned(connection, wanted)
    withdraw(connection, wanted)

    assert withdraw(connection, wanted) == ()


@needs_iam
def test_a_withdrawn_project_can_be_made_again(connection: Connection) -> None:
    wanted = wanted_anew()
    provisioned(connection, wanted)
    withdraw(connection, wanted)

    user = provisioned(connection, wanted)

    for bucket in wanted.buckets:
        proved(connection, user, bucket)


@needs_iam
def test_without_an_admin_nothing_is_tried(connection: Connection) -> None:
    wanted = wanted_anew()
    user = provisioned(connection, wanted)

    with pytest.raises(MissingError, match="no admin key"):
        withdraw(replace(connection, admin=None, user=user), wanted)
    proved(connection, user, wanted.lake)


def test_a_withdrawal_killed_at_any_step_is_finished_by_the_next(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    for step in itertools.count():
        wanted = wanted_anew()
        provisioned(connection, wanted)
        admin_s3(connection).put_object(Bucket=wanted.lake, Key="a.csv", Body=b"1")
        monkeypatch.setattr(module, "client", dying(client, step))
        try:
            withdraw(connection, wanted)
            finished = True
        except KilledError:
            finished = False
        monkeypatch.setattr(module, "client", client)
        withdraw(connection, wanted)
        assert buckets_of(connection) & set(wanted.buckets) == {wanted.public}
        if finished:
            assert step > 8
            return
