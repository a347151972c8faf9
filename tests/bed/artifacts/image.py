"""Images as `docker save` writes them, one layer each: equal files make an equal image, byte for byte."""

from __future__ import annotations

import hashlib
import io
import json
import pathlib
import tarfile
from dataclasses import dataclass

from debian import Packages
from programs import CProgram, ModuleFiles, Program
from workshop import BUILD, OUT, Made, digest, sha256

EPOCH = "1970-01-01T00:00:00Z"
# What every base image has, even the emptiest. Programs without a C library look users up here.
BASE = {
    "etc/passwd": "root:x:0:0:root:/root:/sbin/nologin\nnobody:x:65534:65534:nobody:/nonexistent:/sbin/nologin\n"
    "nonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin\n",
    "etc/group": "root:x:0:\nnobody:x:65534:\nnonroot:x:65532:\n",
    "etc/nsswitch.conf": "hosts: files dns\n",
}
DIRECTORIES = {"tmp": 0o1777, "run": 0o755, "home/nonroot": 0o777}


@dataclass(frozen=True)
class Link:
    target: str


@dataclass(frozen=True)
class Capable:
    """A program that may bind ports below 1024, whoever runs it."""

    program: Made


@dataclass
class Image(Made):
    """What stands at which path: a program, the text of a script or a configuration, a link."""

    tag: str
    content: dict[str, Made | Capable | Link | str]
    entrypoint: list[str]
    user: str = ""
    packages: Packages | None = None
    programs: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self.name = self.tag.rpartition("/")[2].partition(":")[0]
        self.path = OUT / "images" / f"{self.name}.tar"
        content = [(path, _key(thing)) for path, thing in sorted(self.content.items())]
        packages = self.packages and (self.packages.key, self.programs)
        recipe = pathlib.Path(__file__)
        self.key = digest(self.tag, content, self.entrypoint, self.user, packages, recipe, recipe.with_name("debian.py"))

    @property
    def version(self) -> str:
        parts = {_made(thing).version for thing in self.content.values() if hasattr(_made(thing), "version")}
        if self.packages:
            parts.add(self.packages.version)
        return ", ".join(sorted(parts))

    def write(self, target: pathlib.Path) -> None:
        layer = BUILD / "layer.tar"
        layer.parent.mkdir(parents=True, exist_ok=True)
        with tarfile.open(layer, "w", format=tarfile.PAX_FORMAT) as archive:
            for member, data in sorted(self._members().values(), key=lambda entry: entry[0].name):
                archive.addfile(_plain(member), io.BytesIO(data))
        layer_sum = sha256(layer)
        config = json.dumps(self._config(layer_sum)).encode()
        config_name = f"{hashlib.sha256(config).hexdigest()}.json"
        manifest = [{"Config": config_name, "RepoTags": [self.tag], "Layers": [f"{layer_sum}/layer.tar"]}]
        with tarfile.open(target, "w", format=tarfile.PAX_FORMAT) as archive:
            _add(archive, "manifest.json", json.dumps(manifest).encode())
            _add(archive, config_name, config)
            member = tarfile.TarInfo(f"{layer_sum}/layer.tar")
            member.size = layer.stat().st_size
            with layer.open("rb") as file:
                archive.addfile(member, file)
        layer.unlink()
        for thing in self.content.values():
            if isinstance(_made(thing), Program | CProgram):
                _made(thing).used_up()

    def _config(self, layer_sum: str) -> dict:
        config = {
            "Entrypoint": self.entrypoint,
            "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
            "WorkingDir": "/",
        }
        if self.user:
            config["User"] = self.user
        return {
            "architecture": "amd64",
            "os": "linux",
            "created": EPOCH,
            "config": config,
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{layer_sum}"]},
            "history": [{"created": EPOCH, "created_by": "testbed-artifacts"}],
        }

    def _members(self) -> dict[str, tuple[tarfile.TarInfo, bytes]]:
        members: dict[str, tuple[tarfile.TarInfo, bytes]] = {}

        def add(member: tarfile.TarInfo, data: bytes = b"") -> None:
            for parent in reversed(pathlib.PurePosixPath(member.name).parents[:-1]):
                members.setdefault(str(parent), (_directory(str(parent), 0o755), b""))
            members[member.name] = (member, data)

        for path, mode in DIRECTORIES.items():
            add(_directory(path, mode))
        for path, text in BASE.items():
            add(_file(path, text.encode(), 0o644), text.encode())
        if self.packages:
            for member, data in self.packages.members(self.programs):
                add(member, data)
        for path, thing in self.content.items():
            for member, data in _content(path.lstrip("/"), thing):
                add(member, data)
        return members


def _content(path: str, thing: Made | Capable | Link | str):
    if isinstance(thing, Link):
        member = tarfile.TarInfo(path)
        member.type, member.linkname, member.mode = tarfile.SYMTYPE, thing.target, 0o777
        yield member, b""
    elif isinstance(thing, str):
        data = thing.encode()
        yield _file(path, data, 0o755 if thing.startswith("#!") else 0o644), data
    elif isinstance(thing, ModuleFiles):
        source = thing.made()
        for file in sorted(f for f in source.rglob("*") if f.is_file()):
            data = file.read_bytes()
            yield _file(f"{path}/{file.relative_to(source)}", data, 0o644), data
    else:
        data = _made(thing).made().read_bytes()
        member = _file(path, data, 0o755)
        if isinstance(thing, Capable):
            # vfs_cap_data, revision 2, effective; bit 10 is CAP_NET_BIND_SERVICE.
            member.pax_headers["SCHILY.xattr.security.capability"] = "\1\0\0\2" + "\0\4\0\0" + "\0" * 12
        yield member, data


def _made(thing: object) -> object:
    return thing.program if isinstance(thing, Capable) else thing


def _key(thing: object) -> object:
    made = _made(thing)
    return (type(thing).__name__, made.key) if isinstance(made, Made) else repr(thing)


def _file(path: str, data: bytes, mode: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(path)
    member.size, member.mode = len(data), mode
    return member


def _directory(path: str, mode: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(path)
    member.type, member.mode = tarfile.DIRTYPE, mode
    return member


def _plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """Without what differs from one making to the next."""
    member.mtime = member.uid = member.gid = 0
    member.uname = member.gname = ""
    return member


def _add(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    archive.addfile(_file(name, data, 0o644), io.BytesIO(data))
