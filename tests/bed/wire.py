"""What a request to AWS is (service, action, account, region), and what an AWS error looks like in each protocol."""

import json
import re
import urllib.parse
from dataclasses import dataclass
from xml.sax.saxutils import escape

DEFAULT_ACCOUNT = "123456789012"
DEFAULT_REGION = "us-east-1"

# Services that speak JSON; the others speak XML (EC2's own, S3's own, or the "query" protocol's).
JSON_SERVICES = {"events", "kms", "pricing", "servicequotas", "sqs", "ssm", "tagging"}

# Sub-resources that tell S3 requests apart (`PUT /bucket?versioning` is another call than `PUT /bucket`).
S3_SUBRESOURCES = {
    "acl", "delete", "encryption", "lifecycle", "list-type", "location", "object-lock", "ownershipControls", "policy",
    "publicAccessBlock", "tagging", "uploadId", "uploads", "versionId", "versioning", "versions",
}

_CREDENTIAL = re.compile(r"Credential=([^/,\s]+)/\d+/([^/]+)/([^/]+)/aws4_request")
# An access key of the bed names its account, so that each test has an AWS account of its own on one emulator.
_ACCOUNT_IN_KEY = re.compile(r"^AKIA(\d{12})")


@dataclass(frozen=True)
class Call:
    """One AWS request, as far as headers and body tell."""

    service: str
    action: str
    account: str
    region: str

    @property
    def reads(self) -> bool:
        """Whether the call changes nothing. (Route 53's ListTagsForResources is a POST.)"""
        return bool(re.match(r"(Describe|List|Get|Head|GET|HEAD|POST /2013-04-01/tags/hostedzone$)", self.action))


def account_of(access_key: str) -> str | None:
    """The account that an access key of the bed names, or None for any other key."""
    match = _ACCOUNT_IN_KEY.match(access_key)
    return match.group(1) if match else None


def identify(method: str, target: str, headers, body: bytes) -> Call:
    """Reads a request. `target` is path and query; `headers` has a case-insensitive `get`."""
    url = urllib.parse.urlsplit(target)
    query = urllib.parse.parse_qs(url.query, keep_blank_values=True)
    credential = headers.get("Authorization") or "Credential=" + query.get("X-Amz-Credential", [""])[0]
    match = _CREDENTIAL.search(credential)
    key, region, service = match.groups() if match else ("", DEFAULT_REGION, "unsigned")
    return Call(service, _action(method, url.path, query, service, headers, body), account_of(key) or DEFAULT_ACCOUNT, region)


def _action(method, path, query, service, headers, body) -> str:
    if target := headers.get("X-Amz-Target"):
        return target.split(".")[-1]
    if (headers.get("Content-Type") or "").startswith("application/x-www-form-urlencoded"):
        form = urllib.parse.parse_qs(body.decode("utf8", "replace"))
        if "Action" in form:
            return form["Action"][0]
    if service == "s3":
        depth = min(2, len([part for part in path.split("/", 2) if part]))
        flags = sorted(S3_SUBRESOURCES & query.keys())
        return f"{method} " + ["/", "/bucket", "/bucket/key"][depth] + ("?" + "&".join(flags) if flags else "")
    return f"{method} {path}"


def form_of(body: bytes) -> dict[str, str]:
    """The flat parameters of a query-protocol request, e.g. {"Action": ..., "Filter.1.Name": ...}."""
    parsed = urllib.parse.parse_qs(body.decode("utf8", "replace"), keep_blank_values=True)
    return {name: values[0] for name, values in parsed.items()}


def error_body(call: Call, code: str, message: str) -> tuple[bytes, dict[str, str]]:
    """An error as the service itself would say it: body and headers."""
    text = escape(message)
    if call.service in JSON_SERVICES:
        body = json.dumps({"__type": code, "message": message})
        return body.encode(), {"Content-Type": "application/x-amz-json-1.1", "x-amzn-ErrorType": code}
    if call.service == "ec2":
        body = f"<Response><Errors><Error><Code>{code}</Code><Message>{text}</Message></Error></Errors><RequestID>bed</RequestID></Response>"
    elif call.service == "s3":
        body = f"<Error><Code>{code}</Code><Message>{text}</Message><RequestId>bed</RequestId></Error>"
    else:
        fault = "<Type>Sender</Type>"
        body = f"<ErrorResponse><Error>{fault}<Code>{code}</Code><Message>{text}</Message></Error><RequestId>bed</RequestId></ErrorResponse>"
    return body.encode(), {"Content-Type": "text/xml"}
