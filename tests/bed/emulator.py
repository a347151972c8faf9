"""moto's server with AWS's documented behaviour put back where a cluster manager meets it.

    emulator.py [--port 0] [--lifeline] [--log FILE] [--latency-ms N] [--stock]

What AWS does and moto does not is in corrections/, one file per area; `--stock` leaves it out (the contract tests use it
to prove that each correction corrects something). Besides, this server
  * answers one request at a time, because moto's state has no locks;
  * gives every access key `AKIA<12 digits>...` that account's own state, so tests share one process and nothing else;
  * answers what moto lacks with an error in the service's own format (NotImplementedByEmulator, status 400), which an
    SDK reports at once, where moto's HTML page with status 500 is retried as a passing fault;
  * answers `GET /_bed/inventory?account=&region=` (what exists by kind, beyond what a fresh account has),
    `GET /_bed/requests?account=` (what was asked, in order), `POST /_bed/latency?ms=` and `POST /_bed/reset`.
"""

import io
import json
import os
import sys
import threading
import time
import traceback
import urllib.parse

import corrections
import inventory
import lifeline
import wire
from werkzeug.datastructures import EnvironHeaders
from werkzeug.serving import WSGIRequestHandler, make_server

MOTO_VERSION = "5.2.5"
# moto knows nothing of them, not even their addresses.
UNSERVED = {"pricing"}


class RequestLog:
    """Every AWS request that was answered, in order; also written to a file as JSON lines if one is named."""

    def __init__(self, path: str | None):
        self.entries: list[dict] = []
        self.file = open(path, "a", buffering=1) if path else None

    def add(self, call: wire.Call, status: int, seconds: float) -> None:
        entry = {
            "service": call.service,
            "action": call.action,
            "account": call.account,
            "region": call.region,
            "status": status,
            "ms": round(seconds * 1e3, 1),
        }
        self.entries.append(entry)
        if self.file:
            self.file.write(json.dumps(entry) + "\n")

    def of(self, account: str | None) -> list[dict]:
        return [e for e in self.entries if account is None or e["account"] == account]


class Emulator:
    """The WSGI application: reads the request, waits the latency, hands it to moto under the lock."""

    def __init__(self, moto, log: RequestLog, latency: float):
        self.moto = moto
        self.log = log
        self.latency = latency
        self.serving = threading.Lock()
        corrections.pause = self.pause

    def pause(self, seconds: float) -> None:
        """Lets other requests be answered meanwhile; for the one that is being answered."""
        self.serving.release()
        try:
            time.sleep(seconds)
        finally:
            self.serving.acquire()

    def __call__(self, environ, start_response):
        body = _whole_body(environ)
        path, query = environ.get("PATH_INFO", ""), environ.get("QUERY_STRING", "")
        if path.startswith("/_bed/"):
            with self.serving:
                status, data = self.administer(environ["REQUEST_METHOD"], path, dict(urllib.parse.parse_qsl(query)))
            return _respond(start_response, status, json.dumps(data).encode(), {"Content-Type": "application/json"})
        call = wire.identify(environ["REQUEST_METHOD"], f"{path}?{query}", EnvironHeaders(environ), body)
        # A stand-in for the network: outside the lock, so requests that are sent together wait together.
        time.sleep(self.latency)
        with self.serving:
            started = time.monotonic()
            inventory.remember_fresh(call.account, call.region)
            status, headers, data = self.answer(call, environ)
            self.log.add(call, int(status.split()[0]), time.monotonic() - started)
        return _respond(start_response, status, data, headers)

    def answer(self, call: wire.Call, environ) -> tuple[str, dict, bytes]:
        if call.service in UNSERVED:
            data, headers = wire.error_body(call, "NotImplementedByEmulator", f"{call.service} {call.action}")
            return "400 Bad Request", headers, data
        answered = {}

        def start_response(status, headers, exc_info=None):
            answered.update(status=status, headers=headers)

        try:
            data = b"".join(self.moto(environ, start_response))
        except Exception as error:  # moto raises whatever its code meets; each becomes an answer that names it
            if not isinstance(error, NotImplementedError):
                traceback.print_exc(file=sys.stderr)
            what = f"{call.service} {call.action}: {type(error).__name__}: {error}"
            data, headers = wire.error_body(call, "NotImplementedByEmulator", what)
            return "400 Bad Request", headers, data
        return answered["status"], answered["headers"], data

    def administer(self, method: str, path: str, query: dict[str, str]) -> tuple[str, object]:
        account = query.get("account")
        match method, path:
            case "GET", "/_bed/inventory":
                account = account or wire.DEFAULT_ACCOUNT
                return "200 OK", inventory.created(account, query.get("region", wire.DEFAULT_REGION))
            case "GET", "/_bed/requests":
                return "200 OK", self.log.of(account)
            case "POST", "/_bed/latency":
                self.latency = float(query["ms"]) / 1e3
                return "200 OK", {}
            case "POST", "/_bed/reset":
                inventory.reset()
                self.log.entries.clear()
                return "200 OK", {}
        return "404 Not Found", {"error": f"{method} {path} is not served"}


