"""The common part of the bed's proxies: receive a request whole, know which AWS call it is, pass it on, answer."""

import http.client
import sys
import urllib.parse
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import wire

HOP_BY_HOP = {"connection", "content-length", "keep-alive", "transfer-encoding"}


@dataclass
class Answer:
    """An HTTP answer."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


class Proxy(BaseHTTPRequestHandler):
    """One connection of a client. A subclass says in `answer` what becomes of a call."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True
    upstream = ""  # http://host:port, set by `serve`

    def answer(self, call: wire.Call, body: bytes) -> Answer | None:
        """The answer to an AWS call; None leaves the connection as the method left it."""
        raise NotImplementedError

    def administer(self, body: bytes) -> Answer | None:
        """The answer to a request that is not AWS's but this proxy's; None if it is not that."""
        return None

    def handle_request(self) -> None:
        body = self._read_body()
        answer = self.administer(body)
        if answer is None and self.path.startswith("/_bed/"):
            answer = self.forward(body)
        elif answer is None:
            answer = self.answer(wire.identify(self.command, self.path, self.headers, body), body)
        if answer:
            self.reply(answer)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = handle_request

    def forward(self, body: bytes, path: str | None = None) -> Answer:
        """What the server behind answers."""
        connection = http.client.HTTPConnection(urllib.parse.urlsplit(self.upstream).netloc, timeout=300)
        headers = {k: v for k, v in self.headers.items() if k.lower() not in HOP_BY_HOP | {"expect"}}
        connection.request(self.command, path or self.path, body, {**headers, "Content-Length": str(len(body))})
        response = connection.getresponse()
        answer = Answer(response.status, dict(response.getheaders()), response.read())
        connection.close()
        return answer

    def reply(self, answer: Answer, sent_bytes: int | None = None) -> None:
        """Sends an answer; `sent_bytes` cuts its body short of the length it announces."""
        self.send_response(answer.status)
        length = str(len(answer.body))
        for name, value in answer.headers.items():
            if name.lower() == "content-length" and self.command == "HEAD":
                length = value
            elif name.lower() not in HOP_BY_HOP | {"date", "server"}:
                self.send_header(name, value)
        self.send_header("Content-Length", length)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body[:sent_bytes])

    def hang_up(self) -> None:
        """Closes the connection in the middle of things."""
        self.wfile.flush()
        self.close_connection = True

    def log_message(self, *_arguments) -> None:
        """The requests are in the emulator's log."""

    def _read_body(self) -> bytes:
        if "chunked" not in (self.headers.get("Transfer-Encoding") or ""):
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass  # trailers
        return body


class Server(ThreadingHTTPServer):
    """Serves each connection in a thread; threads end with the process."""

    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request, client_address):
        """A client that is gone (killed, in most cases) is nobody's error."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


def serve(handler: type[Proxy], options) -> None:
    """Serves until killed or until the lifeline ends."""
    import lifeline

    handler.upstream = options.upstream
    server = Server(("127.0.0.1", options.port), handler)
    lifeline.announce(server.server_port, options.lifeline)
    server.serve_forever()
