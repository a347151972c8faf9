"""Requests whose signature is in the query."""

import urllib.parse

from corrections import override
from moto.core.responses import BaseResponse
from moto.moto_server.werkzeug_app import DomainDispatcherApplication


@override(DomainDispatcherApplication)
def infer_service_region_host(original, self, environ, path):
    """IAM user guide, "Add the signature to the request": X-Amz-Credential in the query is as good as the Authorization
    header. moto's server looks at the header alone, and takes such a request for one of S3."""
    query = dict(urllib.parse.parse_qsl(environ.get("QUERY_STRING", "")))
    scope = query.get("X-Amz-Credential", "").split("/")
    if environ.get("HTTP_AUTHORIZATION") or len(scope) != 5 or scope[3] != "sts":
        return original(self, environ, path)
    return f"{scope[3]}.{scope[2]}.amazonaws.com"


@override(BaseResponse)
def get_access_key(original, self):
    """The same page: whose request it is, is in the query as well. moto takes everybody there for the same user."""
    credential = self.querystring.get("X-Amz-Credential")
    if credential and "Authorization" not in self.headers:
        return credential[0].split("/")[0]
    return original(self)