def _whole_body(environ) -> bytes:
    """Reads the body, sent chunked or with its length, and puts it back with its length."""
    chunked = environ.pop("HTTP_TRANSFER_ENCODING", "")
    length = -1 if chunked else int(environ.get("CONTENT_LENGTH") or 0)
    body = environ["wsgi.input"].read(length)
    environ["wsgi.input"] = io.BytesIO(body)
    environ["CONTENT_LENGTH"] = str(len(body))
    return body


def _respond(start_response, status: str, data: bytes, headers) -> list[bytes]:
    pairs = headers.items() if isinstance(headers, dict) else headers
    kept = [(name, value) for name, value in pairs if name.lower() not in ("content-length", "connection")]
    # HEAD and 304 answers announce a length without sending it: theirs stays.
    announced = next((v for n, v in pairs if n.lower() == "content-length"), None) if not data else None
    start_response(status, [*kept, ("Content-Length", announced or str(len(data)))])
    return [data]


def keep_alive_handler(moto_handler) -> type[WSGIRequestHandler]:
    """moto's request handler, speaking HTTP/1.1: clients keep their connections, as they do with AWS."""

    class Handler(moto_handler):
        protocol_version = "HTTP/1.1"
        # One packet per answer, else Nagle's algorithm and delayed acknowledgement add 40 ms to each.
        wbufsize = -1
        disable_nagle_algorithm = True

        def log_request(self, code="-", size="-"):
            """The request log is ours."""

        def handle_expect_100(self):
            """werkzeug sends `100 Continue` itself."""
            return True

    return Handler


def load_moto(stock: bool):
    """Imports moto (settings first: it reads them at import) and applies the corrections; gives its WSGI application."""
    import fixtures

    os.environ["MOTO_AMIS_PATH"] = fixtures.write_images()
    for validation in ("EC2_ENABLE_INSTANCE_TYPE_VALIDATION", "ENABLE_AMI_VALIDATION", "ENABLE_KEYPAIR_VALIDATION"):
        os.environ[f"MOTO_{validation}"] = "true"
    import moto
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

    if moto.__version__ != MOTO_VERSION:
        sys.exit(f"the corrections are for moto {MOTO_VERSION}, this is {moto.__version__}: pip install -r tests/bed/requirements.txt")
    import accounts

    accounts.from_access_keys()
    if not stock:
        corrections.apply()
    return DomainDispatcherApplication(create_backend_app)


def serve(emulator: Emulator, port: int):
    """A server of the emulator on 127.0.0.1, which accepts connections once its `serve_forever` runs."""
    from moto.moto_server.werkzeug_app import MotoRequestHandler

    server = make_server("127.0.0.1", port, emulator, threaded=True, request_handler=keep_alive_handler(MotoRequestHandler))
    os.environ["MOTO_PORT"] = str(server.server_port)
    return server


def main() -> None:
    parser = lifeline.arguments("moto with AWS's documented behaviour put back")
    parser.add_argument("--log", default=os.environ.get("MOTO_REQLOG"), help="file for the request log, JSON lines")
    latency = float(os.environ.get("MOTO_LATENCY_MS", "0"))
    parser.add_argument("--latency-ms", type=float, default=latency, help="added to every request")
    parser.add_argument("--stock", action="store_true", help="moto as it is, without the corrections")
    options = parser.parse_args()
    log = RequestLog(options.log)
    server = serve(Emulator(load_moto(options.stock), log, options.latency_ms / 1e3), options.port)
    lifeline.announce(server.server_port, options.lifeline)
    server.serve_forever()


if __name__ == "__main__":
    main()
