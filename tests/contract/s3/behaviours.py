"""What S3 does beyond saying yes or no; the lake's owner is the project's user."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from contract.s3 import sources as s
from contract.s3 import wire
from contract.s3.calls import PART
from contract.s3.sources import Source, api
from contract.s3.world import BODY, World


@dataclass(frozen=True)
class Behaviour:
    id: str
    check: Callable[[Any, str, World], None]
    source: Source
    observed: bool = False


BEHAVIOURS: list[Behaviour] = []
Check = Callable[[Any, str, World], None]


def behaviour(name: str, source: Source, *, observed: bool = False) -> Callable[[Check], Check]:
    def register(check: Check) -> Check:
        BEHAVIOURS.append(Behaviour(name, check, source, observed))
        return check

    return register


class Lake:
    """The user's client bound to the lake, so that a check reads as what it says."""

    def __init__(self, world: World) -> None:
        self.s3 = world.user_s3
        self.bucket = world.buckets["lake"]

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        call = getattr(self.s3, operation)
        return lambda **arguments: call(Bucket=self.bucket, **arguments)

    def read(self, key: str, **arguments: Any) -> bytes:
        return bytes(self.get_object(Key=key, **arguments)["Body"].read())

    def keys(self, prefix: str, **arguments: Any) -> list[str]:
        found = self.list_objects_v2(Prefix=prefix, **arguments)
        return [item["Key"] for item in found.get("Contents", ())]

    def refused(self, operation: str, **arguments: Any) -> tuple[int, str]:
        try:
            getattr(self, operation)(**arguments)
        except ClientError as error:
            return (
                int(error.response["ResponseMetadata"]["HTTPStatusCode"]),
                str(error.response["Error"]["Code"]),
            )
        raise AssertionError(f"{operation} was not refused")

    def upload(self, key: str, *parts: bytes, **arguments: Any) -> dict[str, Any]:
        upload = self.create_multipart_upload(Key=key, **arguments)["UploadId"]
        told = [
            {
                "PartNumber": number,
                "ETag": self.upload_part(Key=key, UploadId=upload, PartNumber=number, Body=part)["ETag"],
            }
            for number, part in enumerate(parts, start=1)
        ]
        done: dict[str, Any] = self.complete_multipart_upload(
            Key=key, UploadId=upload, MultipartUpload={"Parts": told}
        )
        return done


def md5(body: bytes) -> str:
    return hashlib.md5(body).hexdigest()


@behaviour("put-get-round-trip", api("PutObject", "stores the object whole"))
def _(lake: Lake, key: str, world: World) -> None:
    body = bytes(range(256)) * 300
    lake.put_object(Key=key, Body=body, ContentType="application/x-own", CacheControl="no-cache")
    got = lake.get_object(Key=key)
    assert got["Body"].read() == body
    assert (got["ContentType"], got["CacheControl"]) == ("application/x-own", "no-cache")
    assert got["ContentLength"] == len(body)
    assert got["ETag"] == f'"{md5(body)}"'


@behaviour("empty-object", api("PutObject", "an object may be of 0 bytes"))
def _(lake: Lake, key: str, world: World) -> None:
    lake.put_object(Key=key, Body=b"")
    assert lake.read(key) == b""
    assert lake.head_object(Key=key)["ContentLength"] == 0


@behaviour("default-content-type", api("PutObject", "no word of the default"), observed=True)
def _(lake: Lake, key: str, world: World) -> None:
    url = wire.url_of(world, lake.bucket, key)
    answer, _body, _headers = wire.send("PUT", url, wire.signed(world, "PUT", url, body=BODY), BODY)
    assert answer.status == 200
    assert lake.head_object(Key=key)["ContentType"] == "binary/octet-stream"


@behaviour("metadata", s.METADATA)
def _(lake: Lake, key: str, world: World) -> None:
    given = {"colour": "red", "with_underscore": "1", "With-Dash": "a b", "padded": "x"}
    lake.put_object(Key=key, Body=BODY, Metadata=given)
    assert lake.head_object(Key=key)["Metadata"] == {name.lower(): value for name, value in given.items()}


