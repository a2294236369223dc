"""The S3 server under kill -9, a full disk and strangers: what it acknowledged is there, whole."""

from __future__ import annotations

import gzip
import hashlib
import http.client
import io
import json
import logging
import os
import random
import re
import resource
import signal
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import BotoCoreError, ClientError
from contract.s3 import calls
from contract.s3.world import Answer, World

from devenv import environments
from devenv.s3.provider import Connection, KeyPair
from devenv.s3.provision import Wanted, provision
from devenv.state import data_root

GUARD = Path(__file__).parents[3] / "devenv" / "s3" / "guard"
TOKEN = "a-token-of-this-test-run"
ROOT = ("ROOTOFTHISTESTRUN", "secret-of-this-test-run")
OVERWRITES = int(os.environ.get("DEVENV_S3_OVERWRITES", "300"))
PART = 5 << 20

_log = logging.getLogger(__name__)


@pytest.fixture(scope="session")
def s3_python() -> Path:
    """The interpreter of the environment that holds the engine; it is made when it is missing."""
    if given := os.environ.get("DEVENV_S3_PYTHON"):
        return Path(given)
    environment = environments.locate("s3", data_root(os.environ))
    return environments.ensure(environment, lambda line: None, os.environ)


@dataclass
class Server:
    """The guard as a process of this test's."""

    python: Path
    folder: Path
    port: int
    process: subprocess.Popen[bytes] | None = None
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def configure(self, **changed: Any) -> Path:
        wanted = {
            "host": "127.0.0.1", "port": self.port, "data_dir": str(self.data),
            "root_access_key_id": ROOT[0], "root_secret_access_key": ROOT[1],
            "admin_token": TOKEN, "instance": "test", "log_level": "WARNING",
        }  # fmt: skip
        path = self.folder / "config.json"
        path.touch(mode=0o600)
        path.write_text(json.dumps({**wanted, **changed}))
        return path

    def launch(self) -> subprocess.Popen[bytes]:
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(
                [str(self.python), "-I", str(GUARD), str(self.folder / "config.json")],
                stdout=log, stderr=log, env={**os.environ, **self.environment}, start_new_session=True,
            )  # fmt: skip

    def start(self) -> None:
        self.process = self.launch()
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            assert self.process.poll() is None, self.log()
            if self.health() == 200:
                return
            time.sleep(0.02)
        raise AssertionError(f"the server does not answer: {self.log()}")

    def health(self, token: str = TOKEN) -> int:
        request = urllib.request.Request(f"{self.url}/_devenv/health", headers={"X-Devenv-Token": token})
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            return 0

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait(10)

    def restart_after_kill(self) -> None:
        self.kill()
        self.start()

    def stop(self) -> int:
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(15)

    def log(self) -> str:
        return (self.folder / "log").read_text()[-4000:]

    def client(self, service: str = "s3", keys: tuple[str, str] = ROOT, **config: Any) -> Any:
        return boto3.client(
            service, endpoint_url=self.url, region_name="us-east-1",
            aws_access_key_id=keys[0], aws_secret_access_key=keys[1],
            config=Config(retries={"total_max_attempts": 1}, read_timeout=20, **config),
        )  # fmt: skip


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def server(s3_python: Path, tmp_path: Path) -> Iterator[Server]:
    running = Server(s3_python, tmp_path, free_port())
    running.configure()
    running.start()
    yield running
    if running.process is not None and running.process.poll() is None:
        running.kill()


def plain(answer: dict[str, Any]) -> dict[str, Any]:
    """An answer without what differs from call to call."""
    kept = {name: value for name, value in answer.items() if name != "ResponseMetadata"}
    if "Body" in kept:
        kept["Body"] = hashlib.sha256(kept["Body"].read()).hexdigest()
    return kept


def attempt(call: Callable[..., Any], **arguments: Any) -> Any:
    try:
        return plain(call(**arguments))
    except ClientError as error:
        return error.response["Error"]["Code"]


# --- what is acknowledged survives ------------------------------------------------------------------------


