"""What the end-to-end test needs of this machine, and which programs it tests."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from machines import host, places

CLUSTER_PROGRAMS = {"strip": "binutils"}
RECIPES = places.REPOSITORY / "tests/bed/artifacts"
AGENT = "kspot-linux-amd64"


@dataclass(frozen=True)
class Programs:
    """Copies, so that whoever builds meanwhile does not change what is tested."""

    kspot: Path
    kubectl: Path
    kubernetes: str
    title: str


def lacking() -> list[str]:
    """Everything that keeps this machine from the test, in words with what to do; nothing but Debian packages is installed."""
    missing = [f"{program} is not installed (Debian: {host.PROGRAMS[program]})" for program in host.install_programs()]
    lacks = missing or host.lacking()
    if os.uname().machine != "x86_64":
        lacks.append(f"the artifacts are for x86_64, this machine is {os.uname().machine}")
    lacks += [f"{name} is not installed (Debian: {package})" for name, package in CLUSTER_PROGRAMS.items() if not shutil.which(name)]
    if _built() is None:
        lacks.append("there is no kspot to test: cargo build, or name one in KSPOT_BED_KSPOT")
    if absent := _missing_artifacts():
        lacks.append(f"{len(absent)} artifacts are not in {places.ARTIFACTS}: {', '.join(absent)}")
        lacks.append("  scripts/testbed-artifacts builds them: with Go 1.26 and a C compiler, 40 minutes on two cores, 14 GB, once")
    return lacks


def _built() -> Path | None:
    """What KSPOT_BED_KSPOT names, else the release build unless the debug build is newer."""
    if given := os.environ.get("KSPOT_BED_KSPOT"):
        return Path(given).absolute() if Path(given).is_file() else None
    builds = [places.REPOSITORY / "target" / profile / "kspot" for profile in ("release", "debug")]
    return max((build for build in builds if build.is_file()), key=lambda build: build.stat().st_mtime, default=None)


def _missing_artifacts() -> list[str]:
    sys.path.append(str(RECIPES))
    try:
        from recipes import artifacts
    finally:
        sys.path.remove(str(RECIPES))
    return [made.name for made in artifacts() if not made.path.exists()]


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
    profile = built.parent.name if built.parent.name in ("debug", "release", "dist") else "a given"
    title = f"{version.strip()}, {profile} build, {copy.stat().st_size >> 20} MiB"
    return Programs(copy, kubectl, kubectl.relative_to(releases).parts[0].lstrip("v"), title)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in version.lstrip("v").split("."))
