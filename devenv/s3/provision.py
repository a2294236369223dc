"""Buckets, user, policy, key and seed objects, the same steps for every provider.

Every step checks and then applies, so a run that was killed anywhere is finished by the next one, and a run
that finds everything in place changes nothing.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol

from devenv.errors import ConflictError, MissingError, NotRunningError, UnhealthyError
from devenv.s3 import policy, signed
from devenv.s3.provider import Connection, KeyPair

if TYPE_CHECKING:
    from mypy_boto3_iam import IAMClient
    from mypy_boto3_s3 import S3Client

POLICY_NAME = "habari-project"
KEYS_PER_USER = 2  # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
SEED_HASH = "habari-seed-sha256"


class SeedObject(Protocol):
    """Something the public bucket starts with."""

    @property
    def key(self) -> str: ...

    @property
    def content_type(self) -> str: ...

    def body(self) -> bytes: ...


@dataclass(frozen=True)
class Wanted:
    """What shall be there. ``known_key`` is the user's key as it was kept by an earlier run, or chosen."""

    public: str
    lake: str
    notebooks: str
    user_name: str
    public_writable: bool = False
    known_key: KeyPair | None = None
    seed: tuple[SeedObject, ...] = ()

    @property
    def buckets(self) -> tuple[str, str, str]:
        return (self.public, self.lake, self.notebooks)

    @property
    def policy(self) -> dict[str, Any]:
        return policy.render(
            public=self.public,
            lake=self.lake,
            notebooks=self.notebooks,
            public_writable=self.public_writable,
        )


@dataclass(frozen=True)
class Outcome:
    """The user's key, what was changed, and what was found different and left alone; in words."""

    user: KeyPair
    changes: tuple[str, ...]
    notices: tuple[str, ...]


def provision(connection: Connection, wanted: Wanted, *, keep: Callable[[KeyPair], None]) -> Outcome:
    """Bring the service to what is wanted.

    ``keep`` is called with a new key at once, before anything else is done: its secret is told only once.
    Raises NotRunningError when nobody answers, MissingError when something must be made and may not be,
    ConflictError when a bucket is somebody else's, UnhealthyError for any other refusal.
    """
    changes: list[str] = []
    notices: list[str] = []
    with foreseen(connection):
        if connection.admin is None:
            _require_buckets(connection, wanted)
        else:
            s3 = _s3(connection, connection.admin)
            changes += _make_buckets(s3, wanted.buckets, connection.region)
        if connection.iam_endpoint_url is None or connection.admin is None:
            user = _given_user(connection)
            notices.append("the S3 service has no IAM API here: the given key keeps the rights it has")
        else:
            iam = _iam(connection, connection.admin)
            if connection.takes_keys and wanted.known_key:
                _give(iam, wanted.known_key)
            user = _make_user(iam, wanted, keep, changes, notices)
        if connection.admin is not None:
            changes += _put_seed(s3, wanted.public, wanted.seed, notices)
    return Outcome(user, tuple(changes), tuple(notices))


def client(service: str, endpoint_url: str, region: str, key: KeyPair) -> Any:
    """An SDK client that nothing of the user's world reaches: no profile, no ~/.aws, no proxy variables."""
    from botocore.config import Config

    config = Config(
        proxies={},
        signature_version="s3v4" if service == "s3" else "v4",
        s3={"addressing_style": "path"},
        retries={"mode": "standard", "total_max_attempts": 2},
        connect_timeout=3,
        read_timeout=30,
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        use_fips_endpoint=False,
        use_dualstack_endpoint=False,
    )
    return _sdk().create_client(
        service,
        region_name=region,
        endpoint_url=endpoint_url,
        aws_access_key_id=key.access_key_id,
        aws_secret_access_key=key.secret_access_key,
        config=config,
    )


@cache
def _sdk() -> Any:
    """One session for all clients: it keeps the service descriptions it has read."""
    import botocore.session

    nowhere = (None, None, os.devnull, None)
    return botocore.session.Session(
        session_vars={
            "profile": (None, None, None, None),
            "config_file": nowhere,
            "credentials_file": nowhere,
        }
    )


def _s3(connection: Connection, key: KeyPair) -> S3Client:
    found: S3Client = client("s3", connection.endpoint_url, connection.region, key)
    return found


def _iam(connection: Connection, key: KeyPair) -> IAMClient:
    found: IAMClient = client("iam", connection.iam_endpoint_url or "", connection.region, key)
    return found


def _make_buckets(s3: S3Client, names: Iterable[str], region: str) -> Iterator[str]:
    for name in names:
        status = head_bucket(s3, name)
        if status == 403:
            raise ConflictError(f"the bucket {name} belongs to somebody else", hint="Choose another name.")
        if status == 404:
            _create_bucket(s3, name, region)
            yield f"bucket {name} created"


def head_bucket(s3: S3Client, name: str) -> int:
    """200 when the bucket is there, 404 when it is not, 403 when it is somebody else's."""
    from botocore.exceptions import ClientError

    try:
        s3.head_bucket(Bucket=name)
    except ClientError as error:
        status = int(error.response["ResponseMetadata"]["HTTPStatusCode"])
        if status in (403, 404):
            return status
        raise
    return 200


def _create_bucket(s3: S3Client, name: str, region: str) -> None:
    try:
        if region == "us-east-1":  # the one region that refuses to be named
            s3.create_bucket(Bucket=name)
        else:
            constraint: Any = {"LocationConstraint": region}
            s3.create_bucket(Bucket=name, CreateBucketConfiguration=constraint)
    except s3.exceptions.BucketAlreadyOwnedByYou:
        pass