@behaviour("metadata-utf8", s.METADATA)
def _(lake: Lake, key: str, world: World) -> None:
    """A client that is not boto3 may send UTF-8; S3 gives it back as UTF-8 or encoded by RFC 2047."""
    from email.header import decode_header, make_header

    url = wire.url_of(world, lake.bucket, key)
    raw = "Bujumbura-é".encode().decode("latin-1")
    link = wire.presigned(world, "PUT", url)
    assert wire.send("PUT", link, {"x-amz-meta-city": raw}, BODY)[0].status == 200
    answer, _body, told = wire.send("HEAD", wire.presigned(world, "HEAD", url))
    assert answer.status == 200
    value = told["x-amz-meta-city"]
    decoded = str(make_header(decode_header(value))) if value.startswith("=?") else value
    assert "Bujumbura-é" in (decoded, decoded.encode("latin-1", "replace").decode("utf-8", "replace"))


@behaviour("range-middle", api("GetObject", "Range answers the bytes asked for"))
def _(lake: Lake, key: str, world: World) -> None:
    lake.put_object(Key=key, Body=b"0123456789")
    got = lake.get_object(Key=key, Range="bytes=2-5")
    assert got["Body"].read() == b"2345"
    assert got["ContentRange"] == "bytes 2-5/10"
    assert got["ResponseMetadata"]["HTTPStatusCode"] == 206


@behaviour("range-tail", api("GetObject", "Range may count from the end, or run over it"))
def _(lake: Lake, key: str, world: World) -> None:
    lake.put_object(Key=key, Body=b"0123456789")
    assert lake.read(key, Range="bytes=-3") == b"789"
    assert lake.read(key, Range="bytes=7-") == b"789"
    assert lake.read(key, Range="bytes=8-99") == b"89"


@behaviour("range-beyond", s.ERRORS)
def _(lake: Lake, key: str, world: World) -> None:
    lake.put_object(Key=key, Body=b"0123456789")
    assert lake.refused("get_object", Key=key, Range="bytes=10-20") == (416, "InvalidRange")


@behaviour("overwrite", api("PutObject", "the last writer wins, whole object"))
def _(lake: Lake, key: str, world: World) -> None:
    lake.put_object(Key=key, Body=b"old and long", Metadata={"a": "1"})
    lake.put_object(Key=key, Body=b"new")
    assert lake.read(key) == b"new"
    assert lake.head_object(Key=key)["Metadata"] == {}


@behaviour("key-and-folder", s.KEYS)
def _(lake: Lake, key: str, world: World) -> None:
    lake.put_object(Key=key, Body=b"file")
    lake.put_object(Key=f"{key}/below", Body=b"below")
    lake.put_object(Key=f"{key}/", Body=b"slash")
    assert [lake.read(name) for name in (key, f"{key}/below", f"{key}/")] == [b"file", b"below", b"slash"]
    assert lake.keys(key) == [key, f"{key}/", f"{key}/below"]


@behaviour("keys-with-slashes", s.KEYS)
def _(lake: Lake, key: str, world: World) -> None:
    """A slash more is another key; nothing is a folder, and nothing is tidied up."""
    names = [key, f"{key}/", f"/{key}", f"{key}//a", f"{key}/./a", f"{key}/../a"]
    for name in names:
        lake.put_object(Key=name, Body=name.encode())
    assert [lake.read(name) for name in names] == [name.encode() for name in names]
    lake.delete_object(Key=f"/{key}")
    assert lake.read(key) == key.encode()


@behaviour("keys-differ-by-case", s.KEYS)
def _(lake: Lake, key: str, world: World) -> None:
    lake.put_object(Key=f"{key}/A", Body=b"1")
    lake.put_object(Key=f"{key}/a", Body=b"2")
    assert (lake.read(f"{key}/A"), lake.read(f"{key}/a")) == (b"1", b"2")


