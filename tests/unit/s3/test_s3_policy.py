"""The policy is production's, with the project's names."""

from __future__ import annotations

import json

import pytest

from devenv.s3 import policy

PRODUCTION = """
{"Version": "2012-10-17", "Statement": [
 {"Sid": "S3HabariPublicBucketNameRead", "Action": ["s3:GetObject", "s3:ListBucket"], "Effect": "Allow",
  "Resource": ["arn:aws:s3:::public-bucket-name", "arn:aws:s3:::public-bucket-name/*"]},
 {"Sid": "S3HabariPublicBucketNameWriteKeepFile", "Action": ["s3:*"], "Effect": "Allow",
  "Resource": ["arn:aws:s3:::public-bucket-name/.s3keep"]},
 {"Sid": "S3HabariLakeBucketName", "Action": "s3:*", "Effect": "Allow",
  "Resource": ["arn:aws:s3:::lake-bucket-name", "arn:aws:s3:::lake-bucket-name/*"]},
 {"Sid": "S3HabariNotebookBucketName", "Action": "s3:*", "Effect": "Allow",
  "Resource": ["arn:aws:s3:::notebooks-bucket-name", "arn:aws:s3:::notebooks-bucket-name/*"]}
]}
"""
NAMES = {"public": "public-bucket-name", "lake": "lake-bucket-name", "notebooks": "notebooks-bucket-name"}


def test_the_four_statements_are_productions_own() -> None:
    assert policy.render(**NAMES) == json.loads(PRODUCTION)


def test_a_writable_public_bucket_is_a_statement_more_and_changes_none() -> None:
    writable = policy.render(**NAMES, public_writable=True)["Statement"]
    assert writable[:4] == json.loads(PRODUCTION)["Statement"]
    (added,) = writable[4:]
    assert added["Sid"] == "S3HabariPublicBucketNameWrite"
    assert added["Resource"] == ["arn:aws:s3:::public-bucket-name/*"]
    assert "s3:PutObject" in added["Action"]
    assert not any("*" in action for action in added["Action"])


@pytest.mark.parametrize("public_writable", [False, True])
def test_it_fits_into_an_inline_policy_with_the_longest_names(public_writable: bool) -> None:
    longest = {role: role[0] * 63 for role in NAMES}
    text = policy.as_json(policy.render(**longest, public_writable=public_writable))
    assert len(text) <= 2048
    assert json.loads(text) == policy.render(**longest, public_writable=public_writable)
