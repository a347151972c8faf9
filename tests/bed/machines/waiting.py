"""Waiting for something to become true."""

import time
from collections.abc import Callable
from typing import TypeVar

Found = TypeVar("Found")


class Late(Exception):
    """What was waited for did not come."""


def eventually(what: str, seconds: float, look: Callable[[], Found], every: float = 0.3) -> Found:
    """What `look` finds, once it finds something. Its own failures are not the end; the last one is told if nothing comes."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            found, last = look(), "nothing"
            if found:
                return found
        except Exception as error:  # whatever is in the way for now
            last = f"{type(error).__name__}: {error}"
        if time.monotonic() > deadline:
            raise Late(f"{what}: not within {seconds:.0f} s; last seen: {last}")
        time.sleep(every)