def fill(s3: Any) -> None:
    """Make one of each thing that S3 can hold."""
    for bucket in ("lake", "empty-bucket", "versions", "suspended", "gone-bucket"):
        s3.create_bucket(Bucket=bucket)
    s3.create_bucket(Bucket="locked", ObjectLockEnabledForBucket=True)
    s3.delete_bucket(Bucket="gone-bucket")
    s3.put_bucket_tagging(Bucket="lake", Tagging={"TagSet": [{"Key": "team", "Value": "epi"}]})
    rule = {"AllowedMethods": ["GET"], "AllowedOrigins": ["http://localhost:8000"]}
    s3.put_bucket_cors(Bucket="lake", CORSConfiguration={"CORSRules": [rule]})
    s3.put_bucket_policy(
        Bucket="lake",
        Policy=json.dumps(
            {
                "Version": "2012-10-17",
                "Statement": [
                    {
                        "Effect": "Deny",
                        "Principal": "*",
                        "Action": "s3:GetObject",
                        "Resource": "arn:aws:s3:::lake/private/*",
                    }
                ],
            }
        ),
    )
    s3.put_bucket_lifecycle_configuration(
        Bucket="lake",
        LifecycleConfiguration={
            "Rules": [
                {"ID": "old", "Status": "Enabled", "Filter": {"Prefix": "tmp/"}, "Expiration": {"Days": 30}}
            ]
        },
    )
    s3.delete_public_access_block(Bucket="empty-bucket")

    s3.put_object(
        Bucket="lake",
        Key="metadata",
        Body=b"m",
        ContentType="text/csv",
        CacheControl="no-store",
        ContentDisposition='attachment; filename="a.csv"',
        ContentEncoding="identity",
        Metadata={"title": "na%C3%AFve", "n": "1"},
        Tagging="a=1&b=2",
        StorageClass="STANDARD_IA",
    )
    s3.put_object(Bucket="lake", Key="checksum", Body=b"sum", ChecksumAlgorithm="SHA256")
    s3.put_object(Bucket="lake", Key="a/b/naïve ж.parquet", Body=b"utf-8")
    s3.put_object(Bucket="lake", Key="a/b", Body=b"both a key and a folder")
    s3.put_object(Bucket="lake", Key="folder/", Body=b"")
    s3.put_object(Bucket="lake", Key="tagged", Body=b"t")
    s3.put_object_tagging(Bucket="lake", Key="tagged", Tagging={"TagSet": [{"Key": "x", "Value": "y"}]})
    s3.put_object(Bucket="lake", Key="untagged", Body=b"t", Tagging="x=y")
    s3.delete_object_tagging(Bucket="lake", Key="untagged")
    s3.copy_object(Bucket="lake", Key="copied", CopySource={"Bucket": "lake", "Key": "metadata"})
    s3.copy_object(
        Bucket="lake",
        Key="replaced",
        CopySource={"Bucket": "lake", "Key": "metadata"},
        MetadataDirective="REPLACE",
        Metadata={"n": "2"},
        ContentType="text/plain",
    )
    for key in ("deleted", "bulk/1", "bulk/2", "bulk/3"):
        s3.put_object(Bucket="lake", Key=key, Body=b"d")
    s3.delete_object(Bucket="lake", Key="deleted")
    s3.delete_objects(Bucket="lake", Delete={"Objects": [{"Key": "bulk/1"}, {"Key": "bulk/2"}]})
    upload_in_parts(
        s3, "multipart", [b"1" * PART, b"2" * 1000], Metadata={"n": "3"}, Tagging="from=multipart"
    )

    s3.put_object(Bucket="versions", Key="before", Body=b"null version")
    for bucket, status in (("versions", "Enabled"), ("suspended", "Enabled")):
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": status})
        for number in range(3):
            s3.put_object(Bucket=bucket, Key="key", Body=b"%d" % number, Tagging=f"n={number}")
        s3.put_object(Bucket=bucket, Key="before", Body=b"newer")
        s3.put_object(Bucket=bucket, Key="hidden", Body=b"h")
        s3.delete_object(Bucket=bucket, Key="hidden")
        s3.delete_object(Bucket=bucket, Key="never-was")
        first = s3.list_object_versions(Bucket=bucket, Prefix="key")["Versions"][-1]["VersionId"]
        s3.delete_object(Bucket=bucket, Key="key", VersionId=first)
    s3.put_bucket_versioning(Bucket="suspended", VersioningConfiguration={"Status": "Suspended"})
    s3.put_object(Bucket="suspended", Key="key", Body=b"null over versions")
    s3.delete_object(Bucket="suspended", Key="before")
    marker = s3.list_object_versions(Bucket="versions", Prefix="hidden")["DeleteMarkers"][0]["VersionId"]
    s3.put_object(Bucket="versions", Key="uncovered", Body=b"u")
    covered = s3.delete_object(Bucket="versions", Key="uncovered")["VersionId"]
    s3.delete_object(Bucket="versions", Key="uncovered", VersionId=covered)
    assert marker != covered

    s3.put_object(Bucket="locked", Key="held", Body=b"l")
    s3.put_object_legal_hold(Bucket="locked", Key="held", LegalHold={"Status": "ON"})
    s3.put_object(Bucket="locked", Key="retained", Body=b"l")
    s3.put_object_retention(
        Bucket="locked",
        Key="retained",
        BypassGovernanceRetention=True,
        Retention={"Mode": "GOVERNANCE", "RetainUntilDate": "2099-01-01T00:00:00Z"},
    )
    s3.put_object(
        Bucket="locked",
        Key="by-header",
        Body=b"l",
        ObjectLockMode="COMPLIANCE",
        ObjectLockRetainUntilDate="2099-01-01T00:00:00Z",
        ObjectLockLegalHoldStatus="ON",
    )


def upload_in_parts(s3: Any, key: str, parts: list[bytes], **arguments: Any) -> None:
    upload = s3.create_multipart_upload(Bucket="lake", Key=key, **arguments)["UploadId"]
    done = []
    for number, body in enumerate(parts, 1):
        etag = s3.upload_part(Bucket="lake", Key=key, UploadId=upload, PartNumber=number, Body=body)["ETag"]
        done.append({"PartNumber": number, "ETag": etag})
    s3.complete_multipart_upload(Bucket="lake", Key=key, UploadId=upload, MultipartUpload={"Parts": done})


def seen(s3: Any) -> dict[str, Any]:
    """Everything the API tells of what ``fill`` made."""
    buckets = [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]
    told: dict[str, Any] = {"buckets": buckets}
    asked = (
        s3.get_bucket_versioning, s3.get_bucket_tagging, s3.get_bucket_cors, s3.get_bucket_policy,
        s3.get_bucket_lifecycle_configuration, s3.get_public_access_block, s3.get_object_lock_configuration,
        s3.get_bucket_ownership_controls, s3.list_objects_v2, s3.list_object_versions,
        s3.list_multipart_uploads,
    )  # fmt: skip
    for bucket in buckets:
        told.update({f"{bucket} {call.__name__}": attempt(call, Bucket=bucket) for call in asked})
        versions = s3.list_object_versions(Bucket=bucket)
        for entry in versions.get("Versions", []) + versions.get("DeleteMarkers", []):
            told.update(seen_of_version(s3, bucket, entry["Key"], entry["VersionId"]))
    return told


