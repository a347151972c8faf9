"""What instances download, out of a directory: files by host and path, and images as a registry would serve them.

    files/<host>/<path>    what https://<host>/<path> gives
    images/*.tar           docker-archives, whose images are called by the names in their RepoTags
"""

import hashlib
import io
import json
import tarfile
import threading
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

from machines import places

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"
# Hosts that serve images which are called by another name.
ALIASES = {"registry-1.docker.io": "docker.io", "index.docker.io": "docker.io"}


@dataclass(frozen=True)
class Blob:
    """Bytes of a file, or bytes in hand."""

    size: int
    path: Path | None = None
    offset: int = 0
    data: bytes = b""


def file(host: str, path: str) -> Blob | None:
    """The file that a URL names."""
    directory = (places.ARTIFACTS / "files" / host).resolve()
    found = (directory / unquote(path).lstrip("/")).resolve()
    if not found.is_relative_to(directory) or not found.is_file():
        return None
    return Blob(found.stat().st_size, found)


@dataclass
class _Catalogue:
    """The images in the tars that were there when it was made."""

    tars: frozenset[tuple[str, int, int]]
    blobs: dict[str, Blob] = field(default_factory=dict)
    references: dict[tuple[str, str], str] = field(default_factory=dict)  # (name with registry, tag or digest) -> digest


class Images:
    """A read-only registry of the tars. They may come and go while it serves.

    Programs in containers know the authorities of their image only: each image gets a last layer with the bed's.
    """

    def __init__(self, authorities: bytes) -> None:
        self.trust = _layer("etc/ssl/certs/ca-certificates.crt", authorities)
        self.catalogue = _Catalogue(frozenset())
        self.reading = threading.Lock()

    def manifest(self, registry: str, name: str, reference: str) -> tuple[str, Blob] | None:
        catalogue = self._current()
        digest = catalogue.references.get((f"{ALIASES.get(registry, registry)}/{name}", reference))
        return (digest, catalogue.blobs[digest]) if digest else None

    def blob(self, digest: str) -> Blob | None:
        return self._current().blobs.get(digest)

    def _current(self) -> _Catalogue:
        with self.reading:
            stats = [(tar, tar.stat()) for tar in (places.ARTIFACTS / "images").glob("*.tar")]
            tars = frozenset((str(tar), stat.st_size, stat.st_mtime_ns) for tar, stat in stats)
            if tars != self.catalogue.tars:
                catalogue = _Catalogue(tars)
                for tar, _ in stats:
                    _read(catalogue, tar, self.trust)
                self.catalogue = catalogue
            return self.catalogue


def _layer(path: str, content: bytes) -> bytes:
    """A layer with one file."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        member = tarfile.TarInfo(path)
        member.size, member.mode = len(content), 0o644
        tar.addfile(member, io.BytesIO(content))
    return out.getvalue()


def _read(catalogue: _Catalogue, path: Path, trust: bytes) -> None:
    trusted = _keep(catalogue, trust)
    with tarfile.open(path) as tar:
        for image in json.load(tar.extractfile("manifest.json")):
            config = json.load(tar.extractfile(image["Config"]))
            # A layer's digest is that of its tar, which the configuration has already.
            digests = list(config["rootfs"]["diff_ids"])
            config["rootfs"]["diff_ids"].append(trusted)
            config.setdefault("history", []).append({"created_by": "the test bed's authority"})
            config = json.dumps(config).encode()
            layers = []
            for member, digest in zip((tar.getmember(layer) for layer in image["Layers"]), digests, strict=True):
                catalogue.blobs[digest] = Blob(member.size, path, member.offset_data)
                layers.append({"mediaType": LAYER, "digest": digest, "size": member.size})
            layers.append({"mediaType": LAYER, "digest": trusted, "size": len(trust)})
            manifest = json.dumps({
                "schemaVersion": 2,
                "mediaType": MANIFEST,
                "config": {"mediaType": CONFIG, "digest": _keep(catalogue, config), "size": len(config)},
                "layers": layers,
            }).encode()  # fmt: skip
            digest = _keep(catalogue, manifest)
            for tag in image["RepoTags"]:
                name, _, version = tag.rpartition(":")
                catalogue.references[name, version] = catalogue.references[name, digest] = digest


def _keep(catalogue: _Catalogue, data: bytes) -> str:
    digest = "sha256:" + hashlib.sha256(data).hexdigest()
    catalogue.blobs[digest] = Blob(len(data), data=data)
    return digest