@behaviour("keys-odd-letters", s.KEYS)
def _(lake: Lake, key: str, world: World) -> None:
    names = [
        f"{key}/{name}" for name in ("a b", "a#b", "a%41", "a+b", "é", "日本", "🌍", "'\"<&>", "a\\b", "a?b")
    ]
    for name in names:
        lake.put_object(Key=name, Body=name.encode())
    assert lake.keys(f"{key}/") == sorted(names, key=str.encode)
    assert [lake.read(name) for name in names] == [name.encode() for name in names]


@behaviour("if-none-match-star", s.CONDITIONAL_WRITES)
def _(lake: Lake, key: str, world: World) -> None:
    lake.put_object(Key=key, Body=b"first", IfNoneMatch="*")
    refused = lake.refused("put_object", Key=key, Body=b"second", IfNoneMatch="*")
    assert refused == (412, "PreconditionFailed")
    assert lake.read(key) == b"first"


@behaviour("if-match-write", s.CONDITIONAL_WRITES)
def _(lake: Lake, key: str, world: World) -> None:
    etag = lake.put_object(Key=key, Body=b"first")["ETag"]
    lake.put_object(Key=key, Body=b"second", IfMatch=etag)
    refused = lake.refused("put_object", Key=key, Body=b"third", IfMatch=etag)
    assert refused == (412, "PreconditionFailed")
    assert lake.read(key) == b"second"


@behaviour("if-match-missing", s.CONDITIONAL_WRITES)
def _(lake: Lake, key: str, world: World) -> None:
    refused = lake.refused("put_object", Key=key, Body=b"x", IfMatch='"0123456789abcdef0123456789abcdef"')
    assert refused == (404, "NoSuchKey")


@behaviour("multipart-if-none-match", api("CompleteMultipartUpload", "If-None-Match: * refuses with a 412"))
def _(lake: Lake, key: str, world: World) -> None:
    upload = lake.create_multipart_upload(Key=key)["UploadId"]
    etag = lake.upload_part(Key=key, UploadId=upload, PartNumber=1, Body=BODY)["ETag"]
    lake.put_object(Key=key, Body=b"first")
    refused = lake.refused(
        "complete_multipart_upload",
        Key=key,
        UploadId=upload,
        MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": etag}]},
        IfNoneMatch="*",
    )
    assert refused == (412, "PreconditionFailed")
    assert lake.read(key) == b"first"


@behaviour("conditional-read", s.CONDITIONAL_READS)
def _(lake: Lake, key: str, world: World) -> None:
    etag = lake.put_object(Key=key, Body=BODY)["ETag"]
    other = '"0123456789abcdef0123456789abcdef"'
    assert lake.read(key, IfMatch=etag) == BODY
    assert lake.refused("get_object", Key=key, IfMatch=other)[0] == 412
    assert lake.refused("get_object", Key=key, IfNoneMatch=etag)[0] == 304
    assert lake.read(key, IfNoneMatch=other) == BODY


@behaviour("list-order", api("ListObjectsV2", "keys in the order of their UTF-8 bytes"))
def _(lake: Lake, key: str, world: World) -> None:
    names = [f"{key}/{name}" for name in ("b", "a", "Z", "a/b", "a-b", "é", "z", "~", "0")]
    for name in names:
        lake.put_object(Key=name, Body=b"")
    assert lake.keys(f"{key}/") == sorted(names, key=str.encode)


@behaviour(
    "list-delimiter", api("ListObjectsV2", "keys that share a prefix up to the delimiter are one entry")
)
def _(lake: Lake, key: str, world: World) -> None:
    for name in ("a.txt", "dir/1", "dir/2", "dir2/sub/3", "z.txt"):
        lake.put_object(Key=f"{key}/{name}", Body=b"")
    told = lake.list_objects_v2(Prefix=f"{key}/", Delimiter="/")
    assert [item["Key"] for item in told["Contents"]] == [f"{key}/a.txt", f"{key}/z.txt"]
    assert [item["Prefix"] for item in told["CommonPrefixes"]] == [f"{key}/dir/", f"{key}/dir2/"]
    assert told["KeyCount"] == 4