def seen_of_version(s3: Any, bucket: str, key: str, version: str) -> dict[str, Any]:
    addressed = {"Bucket": bucket, "Key": key}
    calls = {
        "get": (s3.get_object, {"ChecksumMode": "ENABLED"}),
        "head": (s3.head_object, {"ChecksumMode": "ENABLED"}),
        "tags": (s3.get_object_tagging, {}),
        "hold": (s3.get_object_legal_hold, {}),
        "retention": (s3.get_object_retention, {}),
        "attributes": (s3.get_object_attributes, {"ObjectAttributes": ["ETag", "ObjectParts", "ObjectSize"]}),
    }
    told = {}
    for name, (call, arguments) in calls.items():
        told[f"{bucket}/{key} {name}"] = attempt(call, **addressed, **arguments)
        told[f"{bucket}/{key} {version} {name}"] = attempt(call, **addressed, VersionId=version, **arguments)
    return told


def test_everything_acknowledged_survives_kill_and_stop(server: Server) -> None:
    s3 = server.client()
    fill(s3)
    before = seen(s3)
    server.restart_after_kill()
    after_kill = seen(s3)
    assert {name: after_kill.get(name) for name in before if before[name] != after_kill.get(name)} == {}
    assert after_kill.keys() == before.keys()
    assert server.stop() == 0
    server.start()
    assert seen(s3) == before


def test_users_keys_and_policies_survive_kill(server: Server) -> None:
    iam = server.client("iam")
    iam.create_user(UserName="project")
    statement = {
        "Effect": "Allow",
        "Action": "s3:*",
        "Resource": ["arn:aws:s3:::lake", "arn:aws:s3:::lake/*"],
    }
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.put_user_policy(UserName="project", PolicyName="p", PolicyDocument=document)
    made = iam.create_access_key(UserName="project")["AccessKey"]
    keys = (made["AccessKeyId"], made["SecretAccessKey"])
    server.client().create_bucket(Bucket="lake")
    server.client().create_bucket(Bucket="other")
    session = server.client("sts", keys).get_session_token()["Credentials"]
    server.restart_after_kill()
    server.client(keys=keys).put_object(Bucket="lake", Key="k", Body=b"b")
    temporary = boto3.client(
        "s3", endpoint_url=server.url, region_name="us-east-1", aws_access_key_id=session["AccessKeyId"],
        aws_secret_access_key=session["SecretAccessKey"], aws_session_token=session["SessionToken"],
    )  # fmt: skip
    assert temporary.get_object(Bucket="lake", Key="k")["Body"].read() == b"b"
    assert attempt(server.client(keys=keys).put_object, Bucket="other", Key="k", Body=b"b") == "AccessDenied"
    assert attempt(server.client("iam", keys).create_user, UserName="z") == "AccessDenied"
    iam.delete_access_key(UserName="project", AccessKeyId=keys[0])
    server.restart_after_kill()
    assert attempt(server.client(keys=keys).list_objects_v2, Bucket="lake") == "InvalidAccessKeyId"


def test_an_upload_goes_on_after_kill(server: Server) -> None:
    s3 = server.client()
    s3.create_bucket(Bucket="lake")
    upload = s3.create_multipart_upload(Bucket="lake", Key="big", Metadata={"n": "1"}, Tagging="a=b")[
        "UploadId"
    ]
    named = {"Bucket": "lake", "Key": "big", "UploadId": upload}
    first = s3.upload_part(**named, PartNumber=1, Body=b"1" * PART)["ETag"]
    s3.upload_part(**named, PartNumber=3, Body=b"replaced below")
    server.restart_after_kill()
    third = s3.upload_part(**named, PartNumber=3, Body=b"3")["ETag"]
    assert [part["Size"] for part in s3.list_parts(**named)["Parts"]] == [PART, 1]
    server.restart_after_kill()
    parts = [{"PartNumber": 1, "ETag": first}, {"PartNumber": 3, "ETag": third}]
    s3.complete_multipart_upload(**named, MultipartUpload={"Parts": parts})
    server.restart_after_kill()
    got = s3.get_object(Bucket="lake", Key="big")
    assert got["Body"].read() == b"1" * PART + b"3"
    assert got["Metadata"] == {"n": "1"}
    assert got["TagCount"] == 1
    assert s3.get_object(Bucket="lake", Key="big", PartNumber=3)["Body"].read() == b"3"
    assert s3.head_object(Bucket="lake", Key="big", PartNumber=1)["ContentLength"] == PART
    assert "Uploads" not in s3.list_multipart_uploads(Bucket="lake")
    assert list((server.data / "uploads").rglob("*.json")) == []


