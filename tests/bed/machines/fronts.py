"""What stands for the world outside the VPC: one address at which every name answers TLS as itself.

AWS's names lead to the emulator; names of downloads to files, names of registries to images.
"""

import http.server
import re
import socket
import ssl
import threading

import proxy
from machines import artifacts, namespaces, places
from machines.artifacts import Blob
from machines.authority import Authority
from machines.names import DOWNLOADS, REGISTRIES, is_aws

CHUNK = 1 << 20
_REGISTRY_PATH = re.compile(r"/v2/(?P<name>.+)/(?P<what>manifests|blobs)/(?P<reference>[^/]+)")
_RANGE = re.compile(r"bytes=(\d+)-(\d*)")


class Fronts:
    def __init__(self, authority: Authority, emulator: str):
        self.authority = authority
        self.emulator = emulator
        self.images = artifacts.Images(authority.bundle())

    def listen(self) -> None:
        listener = namespaces.listener(places.NETNS, (places.FRONT_ADDRESS, 443))
        threading.Thread(target=self._serve, args=(listener,), daemon=True).start()

    def _serve(self, listener: socket.socket) -> None:
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=self._welcome, args=(connection,), daemon=True).start()

    def _welcome(self, connection: socket.socket) -> None:
        asked: list[str] = []
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)

        def choose(tls: ssl.SSLObject, server: str | None, _context: ssl.SSLContext) -> int | None:
            if server is None or not _known(server):
                return ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME
            asked.append(server.lower())
            tls.context = self.authority.context_for(server.lower())
            return None

        context.sni_callback = choose
        try:
            with connection:
                connection.settimeout(300)
                with context.wrap_socket(connection, server_side=True) as tls:
                    if asked and is_aws(asked[0]) and asked[0] not in DOWNLOADS | REGISTRIES:
                        _ToEmulator(tls, self.emulator)
                    elif asked:
                        _Download(tls, asked[0], self.images)
        except OSError:
            pass  # whoever asked is gone, or does not trust the bed


def _known(server: str) -> bool:
    return is_aws(server.lower()) or server.lower() in DOWNLOADS | REGISTRIES


class _ToEmulator(proxy.Proxy):
    """Serves one connection to AWS: each request goes to the emulator as it is, its Host header too."""

    def __init__(self, connection: ssl.SSLSocket, emulator: str):
        self.upstream = emulator
        super().__init__(connection, ("", 0), None)

    def answer(self, _call, body: bytes) -> proxy.Answer:
        return self.forward(body)


class _Download(http.server.BaseHTTPRequestHandler):
    """Serves one connection to the host that it was made for."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1

    def __init__(self, connection: ssl.SSLSocket, host: str, images: artifacts.Images):
        self.host = host
        self.images = images
        super().__init__(connection, ("", 0), None)

    def log_message(self, *_) -> None:
        """Nobody reads it."""

    def do_GET(self) -> None:
        path = self.path.split("?")[0]
        if self.host in REGISTRIES and path.startswith("/v2/"):
            self._registry(path)
        elif blob := artifacts.file(self.host, path):
            self._send_part(blob)
        else:
            self._send(404, Blob(0, data=b""), {})

    do_HEAD = do_GET

    def _registry(self, path: str) -> None:
        if path == "/v2/":
            return self._send(200, Blob(2, data=b"{}"), {"Content-Type": "application/json"})
        match = _REGISTRY_PATH.fullmatch(path)
        if match and match["what"] == "manifests":
            if found := self.images.manifest(self.host, match["name"], match["reference"]):
                headers = {"Content-Type": artifacts.MANIFEST, "Docker-Content-Digest": found[0]}
                return self._send(200, found[1], headers)
        elif match and (blob := self.images.blob(match["reference"])):
            return self._send_part(blob, {"Docker-Content-Digest": match["reference"]})
        unknown = b'{"errors":[{"code":"NAME_UNKNOWN","message":"not among the artifacts of the test bed"}]}'
        return self._send(404, Blob(len(unknown), data=unknown), {"Content-Type": "application/json"})

    def _send_part(self, blob: Blob, headers: dict[str, str] | None = None) -> None:
        """The whole, or the range that the request names."""
        headers = {"Content-Type": "application/octet-stream", "Accept-Ranges": "bytes", **(headers or {})}
        match = _RANGE.fullmatch(self.headers.get("Range") or "")
        if not match:
            return self._send(200, blob, headers)
        first, last = int(match[1]), min(int(match[2] or blob.size - 1), blob.size - 1)
        if first > last:
            return self._send(416, Blob(0), {"Content-Range": f"bytes */{blob.size}"})
        part = Blob(last - first + 1, blob.path, blob.offset + first, blob.data[first : last + 1])
        return self._send(206, part, {**headers, "Content-Range": f"bytes {first}-{last}/{blob.size}"})

    def _send(self, status: int, blob: Blob, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(blob.size))
        self.end_headers()
        if self.command == "HEAD":
            return
        if blob.path is None:
            self.wfile.write(blob.data)
            return
        with open(blob.path, "rb") as file:
            file.seek(blob.offset)
            left = blob.size
            while left and (data := file.read(min(left, CHUNK))):
                self.wfile.write(data)
                left -= len(data)
