"""The AWS pages the expectations come from, each with what it says in our words."""

from __future__ import annotations

from dataclasses import dataclass

S3_API = "https://docs.aws.amazon.com/AmazonS3/latest/API"
S3_GUIDE = "https://docs.aws.amazon.com/AmazonS3/latest/userguide"
IAM_GUIDE = "https://docs.aws.amazon.com/IAM/latest/UserGuide"


@dataclass(frozen=True)
class Source:
    url: str
    says: str


def api(operation: str, says: str) -> Source:
    return Source(f"{S3_API}/API_{operation}.html", says)


def needs(operation: str, *actions: str) -> Source:
    return api(operation, f"needs {' and '.join(actions)}")


IMPLICIT_DENY = Source(
    f"{IAM_GUIDE}/reference_policies_evaluation-logic_policy-eval-denyallow.html",
    "what no statement allows is denied",
)
RESOURCE = Source(
    f"{IAM_GUIDE}/reference_policies_elements_resource.html",
    "only * and ? are wildcards in a resource; all else is matched letter by letter",
)
PERMISSIONS = Source(
    f"{S3_GUIDE}/using-with-s3-policy-actions.html", "which permission each S3 operation needs"
)
MULTIPART = Source(
    f"{S3_GUIDE}/mpuoverview.html",
    "s3:PutObject to create, upload and complete; "
    "own permissions to abort, to list parts and to list uploads",
)
ERRORS = Source(f"{S3_API}/ErrorResponses.html", "the error codes and their HTTP status")
SIGV4_HEADER = Source(
    f"{S3_API}/sig-v4-authenticating-requests.html", "a request whose signature does not match is denied"
)
SIGV4_QUERY = Source(
    f"{S3_API}/sigv4-query-string-auth.html",
    "a link is valid as signed, for at most a week, and with the rights of the one who signed it",
)
PRESIGNED = Source(
    f"{S3_GUIDE}/using-presigned-url.html", "a link has the signer's rights and ends at its expiry"
)
SIGV2 = Source(
    f"{S3_GUIDE}/RESTAuthentication.html",
    "signature version 2 in header and query, in regions that are older than 2014",
)
POST_FORM = Source(
    f"{S3_API}/sigv4-HTTPPOSTConstructPolicy.html",
    "a form upload must be signed, unexpired, and meet every condition of its policy",
)
KEYS = Source(
    f"{S3_GUIDE}/object-keys.html", "a key is any sequence of Unicode characters, up to 1,024 bytes"
)
NOT_PUBLIC = Source(
    f"{S3_GUIDE}/access-control-block-public-access.html", "new buckets let nobody in without a signature"
)
ACL_DISABLED = Source(
    f"{S3_GUIDE}/about-object-ownership.html", "with ACLs off, the default, setting one fails with a 400"
)
GET_MISSING = api("GetObject", "a missing key is a 404 for who may list the bucket, else a 403")
BULK = api("DeleteObjects", "a 200 that tells each key's fate; its example has one that is AccessDenied")
HEAD_BUCKET = api("HeadBucket", "needs s3:ListBucket; a refusal has no body")
LIST_BUCKETS = needs("ListBuckets", "s3:ListAllMyBuckets")
STS_IDENTITY = Source(
    "https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html",
    "no permission is needed",
)
STS_SESSION = Source(
    "https://docs.aws.amazon.com/STS/latest/APIReference/API_GetSessionToken.html",
    "no permission is needed to call it; the session has the user's own rights in S3",
)
STS_ASSUME = Source(
    "https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html",
    "an IAM user needs a policy that allows it",
)
IAM_DENIED = Source(
    f"{IAM_GUIDE}/troubleshoot_access-denied.html", "a call that no policy allows is an AccessDenied"
)
IAM_ERRORS = Source(
    "https://docs.aws.amazon.com/IAM/latest/APIReference/CommonErrors.html",
    "the error codes that all IAM calls share",
)
CONDITIONAL_WRITES = Source(
    f"{S3_GUIDE}/conditional-writes.html",
    "a write whose condition does not hold is a 412 and changes nothing",
)
CONDITIONAL_READS = Source(
    f"{S3_GUIDE}/conditional-reads.html", "If-Match and If-None-Match answer 412 and 304"
)
METADATA = Source(
    f"{S3_GUIDE}/UsingMetadata.html", "user metadata comes back as it was put, names in lower case"
)
VERSIONING = Source(
    f"{S3_GUIDE}/versioning-workflows.html",
    "an overwrite keeps the old version, a delete puts a marker before it",
)
INTEGRITY = Source(
    f"{S3_GUIDE}/checking-object-integrity.html",
    "the ETag of a whole upload is its MD5; of N parts the MD5 of the parts' MD5s, then -N",
)