@pytest.mark.parametrize("versioning", ["Suspended", "Enabled"])
def test_a_completion_whose_answer_was_lost_is_answered_again(server: Server, versioning: str) -> None:
    s3 = server.client()
    s3.create_bucket(Bucket="lake")
    s3.put_bucket_versioning(Bucket="lake", VersioningConfiguration={"Status": versioning})
    upload = s3.create_multipart_upload(Bucket="lake", Key="big")["UploadId"]
    named = {"Bucket": "lake", "Key": "big", "UploadId": upload}
    etag = s3.upload_part(**named, PartNumber=1, Body=b"1")["ETag"]
    parts = {"Parts": [{"PartNumber": 1, "ETag": etag}]}
    first = plain(s3.complete_multipart_upload(**named, MultipartUpload=parts))
    assert plain(s3.complete_multipart_upload(**named, MultipartUpload=parts)) == first
    server.restart_after_kill()
    assert plain(s3.complete_multipart_upload(**named, MultipartUpload=parts)) == first
    assert len(s3.list_object_versions(Bucket="lake")["Versions"]) == 1
    other = {**named, "Key": "other"}
    assert attempt(s3.complete_multipart_upload, **other, MultipartUpload=parts) == "NoSuchUpload"
    s3.put_object(Bucket="lake", Key="big", Body=b"newer")
    assert attempt(s3.complete_multipart_upload, **named, MultipartUpload=parts) == "NoSuchUpload"


# --- overwrites and kills at random -----------------------------------------------------------------------


@dataclass
class Tally:
    kills: int = 0
    overwrites: int = 0
    unanswered: int = 0
    damaged: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)


def body_of(key: str, number: int) -> bytes:
    seeded = random.Random(f"{key} {number}")
    return seeded.randbytes(seeded.randrange(1, 40_000))


class Writer(threading.Thread):
    """Overwrites its own keys and checks, after each request without an answer, what became of it."""

    def __init__(self, server: Server, name: str, tally: Tally, ended: threading.Event) -> None:
        super().__init__(name=name, daemon=True)
        self.server, self.tally, self.ended = server, tally, ended
        self.acknowledged = {f"{name}/{number}": 0 for number in range(8)}
        self.s3 = server.client()
        self.chance = random.Random(name)

    def run(self) -> None:
        while not self.ended.is_set():
            key = self.chance.choice(list(self.acknowledged))
            number = self.acknowledged[key] + 1
            try:
                self.overwrite(key, number)
                self.acknowledged[key] = number
                self.tally.overwrites += 1
            except (BotoCoreError, ClientError, KeyError):
                # KeyError: the SDK takes an answer that was cut off after its headers for an empty one.
                self.tally.unanswered += 1
                self.acknowledged[key] = self.check(key, number)

    def overwrite(self, key: str, number: int) -> None:
        body, named = body_of(key, number), {"Bucket": "lake", "Key": key}
        described = {"Metadata": {"n": str(number)}, "Tagging": f"n={number}"}
        way = self.chance.randrange(10)
        if way == 0:
            upload = self.s3.create_multipart_upload(**named, **described)["UploadId"]
            etag = self.s3.upload_part(**named, UploadId=upload, PartNumber=1, Body=body)["ETag"]
            parts = {"Parts": [{"PartNumber": 1, "ETag": etag}]}
            self.s3.complete_multipart_upload(**named, UploadId=upload, MultipartUpload=parts)
        elif way == 1:
            self.s3.put_object(Bucket="lake", Key=f"{key}.source", Body=body, **described)
            self.s3.copy_object(**named, CopySource={"Bucket": "lake", "Key": f"{key}.source"})
        else:
            self.s3.put_object(**named, Body=body, **described)

    def check(self, key: str, at_most: int) -> int:
        """The number found at ``key``; notes what is not whole, and what is neither the last nor the new."""
        got, body, tags = self.read(key)
        number = int(got["Metadata"]["n"])
        etag = hashlib.md5(body).hexdigest()
        whole = body == body_of(key, number) and len(body) == got["ContentLength"]
        etags = (f'"{etag}"', f'"{hashlib.md5(bytes.fromhex(etag)).hexdigest()}-1"')
        if not whole or got["ETag"] not in etags or tags != [{"Key": "n", "Value": str(number)}]:
            self.tally.damaged.append(f"{key}: {number}, {len(body)} bytes, {got['ETag']}, {tags}")
        if number not in (self.acknowledged[key], at_most):
            self.tally.lost.append(f"{key}: {number} instead of {self.acknowledged[key]}")
        return number

    def read(self, key: str) -> tuple[dict[str, Any], bytes, list[dict[str, str]]]:
        deadline = time.monotonic() + 60
        while True:
            try:
                got = self.s3.get_object(Bucket="lake", Key=key)
                tags = self.s3.get_object_tagging(Bucket="lake", Key=key)["TagSet"]
                return got, got["Body"].read(), tags
            except (BotoCoreError, ClientError, KeyError, OSError):
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)


def configure(server: Server) -> dict[str, Any]:
    s3, iam = server.client(), server.client("iam")
    s3.create_bucket(Bucket="lake")
    s3.create_bucket(Bucket="nothing-in-it")
    s3.create_bucket(Bucket="history")
    s3.put_bucket_versioning(Bucket="history", VersioningConfiguration={"Status": "Enabled"})
    for body in (b"1", b"2"):
        s3.put_object(Bucket="history", Key="k", Body=body)
    s3.put_bucket_tagging(Bucket="lake", Tagging={"TagSet": [{"Key": "team", "Value": "epi"}]})
    iam.create_user(UserName="project")
    iam.create_access_key(UserName="project")
    iam.put_user_policy(
        UserName="project",
        PolicyName="p",
        PolicyDocument=json.dumps(
            {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
        ),
    )
    return configuration(server)


def configuration(server: Server) -> dict[str, Any]:
    s3, iam = server.client(), server.client("iam")
    return {
        "buckets": [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]],
        "tags": attempt(s3.get_bucket_tagging, Bucket="lake"),
        "versioning": attempt(s3.get_bucket_versioning, Bucket="history"),
        "versions": attempt(s3.list_object_versions, Bucket="history"),
        "keys": attempt(iam.list_access_keys, UserName="project"),
        "policy": attempt(iam.get_user_policy, UserName="project", PolicyName="p"),
    }


