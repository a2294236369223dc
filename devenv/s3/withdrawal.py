"""What provisioning made for one project, taken away again: its user, its policy and its own buckets.

The public bucket is shared by projects, so it is never among them. Every step looks first, so a withdrawal
that was killed anywhere is finished by the next one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from devenv.errors import ConflictError, MissingError, UnhealthyError
from devenv.s3.provider import Connection
from devenv.s3.provision import Wanted, client, foreseen, head_bucket

if TYPE_CHECKING:
    from mypy_boto3_iam import IAMClient
    from mypy_boto3_s3 import S3Client


def withdraw(connection: Connection, wanted: Wanted) -> tuple[str, ...]:
    """Delete the project's user with its keys and policies, then its lake and notebooks; in words.

    The user goes first, so that nobody writes while the buckets are emptied: of every version and of uploads
    that were never completed. Raises ConflictError for a bucket of somebody else's, before anything is
    deleted, MissingError without an admin's key, NotRunningError and UnhealthyError as provisioning does.
    """
    if connection.admin is None:
        raise MissingError(
            f"no admin key of {connection.endpoint_url} is given, so nothing there can be deleted",
            hint="Give the admin's access key, or delete user and buckets there yourself",
        )
    changes: list[str] = []
    with foreseen(connection):
        s3 = client("s3", connection.endpoint_url, connection.region, connection.admin)
        there = _present(s3, [each for each in wanted.buckets if each != wanted.public])
        if connection.iam_endpoint_url is None:
            changes.append(f"{connection.endpoint_url} has no IAM API: the key of {wanted.user_name} is left")
        else:
            iam = client("iam", connection.iam_endpoint_url, connection.region, connection.admin)
            changes += _delete_user(iam, wanted.user_name)
        for bucket in there:
            changes.append(_delete_bucket(s3, bucket))
    return tuple(changes)


def _present(s3: S3Client, names: Iterable[str]) -> list[str]:
    found = []
    for name in names:
        status = head_bucket(s3, name)
        if status == 403:
            raise ConflictError(f"the bucket {name} belongs to somebody else", hint="Nothing was deleted")
        if status == 200:
            found.append(name)
    return found


def _delete_user(iam: IAMClient, name: str) -> Iterator[str]:
    try:
        iam.get_user(UserName=name)
    except iam.exceptions.NoSuchEntityException:
        return
    for key in iam.list_access_keys(UserName=name)["AccessKeyMetadata"]:
        iam.delete_access_key(UserName=name, AccessKeyId=key["AccessKeyId"])
    for policy in iam.list_user_policies(UserName=name)["PolicyNames"]:
        iam.delete_user_policy(UserName=name, PolicyName=policy)
    iam.delete_user(UserName=name)
    yield f"user {name} deleted, with its key and policy"


def _delete_bucket(s3: S3Client, name: str) -> str:
    _abort_uploads(s3, name)
    count = sum(_delete(s3, name, batch) for batch in _everything(s3, name))
    s3.delete_bucket(Bucket=name)
    return f"bucket {name} deleted, with {count} object{'' if count == 1 else 's'}"


def _abort_uploads(s3: S3Client, name: str) -> None:
    for page in s3.get_paginator("list_multipart_uploads").paginate(Bucket=name):
        for upload in page.get("Uploads", ()):
            s3.abort_multipart_upload(Bucket=name, Key=upload["Key"], UploadId=upload["UploadId"])


def _everything(s3: S3Client, name: str) -> Iterator[list[dict[str, Any]]]:
    """Every version of every object, and the marks of deleted ones, a thousand at a time.

    Whoever gets a batch deletes it, so the next one is asked for from the beginning.
    """
    while True:
        page = s3.list_object_versions(Bucket=name)
        found = [*page.get("Versions", ()), *page.get("DeleteMarkers", ())]
        if not found:
            return
        yield [{"Key": each["Key"], "VersionId": each["VersionId"]} for each in found]


def _delete(s3: S3Client, name: str, batch: list[dict[str, Any]]) -> int:
    objects: Any = {"Objects": batch, "Quiet": True}
    refused = s3.delete_objects(Bucket=name, Delete=objects).get("Errors", [])
    if refused:
        first = refused[0]
        raise UnhealthyError(
            f"{name}/{first.get('Key')} cannot be deleted: {first.get('Code')}, {first.get('Message')}"
        )
    return len(batch)
