"""One bed at a time on a machine: a lock of the kernel's that goes with its holder's process, however that ends.

The file is where the holder says who it is. `up` takes the lock and hands it down to the bed's process.
"""

import fcntl
import json
import os
import time
from pathlib import Path

from machines import places

# Whoever asks who holds the lock has it for a moment.
PATIENCE_SECONDS = 1.0


def take() -> int | None:
    """The lock, as an open file; none if a bed has it."""
    descriptor = os.open(places.LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not _lock(descriptor, fcntl.LOCK_EX):
        if time.monotonic() > deadline:
            os.close(descriptor)
            return None
        time.sleep(0.05)
    return descriptor


def sign(descriptor: int) -> None:
    """Says that this process is the bed."""
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, json.dumps({"pid": os.getpid(), "state": str(places.STATE)}).encode(), 0)


def release(descriptor: int) -> None:
    os.ftruncate(descriptor, 0)
    os.close(descriptor)


def holder() -> dict | None:
    """The bed that has the lock: its process and its directory."""
    try:
        descriptor = os.open(places.LOCK, os.O_RDONLY)
    except OSError:
        return None
    try:
        # Shared, so that two who ask do not take each other for the holder.
        if _lock(descriptor, fcntl.LOCK_SH):
            return None
        said = json.loads(os.read(descriptor, 4096))
        return said if _is_bed(said["pid"]) else None
    except (ValueError, KeyError):
        return None  # it is just coming or going, or removes what another has left
    finally:
        os.close(descriptor)


def _lock(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        return True
    except BlockingIOError:
        return False


def _is_bed(pid: int) -> bool:
    """What the holder before wrote may stand there for a moment: its number may be another process's by now."""
    try:
        return b"machines" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