def _require_buckets(connection: Connection, wanted: Wanted) -> None:
    user = _given_user(connection)
    refused = []
    for name in wanted.buckets:
        try:
            signed.prove(connection.endpoint_url, connection.region, user, name, timeout=10)
        except UnhealthyError as error:
            refused.append(error.what)
    if refused:
        raise MissingError(
            "the S3 service lacks buckets that the given key can list, and no admin key may create them",
            hint="Create them there, or give an admin key.",
            details=tuple(refused),
        )


def _given_user(connection: Connection) -> KeyPair:
    if connection.user is None:
        raise MissingError(
            "no S3 key is given for notebooks, and the service has no IAM API to make one",
            hint="Give the user's access key, or an admin key and an IAM address.",
        )
    return connection.user


def _give(iam: IAMClient, key: KeyPair) -> None:
    """Have the next key that is made be this one: devenv/s3/guard/given_key.py reads these headers."""

    def add(request: Any, **_: Any) -> None:
        request.headers["X-Devenv-Access-Key-Id"] = key.access_key_id
        request.headers["X-Devenv-Secret-Access-Key"] = key.secret_access_key

    iam.meta.events.register("before-sign.iam.CreateAccessKey", add)


def _make_user(
    iam: IAMClient,
    wanted: Wanted,
    keep: Callable[[KeyPair], None],
    changes: list[str],
    notices: list[str],
) -> KeyPair:
    name = wanted.user_name
    try:
        iam.get_user(UserName=name)
    except iam.exceptions.NoSuchEntityException:
        iam.create_user(UserName=name)
        changes.append(f"user {name} created")
    if _current_policy(iam, name) != wanted.policy:
        document = policy.as_json(wanted.policy)
        iam.put_user_policy(UserName=name, PolicyName=POLICY_NAME, PolicyDocument=document)
        changes.append(f"policy of {name} written")
    return _usable_key(iam, name, wanted.known_key, keep, changes, notices)


def _current_policy(iam: IAMClient, user_name: str) -> Any:
    try:
        return iam.get_user_policy(UserName=user_name, PolicyName=POLICY_NAME)["PolicyDocument"]
    except iam.exceptions.NoSuchEntityException:
        return None


def _usable_key(
    iam: IAMClient,
    user_name: str,
    known: KeyPair | None,
    keep: Callable[[KeyPair], None],
    changes: list[str],
    notices: list[str],
) -> KeyPair:
    listed = iam.list_access_keys(UserName=user_name)["AccessKeyMetadata"]
    known_id = known.access_key_id if known else None
    if known and any(key["AccessKeyId"] == known_id and key["Status"] == "Active" for key in listed):
        strangers = [key["AccessKeyId"] for key in listed if key["AccessKeyId"] != known_id]
        notices += [f"user {user_name} has another access key, {name}, left as it is" for name in strangers]
        return known
    if len(listed) >= KEYS_PER_USER:
        # A secret is told once: the oldest of them is one that an interrupted run never kept.
        oldest = min(listed, key=lambda key: (key["Status"] == "Active", key["CreateDate"]))
        iam.delete_access_key(UserName=user_name, AccessKeyId=oldest["AccessKeyId"])
        changes.append(f"access key {oldest['AccessKeyId']} of {user_name} deleted: its secret is not known")
    made = iam.create_access_key(UserName=user_name)["AccessKey"]
    key = KeyPair(made["AccessKeyId"], made["SecretAccessKey"])
    keep(key)
    changes.append(f"access key of {user_name} created")
    return key


def _put_seed(s3: S3Client, bucket: str, seed: Iterable[SeedObject], notices: list[str]) -> Iterator[str]:
    for item in seed:
        body = item.body()
        digest = hashlib.sha256(body).hexdigest()
        found = _seed_hash(s3, bucket, item.key)
        if found == "":
            notices.append(f"{bucket}/{item.key} was written by somebody else and is left as it is")
        elif found != digest:
            s3.put_object(
                Bucket=bucket,
                Key=item.key,
                Body=body,
                ContentType=item.content_type,
                Metadata={SEED_HASH: digest},
            )
            yield f"{bucket}/{item.key} uploaded"


def _seed_hash(s3: S3Client, bucket: str, key: str) -> str | None:
    """None when the object is missing, "" when it does not carry the mark of an earlier upload of ours."""
    from botocore.exceptions import ClientError

    try:
        return s3.head_object(Bucket=bucket, Key=key)["Metadata"].get(SEED_HASH, "")
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
            return None
        raise


@contextmanager
def foreseen(connection: Connection) -> Iterator[None]:
    """Refusals and silence of the service as trouble that was foreseen."""
    from botocore.exceptions import BotoCoreError, ClientError, EndpointConnectionError

    try:
        yield
    except EndpointConnectionError:
        raise NotRunningError(f"nothing answers at {connection.endpoint_url}") from None
    except ClientError as error:
        said = error.response.get("Error", {})
        raise UnhealthyError(
            f"{error.operation_name} was refused by {connection.endpoint_url}: "
            f"{said.get('Code', '?')}, {said.get('Message', '')}"
        ) from None
    except BotoCoreError as error:
        raise UnhealthyError(f"{connection.endpoint_url} does not answer as S3 does: {error}") from None