def test_overwrites_killed_at_random_leave_the_old_object_or_the_new_one(server: Server) -> None:
    tally, ended, chance = Tally(), threading.Event(), random.Random()
    before = configure(server)
    writers = [Writer(server, f"writer{number}", tally, ended) for number in range(4)]
    for writer in writers:
        for key in writer.acknowledged:
            writer.overwrite(key, 0)
    for writer in writers:
        writer.start()
    while tally.overwrites < OVERWRITES and all(writer.is_alive() for writer in writers):
        # By writes, not by time: a busy machine would see many more kills, each with a few writes between.
        wanted, deadline = tally.overwrites + chance.randrange(40), time.monotonic() + 2
        while tally.overwrites < wanted and time.monotonic() < deadline:
            time.sleep(0.005)
        time.sleep(chance.uniform(0.0, 0.03))
        server.kill()
        tally.kills += 1
        if tally.kills % 5 == 0:
            # A kill during the start, where the journal is taken back.
            server.process = server.launch()
            time.sleep(chance.uniform(0.0, 0.6))
            server.kill()
        server.start()
    ended.set()
    for writer in writers:
        writer.join(90)
    server.restart_after_kill()
    for writer in writers:
        for key, number in writer.acknowledged.items():
            writer.check(key, number)
    _log.info("%d kills, %d overwrites, %d unanswered", tally.kills, tally.overwrites, tally.unanswered)
    assert (tally.damaged, tally.lost) == ([], [])
    assert tally.overwrites >= OVERWRITES
    assert configuration(server) == before
    assert [path.name for path in (server.data / "journal").iterdir()] == ["active"]


# --- trouble ----------------------------------------------------------------------------------------------


def test_a_write_the_disk_refuses_is_refused_and_changes_nothing(server: Server) -> None:
    s3 = server.client()
    s3.create_bucket(Bucket="lake")
    s3.put_object(Bucket="lake", Key="k", Body=b"old", Metadata={"n": "old"})
    s3.put_object(Bucket="lake", Key="large", Body=b"x" * 30_000)
    assert server.process is not None
    resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (20_000, resource.RLIM_INFINITY))
    for call, arguments in (
        (s3.put_object, {"Body": b"n" * 50_000}),
        (s3.copy_object, {"CopySource": {"Bucket": "lake", "Key": "large"}}),
    ):
        with pytest.raises(ClientError) as refused:
            call(Bucket="lake", Key="k", **arguments)
        assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 507
        assert "File too large" in refused.value.response["Error"]["Message"]
        assert str(server.data) in refused.value.response["Error"]["Message"]
    for _ in range(2):
        got = s3.get_object(Bucket="lake", Key="k")
        assert (got["Body"].read(), got["Metadata"]) == (b"old", {"n": "old"})
        assert [entry["Size"] for entry in s3.list_objects_v2(Bucket="lake")["Contents"]] == [3, 30_000]
        server.restart_after_kill()
    s3.put_object(Bucket="lake", Key="k", Body=b"n" * 50_000)


def test_what_cannot_be_read_is_an_error_and_not_an_empty_object(server: Server) -> None:
    s3 = server.client()
    s3.create_bucket(Bucket="lake")
    s3.put_object(Bucket="lake", Key="k", Body=b"body")
    (server.data / "objects" / "000000000000" / "lake" / "k").unlink()
    assert attempt(s3.get_object, Bucket="lake", Key="k") == "InternalError"


