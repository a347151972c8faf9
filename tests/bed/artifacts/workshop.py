"""Files that are made once: again only when what they are made of changes."""

from __future__ import annotations

import hashlib
import os
import pathlib
import shutil
import time
from collections.abc import Callable

ROOT = pathlib.Path(__file__).resolve().parents[3]
OUT = pathlib.Path(os.environ.get("KSPOT_BED_ARTIFACTS") or ROOT / "target/testbed/artifacts").resolve()
# Not below OUT: what is served is nothing but what machines may ask for.
BUILD = OUT.with_name(f"{OUT.name}.build")


def digest(*parts: object) -> str:
    """One hash for texts, for keys of other files, and for files and directories with all that is in them."""
    total = hashlib.sha256()
    for part in parts:
        if isinstance(part, pathlib.Path):
            files = [part] if part.is_file() else sorted(f for f in part.rglob("*") if f.is_file())
            part = [(str(f.relative_to(ROOT)), f.read_bytes()) for f in files]
        total.update(repr(part).encode() + b"\0")
    return total.hexdigest()


def sha256(path: pathlib.Path) -> str:
    total = hashlib.sha256()
    with path.open("rb") as file:
        while data := file.read(1 << 20):
            total.update(data)
    return total.hexdigest()


class Made:
    """A file, or a directory, that is made by a recipe; the key is the hash of everything the recipe works from."""

    path: pathlib.Path
    key: str

    def write(self, target: pathlib.Path) -> None:
        """Makes it at a path that does not exist yet, in the directory where it is to be."""
        raise NotImplementedError

    @property
    def stamp(self) -> pathlib.Path:
        return BUILD / "stamps" / hashlib.sha256(str(self.path).encode()).hexdigest()[:16]

    @property
    def fresh(self) -> bool:
        return self.path.exists() and self.stamp.exists() and self.stamp.read_text() == self.key

    def made(self) -> pathlib.Path:
        """Its path, once it is there."""
        if not self.fresh:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            new = self.path.with_name(f".{self.path.name}.new")
            remove(new)
            timed(self.title, lambda: self.write(new))
            remove(self.path)
            new.rename(self.path)
            self.stamp.parent.mkdir(parents=True, exist_ok=True)
            self.stamp.write_text(self.key)
        return self.path

    def used_up(self) -> None:
        """Takes it away when it stands in what it was for; it is made again for the next thing that needs it."""
        remove(self.path)

    @property
    def title(self) -> str:
        base = OUT if self.path.is_relative_to(OUT) else BUILD
        return str(self.path.relative_to(base))


def remove(path: pathlib.Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def timed(title: str, action: Callable[[], None]) -> None:
    start = time.monotonic()
    action()
    print(f"{title}: {time.monotonic() - start:.1f} s", flush=True)