@behaviour("list-pages", api("ListObjectsV2", "MaxKeys a page, a token to go on, StartAfter to begin later"))
def _(lake: Lake, key: str, world: World) -> None:
    names = [f"{key}/{number:02}" for number in range(7)]
    for name in names:
        lake.put_object(Key=name, Body=b"")
    seen: list[str] = []
    more: dict[str, Any] = {}
    while True:
        told = lake.list_objects_v2(Prefix=f"{key}/", MaxKeys=3, **more)
        seen += [item["Key"] for item in told["Contents"]]
        if not told["IsTruncated"]:
            break
        more = {"ContinuationToken": told["NextContinuationToken"]}
    assert seen == names
    assert lake.keys(f"{key}/", StartAfter=f"{key}/04") == names[5:]
    assert lake.list_objects_v2(Prefix=f"{key}/", MaxKeys=0)["KeyCount"] == 0


@behaviour("list-pages-with-delimiter", api("ListObjectsV2", "a common prefix counts as one key of a page"))
def _(lake: Lake, key: str, world: World) -> None:
    for name in ("a/1", "a/2", "b/1", "c", "d/1"):
        lake.put_object(Key=f"{key}/{name}", Body=b"")
    first = lake.list_objects_v2(Prefix=f"{key}/", Delimiter="/", MaxKeys=2)
    assert [item["Prefix"] for item in first["CommonPrefixes"]] == [f"{key}/a/", f"{key}/b/"]
    rest = lake.list_objects_v2(
        Prefix=f"{key}/", Delimiter="/", MaxKeys=2, ContinuationToken=first["NextContinuationToken"]
    )
    assert [item["Key"] for item in rest["Contents"]] == [f"{key}/c"]
    assert [item["Prefix"] for item in rest["CommonPrefixes"]] == [f"{key}/d/"]


@behaviour("list-v1-marker", api("ListObjects", "Marker begins after the key it names"))
def _(lake: Lake, key: str, world: World) -> None:
    names = [f"{key}/{number}" for number in range(4)]
    for name in names:
        lake.put_object(Key=name, Body=b"")
    told = lake.list_objects(Prefix=f"{key}/", Marker=names[1], MaxKeys=10)
    assert [item["Key"] for item in told["Contents"]] == names[2:]


@behaviour("list-entries", api("ListObjectsV2", "each entry has size, ETag and date"))
def _(lake: Lake, key: str, world: World) -> None:
    lake.put_object(Key=key, Body=BODY)
    (entry,) = lake.list_objects_v2(Prefix=key)["Contents"]
    assert (entry["Size"], entry["ETag"]) == (len(BODY), f'"{md5(BODY)}"')
    assert entry["LastModified"] == lake.head_object(Key=key)["LastModified"].replace(
        microsecond=entry["LastModified"].microsecond
    )


@behaviour("multipart-etag", s.INTEGRITY)
def _(lake: Lake, key: str, world: World) -> None:
    done = lake.upload(key, PART, b"tail")
    whole = md5(bytes.fromhex(md5(PART)) + bytes.fromhex(md5(b"tail")))
    assert done["ETag"] == f'"{whole}-2"'
    assert lake.head_object(Key=key)["ETag"] == done["ETag"]
    assert lake.read(key) == PART + b"tail"


@behaviour("multipart-metadata", api("CreateMultipartUpload", "type and metadata are the object's"))
def _(lake: Lake, key: str, world: World) -> None:
    lake.upload(key, b"x", ContentType="text/x-own", Metadata={"colour": "red"})
    told = lake.head_object(Key=key)
    assert (told["ContentType"], told["Metadata"]) == ("text/x-own", {"colour": "red"})


@behaviour("multipart-tagging", api("CreateMultipartUpload", "Tagging is the object's"))
def _(lake: Lake, key: str, world: World) -> None:
    lake.upload(key, b"x", Tagging="colour=red&size=big%20one")
    tags = {tag["Key"]: tag["Value"] for tag in lake.get_object_tagging(Key=key)["TagSet"]}
    assert tags == {"colour": "red", "size": "big one"}