def run_until_exit(server: Server) -> tuple[int, list[str]]:
    done = subprocess.run(
        [str(server.python), "-I", str(GUARD), str(server.folder / "config.json")],
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    return done.returncode, done.stderr.splitlines()


def other_server(server: Server, tmp_path: Path, **changed: Any) -> Server:
    other = Server(server.python, tmp_path / "other", server.port)
    other.folder.mkdir()
    other.configure(**changed)
    return other


def test_a_taken_port_is_a_conflict(server: Server, tmp_path: Path) -> None:
    code, lines = run_until_exit(other_server(server, tmp_path))
    assert (code, len(lines)) == (6, 1)
    assert f"127.0.0.1:{server.port}" in lines[0]


def test_a_second_server_on_the_same_data_is_a_conflict(server: Server, tmp_path: Path) -> None:
    code, lines = run_until_exit(other_server(server, tmp_path, port=free_port(), data_dir=str(server.data)))
    assert (code, len(lines)) == (6, 1)
    assert str(server.data) in lines[0]


@pytest.mark.parametrize("damage", ["state/iam.json", "state/s3.json", "journal/active"])
def test_damaged_state_is_named_and_never_replaced(server: Server, damage: str) -> None:
    server.client("iam").create_user(UserName="project")
    server.client().create_bucket(Bucket="lake")
    server.kill()
    path = server.data / damage
    path.write_bytes(b'{"half\n')
    code, lines = run_until_exit(server)
    assert (code, len(lines)) == (5, 1)
    assert str(path) in lines[0]
    assert path.read_bytes() == b'{"half\n'


def test_a_data_folder_that_is_a_file_is_one_line(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    other = other_server(server, tmp_path, port=free_port(), data_dir=str(tmp_path / "file"))
    code, lines = run_until_exit(other)
    assert (code, len(lines)) == (5, 1)


def test_sigterm_answers_what_is_in_flight_and_ends_with_0(server: Server) -> None:
    s3 = server.client(signature_version="s3v4")
    s3.create_bucket(Bucket="lake")
    url = s3.generate_presigned_url("put_object", Params={"Bucket": "lake", "Key": "k"})
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    connection.putrequest("PUT", url.removeprefix(server.url))
    connection.putheader("Content-Length", "10")
    connection.endheaders()
    connection.send(b"first")
    time.sleep(0.3)
    assert server.process is not None
    server.process.send_signal(signal.SIGTERM)
    time.sleep(0.3)
    connection.send(b"-half")
    assert connection.getresponse().status == 200
    connection.close()
    assert server.process.wait(15) == 0
    server.start()
    assert s3.get_object(Bucket="lake", Key="k")["Body"].read() == b"first-half"


def test_a_client_that_never_finishes_does_not_hold_up_the_end(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(b"PUT /lake/k HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nhalf")
        assert server.health() == 200
        before = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - before < 8


def test_nothing_of_the_callers_environment_is_used(server: Server) -> None:
    server.stop()
    server.environment = {
        "AWS_ACCESS_KEY_ID": "AKIAUSERSOWNKEY00000", "AWS_SECRET_ACCESS_KEY": "own", "AUTH": "false",
        "SERVICES": "lambda", "S3_DATA_DIR": str(server.folder / "elsewhere"), "USE_SSL": "1",
        "STATE_DIR": str(server.folder / "elsewhere"), "MINISTACK_ACCOUNT_ID": "999999999999",
        "LC_ALL": "C", "PYTHONPATH": "/nonexistent",
    }  # fmt: skip
    server.start()
    s3 = server.client()
    s3.create_bucket(Bucket="lake")
    s3.put_object(Bucket="lake", Key="ж", Body=b"b")
    assert attempt(server.client(keys=("AKIAUSERSOWNKEY00000", "own")).list_buckets) == "InvalidAccessKeyId"
    assert server.client("sts").get_caller_identity()["Account"] == "000000000000"
    assert not (server.folder / "elsewhere").exists()


# --- the gate ---------------------------------------------------------------------------------------------

STRANGERS = {
    "test": ("test", "test"),
    "account": ("123456789012", "x"),
    "own-account": ("000000000000", "test"),
    "unknown": ("AKIANOBODY0000000000", "x"),
    "root-wrong-secret": (ROOT[0], "wrong"),
}


@pytest.mark.parametrize("keys", STRANGERS.values(), ids=STRANGERS.keys())
def test_no_way_of_signing_lets_a_stranger_in(server: Server, keys: tuple[str, str]) -> None:
    server.client().create_bucket(Bucket="lake")
    server.client().put_object(Bucket="lake", Key="k", Body=b"b")
    refused = {"InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidClientTokenId"}
    for version in ("s3v4", "s3"):
        s3 = server.client(keys=keys, signature_version=version)
        assert attempt(s3.get_object, Bucket="lake", Key="k") in refused
        assert attempt(s3.put_object, Bucket="lake", Key="k", Body=b"x") in refused
        assert attempt(s3.list_buckets) in refused
        assert (
            status_of(s3.generate_presigned_url("get_object", Params={"Bucket": "lake", "Key": "k"})) == 403
        )
    form = server.client(keys=keys).generate_presigned_post("lake", "posted")
    assert status_of(form["url"], "POST", *form_body(form["fields"])) == 403
    assert attempt(server.client("iam", keys).list_users) in refused
    assert attempt(server.client("sts", keys).get_caller_identity) in refused
    assert [entry["Key"] for entry in server.client().list_objects_v2(Bucket="lake")["Contents"]] == ["k"]


def test_root_is_let_in_by_every_way_of_signing(server: Server) -> None:
    server.client().create_bucket(Bucket="lake")
    for version in ("s3v4", "s3"):
        s3 = server.client(signature_version=version)
        s3.put_object(Bucket="lake", Key="k", Body=b"b")
        assert (
            status_of(s3.generate_presigned_url("get_object", Params={"Bucket": "lake", "Key": "k"})) == 200
        )
    form = server.client().generate_presigned_post("lake", "posted")
    assert status_of(form["url"], "POST", *form_body(form["fields"])) == 204


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/_ministack/reset"), ("GET", "/_ministack/health"), ("GET", "/_localstack/health"),
        ("POST", "/_ministack/config"), ("GET", "/_aws/ses"), ("GET", "/_devenv/health"), ("GET", "/"),
        ("PUT", "/stranger"), ("GET", "/lake"), ("GET", "/lake/k"), ("PUT", "/lake/k"), ("DELETE", "/lake/k"),
        ("POST", "/lake?delete"), ("POST", "/?Action=ListUsers&Version=2010-05-08"), ("DELETE", "/lake"),
        ("GET", f"/lake/k?X-Amz-Credential={ROOT[0]}/20261123/us-east-1/s3/aws4_request"),
        ("GET", f"/lake/k?x-amz-credential={ROOT[0]}/20261123/us-east-1/s3/aws4_request"),
        ("GET", f"/lake/k?AWSAccessKeyId={ROOT[0]}"),
    ],
)  # fmt: skip
def test_without_credentials_nothing_answers(server: Server, method: str, path: str) -> None:
    server.client().create_bucket(Bucket="lake")
    server.client().put_object(Bucket="lake", Key="k", Body=b"b")
    assert status_of(server.url + path, method) == 403
    assert server.client().get_object(Bucket="lake", Key="k")["Body"].read() == b"b"


@pytest.fixture
def reader(server: Server) -> tuple[str, str]:
    """The keys of a user who may read ``public`` and nothing else."""
    server.client().create_bucket(Bucket="public")
    server.client().put_object(Bucket="public", Key="k", Body=b"b")
    iam = server.client("iam")
    iam.create_user(UserName="reader")
    statement = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::public/*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.put_user_policy(UserName="reader", PolicyName="p", PolicyDocument=document)
    made = iam.create_access_key(UserName="reader")["AccessKey"]
    return made["AccessKeyId"], made["SecretAccessKey"]


def signed(server: Server, keys: tuple[str, str], service: str, method: str, path: str, **sent: Any) -> int:
    """The status of a request that an SDK would not make, signed as SDKs do."""
    request = AWSRequest(
        method, server.url + path, data=sent.get("body", b""), headers=sent.get("headers", {})
    )
    request.headers["X-Amz-Content-SHA256"] = hashlib.sha256(
        sent.get("signed", sent.get("body", b""))
    ).hexdigest()
    SigV4Auth(Credentials(*keys), service, "us-east-1").add_auth(request)
    ready = request.prepare()
    raw = urllib.request.Request(ready.url, data=sent.get("body"), headers=dict(ready.headers), method=method)
    raw.add_unredirected_header("Content-Type", sent.get("headers", {}).get("content-type", "text/plain"))
    try:
        with urllib.request.urlopen(raw, timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


@pytest.fixture
def project(server: Server) -> World:
    """A project's buckets and user beside another project's bucket."""
    connection = Connection(
        server.url, "us-east-1", admin=KeyPair(*ROOT), iam_endpoint_url=server.url
    )  # fmt: skip
    buckets = {role: f"project-{role}" for role in ("public", "lake", "notebooks")}
    outcome = provision(connection, Wanted(**buckets, user_name="project"), keep=lambda key: None)
    server.client().create_bucket(Bucket="other")
    return World("ministack", connection, outcome.user, {**buckets, "other": "other"})


@pytest.mark.parametrize(
    ("call", "role", "answer"),
    [
        (calls.hidden_upload, "public", Answer(403, "AccessDenied")),
        (calls.hidden_copy, "other", Answer(403, "AccessDenied")),
        (calls.hidden_part, "other", Answer(403, "AccessDenied")),
        (calls.part_of_another, "public", Answer(404, "NoSuchUpload")),
    ],
    ids=["upload", "copy", "part", "part-of-another"],
)
def test_no_request_hides_what_it_does(project: World, call: calls.Call, role: str, answer: Answer) -> None:
    bucket = project.buckets[role]
    project.admin_s3.put_object(Bucket=bucket, Key="k", Body=b"b")
    assert call(project, bucket, "k") == answer


def test_a_bucket_is_also_reached_by_its_host_name(project: World) -> None:
    lake, public = project.buckets["lake"], project.buckets["public"]
    body = b"<Delete><Object><Key>a//b</Key></Object></Delete>"
    for key in ("a//b", "/a", "a/", "/"):
        assert calls.by_host("PUT", body=b"b")(project, lake, key).status == 200
        assert calls.by_host("GET")(project, lake, key).status == 200
    for bucket, left in ((lake, ["/", "/a", "a/"]), (public, ["a//b"])):
        project.admin_s3.put_object(Bucket=bucket, Key="a//b", Body=b"b")
        assert calls.by_host("POST", "delete", body)(project, bucket, "").status == 200
        found = project.admin_s3.list_objects_v2(Bucket=bucket)["Contents"]
        assert [entry["Key"] for entry in found if entry["Key"] != ".s3keep"] == left
    stranger = World("ministack", project.connection, KeyPair(project.user.access_key_id, "x"), {})
    assert calls.by_host("POST", "delete", body)(stranger, public, "").status == 403


def test_a_bucket_is_not_deleted_with_its_metrics(server: Server) -> None:
    s3 = server.client()
    s3.create_bucket(Bucket="lake")
    assert attempt(s3.delete_bucket_metrics_configuration, Bucket="lake", Id="x") == "NotImplemented"
    assert [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]] == ["lake"]


FORM = {"content-type": "application/x-www-form-urlencoded"}


@pytest.mark.parametrize(
    ("path", "headers", "body"),
    [
        ("/", {"content-type": "text/plain"}, b"Action=CreateUser&UserName=z"),
        ("/", FORM, b"Action=CreateUser&Action=GetUser&UserName=z"),
        ("/?Action=GetUser", FORM, b"Action=CreateUser&UserName=z"),
        ("/", {**FORM, "content-encoding": "gzip"}, gzip.compress(b"Action=CreateUser&UserName=z")),
        (
            "/",
            {"x-amz-target": "I.CreateUser", "content-type": "application/x-amz-json-1.1"},
            b'{"UserName":"z"}',
        ),
        ("/", FORM, b"Action=CreateUser&UserName=z"),
    ],
    ids=["no-form", "two-actions", "two-places", "compressed", "json", "plain"],
)
def test_no_wording_of_an_iam_call_escapes_the_policy(
    server: Server, reader: tuple[str, str], path: str, headers: dict[str, str], body: bytes
) -> None:
    assert signed(server, reader, "iam", "POST", path, headers=headers, body=body) in (400, 403)
    assert [user["UserName"] for user in server.client("iam").list_users()["Users"]] == ["reader"]


@pytest.mark.parametrize(
    ("path", "headers", "body"),
    [
        ("/public/k?Action=GetObject", {}, b"x"),
        ("/public/k", {"x-amz-target": "S3.GetObject"}, b"x"),
        ("/public/k", FORM, b"Action=GetObject"),
    ],
    ids=["query", "target", "form"],
)
def test_a_write_is_judged_as_a_write_whatever_it_calls_itself(
    server: Server, reader: tuple[str, str], path: str, headers: dict[str, str], body: bytes
) -> None:
    assert signed(server, reader, "s3", "PUT", path, headers=headers, body=body) == 403
    assert server.client(keys=reader).get_object(Bucket="public", Key="k")["Body"].read() == b"b"


def test_a_body_that_is_not_the_signed_one_is_refused(server: Server) -> None:
    server.client().create_bucket(Bucket="lake")
    assert signed(server, ROOT, "s3", "PUT", "/lake/k", body=b"bbb", signed=b"aaa") == 400
    assert signed(server, ROOT, "s3", "PUT", "/lake/k", body=b"aaa", signed=b"aaa") == 200


def test_health_tells_only_who_knows_the_token(server: Server) -> None:
    assert [server.health(), server.health("wrong"), server.health("")] == [200, 403, 403]


def test_there_is_one_process_with_one_listening_socket(server: Server) -> None:
    assert server.process is not None
    pid = server.process.pid
    assert Path(f"/proc/{pid}/task/{pid}/children").read_text() == ""
    links = []
    for link in Path(f"/proc/{pid}/fd").iterdir():
        # a connection of before may close meanwhile
        with suppress(FileNotFoundError):
            links.append(str(link.readlink()))
    inodes = {re.sub(r"\D", "", link) for link in links if link.startswith("socket:")}
    tables = [Path(f"/proc/{pid}/net/{name}").read_text().splitlines()[1:] for name in ("tcp", "tcp6")]
    rows = [row.split() for table in tables for row in table]
    listening = [row[1] for row in rows if row[3] == "0A" and row[9] in inodes]
    assert listening == [f"0100007F:{server.port:04X}"]


# --- what the engine answers otherwise ---------------------------------------------------------------------


def test_reads_by_part_and_by_range_of_a_large_object(server: Server) -> None:
    s3 = server.client()
    s3.create_bucket(Bucket="lake")
    body = random.Random(1).randbytes(3 << 20)
    s3.put_object(Bucket="lake", Key="k", Body=body)
    got = s3.get_object(Bucket="lake", Key="k", PartNumber=1)
    assert (got["Body"].read(), got["ResponseMetadata"]["HTTPStatusCode"]) == (body, 206)
    assert attempt(s3.get_object, Bucket="lake", Key="k", PartNumber=7) == "InvalidPartNumber"
    for asked, expected in (
        ("bytes=5-9", body[5:10]),
        ("bytes=-7", body[-7:]),
        ("bytes=3000000-", body[3_000_000:]),
    ):
        assert s3.get_object(Bucket="lake", Key="k", Range=asked)["Body"].read() == expected
    assert s3.get_object(Bucket="lake", Key="k")["Body"].read() == body
    target = io.BytesIO()
    s3.download_fileobj("lake", "k", target)
    assert target.getvalue() == body


def test_a_failed_condition_is_named(server: Server) -> None:
    s3 = server.client()
    s3.create_bucket(Bucket="lake")
    s3.put_object(Bucket="lake", Key="k", Body=b"b")
    for arguments, name in (({"IfNoneMatch": "*"}, "If-None-Match"), ({"IfMatch": '"0"'}, "If-Match")):
        with pytest.raises(ClientError) as refused:
            s3.put_object(Bucket="lake", Key="k", Body=b"x", **arguments)
        assert refused.value.response["Error"]["Condition"] == name


def test_a_write_with_too_many_tags_leaves_the_object_as_it_was(server: Server) -> None:
    s3 = server.client()
    s3.create_bucket(Bucket="lake")
    s3.put_object(Bucket="lake", Key="k", Body=b"old")
    tags = "&".join(f"k{number}=v" for number in range(11))
    assert attempt(s3.put_object, Bucket="lake", Key="k", Body=b"new", Tagging=tags) == "BadRequest"
    assert s3.get_object(Bucket="lake", Key="k")["Body"].read() == b"old"
    assert attempt(s3.create_multipart_upload, Bucket="lake", Key="k", Tagging=tags) == "BadRequest"


def status_of(url: str, method: str = "GET", body: bytes | None = None, content_type: str = "") -> int:
    headers = {"Content-Type": content_type} if content_type else {}
    request = urllib.request.Request(url, method=method, data=body, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def form_body(fields: dict[str, str]) -> tuple[bytes, str]:
    head = "--x\r\nContent-Disposition: form-data; name"
    parts = [f'{head}="{name}"\r\n\r\n{value}\r\n' for name, value in fields.items()]
    parts.append('--x\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\nhello\r\n--x--\r\n')
    return "".join(parts).encode(), "multipart/form-data; boundary=x"
