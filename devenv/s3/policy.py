"""The IAM policy of a project's user.

The four statements are production's own, with the same Sids, order, actions and resources; only the
bucket names are the project's.
"""

from __future__ import annotations

import json
from typing import Any

PUBLIC_WRITE_ACTIONS = (
    "s3:PutObject",
    "s3:PutObjectTagging",
    "s3:DeleteObject",
    "s3:AbortMultipartUpload",
    "s3:ListMultipartUploadParts",
)


def render(*, public: str, lake: str, notebooks: str, public_writable: bool = False) -> dict[str, Any]:
    """The policy document for three bucket names.

    ``public_writable`` leaves the four statements as they are and appends a fifth,
    ``S3HabariPublicBucketNameWrite``: put and delete objects in the public bucket, in parts too. It does not
    grant ``s3:*``, since that bucket is shared with other projects: nobody may delete or re-configure it.
    """
    statements: list[dict[str, Any]] = [
        {
            "Sid": "S3HabariPublicBucketNameRead",
            "Action": ["s3:GetObject", "s3:ListBucket"],
            "Effect": "Allow",
            "Resource": [_bucket(public), _objects(public)],
        },
        {
            "Sid": "S3HabariPublicBucketNameWriteKeepFile",
            "Action": ["s3:*"],
            "Effect": "Allow",
            "Resource": [f"{_bucket(public)}/.s3keep"],
        },
        _everything("S3HabariLakeBucketName", lake),
        _everything("S3HabariNotebookBucketName", notebooks),
    ]
    if public_writable:
        statements.append(
            {
                "Sid": "S3HabariPublicBucketNameWrite",
                "Action": list(PUBLIC_WRITE_ACTIONS),
                "Effect": "Allow",
                "Resource": [_objects(public)],
            }
        )
    return {"Version": "2012-10-17", "Statement": statements}


def as_json(document: dict[str, Any]) -> str:
    """The document as IAM takes it: compact, since inline policies of a user are limited to 2,048 characters.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
    """
    return json.dumps(document, separators=(",", ":"))


def _everything(sid: str, bucket: str) -> dict[str, Any]:
    return {
        "Sid": sid,
        "Action": "s3:*",
        "Effect": "Allow",
        "Resource": [_bucket(bucket), _objects(bucket)],
    }


def _bucket(name: str) -> str:
    return f"arn:aws:s3:::{name}"


def _objects(name: str) -> str:
    return f"{_bucket(name)}/*"
