"""What the end-to-end test needs of this machine, and which programs it tests."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from machines import host, places
from machines.commands import CommandFailed
from machines.network import overlap

CLUSTER_PROGRAMS = {"strip": "binutils", "blkid": "util-linux"}
RECIPES = places.REPOSITORY / "tests/bed/artifacts"
AGENT = "kspot-linux-amd64"
# kspot's own for a cluster's machines: people on this machine must reach them.
NETWORK = "172.20.0.0/16"
MEMORY_GB = 6
# Three control planes, four workers and what addons bring.
DISK_GB = 10
DEBUG = "debug"


@dataclass(frozen=True)
class Programs:
    """Copies, so that whoever builds meanwhile does not change what is tested."""

    kspot: Path
    kubectl: Path
    kubernetes: str
    title: str
    debug: bool


class Unbuilt(Exception):
    """Why there is no kspot that could be tested."""


def lacking(made: bool) -> list[str]:
    """Everything that keeps this machine from the test, in words with what to do; `made`: the cluster is there, and has its room."""
    lacks = host.reasons()
    if os.uname().machine != "x86_64":
        lacks.append(f"the artifacts are for x86_64, this machine is {os.uname().machine}")
    lacks += [f"{name} is not installed (Debian: {package})" for name, package in CLUSTER_PROGRAMS.items() if not shutil.which(name)]
    lacks += ([] if made else _lacking_room()) + _lacking_addresses()
    try:
        _built()
    except Unbuilt as error:
        lacks.append(str(error))
    return lacks + _lacking_artifacts()


def _lacking_room() -> list[str]:
    lacks = []
    memory = available_kib(Path("/proc/meminfo").read_text()) / (1 << 20)
    if memory < MEMORY_GB:
        lacks.append(f"{memory:.1f} GB of memory are available, it takes {MEMORY_GB}")
    places.STATE.mkdir(parents=True, exist_ok=True)
    disk = shutil.disk_usage(places.STATE)
    # Kubelets evict when the last hundredth is begun with.
    free = (disk.free - disk.total / 100) / (1 << 30)
    if free < DISK_GB:
        lacks.append(f"{max(free, 0):.1f} GB of disk are free below {places.STATE}, it takes {DISK_GB}, and a hundredth of the disk besides")
    return lacks


def available_kib(meminfo: str) -> int:
    return int(re.search(r"^MemAvailable:\s+(\d+) kB$", meminfo, re.M)[1])


def _lacking_addresses() -> list[str]:
    try:
        own = overlap(NETWORK)
    except (CommandFailed, FileNotFoundError):
        return []  # without `ip`, which is named as missing
    return [f"{own} is a network of this machine's: it overlaps {NETWORK}, a cluster's own"] if own else []


def _built() -> Path:
    """What KSPOT_BED_KSPOT names, else the newest build of what is here."""
    if given := os.environ.get("KSPOT_BED_KSPOT"):
        if not Path(given).is_file():
            raise Unbuilt(f"KSPOT_BED_KSPOT names {given}, which is no file")
        return Path(given).absolute()
    builds = [places.REPOSITORY / "target" / profile / "kspot" for profile in ("release", DEBUG)]
    newest = max((build for build in builds if build.is_file()), key=lambda build: build.stat().st_mtime, default=None)
    remedy = "cargo build --locked --bin kspot, or name one in KSPOT_BED_KSPOT"
    if newest is None:
        raise Unbuilt(f"there is no kspot to test: {remedy}")
    listed = newest.with_name("kspot.d")
    sources = built_from(listed.read_text() if listed.exists() else "")
    changed = max(sources, key=lambda path: path.stat().st_mtime)
    if changed.stat().st_mtime > newest.stat().st_mtime:
        raise Unbuilt(f"{_shown(newest)} is older than {_shown(changed)}: {remedy}")
    return newest


def built_from(listed: str) -> list[Path]:
    """The files of this checkout that a program was built from, as cargo lists them beside it, or every one of src/."""
    _, _, paths = listed.partition(": ")
    found = [Path(path.replace("\\ ", " ")) for path in re.split(r"(?<!\\)\s+", paths.strip()) if path]
    mine = [path for path in found if path.is_relative_to(places.REPOSITORY) and path.is_file()]
    return mine or sorted((places.REPOSITORY / "src").rglob("*.rs"))


def _shown(path: Path) -> str:
    return str(path.relative_to(places.REPOSITORY) if path.is_relative_to(places.REPOSITORY) else path)


def _lacking_artifacts() -> list[str]:
    """What is not there, and what older recipes made: an image of theirs may have the same tag."""
    sys.path.append(str(RECIPES))
    try:
        from recipes import artifacts
    finally:
        sys.path.remove(str(RECIPES))
    absent = [made.name for made in artifacts() if not made.path.exists()]
    old = [made.name for made in artifacts() if made.path.exists() and not made.fresh]
    lacks = [f"{len(absent)} artifacts are not in {places.ARTIFACTS}: {', '.join(absent)}"] if absent else []
    lacks += [f"{len(old)} artifacts in {places.ARTIFACTS} are made by other recipes than those here: {', '.join(old)}"] if old else []
    if lacks:
        lacks.append("  scripts/testbed-artifacts builds them: with Go 1.26 and a C compiler, 40 minutes on two cores, 14 GB, once")
    return lacks


def programs(directory: Path) -> Programs:
    """kspot, which the operators run and the machines download, and a kubectl."""
    built = _built()
    directory.mkdir(parents=True, exist_ok=True)
    copy = directory / AGENT
    # Machines download it: without what only a debugger reads it is half as large.
    subprocess.run(["strip", "-o", str(copy), str(built)], check=True, timeout=120)
    releases = places.ARTIFACTS / "files/dl.k8s.io/release"
    kubectl = max(releases.glob("*/bin/linux/amd64/kubectl"), key=lambda path: _numbers(path.relative_to(releases).parts[0]))
    version = subprocess.run([copy, "version"], check=True, capture_output=True, text=True, timeout=60).stdout.splitlines()[0]
    sha256 = hashlib.sha256(copy.read_bytes()).hexdigest()
    made = time.strftime("%d %b %H:%M", time.localtime(built.stat().st_mtime))
    title = f"{version.split()[-1]} ({_shown(built)} of {made}, sha256 {sha256[:12]}, {copy.stat().st_size >> 20} MiB)"
    return Programs(copy, kubectl, kubectl.relative_to(releases).parts[0].lstrip("v"), title, built.parent.name == DEBUG)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in version.lstrip("v").split("."))
