"""How the command line speaks with the bed: one JSON line each way over a socket."""

import json
import socket
import socketserver
import threading
from collections.abc import Callable

from machines import places


class Refused(Exception):
    """The bed's reason for not doing what it was asked."""


def ask(what: str, timeout: float = 120, **arguments) -> dict:
    """Asks the bed that is up."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(timeout)
        try:
            sock.connect(str(places.CONTROL))
        except OSError:
            raise Refused("no bed is up: scripts/testbed up") from None
        sock.sendall(json.dumps({"what": what, **arguments}).encode() + b"\n")
        answer = json.loads(sock.makefile().readline())
    if "error" in answer:
        raise Refused(answer["error"])
    return answer


class _Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True


def listen(actions: dict[str, Callable[..., dict]]) -> None:
    """Serves the actions, by name, to whoever may open the socket."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            request = json.loads(self.rfile.readline())
            try:
                answer = actions[request.pop("what")](**request)
            except Exception as error:  # each becomes the answer
                answer = {"error": f"{error}" or type(error).__name__}
            self.wfile.write(json.dumps(answer).encode() + b"\n")

    places.CONTROL.unlink(missing_ok=True)
    server = _Server(str(places.CONTROL), Handler)
    places.CONTROL.chmod(0o600)
    threading.Thread(target=server.serve_forever, daemon=True).start()