@behaviour(
    "multipart-out-of-order", api("CompleteMultipartUpload", "parts in ascending order, InvalidPartOrder")
)
def _(lake: Lake, key: str, world: World) -> None:
    upload = lake.create_multipart_upload(Key=key)["UploadId"]
    etags = [
        lake.upload_part(Key=key, UploadId=upload, PartNumber=number, Body=PART)["ETag"] for number in (1, 2)
    ]
    parts = [{"PartNumber": 2, "ETag": etags[1]}, {"PartNumber": 1, "ETag": etags[0]}]
    refused = lake.refused(
        "complete_multipart_upload", Key=key, UploadId=upload, MultipartUpload={"Parts": parts}
    )
    assert refused == (400, "InvalidPartOrder")


@behaviour(
    "multipart-wrong-part", api("CompleteMultipartUpload", "a part that is not there is an InvalidPart")
)
def _(lake: Lake, key: str, world: World) -> None:
    upload = lake.create_multipart_upload(Key=key)["UploadId"]
    lake.upload_part(Key=key, UploadId=upload, PartNumber=1, Body=BODY)
    wrong = [{"PartNumber": 1, "ETag": '"0123456789abcdef0123456789abcdef"'}]
    refused = lake.refused(
        "complete_multipart_upload", Key=key, UploadId=upload, MultipartUpload={"Parts": wrong}
    )
    assert refused == (400, "InvalidPart")


@behaviour(
    "multipart-small-part", api("CompleteMultipartUpload", "all parts but the last have 5 MB at least")
)
def _(lake: Lake, key: str, world: World) -> None:
    upload = lake.create_multipart_upload(Key=key)["UploadId"]
    parts = [
        {
            "PartNumber": number,
            "ETag": lake.upload_part(Key=key, UploadId=upload, PartNumber=number, Body=b"small")["ETag"],
        }
        for number in (1, 2)
    ]
    refused = lake.refused(
        "complete_multipart_upload", Key=key, UploadId=upload, MultipartUpload={"Parts": parts}
    )
    assert refused == (400, "EntityTooSmall")


@behaviour("multipart-aborted", api("AbortMultipartUpload", "nothing can be uploaded to it any more"))
def _(lake: Lake, key: str, world: World) -> None:
    upload = lake.create_multipart_upload(Key=key)["UploadId"]
    lake.upload_part(Key=key, UploadId=upload, PartNumber=1, Body=BODY)
    lake.abort_multipart_upload(Key=key, UploadId=upload)
    refused = lake.refused("upload_part", Key=key, UploadId=upload, PartNumber=2, Body=BODY)
    assert refused == (404, "NoSuchUpload")
    assert lake.refused("head_object", Key=key)[0] == 404


@behaviour("multipart-invisible", s.MULTIPART)
def _(lake: Lake, key: str, world: World) -> None:
    upload = lake.create_multipart_upload(Key=key)["UploadId"]
    lake.upload_part(Key=key, UploadId=upload, PartNumber=1, Body=BODY)
    assert lake.keys(key) == []
    listed = lake.list_multipart_uploads(Prefix=key)["Uploads"]
    assert [(item["Key"], item["UploadId"]) for item in listed] == [(key, upload)]
    parts = lake.list_parts(Key=key, UploadId=upload)["Parts"]
    assert [(part["PartNumber"], part["Size"]) for part in parts] == [(1, len(BODY))]


@behaviour("part-number", api("GetObject", "PartNumber answers that part, and how many there are"))
def _(lake: Lake, key: str, world: World) -> None:
    lake.upload(key, PART, b"tail")
    got = lake.get_object(Key=key, PartNumber=2)
    assert got["Body"].read() == b"tail"
    assert got["PartsCount"] == 2
    assert got["ResponseMetadata"]["HTTPStatusCode"] == 206
    assert lake.head_object(Key=key, PartNumber=1)["ContentLength"] == len(PART)


