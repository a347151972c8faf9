"""How a server of the bed starts and ends: it says where it listens, and it does not outlive who started it."""

import argparse
import os
import sys
import threading


def arguments(description: str) -> argparse.ArgumentParser:
    """The options that every server of the bed has."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1; 0 takes a free one")
    parser.add_argument(
        "--lifeline",
        action="store_true",
        help="end when standard input ends: the starter holds the other side, so even its kill -9 ends the server",
    )
    return parser


def announce(port: int, lifeline: bool) -> None:
    """Prints the address, the first line of output, once requests are accepted; ties the process to its starter."""
    print(f"listening http://127.0.0.1:{port}", flush=True)
    # Nobody reads on: what a library prints later must neither fill the pipe nor break on it.
    sys.stdout = open(os.devnull, "w")
    if lifeline:
        threading.Thread(target=_end_with_stdin, daemon=True).start()


def _end_with_stdin() -> None:
    while sys.stdin.buffer.read(4096):
        pass
    os._exit(0)
