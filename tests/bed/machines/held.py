"""A bed that is up for as long as its starter wants it, and no longer: however that ends, even by kill -9, the bed goes down."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from machines import places

# The first time the instances' root is built.
UP_SECONDS = 1800
DOWN_SECONDS = 180


class NotUp(Exception):
    """The bed did not come up: what it said, and the exit code, which says whether this machine is to blame."""

    def __init__(self, code: int, lines: list[str]):
        super().__init__("the bed did not come up:\n" + "\n".join(lines))
        self.code = code
        self.reasons = [line.strip() for line in lines if line.startswith("  ")]


class NotDown(Exception):
    """The bed left something behind."""


@contextmanager
def held(*options: str, environment: dict[str, str] | None = None) -> Iterator[None]:
    """Up in the block; going down is part of it, and fails if something is left and nothing else has failed."""
    command = [sys.executable, "-m", "machines", "up", "--lifeline", *options]
    process = subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, bufsize=1
    )
    try:
        _wait_until_up(process)
        yield
    finally:
        code = _end(process)
    if code:
        raise NotDown(f"the bed ended with {code}: {' '.join(places.LOG.read_text().splitlines()[-1:]).strip()}")


def _wait_until_up(process: subprocess.Popen) -> None:
    late = threading.Timer(UP_SECONDS, process.terminate)
    late.daemon = True
    late.start()
    lines = []
    for line in process.stdout:
        lines.append(line.rstrip())
        # It says where its environment is as soon as it is ready, and nothing after that.
        if line.startswith("source "):
            late.cancel()
            return
    late.cancel()
    raise NotUp(process.wait(), lines)


def _end(process: subprocess.Popen) -> int:
    process.stdin.close()
    for insist in (process.terminate, process.kill):
        with suppress(subprocess.TimeoutExpired):
            process.wait(DOWN_SECONDS)
            break
        insist()
    process.stdout.close()
    return process.wait()
