"""The subresources that are served, one to a request.

Where a request names several, the engine judges by one and answers for another: ``?select&uploads`` on a
key was judged as a read and began an upload. Where it does not know one, it serves the object or the bucket
itself: deleting a bucket's metrics deleted the bucket.
"""

from __future__ import annotations

from typing import Any

from .answers import Answer, error_answer

_OF_OBJECTS = {
    "GET": "acl annotation attributes legal-hold retention tagging uploadId",
    "PUT": "acl annotation legal-hold retention tagging uploadId",
    "POST": "restore uploadId uploads",
    "DELETE": "annotation tagging uploadId",
}
_OF_BUCKETS = {
    "GET": "accelerate acl cors encryption lifecycle location logging notification object-lock"
    " ownershipControls policy publicAccessBlock replication tagging uploads versioning versions website",
    "PUT": "accelerate acl cors encryption lifecycle logging notification object-lock ownershipControls"
    " policy publicAccessBlock replication requestPayment tagging versioning website",
    "POST": "delete",
    "DELETE": "cors encryption lifecycle ownershipControls policy publicAccessBlock replication tagging"
    " website",
}
_NOT_SERVED = (
    "abac analytics intelligent-tiering inventory metadataConfiguration metadataTable metrics policyStatus"
    " renameObject request-payment requestPayment select session torrent"
)
_KNOWN = frozenset(" ".join([*_OF_OBJECTS.values(), *_OF_BUCKETS.values(), _NOT_SERVED]).split())
_SERVED = {
    (level, method): frozenset(names.split())
    for level, table in (("object", _OF_OBJECTS), ("bucket", _OF_BUCKETS))
    for method, names in table.items()
}


def refused(method: str, key: str, query: dict[str, Any]) -> Answer | None:
    """The refusal of two subresources at once, or of one that this server does not have."""
    named = sorted(_KNOWN & query.keys())
    if not named or method == "HEAD":  # a HEAD has none, and is judged as what it is
        return None
    if len(named) > 1:
        return error_answer(
            400,
            "InvalidArgument",
            f"Conflicting query string parameters: {', '.join(named)}",
            ArgumentName="ResourceType",
            ArgumentValue=named[0],
        )
    if named[0] in _SERVED.get(("object" if key else "bucket", method), ()):
        return None
    return error_answer(501, "NotImplemented", f"This server has no {method} of ?{named[0]} here.")
