"""The calls of the table: each takes a world, a bucket and a key and tells how it came out."""

from __future__ import annotations

import base64
import datetime
import hashlib
import hmac
import json
import urllib.parse
from collections.abc import Callable
from typing import Any
from unittest import mock

from botocore.exceptions import ClientError

from contract.s3 import wire
from contract.s3.world import BODY, Answer, World
from devenv.s3.provider import KeyPair

Call = Callable[[World, str, str], Answer]
PART = b"p" * (5 * 1024 * 1024)


def outcome(do: Callable[[], Any]) -> Answer:
    try:
        answer = do()
    except ClientError as error:
        status = int(error.response["ResponseMetadata"]["HTTPStatusCode"])
        code = str(error.response["Error"].get("Code", ""))
        return Answer(status, "" if code.isdigit() else code)
    return Answer(int(answer["ResponseMetadata"]["HTTPStatusCode"]))


def user(operation: str, **arguments: Any) -> Call:
    """The project's user calls an S3 operation on a bucket and a key."""

    def call(world: World, bucket: str, key: str) -> Answer:
        where = {"Bucket": bucket} | ({"Key": key} if key else {})
        return outcome(lambda: getattr(world.user_s3, operation)(**where, **arguments))

    return call


def copy_from(world: World, bucket: str, key: str, **more: Any) -> Answer:
    target = {"Bucket": world.buckets["lake"], "Key": "copies/here"}
    source = {"Bucket": bucket, "Key": key, **more}
    return outcome(lambda: world.user_s3.copy_object(CopySource=source, **target))


def copy_version_from(world: World, bucket: str, key: str) -> Answer:
    return copy_from(world, bucket, key, VersionId="null")


def copy_onto(world: World, bucket: str, key: str) -> Answer:
    source = _source(world)
    return outcome(lambda: world.user_s3.copy_object(Bucket=bucket, Key=key, CopySource=source))


def copy_onto_itself(world: World, bucket: str, key: str) -> Answer:
    return outcome(
        lambda: world.user_s3.copy_object(
            Bucket=bucket,
            Key=key,
            CopySource={"Bucket": bucket, "Key": key},
            MetadataDirective="REPLACE",
            Metadata={"colour": "red"},
        )
    )


def _source(world: World) -> dict[str, str]:
    source = {"Bucket": world.buckets["lake"], "Key": "copies/source"}
    world.admin_s3.put_object(Body=BODY, **source)
    return source


