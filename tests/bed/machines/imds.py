"""The metadata service, one per instance: reached by that instance's link only, and no farther than its hop limit."""

import http.server
import secrets
import socket
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from machines import namespaces, places

TOKEN_PATH = "/latest/api/token"
TOKEN_HEADER = "X-aws-ec2-metadata-token"
TTL_HEADER = "X-aws-ec2-metadata-token-ttl-seconds"
LONGEST_TTL_SECONDS = 21600


class Gone(Exception):
    """The instance is gone from the emulator, or off."""


@dataclass
class Facts:
    """What the service says at this moment."""

    metadata: dict[str, str]
    identity: str
    user_data: bytes | None
    enabled: bool
    tokens_required: bool


class MetadataService(http.server.ThreadingHTTPServer):
    """Serves one instance until `close`."""

    daemon_threads = True

    def __init__(self, instance_id: str, hop_limit: int, facts: Callable[[], Facts]):
        super().__init__((places.METADATA_ADDRESS, 80), _Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = namespaces.listener(
            places.NETNS, (places.METADATA_ADDRESS, 80), link=places.link_of(instance_id), ttl=hop_limit
        )
        self.facts = facts
        self.tokens: dict[str, float] = {}
        self.hop_limit = hop_limit
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def allow_hops(self, hop_limit: int) -> None:
        """Answers live for as many hops from now on."""
        if hop_limit != self.hop_limit:
            self.socket.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, hop_limit)
            self.hop_limit = hop_limit

    def close(self) -> None:
        """Ends the service, without waiting until its thread has noticed."""
        self.server_close()
        threading.Thread(target=self.shutdown, daemon=True).start()

    def handle_error(self, request, client_address) -> None:
        """A client that hung up, or an instance that is gone: neither is an error of the bed."""
        if not isinstance(sys.exc_info()[1], OSError | Gone):
            super().handle_error(request, client_address)


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "EC2ws"
    wbufsize = -1
    server: MetadataService

    def log_message(self, *_) -> None:
        """Nobody reads it."""

    def do_PUT(self) -> None:
        ttl = self.headers.get(TTL_HEADER, "")
        # A request that came through a proxy gets no token: that is what tokens are for.
        if not self.server.facts().enabled or self.headers.get("X-Forwarded-For"):
            return self._send(403)
        if self.path != TOKEN_PATH:
            return self._send(404)
        if not ttl.isdigit() or not 1 <= int(ttl) <= LONGEST_TTL_SECONDS:
            return self._send(400)
        token = secrets.token_urlsafe(42)
        self.server.tokens[token] = time.monotonic() + int(ttl)
        return self._send(200, token.encode(), {TTL_HEADER: ttl})

    def do_GET(self) -> None:
        facts = self.server.facts()
        if not facts.enabled:
            return self._send(403)
        token = self.headers.get(TOKEN_HEADER)
        if (token or facts.tokens_required) and self.server.tokens.get(token or "", 0) < time.monotonic():
            return self._send(401)
        body = _look_up(facts, self.path.split("?")[0])
        return self._send(404) if body is None else self._send(200, body)

    def _send(self, status: int, body: bytes = b"", headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": "text/plain", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _look_up(facts: Facts, path: str) -> bytes | None:
    _, _, rest = path.strip("/").partition("/")
    match rest.split("/"):
        case [""]:
            return b"latest" if path == "/" else b"dynamic\nmeta-data\nuser-data"
        case ["user-data"]:
            return facts.user_data
        case ["dynamic"]:
            return b"instance-identity/"
        case ["dynamic", "instance-identity"]:
            return b"document"
        case ["dynamic", "instance-identity", "document"]:
            return facts.identity.encode()
        case ["meta-data", *below]:
            return _metadata(facts.metadata, "/".join(below))
    return None


def _metadata(metadata: dict[str, str], path: str) -> bytes | None:
    """A leaf's text, or the names below a branch; those that have names below them end in a slash."""
    if path in metadata:
        return metadata[path].encode()
    prefix = f"{path}/" if path else ""
    below = {key[len(prefix) :].partition("/")[:2] for key in metadata if key.startswith(prefix)}
    return "\n".join(sorted(name + slash for name, slash in below)).encode() or None