@behaviour("part-number-beyond", s.ERRORS, observed=True)
def _(lake: Lake, key: str, world: World) -> None:
    lake.upload(key, b"only")
    assert lake.refused("get_object", Key=key, PartNumber=7) == (416, "InvalidPartNumber")


@behaviour("part-copy-range", api("UploadPartCopy", "a byte range of the source becomes the part"))
def _(lake: Lake, key: str, world: World) -> None:
    lake.put_object(Key=f"{key}/source", Body=b"0123456789")
    upload = lake.create_multipart_upload(Key=key)["UploadId"]
    etag = lake.upload_part_copy(
        Key=key,
        UploadId=upload,
        PartNumber=1,
        CopySource={"Bucket": lake.bucket, "Key": f"{key}/source"},
        CopySourceRange="bytes=2-5",
    )["CopyPartResult"]["ETag"]
    lake.complete_multipart_upload(
        Key=key, UploadId=upload, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": etag}]}
    )
    assert lake.read(key) == b"2345"


@behaviour("copy-keeps", api("CopyObject", "type, metadata and tags come along unless replaced"))
def _(lake: Lake, key: str, world: World) -> None:
    source = {"Bucket": lake.bucket, "Key": f"{key}/source é+"}
    lake.put_object(
        Key=source["Key"], Body=BODY, ContentType="text/x-own", Metadata={"a": "1"}, Tagging="colour=red"
    )
    lake.copy_object(Key=key, CopySource=source)
    told = lake.head_object(Key=key)
    assert (told["ContentType"], told["Metadata"]) == ("text/x-own", {"a": "1"})
    assert lake.get_object_tagging(Key=key)["TagSet"] == [{"Key": "colour", "Value": "red"}]
    assert lake.read(key) == BODY


@behaviour("copy-replaces", api("CopyObject", "REPLACE takes metadata and type from the request"))
def _(lake: Lake, key: str, world: World) -> None:
    source = {"Bucket": lake.bucket, "Key": f"{key}/source"}
    lake.put_object(Key=source["Key"], Body=BODY, ContentType="text/x-own", Metadata={"a": "1"})
    lake.copy_object(
        Key=key, CopySource=source, MetadataDirective="REPLACE", Metadata={"b": "2"}, ContentType="text/plain"
    )
    told = lake.head_object(Key=key)
    assert (told["ContentType"], told["Metadata"]) == ("text/plain", {"b": "2"})


@behaviour("copy-unchanged", api("CopyObject", "no word of a copy onto itself"), observed=True)
def _(lake: Lake, key: str, world: World) -> None:
    lake.put_object(Key=key, Body=BODY)
    source = {"Bucket": lake.bucket, "Key": key}
    assert lake.refused("copy_object", Key=key, CopySource=source) == (400, "InvalidRequest")


@behaviour("copy-onto-itself", api("CopyObject", "REPLACE gives an object new metadata in its place"))
def _(lake: Lake, key: str, world: World) -> None:
    source = {"Bucket": lake.bucket, "Key": key}
    lake.put_object(Key=key, Body=BODY, Metadata={"a": "1"})
    lake.copy_object(Key=key, CopySource=source, MetadataDirective="REPLACE", Metadata={"a": "2"})
    assert lake.head_object(Key=key)["Metadata"] == {"a": "2"}
    assert lake.read(key) == BODY


@behaviour("copy-condition", api("CopyObject", "CopySourceIfMatch that does not hold is a 412"))
def _(lake: Lake, key: str, world: World) -> None:
    source = {"Bucket": lake.bucket, "Key": f"{key}/source"}
    lake.put_object(Key=source["Key"], Body=BODY)
    other = '"0123456789abcdef0123456789abcdef"'
    refused = lake.refused("copy_object", Key=key, CopySource=source, CopySourceIfMatch=other)
    assert refused == (412, "PreconditionFailed")