def _upload(world: World, bucket: str, key: str) -> str:
    return str(world.admin_s3.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"])


def part_copy_from(world: World, bucket: str, key: str) -> Answer:
    lake = {"Bucket": world.buckets["lake"], "Key": "copies/parts"}
    upload = _upload(world, lake["Bucket"], lake["Key"])
    source = {"Bucket": bucket, "Key": key}
    return outcome(
        lambda: world.user_s3.upload_part_copy(**lake, UploadId=upload, PartNumber=1, CopySource=source)
    )


def part_copy_onto(world: World, bucket: str, key: str) -> Answer:
    upload, source = _upload(world, bucket, key), _source(world)
    return outcome(
        lambda: world.user_s3.upload_part_copy(
            Bucket=bucket, Key=key, UploadId=upload, PartNumber=1, CopySource=source
        )
    )


def upload_part(world: World, bucket: str, key: str) -> Answer:
    upload = _upload(world, bucket, key)
    return outcome(
        lambda: world.user_s3.upload_part(Bucket=bucket, Key=key, UploadId=upload, PartNumber=1, Body=BODY)
    )


def list_parts(world: World, bucket: str, key: str) -> Answer:
    upload = _upload(world, bucket, key)
    return outcome(lambda: world.user_s3.list_parts(Bucket=bucket, Key=key, UploadId=upload))


def abort(world: World, bucket: str, key: str) -> Answer:
    upload = _upload(world, bucket, key)
    return outcome(lambda: world.user_s3.abort_multipart_upload(Bucket=bucket, Key=key, UploadId=upload))


def complete(world: World, bucket: str, key: str) -> Answer:
    upload = _upload(world, bucket, key)
    where = {"Bucket": bucket, "Key": key, "UploadId": upload}
    etag = world.admin_s3.upload_part(**where, PartNumber=1, Body=BODY)["ETag"]
    parts = {"Parts": [{"PartNumber": 1, "ETag": etag}]}
    return outcome(lambda: world.user_s3.complete_multipart_upload(**where, MultipartUpload=parts))


def bulk_delete(world: World, bucket: str, key: str) -> Answer:
    """DeleteObjects with one key: the request's status and that key's error code."""
    return _bulk(world, bucket, [key])


def bulk_delete_mixed(world: World, bucket: str, key: str) -> Answer:
    """DeleteObjects with .s3keep and the row's key: both outcomes in the code."""
    world.admin_s3.put_object(Bucket=bucket, Key=".s3keep", Body=b"")
    return _bulk(world, bucket, [".s3keep", key])


def _bulk(world: World, bucket: str, keys: list[str]) -> Answer:
    wanted = {"Objects": [{"Key": key} for key in keys]}
    try:
        told = world.user_s3.delete_objects(Bucket=bucket, Delete=wanted)
    except ClientError as error:
        return Answer(error.response["ResponseMetadata"]["HTTPStatusCode"], error.response["Error"]["Code"])
    codes = {item["Key"]: "Deleted" for item in told.get("Deleted", ())}
    codes |= {item["Key"]: item["Code"] for item in told.get("Errors", ())}
    for key, code in codes.items():
        still_there = world.admin_s3.list_objects_v2(Bucket=bucket, Prefix=key, MaxKeys=1)["KeyCount"]
        assert (code == "Deleted") == (not still_there), f"{key}: {code}, but {still_there=}"
    return Answer(200, ",".join(codes.get(key, "nothing said") for key in keys))


# Links


def link(
    method: str,
    *,
    version: int = 4,
    expires: int = 300,
    signed_as: str = "",
    bend: Callable[[str], str] = str,
    headers: dict[str, str] | None = None,
) -> Call:
    """A link that the user signed (``signed_as`` another method), bent, and used."""

    def call(world: World, bucket: str, key: str) -> Answer:
        url = wire.url_of(world, bucket, key)
        made = wire.presigned(world, signed_as or method, url, expires=expires, version=version)
        body = BODY if method == "PUT" else b""
        return wire.send(method, bend(made), headers, body)[0]

    return call


def link_into(other_key: str) -> Call:
    """A link whose key is replaced after it was signed."""

    def call(world: World, bucket: str, key: str) -> Answer:
        world.admin_s3.put_object(Bucket=bucket, Key=other_key, Body=BODY)
        made = wire.presigned(world, "GET", wire.url_of(world, bucket, key))
        return wire.send("GET", made.replace(wire.quote(key), wire.quote(other_key)))[0]

    return call


def link_of(key: KeyPair, *, version: int = 4) -> Call:
    """A link signed with a key the service does not know, or with a wrong secret ("" keeps the id)."""

    def call(world: World, bucket: str, name: str) -> Answer:
        signer = KeyPair(key.access_key_id or world.user.access_key_id, key.secret_access_key)
        return wire.send(
            "GET", wire.presigned(world, "GET", wire.url_of(world, bucket, name), signer, version=version)
        )[0]

    return call


def link_of_yesterday(world: World, bucket: str, key: str) -> Answer:
    """A link that was good for five minutes, a day ago."""
    with _clock(-24 * 3600):
        made = wire.presigned(world, "GET", wire.url_of(world, bucket, key))
    return wire.send("GET", made)[0]


def _clock(seconds: int) -> Any:
    """Sign with a clock that is so many seconds off."""
    moment = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=seconds)
    return mock.patch("botocore.auth.get_current_datetime", return_value=moment.replace(tzinfo=None))


def longer(made: str) -> str:
    return made.replace("X-Amz-Expires=300", "X-Amz-Expires=604000")


