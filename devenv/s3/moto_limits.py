"""What moto gets wrong: each departure with the rows of the contract suite that show it."""

from __future__ import annotations

from devenv.s3.provider import Limit

LIMITS: tuple[Limit, ...] = (
    Limit(
        "temporary credentials of GetSessionToken are refused",
        ("session get lake", "session put lake", "session put public", "session get other"),
    ),
    Limit(
        "an ACL is accepted, where AWS refuses it on buckets since 2023",
        (
            "bucket-put-acl lake",
            "bucket-put-acl notebooks",
        ),
    ),
    Limit(
        "a request that hides what it does behind a second query word is judged by the first",
        ("hidden-upload public", "hidden-part other"),
    ),
    Limit("CompleteMultipartUpload takes parts in any order", ("multipart-out-of-order",)),
    Limit("a part for an aborted upload is not answered with NoSuchUpload", ("multipart-aborted",)),
    Limit("GetObject with PartNumber does not tell the part", ("part-number",)),
    Limit("CopySourceIfMatch is ignored", ("copy-condition",)),
    Limit("DeleteObjects tells deleted keys although Quiet is asked for", ("bulk-delete-quiet",)),
    Limit("checksums are neither kept nor verified", ("checksum-kept", "checksum-refused")),
    Limit("a delete marker read by its version is not answered with a 405", ("delete-marker",)),
    Limit("old versions are lost when versioning is suspended", ("versioning-suspended",)),
)