@behaviour("tags", api("PutObjectTagging", "the set is replaced whole; GetObject counts it"))
def _(lake: Lake, key: str, world: World) -> None:
    lake.put_object(Key=key, Body=BODY, Tagging="a=1&b=2")
    assert lake.get_object(Key=key)["TagCount"] == 2
    lake.put_object_tagging(Key=key, Tagging={"TagSet": [{"Key": "c", "Value": "é 3"}]})
    assert lake.get_object_tagging(Key=key)["TagSet"] == [{"Key": "c", "Value": "é 3"}]
    lake.delete_object_tagging(Key=key)
    assert lake.get_object_tagging(Key=key)["TagSet"] == []


@behaviour("tags-too-many", s.api("PutObjectTagging", "ten tags at most; BadRequest or InvalidTag, a 400"))
def _(lake: Lake, key: str, world: World) -> None:
    lake.put_object(Key=key, Body=BODY)
    tags = [{"Key": str(number), "Value": "x"} for number in range(11)]
    assert lake.refused("put_object_tagging", Key=key, Tagging={"TagSet": tags})[0] == 400


@behaviour("delete-is-repeatable", api("DeleteObject", "204 whether or not it was there"))
def _(lake: Lake, key: str, world: World) -> None:
    lake.put_object(Key=key, Body=BODY)
    for _time in range(2):
        assert lake.delete_object(Key=key)["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert lake.refused("get_object", Key=key) == (404, "NoSuchKey")


@behaviour("bulk-delete-quiet", s.BULK)
def _(lake: Lake, key: str, world: World) -> None:
    names = [f"{key}/{number}" for number in range(3)]
    for name in names:
        lake.put_object(Key=name, Body=b"")
    told = lake.delete_objects(Delete={"Objects": [{"Key": name} for name in names], "Quiet": True})
    assert not told.get("Deleted")
    assert not told.get("Errors")
    assert lake.keys(key) == []


@behaviour("checksum-kept", s.INTEGRITY)
def _(lake: Lake, key: str, world: World) -> None:
    import base64

    digest = base64.b64encode(hashlib.sha256(BODY).digest()).decode()
    lake.put_object(Key=key, Body=BODY, ChecksumSHA256=digest)
    assert lake.head_object(Key=key, ChecksumMode="ENABLED")["ChecksumSHA256"] == digest


@behaviour("checksum-refused", s.INTEGRITY)
def _(lake: Lake, key: str, world: World) -> None:
    import base64

    wrong = base64.b64encode(hashlib.sha256(b"other").digest()).decode()
    assert lake.refused("put_object", Key=key, Body=BODY, ChecksumSHA256=wrong) == (400, "BadDigest")
    assert lake.refused("head_object", Key=key)[0] == 404


@behaviour("streamed-with-trailer", s.INTEGRITY)
def _(lake: Lake, key: str, world: World) -> None:
    """What boto3 sends by default for a stream: chunks with a CRC32 after them."""
    import io

    import boto3
    from botocore.config import Config

    s3 = boto3.client(
        "s3",
        endpoint_url=world.connection.endpoint_url,
        region_name=world.connection.region,
        aws_access_key_id=world.user.access_key_id,
        aws_secret_access_key=world.user.secret_access_key,
        config=Config(proxies={}, s3={"addressing_style": "path"}),
    )
    s3.upload_fileobj(io.BytesIO(PART * 2 + b"tail"), lake.bucket, key)
    s3.put_object(Bucket=lake.bucket, Key=f"{key}/small", Body=io.BytesIO(BODY))
    assert lake.read(key) == PART * 2 + b"tail"
    assert s3.get_object(Bucket=lake.bucket, Key=f"{key}/small")["Body"].read() == BODY


@behaviour(
    "presigned-headers", Source(s.api("GetObject", "").url, "response-* overrides the answer's headers")
)
def _(lake: Lake, key: str, world: World) -> None:
    lake.put_object(Key=key, Body=BODY)
    query = "response-content-disposition=attachment%3B%20filename%3Da.csv"
    url = wire.presigned(world, "GET", wire.url_of(world, lake.bucket, key, query))
    answer, body, headers = wire.send("GET", url)
    assert (answer.status, body) == (200, BODY)
    assert headers["content-disposition"] == "attachment; filename=a.csv"


@behaviour("location", api("GetBucketLocation", "us-east-1 is told as null"))
def _(lake: Lake, key: str, world: World) -> None:
    told = lake.get_bucket_location()["LocationConstraint"]
    assert told == (None if world.connection.region == "us-east-1" else world.connection.region)


def _versioned(world: World, key: str) -> tuple[Lake, str]:
    """A bucket of its own, since versioning cannot be taken back; its name begins with the lake's."""
    bucket = f"{world.buckets['lake']}-v{next(world.numbers)}"
    world.admin_s3.create_bucket(Bucket=bucket)
    world.admin_s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    lake = Lake(world)
    lake.s3, lake.bucket = world.admin_s3, bucket
    return lake, key


@behaviour("versions-kept", s.VERSIONING)
def _(lake: Lake, key: str, world: World) -> None:
    lake, key = _versioned(world, key)
    first = lake.put_object(Key=key, Body=b"1")["VersionId"]
    second = lake.put_object(Key=key, Body=b"2")["VersionId"]
    assert (lake.read(key), lake.read(key, VersionId=first)) == (b"2", b"1")
    listed = lake.list_object_versions(Prefix=key)["Versions"]
    assert [(item["VersionId"], item["IsLatest"]) for item in listed] == [(second, True), (first, False)]


@behaviour("delete-marker", s.VERSIONING)
def _(lake: Lake, key: str, world: World) -> None:
    lake, key = _versioned(world, key)
    first = lake.put_object(Key=key, Body=b"1")["VersionId"]
    marker = lake.delete_object(Key=key)
    assert marker["DeleteMarker"] is True
    assert lake.refused("get_object", Key=key) == (404, "NoSuchKey")
    assert lake.keys(key) == []
    assert lake.refused("get_object", Key=key, VersionId=marker["VersionId"])[0] == 405
    assert lake.read(key, VersionId=first) == b"1"
    lake.delete_object(Key=key, VersionId=marker["VersionId"])
    assert lake.read(key) == b"1"


@behaviour("version-deleted", s.VERSIONING)
def _(lake: Lake, key: str, world: World) -> None:
    lake, key = _versioned(world, key)
    first = lake.put_object(Key=key, Body=b"1")["VersionId"]
    second = lake.put_object(Key=key, Body=b"2")["VersionId"]
    lake.delete_object(Key=key, VersionId=second)
    assert lake.read(key) == b"1"
    assert lake.refused("get_object", Key=key, VersionId=second) == (404, "NoSuchVersion")
    assert lake.get_object(Key=key)["VersionId"] == first


@behaviour("versioning-suspended", s.VERSIONING)
def _(lake: Lake, key: str, world: World) -> None:
    lake, key = _versioned(world, key)
    first = lake.put_object(Key=key, Body=b"1")["VersionId"]
    lake.put_bucket_versioning(VersioningConfiguration={"Status": "Suspended"})
    lake.put_object(Key=key, Body=b"2")
    lake.put_object(Key=key, Body=b"3")
    assert lake.read(key) == b"3"
    assert lake.read(key, VersionId=first) == b"1"
    listed = lake.list_object_versions(Prefix=key)["Versions"]
    assert [item["VersionId"] for item in listed] == ["null", first]


@behaviour("copy-of-a-version", api("CopyObject", "a version named in the source is the one that is copied"))
def _(lake: Lake, key: str, world: World) -> None:
    lake, key = _versioned(world, key)
    first = lake.put_object(Key=key, Body=b"1")["VersionId"]
    lake.put_object(Key=key, Body=b"2")
    lake.copy_object(Key=key, CopySource={"Bucket": lake.bucket, "Key": key, "VersionId": first})
    assert lake.read(key) == b"1"


@behaviour("bucket-not-empty-by-versions", api("DeleteBucket", "all versions and markers must be gone first"))
def _(lake: Lake, key: str, world: World) -> None:
    lake, key = _versioned(world, key)
    lake.put_object(Key=key, Body=b"1")
    lake.delete_object(Key=key)
    assert lake.refused("delete_bucket") == (409, "BucketNotEmpty")