def later(made: str) -> str:
    parts = urllib.parse.urlsplit(made)
    query = dict(urllib.parse.parse_qsl(parts.query))
    query["Expires"] = str(int(query["Expires"]) + 3600)
    return urllib.parse.urlunsplit(parts._replace(query=urllib.parse.urlencode(query)))


# Signed headers


def header(
    method: str, *, key: KeyPair | None = None, version: int = 4, extra: dict[str, str] | None = None
) -> Call:
    """A request with the Authorization header; an empty id in ``key`` keeps the user's."""

    def call(world: World, bucket: str, name: str) -> Answer:
        signer = key and KeyPair(key.access_key_id or world.user.access_key_id, key.secret_access_key)
        url, body = wire.url_of(world, bucket, name), BODY if method == "PUT" else b""
        headers = wire.signed(world, method, url, signer, body=body, version=version)
        return wire.send(method, url, headers | (extra or {}), body)[0]

    return call


def header_at(method: str, seconds: int) -> Call:
    """A request signed by a clock that is so many seconds off."""

    def call(world: World, bucket: str, name: str) -> Answer:
        url = wire.url_of(world, bucket, name)
        with _clock(seconds):
            headers = wire.signed(world, method, url)
        return wire.send(method, url, headers)[0]

    return call


def other_body(world: World, bucket: str, key: str) -> Answer:
    """PUT whose body is not the one whose hash was signed."""
    url = wire.url_of(world, bucket, key)
    headers = wire.signed(world, "PUT", url, body=BODY)
    return wire.send("PUT", url, headers, BODY.replace(b"2026", b"1999"))[0]


def wrong_md5(world: World, bucket: str, key: str) -> Answer:
    url = wire.url_of(world, bucket, key)
    digest = base64.b64encode(hashlib.md5(b"something else").digest()).decode()
    headers = wire.signed(world, "PUT", url, body=BODY, headers={"content-md5": digest})
    return wire.send("PUT", url, headers, BODY)[0]


def double_slash(world: World, bucket: str, key: str) -> Answer:
    """PUT of a key that begins with a slash: it is another key than the one without."""
    url = f"{world.connection.endpoint_url}/{bucket}//{key}"
    return wire.send("PUT", url, wire.signed(world, "PUT", url, body=BODY), BODY)[0]


def dot_segments(world: World, bucket: str, key: str) -> Answer:
    url = f"{world.connection.endpoint_url}/{bucket}/x/../{key}"
    return wire.send("PUT", url, wire.signed(world, "PUT", url, body=BODY), BODY)[0]


def disguised(method: str, query: str = "", headers: dict[str, str] | None = None) -> Call:
    """A request that names another action than the one it does, well signed."""

    def call(world: World, bucket: str, key: str) -> Answer:
        url, body = wire.url_of(world, bucket, key, query), BODY if method == "PUT" else b""
        return wire.send(method, url, wire.signed(world, method, url, headers=headers, body=body), body)[0]

    return call


# Requests that show the policy check another operation than the one they do. AWS does not document how it
# words its refusal, so any refusal that left nothing behind is told as AccessDenied.


def _refusal(seen: Answer, done: object) -> Answer:
    return Answer(403, "AccessDenied") if seen.status >= 400 and not done else Answer(200)


def hidden_upload(world: World, bucket: str, key: str) -> Answer:
    """An upload is begun behind ?select, which is a read."""
    url = wire.url_of(world, bucket, key, "select&uploads")
    seen = wire.send("POST", url, wire.signed(world, "POST", url))[0]
    begun = world.admin_s3.list_multipart_uploads(Bucket=bucket, Prefix=key).get("Uploads")
    return _refusal(seen, begun)


def hidden_copy(world: World, bucket: str, key: str) -> Answer:
    """The object is copied into the lake by a request whose body says that it sets tags."""
    lake, target = world.buckets["lake"], f"copies/hidden-{next(world.numbers)}"
    url, body = wire.url_of(world, lake, target), b"tagging=1"
    named = {"x-amz-copy-source": f"{bucket}/{wire.quote(key)}"}
    headers = wire.signed(
        world, "PUT", url, body=body, headers={"content-type": "application/x-www-form-urlencoded", **named}
    )
    seen = wire.send("PUT", url, headers, body)[0]
    return _refusal(seen, world.admin_s3.list_objects_v2(Bucket=lake, Prefix=target)["KeyCount"])


