"""The seed policy's truth table: every S3 call a notebook can make, on every bucket, and AWS's answer.

A row that AWS does not document is ``observed``: it is shown and not counted.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from contract.s3 import calls as c
from contract.s3 import sources as s
from contract.s3.sources import Source, needs
from contract.s3.world import BODY, Answer
from devenv.s3.provider import KeyPair

ALLOW = Answer(200)  # any 2xx
DENY = Answer(403, "AccessDenied")
DENY_HEAD = Answer(403)
NO_KEY = Answer(404, "NoSuchKey")
REFUSED = Answer(403, "*")  # AWS names the status and no code
BAD_SIGNATURE = Answer(403, "SignatureDoesNotMatch")
UNKNOWN_KEY = Answer(403, "InvalidAccessKeyId")

WRONG_SECRET = KeyPair("", "wrong-secret-wrong-secret-wrong-secret-00")
STRANGER = KeyPair("AKIASTRANGERSTRANGER", "wrong-secret-wrong-secret-wrong-secret-00")


@dataclass(frozen=True)
class Row:
    """One call, its answer and who says so. ``key``: an asterisk becomes a key of the row's own;
    ``put``: whether the administrator puts an object there first, or sees to it that there is none."""

    id: str
    call: c.Call
    bucket: str
    key: str
    expect: Answer
    source: Source
    observed: bool = False
    put: bool = True


# Calls on one object: what they need, and whether public's read statement gives it.
READS = {
    "get": (c.user("get_object"), needs("GetObject", "s3:GetObject")),
    "get-range": (c.user("get_object", Range="bytes=2-5"), needs("GetObject", "s3:GetObject")),
    "copy-from": (c.copy_from, needs("CopyObject", "s3:GetObject on the source")),
    "part-copy-from": (c.part_copy_from, needs("UploadPartCopy", "s3:GetObject on the source")),
    "link-get": (c.link("GET"), s.PRESIGNED),
    "link-v2-get": (c.link("GET", version=2), s.SIGV2),
    "header-v2-get": (c.header("GET", version=2), s.SIGV2),
}
READS_BY_HEAD = {
    "head": (c.user("head_object"), needs("HeadObject", "s3:GetObject")),
    "link-head": (c.link("HEAD"), s.PRESIGNED),
}
TAGS = {"TagSet": [{"Key": "colour", "Value": "red"}]}
OTHERS = {
    "put": (c.user("put_object", Body=BODY), needs("PutObject", "s3:PutObject")),
    "put-tagged": (
        c.user("put_object", Body=BODY, Tagging="colour=red"),
        needs("PutObject", "s3:PutObject", "s3:PutObjectTagging"),
    ),
    "put-new-only": (
        c.user("put_object", Body=BODY, IfNoneMatch="*"),
        needs("PutObject", "s3:PutObject"),
    ),
    "delete": (c.user("delete_object"), needs("DeleteObject", "s3:DeleteObject")),
    "delete-version": (
        c.user("delete_object", VersionId="null"),
        needs("DeleteObject", "s3:DeleteObjectVersion"),
    ),
    "get-version": (
        c.user("get_object", VersionId="null"),
        needs("GetObject", "s3:GetObjectVersion when a version is named"),
    ),
    "copy-version-from": (
        c.copy_version_from,
        needs("CopyObject", "s3:GetObjectVersion on the source when a version is named"),
    ),
    "get-attributes": (
        c.user("get_object_attributes", ObjectAttributes=["ETag"]),
        needs("GetObjectAttributes", "s3:GetObject", "s3:GetObjectAttributes"),
    ),
    "get-acl": (c.user("get_object_acl"), needs("GetObjectAcl", "s3:GetObjectAcl")),
    "get-tags": (c.user("get_object_tagging"), needs("GetObjectTagging", "s3:GetObjectTagging")),
    "put-tags": (
        c.user("put_object_tagging", Tagging=TAGS),
        needs("PutObjectTagging", "s3:PutObjectTagging"),
    ),
    "delete-tags": (
        c.user("delete_object_tagging"),
        needs("DeleteObjectTagging", "s3:DeleteObjectTagging"),
    ),
    "copy-onto": (c.copy_onto, needs("CopyObject", "s3:PutObject on the destination")),
    "copy-onto-itself": (c.copy_onto_itself, needs("CopyObject", "s3:PutObject on the destination")),
    "multipart-create": (c.user("create_multipart_upload"), s.MULTIPART),
    "multipart-part": (c.upload_part, s.MULTIPART),
    "multipart-list-parts": (c.list_parts, s.MULTIPART),
    "multipart-complete": (c.complete, s.MULTIPART),
    "multipart-abort": (c.abort, s.MULTIPART),
    "part-copy-onto": (c.part_copy_onto, needs("UploadPartCopy", "s3:PutObject on the destination")),
    "link-put": (c.link("PUT"), s.PRESIGNED),
    "link-delete": (c.link("DELETE"), s.PRESIGNED),
    "link-v2-put": (c.link("PUT", version=2), s.SIGV2),
    "link-v2-delete": (c.link("DELETE", version=2), s.SIGV2),
    "header-v2-put": (c.header("PUT", version=2), s.SIGV2),
    "form": (c.form(), s.POST_FORM),
}

EVERYTHING, READ, NOTHING = "everything", "read", "nothing"
# Where, and which of the calls above the four statements give.
PLACES = {
    "lake": ("lake", "*", EVERYTHING),
    "notebooks": ("notebooks", "*", EVERYTHING),
    "lake/.s3keep": ("lake", ".s3keep", EVERYTHING),
    "public": ("public", "*", READ),
    "public/.s3keep": ("public", ".s3keep", EVERYTHING),
    "other": ("other", "*", NOTHING),
    "lake2": ("lake2", "*", NOTHING),
}


def object_rows() -> Iterator[Row]:
    for place, (bucket, key, rights) in PLACES.items():
        for name, (call, source) in READS.items():
            yield Row(f"{name} {place}", call, bucket, key, DENY if rights == NOTHING else ALLOW, source)
        for name, (call, source) in READS_BY_HEAD.items():
            expect = DENY_HEAD if rights == NOTHING else ALLOW
            yield Row(f"{name} {place}", call, bucket, key, expect, source)
        for name, (call, source) in OTHERS.items():
            expect = ALLOW if rights == EVERYTHING else DENY
            yield Row(f"{name} {place}", call, bucket, key, expect, source, put=name != "put-new-only")
        told = "Deleted" if rights == EVERYTHING else "AccessDenied"
        yield Row(f"bulk-delete {place}", c.bulk_delete, bucket, key, Answer(200, told), s.BULK)
    for bucket, told in (("lake", "Deleted,Deleted"), ("public", "Deleted,AccessDenied")):
        yield Row(f"bulk-delete-mixed {bucket}", c.bulk_delete_mixed, bucket, "*", Answer(200, told), s.BULK)
    yield Row(
        "bulk-delete-mixed other",
        c.bulk_delete_mixed,
        "other",
        "*",
        Answer(200, "AccessDenied,AccessDenied"),
        s.BULK,
    )


def missing_key_rows() -> Iterator[Row]:
    for place, (bucket, key, rights) in PLACES.items():
        if rights == NOTHING:
            key_404, head_404 = DENY, DENY_HEAD
        else:
            key_404, head_404 = NO_KEY, Answer(404)
        get, head = READS["get"][0], READS_BY_HEAD["head"][0]
        missing = key.replace("*", "*.missing")
        yield Row(f"get-missing {place}", get, bucket, missing, key_404, s.GET_MISSING, put=False)
        yield Row(f"head-missing {place}", head, bucket, missing, head_404, s.GET_MISSING, put=False)
        yield Row(
            f"link-get-missing {place}", c.link("GET"), bucket, missing, key_404, s.GET_MISSING, put=False
        )
    yield Row(
        "delete-missing lake", c.user("delete_object"), "lake", "*", ALLOW, s.api("DeleteObject", "204"),
        put=False,
    )  # fmt: skip
    yield Row("copy-from-missing lake", c.copy_from, "lake", "*.missing", NO_KEY, s.GET_MISSING, put=False)
    yield Row("copy-from-missing other", c.copy_from, "other", "*.missing", DENY, s.GET_MISSING, put=False)


# Keys that look like .s3keep and are not, and keys that need care on the way.
TRAPS = (
    "xs3keep",
    "-s3keep",
    ".s3keep/x",
    ".s3keep/",
    "a/.s3keep",
    ".s3keep2",
    "s3keep",
    ".S3KEEP",
    ".s3kee",
    ".s3keep//",
    "/.s3keep",
    "/",
    "%2Es3keep",
    ".s3keep%2F",
    "./.s3keep",
)
# What AWS reads as bucket and key in x-amz-copy-source.
SOURCE_SPELLINGS = {
    "plain": "{bucket}/{key}",
    "slash": "/{bucket}/{key}",
    "encoded": "{bucket}%2F{key}",
}
ODD_KEYS = {
    "space": "* a b.txt",
    "hash": "*#1.txt",
    "percent": "*%41%2F.txt",
    "plus": "*+1.txt",
    "question": "*?versionId=1",
    "umlaut": "*-é-日本.txt",
    "emoji": "*-🌍.txt",
    "quote": "*'\"<&>.txt",
    "wildcards": "*-[a]*?.txt".replace("*?", "\\*?"),
    "slashes": "*//x///y",
    "long": "*" + "k" * 200,
    "equals": "year=2026/*=1&b;c:d@e,f$g!h(i)~j.txt",
}


def boundary_rows() -> Iterator[Row]:
    for key in TRAPS:
        for name in ("put", "delete", "put-tags", "copy-onto", "link-put", "form", "multipart-create"):
            yield Row(f"{name} public/{key}", OTHERS[name][0], "public", key, DENY, s.RESOURCE)
        bulk = Answer(200, "AccessDenied")
        yield Row(f"bulk-delete public/{key}", c.bulk_delete, "public", key, bulk, s.BULK)
        yield Row(f"get public/{key}", READS["get"][0], "public", key, ALLOW, s.RESOURCE)
    for name, key in ODD_KEYS.items():
        for call in ("put", "delete", "put-tags", "copy-onto", "link-put", "form", "multipart-complete"):
            yield Row(f"{call} lake odd-{name}", OTHERS[call][0], "lake", key, ALLOW, s.KEYS)
            yield Row(f"{call} public odd-{name}", OTHERS[call][0], "public", key, DENY, s.RESOURCE)
        for call in ("get", "copy-from", "link-get", "link-v2-get"):
            for bucket, expect in (("lake", ALLOW), ("public", ALLOW), ("other", DENY)):
                yield Row(f"{call} {bucket} odd-{name}", READS[call][0], bucket, key, expect, s.KEYS)
        yield Row(f"bulk-delete lake odd-{name}", c.bulk_delete, "lake", key, Answer(200, "Deleted"), s.KEYS)
    for method in ("PUT", "DELETE"):
        by_query = c.disguised(method, "Action=GetObject")
        by_header = c.disguised(method, headers={"x-amz-target": "S3.GetObject"})
        yield Row(f"disguised-by-query-{method} public", by_query, "public", "*", DENY, s.PERMISSIONS)
        yield Row(f"disguised-by-header-{method} public", by_header, "public", "*", DENY, s.PERMISSIONS)
    yield Row("hidden-copy other", c.hidden_copy, "other", "*", DENY, s.PERMISSIONS)
    for row_id, hidden in (("hidden-upload public", c.hidden_upload), ("hidden-part other", c.hidden_part)):
        yield Row(row_id, hidden, row_id.split()[1], "*", DENY, s.PERMISSIONS)
    for name, spelling in SOURCE_SPELLINGS.items():
        for bucket, expect in (("lake", ALLOW), ("public", ALLOW), ("other", DENY)):
            copy = c.copy_spelled(spelling)
            source = needs("CopyObject", "s3:GetObject on the source")
            yield Row(f"copy-spelled-{name} {bucket}", copy, bucket, "*", expect, source)
    for bucket, key in (("public", "*"), ("public", ".s3keep/"), ("public", "/.s3keep"), ("other", "*")):
        for method in ("PUT", "DELETE"):
            call = c.by_host(method, body=BODY if method == "PUT" else b"")
            yield Row(f"by-host-{method} {bucket}/{key}", call, bucket, key, REFUSED, s.RESOURCE)
    yield Row("raw-put public//.s3keep", c.double_slash, "public", ".s3keep", DENY, s.KEYS)
    yield Row("raw-put lake//x", c.double_slash, "lake", "x", ALLOW, s.KEYS)
    yield Row("put public/x/../.s3keep", c.dot_segments, "public", ".s3keep", DENY, s.KEYS, observed=True)


def _policy_for(action: str) -> str:
    statement = {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::000000000000:root"}, "Action": action}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


CORS = {"CORSRules": [{"AllowedMethods": ["GET"], "AllowedOrigins": ["http://localhost:8000"]}]}
LIFECYCLE = {
    "Rules": [{"ID": "old", "Status": "Enabled", "Filter": {"Prefix": "tmp/"}, "Expiration": {"Days": 9}}]
}
ENCRYPTION = {"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]}
BLOCK = {
    "BlockPublicAcls": True,
    "IgnorePublicAcls": True,
    "BlockPublicPolicy": True,
    "RestrictPublicBuckets": True,
}


def _answers(code: str, status: int = 404) -> Answer:
    return Answer(status, code)


# name → call, AWS's answer where it is allowed, source. Getters of a setting come before its setter.
LISTS = {
    "list": (c.user("list_objects_v2"), ALLOW, needs("ListObjectsV2", "s3:ListBucket")),
    "list-v1": (c.user("list_objects"), ALLOW, needs("ListObjects", "s3:ListBucket")),
    "list-prefix": (
        c.user("list_objects_v2", Prefix="a/", Delimiter="/"),
        ALLOW,
        needs("ListObjectsV2", "s3:ListBucket"),
    ),
    "list-s3keep-prefix": (
        c.user("list_objects_v2", Prefix=".s3keep"),
        ALLOW,
        needs("ListObjectsV2", "s3:ListBucket"),
    ),
    "link-list": (c.link("GET"), ALLOW, s.PRESIGNED),
}
BUCKET_CALLS = {
    "list-versions": (
        c.user("list_object_versions"),
        ALLOW,
        needs("ListObjectVersions", "s3:ListBucketVersions"),
    ),
    "list-uploads": (c.user("list_multipart_uploads"), ALLOW, s.MULTIPART),
    "get-location": (c.user("get_bucket_location"), ALLOW, s.PERMISSIONS),
    "get-versioning": (c.user("get_bucket_versioning"), ALLOW, s.PERMISSIONS),
    "put-versioning": (
        c.user("put_bucket_versioning", VersioningConfiguration={"Status": "Suspended"}),
        ALLOW,
        s.PERMISSIONS,
    ),
    "get-tagging": (
        c.user("get_bucket_tagging"),
        _answers("NoSuchTagSet"),
        needs("GetBucketTagging", "s3:GetBucketTagging"),
    ),
    "put-tagging": (
        c.user("put_bucket_tagging", Tagging=TAGS),
        ALLOW,
        needs("PutBucketTagging", "s3:PutBucketTagging"),
    ),
    "delete-tagging": (
        c.user("delete_bucket_tagging"),
        ALLOW,
        needs("DeleteBucketTagging", "s3:PutBucketTagging"),
    ),
    "get-policy": (
        c.user("get_bucket_policy"),
        _answers("NoSuchBucketPolicy"),
        needs("GetBucketPolicy", "s3:GetBucketPolicy"),
    ),
    "delete-policy": (
        c.user("delete_bucket_policy"),
        ALLOW,
        needs("DeleteBucketPolicy", "s3:DeleteBucketPolicy"),
    ),
    "get-cors": (
        c.user("get_bucket_cors"),
        _answers("NoSuchCORSConfiguration"),
        needs("GetBucketCors", "s3:GetBucketCORS"),
    ),
    "put-cors": (
        c.user("put_bucket_cors", CORSConfiguration=CORS),
        ALLOW,
        needs("PutBucketCors", "s3:PutBucketCORS"),
    ),
    "delete-cors": (c.user("delete_bucket_cors"), ALLOW, needs("DeleteBucketCors", "s3:PutBucketCORS")),
    "get-lifecycle": (
        c.user("get_bucket_lifecycle_configuration"),
        _answers("NoSuchLifecycleConfiguration"),
        needs("GetBucketLifecycleConfiguration", "s3:GetLifecycleConfiguration"),
    ),
    "put-lifecycle": (
        c.user("put_bucket_lifecycle_configuration", LifecycleConfiguration=LIFECYCLE),
        ALLOW,
        needs("PutBucketLifecycleConfiguration", "s3:PutLifecycleConfiguration"),
    ),
    "delete-lifecycle": (
        c.user("delete_bucket_lifecycle"),
        ALLOW,
        needs("DeleteBucketLifecycle", "s3:PutLifecycleConfiguration"),
    ),
    "put-encryption": (
        c.user("put_bucket_encryption", ServerSideEncryptionConfiguration=ENCRYPTION),
        ALLOW,
        needs("PutBucketEncryption", "s3:PutEncryptionConfiguration"),
    ),
    "get-encryption": (
        c.user("get_bucket_encryption"),
        ALLOW,
        needs("GetBucketEncryption", "s3:GetEncryptionConfiguration"),
    ),
    "put-public-access-block": (
        c.user("put_public_access_block", PublicAccessBlockConfiguration=BLOCK),
        ALLOW,
        needs("PutPublicAccessBlock", "s3:PutBucketPublicAccessBlock"),
    ),
    "get-public-access-block": (
        c.user("get_public_access_block"),
        ALLOW,
        needs("GetPublicAccessBlock", "s3:GetBucketPublicAccessBlock"),
    ),
    "get-acl": (c.user("get_bucket_acl"), ALLOW, s.PERMISSIONS),
    "put-acl": (
        c.user("put_bucket_acl", GrantRead='id="0"'),
        Answer(400, "AccessControlListNotSupported"),
        s.ACL_DISABLED,
    ),
    "get-website": (c.user("get_bucket_website"), _answers("NoSuchWebsiteConfiguration"), s.ERRORS),
    "get-notification": (c.user("get_bucket_notification_configuration"), ALLOW, s.PERMISSIONS),
    "get-logging": (c.user("get_bucket_logging"), ALLOW, s.PERMISSIONS),
    "delete-bucket": (
        c.user("delete_bucket"),
        Answer(409, "BucketNotEmpty"),
        needs("DeleteBucket", "s3:DeleteBucket"),
    ),
}


def bucket_rows() -> Iterator[Row]:
    at = partial(Row, key="")
    for bucket in ("lake", "notebooks", "public", "other", "lake2"):
        full, lists = bucket in ("lake", "notebooks"), bucket in ("lake", "notebooks", "public")
        for name, (call, allowed, source) in LISTS.items():
            yield at(f"{name} {bucket}", call, bucket, expect=allowed if lists else DENY, source=source)
        head = ALLOW if lists else DENY_HEAD
        yield at(f"head {bucket}/", c.user("head_bucket"), bucket, expect=head, source=s.HEAD_BUCKET)
        for name, (call, allowed, source) in BUCKET_CALLS.items():
            row_name = f"bucket-{name} {bucket}"
            yield at(row_name, call, bucket, expect=allowed if full else DENY, source=source)
    for bucket in ("public", "other", "lake2"):
        policy = c.user("put_bucket_policy", Policy=_policy_for("s3:*"))
        source = needs("PutBucketPolicy", "s3:PutBucketPolicy")
        yield at(f"bucket-put-policy {bucket}", policy, bucket, expect=DENY, source=source)
    create = c.user("create_bucket")
    made = needs("CreateBucket", "s3:CreateBucket")
    yield at("create fresh", create, "fresh", expect=DENY, source=made)
    yield at("create other", create, "other", expect=DENY, source=made, observed=True)
    yield at("create lake", create, "lake", expect=ALLOW, source=s.ERRORS)
    yield at("list-buckets", c.list_buckets, "lake", expect=DENY, source=s.LIST_BUCKETS)


def missing_bucket_rows() -> Iterator[Row]:
    no_bucket = Answer(404, "NoSuchBucket")
    for name, call in (
        ("get", c.user("get_object")),
        ("put", c.user("put_object", Body=BODY)),
        ("copy-from", c.copy_from),
        ("link-get", c.link("GET")),
    ):
        yield Row(f"{name} missing", call, "missing", "*", DENY, s.ERRORS, observed=True, put=False)
    for name, call in (("list", c.user("list_objects_v2")), ("get-location", c.user("get_bucket_location"))):
        yield Row(f"{name} missing", call, "missing", "", DENY, s.ERRORS, observed=True)
    head = c.user("head_bucket")
    yield Row("head missing/", head, "missing", "", DENY_HEAD, s.HEAD_BUCKET, observed=True)
    for name, call, key in (
        ("get", c.admin("get_object"), "*"),
        ("put", c.admin("put_object", Body=BODY), "*"),
        ("delete", c.admin("delete_object"), "*"),
        ("list", c.admin("list_objects_v2"), ""),
        ("get-location", c.admin("get_bucket_location"), ""),
        ("delete-bucket", c.admin("delete_bucket"), ""),
        ("multipart-create", c.admin("create_multipart_upload"), "*"),
    ):
        yield Row(f"admin {name} missing", call, "missing", key, no_bucket, s.ERRORS, put=False)
    admin_head = c.admin("head_bucket")
    yield Row("admin head missing/", admin_head, "missing", "", Answer(404), s.HEAD_BUCKET)


def signature_rows() -> Iterator[Row]:
    at = partial(Row, bucket="lake", key="*")
    v4, v2 = s.SIGV4_HEADER, s.SIGV2
    query = s.SIGV4_QUERY
    unknown = s.ERRORS
    test, account = KeyPair("test", "test"), KeyPair("123456789012", "test")

    yield at("header wrong-secret", c.header("GET", key=WRONG_SECRET), expect=BAD_SIGNATURE, source=v4)
    yield at("header-put wrong-secret", c.header("PUT", key=WRONG_SECRET), expect=BAD_SIGNATURE, source=v4)
    yield at(
        "header-v2 wrong-secret",
        c.header("GET", key=WRONG_SECRET, version=2),
        expect=BAD_SIGNATURE,
        source=v2,
    )
    for name, key in (("stranger", STRANGER), ("test", test), ("account", account)):
        for version in (4, 2):
            mark = "" if version == 4 else "-v2"
            header = c.header("GET", key=key, version=version)
            put = c.header("PUT", key=key, version=version)
            link = c.link_of(key, version=version)
            yield at(f"header{mark} {name}-key", header, expect=UNKNOWN_KEY, source=unknown)
            yield at(f"header-put{mark} {name}-key", put, expect=UNKNOWN_KEY, source=unknown)
            yield at(f"link{mark} {name}-key", link, expect=UNKNOWN_KEY, source=unknown)
        yield at(f"form {name}-key", c.form(key=key), expect=UNKNOWN_KEY, source=unknown)
    skewed = Answer(403, "RequestTimeTooSkewed")
    yield at("header clock-behind", c.header_at("GET", -3600), expect=skewed, source=s.ERRORS)
    yield at("header clock-ahead", c.header_at("GET", 3600), expect=skewed, source=s.ERRORS)
    yield at(
        "put other-body", c.other_body, expect=_answers("XAmzContentSHA256Mismatch", 400), source=s.ERRORS
    )
    yield at("put wrong-md5", c.wrong_md5, expect=_answers("BadDigest", 400), source=s.ERRORS)

    yield at("link wrong-secret", c.link_of(WRONG_SECRET), expect=BAD_SIGNATURE, source=query)
    yield at("link-v2 wrong-secret", c.link_of(WRONG_SECRET, version=2), expect=BAD_SIGNATURE, source=v2)
    yield at("link expired", c.link_of_yesterday, expect=REFUSED, source=s.PRESIGNED)
    yield at("link-v2 expired", c.link("GET", expires=-60, version=2), expect=REFUSED, source=v2)
    yield at("link-v2 lengthened", c.link("GET", version=2, bend=c.later), expect=BAD_SIGNATURE, source=v2)
    yield at("link lengthened", c.link("GET", bend=c.longer), expect=BAD_SIGNATURE, source=query)
    yield at(
        "link too-long",
        c.link("GET", expires=8 * 24 * 3600),
        expect=Answer(400, "AuthorizationQueryParametersError"),
        source=s.ERRORS,
    )
    yield at("link other-key", c.link_into("reports/secret.csv"), expect=BAD_SIGNATURE, source=query)
    for method, signed_as in (("PUT", "GET"), ("DELETE", "GET"), ("GET", "PUT")):
        yield at(
            f"link {signed_as}-used-to-{method}",
            c.link(method, signed_as=signed_as),
            expect=BAD_SIGNATURE,
            source=query,
        )
        yield at(
            f"link-v2 {signed_as}-used-to-{method}",
            c.link(method, signed_as=signed_as, version=2),
            expect=BAD_SIGNATURE,
            source=v2,
        )

    yield at("form wrong-secret", c.form(key=WRONG_SECRET), expect=BAD_SIGNATURE, source=s.POST_FORM)
    yield at("form tampered", c.form(tamper=True), expect=BAD_SIGNATURE, source=s.POST_FORM)
    yield at("form expired", c.form(expires=-60), expect=REFUSED, source=s.POST_FORM)
    extra = c.form(extra={"x-amz-meta-colour": "red"})
    yield at("form extra-field", extra, expect=REFUSED, source=s.POST_FORM)
    too_large = Answer(400, "EntityTooLarge")
    yield at("form too-large", c.form(at_most=4), expect=too_large, source=s.ERRORS)
    yield at("form in-size", c.form(at_most=4000), expect=ALLOW, source=s.POST_FORM)
    yield at("form other-key", c.form(key_condition="only/this"), expect=REFUSED, source=s.POST_FORM)
    for bucket in ("lake", "public"):
        yield Row(f"form unsigned {bucket}", c.form(unsigned=True), bucket, "*", DENY, s.NOT_PUBLIC)


def anonymous_rows() -> Iterator[Row]:
    for bucket, key in (("lake", "*"), ("public", "*"), ("public", ".s3keep")):
        where = f"{bucket}/{key}".removesuffix("/*")
        for method in ("GET", "PUT", "DELETE"):
            yield Row(f"anonymous-{method} {where}", c.anonymous(method), bucket, key, DENY, s.NOT_PUBLIC)
        head = c.anonymous("HEAD")
        yield Row(f"anonymous-HEAD {where}", head, bucket, key, DENY_HEAD, s.NOT_PUBLIC)
    for bucket in ("lake", "public"):
        listing = c.anonymous("GET", "list-type=2")
        yield Row(f"anonymous-list {bucket}", listing, bucket, "", DENY, s.NOT_PUBLIC)
        bulk = c.anonymous("POST", "delete", b"<Delete><Object><Key>a</Key></Object></Delete>")
        row_id = f"anonymous-bulk-delete {bucket}"
        yield Row(row_id, bulk, bucket, "", DENY, s.NOT_PUBLIC, observed=True)


def account_rows() -> Iterator[Row]:
    at = partial(Row, bucket="lake", key="", put=False)
    policy = json.dumps(
        {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
    )
    for name, call in (
        ("list-users", c.iam("list_users")),
        ("get-user", c.iam("get_user", UserName="SELF")),
        ("create-user", c.iam("create_user", UserName="mallory")),
        ("list-access-keys", c.iam("list_access_keys", UserName="SELF")),
        ("create-access-key", c.iam("create_access_key", UserName="SELF")),
        ("get-user-policy", c.iam("get_user_policy", UserName="SELF", PolicyName="habari-project")),
        ("put-user-policy", c.iam("put_user_policy", UserName="SELF", PolicyName="p", PolicyDocument=policy)),
        (
            "attach-user-policy",
            c.iam(
                "attach_user_policy", UserName="SELF", PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess"
            ),
        ),
        ("delete-user-policy", c.iam("delete_user_policy", UserName="SELF", PolicyName="habari-project")),
        ("create-role", c.iam("create_role", RoleName="r", AssumeRolePolicyDocument=policy)),
    ):
        yield at(f"iam {name}", call, expect=DENY, source=s.IAM_DENIED)
    wrong = c.iam_signed_by(WRONG_SECRET)
    yield at("iam wrong-secret", wrong, expect=BAD_SIGNATURE, source=s.IAM_ERRORS, observed=True)
    invalid = Answer(403, "InvalidClientTokenId")
    yield at("iam stranger-key", c.iam_signed_by(STRANGER), expect=invalid, source=s.IAM_ERRORS)
    yield at("iam test-key", c.iam_signed_by(KeyPair("test", "test")), expect=invalid, source=s.IAM_ERRORS)
    yield at("sts get-caller-identity", c.sts("get_caller_identity"), expect=ALLOW, source=s.STS_IDENTITY)
    assume = c.sts("assume_role", RoleArn="arn:aws:iam::000000000000:role/admin", RoleSessionName="session")
    yield at("sts assume-role", assume, expect=DENY, source=s.STS_ASSUME)
    yield at("sts get-session-token", c.sts("get_session_token"), expect=ALLOW, source=s.STS_SESSION)
    for name, bucket, expect in (
        ("get_object", "lake", ALLOW),
        ("put_object", "lake", ALLOW),
        ("put_object", "public", DENY),
        ("get_object", "other", DENY),
    ):
        row_id = f"session {name.removesuffix('_object')} {bucket}"
        yield Row(row_id, c.session(name), bucket, "*", expect, s.STS_SESSION)


ROWS: tuple[Row, ...] = (
    *object_rows(),
    *missing_key_rows(),
    *boundary_rows(),
    *signature_rows(),
    *anonymous_rows(),
    *missing_bucket_rows(),
    *account_rows(),
    *bucket_rows(),
)
