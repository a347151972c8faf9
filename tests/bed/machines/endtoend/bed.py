"""The bed, up for as long as the test runs, with downloads of the test's own."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from machines import places

DIRECTORY = places.STATE / "endtoend"
DOWNLOADS = DIRECTORY / "artifacts"
UP_SECONDS = 600
DOWN_SECONDS = 180


class NoBed(Exception):
    """The bed did not come up, with what it said."""


@contextmanager
def bed(keep: bool) -> Iterator[None]:
    """Up, and down again whatever happens, even if this process is killed; unless it is to be kept."""
    copy_downloads()
    environment = {**os.environ, "KSPOT_BED_ARTIFACTS": str(DOWNLOADS)}
    command = [sys.executable, "-m", "machines", "up", *([] if keep else ["--lifeline"])]
    with open(DIRECTORY / "up.log", "w+") as log:
        if keep:
            done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, timeout=UP_SECONDS)
            _require(done.returncode == 0, log)
            yield
            return
        process = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True, bufsize=1)
        try:
            # It says where its environment is as soon as it is ready, and nothing after that.
            _require(any(line.startswith("source ") for line in process.stdout), log)
            yield
        finally:
            process.stdin.close()
            process.wait(DOWN_SECONDS)
            shutil.rmtree(DOWNLOADS, ignore_errors=True)


def _require(up: bool, log) -> None:
    if not up:
        log.seek(0)
        raise NoBed(f"the bed did not come up:\n{log.read()}")


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