def hidden_part(world: World, bucket: str, key: str) -> Answer:
    """The object is copied into an upload behind ?acl."""
    lake = {"Bucket": world.buckets["lake"], "Key": "copies/hidden-part"}
    upload = _upload(world, *lake.values())
    url = wire.url_of(world, *lake.values(), f"acl&partNumber=1&uploadId={upload}")
    named = {"x-amz-copy-source": f"{bucket}/{wire.quote(key)}"}
    seen = wire.send("PUT", url, wire.signed(world, "PUT", url, headers=named))[0]
    return _refusal(seen, world.admin_s3.list_parts(**lake, UploadId=upload).get("Parts"))


def part_of_another(world: World, bucket: str, key: str) -> Answer:
    """A part is copied into an upload for the row's object, by the address of another object."""
    upload, source = _upload(world, bucket, key), _source(world)
    return outcome(
        lambda: world.user_s3.upload_part_copy(
            Bucket=source["Bucket"], Key="copies/here", UploadId=upload, PartNumber=1, CopySource=source
        )
    )


def copy_spelled(spelling: str) -> Call:
    """A copy into the lake whose source is spelled ``spelling``, with {bucket} and {key} in it."""

    def call(world: World, bucket: str, key: str) -> Answer:
        url = wire.url_of(world, world.buckets["lake"], "copies/spelled")
        named = {"x-amz-copy-source": spelling.format(bucket=bucket, key=wire.quote(key))}
        return wire.send("PUT", url, wire.signed(world, "PUT", url, headers=named))[0]

    return call


def by_host(method: str, query: str = "", body: bytes = b"") -> Call:
    """A request that names its bucket in the Host header."""

    def call(world: World, bucket: str, key: str) -> Answer:
        parts = urllib.parse.urlsplit(world.connection.endpoint_url)
        host = f"{bucket}.localhost:{parts.port}"
        url = f"{parts.scheme}://{host}/{wire.quote(key)}" + (f"?{query}" if query else "")
        headers = wire.signed(world, method, url, body=body, headers={"host": host})
        target = url.replace(host, parts.netloc)
        return wire.send(method, target, headers, body)[0]

    return call


def anonymous(method: str, query: str = "", body: bytes = b"") -> Call:
    def call(world: World, bucket: str, key: str) -> Answer:
        return wire.send(method, wire.url_of(world, bucket, key, query), body=body)[0]

    return call


# Browser forms


def form(
    *,
    expires: int = 300,
    key_condition: str = "",
    tamper: bool = False,
    key: KeyPair | None = None,
    unsigned: bool = False,
    extra: dict[str, str] | None = None,
    at_most: int = 0,
) -> Call:
    """An upload by a form as a browser sends it, with a policy the user signed.

    ``extra`` are fields that no condition names, ``at_most`` the bytes that the policy allows.
    """

    def call(world: World, bucket: str, name: str) -> Answer:
        signer = (
            KeyPair(key.access_key_id or world.user.access_key_id, key.secret_access_key) if key else None
        )
        fields = {"key": name}
        if not unsigned:
            conditions: list[Any] = [{"bucket": bucket}, ["eq", "$key", key_condition or name]]
            conditions += [["content-length-range", 0, at_most]] if at_most else []
            fields |= _policy_fields(world, signer or world.user, conditions, expires)
        if tamper:
            policy = base64.b64decode(fields["policy"]).decode()
            fields["policy"] = base64.b64encode(policy.replace("20", "21", 1).encode()).decode()
        return _post_form(world, bucket, fields | (extra or {}))

    return call


