"""Bucket policies, and the names of answers."""

import json

from corrections import override
from moto.iam.access_control import PermissionResult
from moto.s3.models import FakeBucket
from moto.s3.responses import S3Response


@override(FakeBucket)
def get_permission(original, self, action, resource):
    """S3 user guide, "Restrict access to only HTTPS requests": a statement conditioned on aws:SecureTransport=false is for
    plain HTTP only. The bed's HTTP stands for AWS's HTTPS, so such a statement does not apply; moto takes a Deny with any
    condition as a Deny of everything."""
    if self.policy is None:
        return original(self, action, resource)
    document = json.loads(self.policy)
    statements = document["Statement"] if isinstance(document["Statement"], list) else [document["Statement"]]
    applying = [s for s in statements if not _for_plain_http(s)]
    if not applying:
        return PermissionResult.NEUTRAL
    whole = self.policy
    self.policy = json.dumps({**document, "Statement": applying}).encode()
    try:
        return original(self, action, resource)
    finally:
        self.policy = whole


def _for_plain_http(statement: dict) -> bool:
    secure = statement.get("Condition", {}).get("Bool", {}).get("aws:SecureTransport")
    return str(secure).lower() == "false"


# The root element of an answer, where the S3 API reference names another one than moto writes.
_ROOTS = {"GetBucketVersioning": "VersioningConfiguration", "GetBucketLocation": "LocationConstraint"}


@override(S3Response)
def serialized(original, self, result):
    """S3 API reference, "GetBucketVersioning", response syntax: the root element is VersioningConfiguration. moto names
    roots after the action (`GetBucketVersioningResponse`), which strict clients refuse."""
    answer = original(self, result)
    action = self.data.get("Action")
    if action not in _ROOTS:
        return answer
    status, headers, body = answer
    body = body.decode() if isinstance(body, bytes) else body
    return status, headers, body.replace(f"{action}Response", _ROOTS[action])
