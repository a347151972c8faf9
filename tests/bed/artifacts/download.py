"""Files as their projects publish them, each with the sums beside it."""

import gzip
import io
import pathlib
import shutil
import tarfile
from dataclasses import dataclass

from workshop import OUT, Made, digest, sha256


@dataclass
class Download(Made):
    """One program as it is, or a tarball of programs in a directory of it; `url` is without the scheme.

    Sums are at the same URL with `sums` behind it, or where that starts with a slash in a file beside; alone, or as sha256sum
    prints them.
    """

    name: str
    url: str
    programs: list
    sums: str
    directory: str | None = None
    alone: bool = False

    def __post_init__(self) -> None:
        self.path = OUT / "files" / self.url
        beside = self.sums.startswith("/")
        self.sums_path = self.path.with_name(self.sums[1:]) if beside else self.path.with_name(self.path.name + self.sums)
        self.key = digest([p.key for p in self.programs], self.directory, self.alone, pathlib.Path(__file__))

    @property
    def version(self) -> str:
        return ", ".join(sorted({program.version for program in self.programs}))

    @property
    def fresh(self) -> bool:
        return super().fresh and self.sums_path.exists()

    @property
    def known(self) -> tuple[str, str]:
        """The path of its URL, and its hash."""
        return "/" + self.url.partition("/")[2], self.sums_path.read_text().split()[0]

    def write(self, target: pathlib.Path) -> None:
        if self.directory is None:
            shutil.copyfile(self.programs[0].made(), target)
            target.chmod(0o755)
        else:
            self._write_tarball(target)
        total = sha256(target)
        self.sums_path.write_text(total if self.alone else f"{total}  {self.path.name}\n")

        for program in self.programs:
            program.used_up()

    def _write_tarball(self, target: pathlib.Path) -> None:
        # Neither header has a time in it: the same programs make the same sum.
        with target.open("wb") as file, gzip.GzipFile("", "wb", 1, file, mtime=0) as packed:
            with tarfile.open(fileobj=packed, mode="w") as archive:
                for program in sorted(self.programs, key=lambda p: p.name):
                    data = program.made().read_bytes()
                    member = tarfile.TarInfo(f"{self.directory}{program.name}")
                    member.size, member.mode = len(data), 0o755
                    archive.addfile(member, io.BytesIO(data))
