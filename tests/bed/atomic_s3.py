"""ministack's S3 on a free loopback port: its conditional writes are atomic, which moto's are not.

    atomic_s3.py [--port 0] [--lifeline]
"""

import asyncio
import os
import socket

import lifeline


def main() -> None:
    options = lifeline.arguments("ministack, for races between writers").parse_args()
    listener = socket.create_server(("127.0.0.1", options.port), backlog=256)
    port = listener.getsockname()[1]
    os.environ.update(GATEWAY_PORT=str(port), BIND_HOST="127.0.0.1", LOG_LEVEL="ERROR", IOT_MTLS_ENABLED="0")
    from hypercorn.asyncio import serve
    from hypercorn.config import Config
    from ministack.app import app

    config = Config()
    config.bind = [f"fd://{listener.fileno()}"]
    config.accesslog = config.errorlog = None
    lifeline.announce(port, options.lifeline)
    asyncio.run(serve(app, config))


if __name__ == "__main__":
    main()
