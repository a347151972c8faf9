"""The roots that instances start from: one per release of Debian, built once for its recipe and this machine's kernel."""

import hashlib
import os
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from machines import places

HERE = Path(__file__).parent
# Releases by their number, the one first that stands in for every other system.
SUITES = {"12": "bookworm", "13": "trixie"}
STAND_IN = "12"
BUILD_SECONDS = 1800


def release_of(image: str) -> str:
    """The release that an image of this name boots."""
    return next((release for release in SUITES if image.startswith(f"debian-{release}-")), STAND_IN)


def path(release: str) -> Path:
    return places.ROOTS / release


def is_there(release: str) -> bool:
    """Whether there is one, by whatever recipe."""
    return path(release).is_dir() and _stamp(release).exists()


def build(release: str) -> list[str]:
    """Builds it unless it is there; gives the reasons why this machine can't."""
    if is_there(release) and _stamp(release).read_text() == _recipe(release):
        return []
    started = time.monotonic()
    print(f"building the root of Debian {release} (a few minutes, once) ...", flush=True)
    places.ROOTS.mkdir(parents=True, exist_ok=True)
    _stamp(release).unlink(missing_ok=True)
    log = places.ROOTS / f"{release}.log"
    command = ["nice", str(HERE / "base.sh"), str(path(release)), SUITES[release]]
    with open(log, "w") as output:
        built = subprocess.run(command, stdout=output, stderr=output, timeout=BUILD_SECONDS)
    if built.returncode != 0:
        print(f"building it failed: {log}", *log.read_text().splitlines()[-15:], sep="\n", file=sys.stderr)
        if unreachable := _unreachable_mirror(release):
            return unreachable
        raise Unbuilt(release)
    _stamp(release).write_text(_recipe(release))
    print(f"built in {time.monotonic() - started:.0f} s", flush=True)
    return []


class Unbuilt(Exception):
    """A root could not be built, for a reason that is not this machine's."""


def _stamp(release: str) -> Path:
    return places.ROOTS / f"{release}.recipe"


def _recipe(release: str) -> str:
    recipe = hashlib.sha256(f"{os.uname().release} {SUITES[release]}".encode())
    for file in sorted(found for found in (HERE / "base.sh", *(HERE / "image").rglob("*")) if found.is_file()):
        recipe.update(file.relative_to(HERE).as_posix().encode() + file.read_bytes())
    return recipe.hexdigest()


def _unreachable_mirror(release: str) -> list[str]:
    mirror = os.environ.get("KSPOT_BED_MIRROR") or "http://deb.debian.org/debian"
    try:
        urllib.request.urlopen(f"{mirror}/dists/{SUITES[release]}/Release", timeout=20).close()
    except OSError as error:
        return [f"the instances' root comes from {mirror} (KSPOT_BED_MIRROR), which does not answer: {error}"]
    return []
