"""What MinIO answers otherwise than AWS: each departure with the rows of the contract suite that show it.

Seen with the version that ``images/minio/Dockerfile`` names.
"""

from __future__ import annotations

from devenv.s3.provider import Limit

_WRITES = ("put", "put-tags", "copy-onto", "link-put", "form", "multipart-create", "bulk-delete", "delete")
_READS = ("get", "copy-from", "link-get", "link-v2-get")
_BOTH = ("lake", "notebooks")


def _each(calls: tuple[str, ...], *places: str) -> tuple[str, ...]:
    return tuple(f"{call} {place}" for call in calls for place in places)


LIMITS: tuple[Limit, ...] = (
    Limit(
        "a key is cleaned as a path is before the policy is asked: /.s3keep and .s3keep/ are .s3keep there",
        (
            *_each(_WRITES, "public/.s3keep/", "public//.s3keep"),
            "raw-put public//.s3keep",
            *_each(("by-host-PUT", "by-host-DELETE"), "public/.s3keep/", "public//.s3keep"),
        ),
    ),
    Limit(
        "keys with empty parts, or a part that is one or two dots, are refused",
        (
            "keys-with-slashes",
            *_each((*_WRITES, "get"), "public/.s3keep//", "public//", "public/./.s3keep"),
            *_each(_WRITES[:5], "lake odd-slashes", "public odd-slashes"),
            *_each(("multipart-complete", "delete"), "lake odd-slashes", "public odd-slashes"),
            "bulk-delete lake odd-slashes",
            *_each(_READS, "lake odd-slashes", "public odd-slashes", "other odd-slashes"),
        ),
    ),
    Limit(
        "GetObject and ListBucket allow what is about versions: the public bucket's old ones can be read",
        ("get-version public", "copy-version-from public", "bucket-list-versions public"),
    ),
    Limit("ListBuckets tells the buckets that a user may list, without ListAllMyBuckets", ("list-buckets",)),
    Limit("AssumeRole gives any user a session with the user's own rights", ("sts assume-role",)),
    Limit(
        "STS has neither GetSessionToken nor GetCallerIdentity",
        (
            "sts get-caller-identity",
            "sts get-session-token",
            *_each(("session get",), "lake", "other"),
            *_each(("session put",), "lake", "public"),
        ),
    ),
    Limit(
        "there is no IAM API of AWS's: every call of it is a 400",
        (
            *_each(("iam",), "list-users", "get-user", "create-user", "create-role"),
            *_each(("iam",), "list-access-keys", "create-access-key"),
            *_each(
                ("iam",), "get-user-policy", "put-user-policy", "attach-user-policy", "delete-user-policy"
            ),
            *_each(("iam",), "wrong-secret", "stranger-key", "test-key"),
        ),
    ),
    Limit(
        "a bucket has no public access block of its own",
        _each(
            ("bucket-put-public-access-block", "bucket-get-public-access-block"),
            *(*_BOTH, "public", "other", "lake2"),
        ),
    ),
    Limit("a bucket has no CORS rules of its own", _each(("bucket-put-cors", "bucket-delete-cors"), *_BOTH)),
    Limit(
        "a bucket is encrypted only with a key server",
        _each(("bucket-put-encryption", "bucket-get-encryption"), *_BOTH),
    ),
    Limit("the ACL of a bucket is refused as XML that it does not read", _each(("bucket-put-acl",), *_BOTH)),
    Limit("GetObjectAcl is for the owner alone", ("get-acl public/.s3keep",)),
    Limit("a bucket that is one's own already is a 409 in us-east-1 too", ("create lake",)),
    Limit("a bucket in us-east-1 has a location", ("location",)),
    Limit("a form without a signature is a 400, not a 403", _each(("form unsigned",), "lake", "public")),
    Limit(
        "keys of which one is the other's folder are not listed in the order of their bytes",
        ("key-and-folder", "list-order"),
    ),
    Limit("metadata in plain UTF-8 is refused", ("metadata-utf8",)),
    Limit("a tag's value has ASCII letters alone", ("tags",)),
    Limit("a wrong checksum of the SDK's is refused by another code than BadDigest", ("checksum-refused",)),
    Limit("a write that a condition refuses does not name it", ("refused-condition",)),
)
