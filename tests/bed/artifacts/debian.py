"""Packages of Debian bookworm, whatever this machine runs: for programs that are not Go's, and for their libraries."""

from __future__ import annotations

import pathlib
import re
import shutil
import subprocess
import tarfile
import time
from collections.abc import Iterator
from dataclasses import dataclass

from workshop import BUILD, Made, digest

SOURCE = "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian bookworm main"
# A mirror drops a package once a newer one is there: older lists name what can't be fetched any more.
LISTS_SECONDS = 86400
LIBRARY = re.compile(r"(usr/)?lib(64)?/.*\.so(\.[0-9.]+)?$")
# Conversions between character sets: nearly half of the C library.
UNUSED = re.compile(r"/gconv/|/audit/|/libmemusage|/libpcprofile|/libthread_db|/libc_malloc_debug")


@dataclass
class Packages(Made):
    """The newest of these packages, with or without those that they need."""

    names: tuple[str, ...]
    needed: bool = True

    def __post_init__(self) -> None:
        self.path = BUILD / "debian" / "+".join(self.names)
        self.key = digest(SOURCE, self.names, self.needed)

    def write(self, target: pathlib.Path) -> None:
        target.mkdir()
        apt = _apt()
        names = list(self.names)
        if self.needed:
            kinds = ("recommends", "suggests", "conflicts", "breaks", "replaces", "enhances")
            depends = [*apt("apt-cache"), "depends", "--recurse", *(f"--no-{kind}" for kind in kinds), *names]
            listed = subprocess.run(depends, check=True, capture_output=True, text=True).stdout
            names = sorted({line for line in listed.splitlines() if re.match(r"[a-z0-9]", line)})
        subprocess.run([*apt("apt-get"), "-q", "-q", "download", *names], cwd=target, check=True)

    @property
    def version(self) -> str:
        """The packages that the first names brought, as far as they were fetched."""
        found = sorted(deb.name.replace("%3a", ":") for deb in self.path.glob("*.deb"))
        return ", ".join("_".join(name.split("_")[:2]) for name in found if name.split("_")[0] in self.names)

    def unpacked(self) -> Unpacked:
        return Unpacked(self)

    def members(self, programs: tuple[str, ...]) -> Iterator[tuple[tarfile.TarInfo, bytes]]:
        """The programs of these names, by path, and all libraries."""
        for deb in sorted(self.made().glob("*.deb")):
            with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", deb], stdout=subprocess.PIPE) as process:
                with tarfile.open(fileobj=process.stdout, mode="r|") as content:
                    for member in content:
                        path = member.name.removeprefix("./")
                        if path in programs or (LIBRARY.match(path) and not UNUSED.search(path)):
                            member.name = path
                            file = content.extractfile(member) if member.isfile() else None
                            yield member, file.read() if file else b""
            if process.returncode:
                raise subprocess.CalledProcessError(process.returncode, "dpkg-deb")


@dataclass
class Unpacked(Made):
    """All that is in packages, as a tree."""

    packages: Packages

    def __post_init__(self) -> None:
        self.path = self.packages.path.with_name(f"{self.packages.path.name}.tree")
        self.key = self.packages.key

    def write(self, target: pathlib.Path) -> None:
        for deb in self.packages.made().glob("*.deb"):
            subprocess.run(["dpkg-deb", "--extract", deb, target], check=True)


def _apt():
    """Commands of apt with lists of their own: the machine's sources may be another release, or empty."""
    if not shutil.which("apt-get"):
        raise SystemExit("packages of Debian are fetched with apt-get and dpkg-deb, which are missing here")
    home = BUILD / "debian" / "apt"
    sources = home / "sources.list"
    options = {
        "Dir::State": home,
        "Dir::Cache": home / "cache",
        "Dir::Etc::SourceList": sources,
        "Dir::Etc::SourceParts": "/dev/null",
        "Dir::Etc::PreferencesParts": "/dev/null",
        "APT::Architecture": "amd64",
        "APT::Sandbox::User": "root",
        "Acquire::Languages": "none",
    }

    def command(program: str) -> list[str]:
        return [program, *(f"-o={name}={value}" for name, value in options.items())]

    if not _are_current(sources):
        for directory in ("lists/partial", "cache/archives/partial"):
            (home / directory).mkdir(parents=True, exist_ok=True)
        (home / "status").touch()
        sources.write_text(SOURCE)
        try:
            subprocess.run([*command("apt-get"), f"-o=Dir::State::status={home}/status", "-q", "-q", "update"], check=True)
        except subprocess.CalledProcessError:
            sources.unlink()
            raise
    options["Dir::State::status"] = home / "status"
    return command


def _are_current(sources: pathlib.Path) -> bool:
    """Whether the lists are of these sources and new: the file is written when they are fetched."""
    return sources.exists() and sources.read_text() == SOURCE and time.time() - sources.stat().st_mtime < LISTS_SECONDS
