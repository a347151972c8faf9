"""The bed, up for as long as the test runs, with downloads of the test's own."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from machines import places
from machines.held import UP_SECONDS, NotUp, held

DIRECTORY = places.STATE / "endtoend"
DOWNLOADS = DIRECTORY / "artifacts"


@contextmanager
def bed(keep: bool, debian: tuple[str, ...]) -> Iterator[None]:
    """Up, and down again whatever happens, even if this process is killed; unless it is to be kept."""
    copy_downloads()
    environment = {**os.environ, "KSPOT_BED_ARTIFACTS": str(DOWNLOADS)}
    options = [word for release in debian for word in ("--debian", release)]
    if keep:
        _bring_up(options, environment)
        yield
        return
    try:
        with held(*options, environment=environment):
            yield
    finally:
        shutil.rmtree(DOWNLOADS, ignore_errors=True)


def _bring_up(options: list[str], environment: dict[str, str]) -> None:
    # A file, not a pipe: the bed outlives us.
    with open(DIRECTORY / "up.log", "w+") as log:
        command = [sys.executable, "-m", "machines", "up", *options]
        done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, timeout=UP_SECONDS)
        log.seek(0)
        if done.returncode:
            raise NotUp(done.returncode, log.read().splitlines())


def copy_downloads() -> None:
    """The artifacts once more, without taking space: steps take files away and damage them."""
    shutil.rmtree(DOWNLOADS, ignore_errors=True)
    DIRECTORY.mkdir(parents=True, exist_ok=True)
    shutil.copytree(places.ARTIFACTS, DOWNLOADS, copy_function=_link)


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


class Download:
    """A file that machines download."""

    def __init__(self, pattern: str):
        [self.path] = (DOWNLOADS / "files").glob(pattern)
        self.url = f"https://{self.path.relative_to(DOWNLOADS / 'files')}"

    @contextmanager
    def missing(self) -> Iterator[None]:
        self.path.unlink()
        try:
            yield
        finally:
            self._restore()

    @contextmanager
    def replaced(self, content: bytes) -> Iterator[None]:
        self.path.unlink()
        self.path.write_bytes(content)
        try:
            yield
        finally:
            self._restore()

    def _restore(self) -> None:
        self.path.unlink(missing_ok=True)
        _link(str(places.ARTIFACTS / self.path.relative_to(DOWNLOADS)), str(self.path))