def _policy_fields(world: World, key: KeyPair, conditions: list[Any], expires: int) -> dict[str, str]:
    now = datetime.datetime.now(datetime.UTC)
    scope = f"{now:%Y%m%d}/{world.connection.region}/s3/aws4_request"
    fields = {
        "x-amz-algorithm": "AWS4-HMAC-SHA256",
        "x-amz-credential": f"{key.access_key_id}/{scope}",
        "x-amz-date": f"{now:%Y%m%dT%H%M%SZ}",
    }
    end = now + datetime.timedelta(seconds=expires)
    conditions += [{field: value} for field, value in fields.items()]
    document = {"expiration": f"{end:%Y-%m-%dT%H:%M:%S.000Z}", "conditions": conditions}
    policy = base64.b64encode(json.dumps(document).encode()).decode()
    secret = f"AWS4{key.secret_access_key}".encode()
    for part in scope.split("/"):
        secret = hmac.new(secret, part.encode(), hashlib.sha256).digest()
    signature = hmac.new(secret, policy.encode(), hashlib.sha256).hexdigest()
    return fields | {"policy": policy, "x-amz-signature": signature}


def _post_form(world: World, bucket: str, fields: dict[str, str]) -> Answer:
    mark = "form-boundary-7d1f"
    lines = []
    for name, value in fields.items():
        lines += [f"--{mark}", f'Content-Disposition: form-data; name="{name}"', "", value]
    lines += [f"--{mark}", 'Content-Disposition: form-data; name="file"; filename="data.csv"']
    lines += ["Content-Type: text/csv", "", BODY.decode(), f"--{mark}--", ""]
    headers = {"Content-Type": f"multipart/form-data; boundary={mark}"}
    body = "\r\n".join(lines).encode()
    return wire.send("POST", f"{world.connection.endpoint_url}/{bucket}", headers, body)[0]


# Service


def list_buckets(world: World, bucket: str, key: str) -> Answer:
    return outcome(world.user_s3.list_buckets)


def iam(operation: str, **arguments: Any) -> Call:
    """The user calls IAM; the word SELF stands for its own name."""

    def call(world: World, bucket: str, key: str) -> Answer:
        given = {name: "habari-user" if value == "SELF" else value for name, value in arguments.items()}
        return outcome(lambda: getattr(world.user_iam, operation)(**given))

    return call


def sts(operation: str, **arguments: Any) -> Call:
    def call(world: World, bucket: str, key: str) -> Answer:
        return outcome(lambda: getattr(world.user_sts, operation)(**arguments))

    return call


def session(operation: str) -> Call:
    """An S3 call with temporary credentials of GetSessionToken."""

    def call(world: World, bucket: str, key: str) -> Answer:
        import boto3
        from botocore.config import Config

        made = world.user_sts.get_session_token()["Credentials"]
        s3 = boto3.client(
            "s3",
            endpoint_url=world.connection.endpoint_url,
            region_name=world.connection.region,
            aws_access_key_id=made["AccessKeyId"],
            aws_secret_access_key=made["SecretAccessKey"],
            aws_session_token=made["SessionToken"],
            config=Config(proxies={}, s3={"addressing_style": "path"}),
        )
        more = {"Body": BODY} if operation == "put_object" else {}
        return outcome(lambda: getattr(s3, operation)(Bucket=bucket, Key=key, **more))

    return call


def iam_signed_by(key: KeyPair) -> Call:
    """IAM's ListUsers signed with an unknown key or a wrong secret."""

    def call(world: World, bucket: str, name: str) -> Answer:
        url = f"{world.connection.iam_endpoint_url}/"
        signer = KeyPair(key.access_key_id or world.user.access_key_id, key.secret_access_key)
        body = b"Action=ListUsers&Version=2010-05-08"
        headers = {"content-type": "application/x-www-form-urlencoded; charset=utf-8"}
        made = wire.signed(world, "POST", url, signer, headers=headers, body=body, service="iam")
        return wire.send("POST", url, made, body)[0]

    return call


def admin(operation: str, **arguments: Any) -> Call:
    def call(world: World, bucket: str, key: str) -> Answer:
        where = {"Bucket": bucket} | ({"Key": key} if key else {})
        return outcome(lambda: getattr(world.admin_s3, operation)(**where, **arguments))

    return call
