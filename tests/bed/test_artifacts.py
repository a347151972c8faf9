"""What scripts/testbed-artifacts makes is what clusters ask for, and the same each time it is made. Builds nothing."""

import io
import os
import pathlib
import re
import sys
import tarfile
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
made_in = tempfile.TemporaryDirectory(prefix="kspot-artifacts.")
os.environ["KSPOT_BED_ARTIFACTS"] = f"{made_in.name}/artifacts"
sys.path.insert(0, str(HERE / "artifacts"))

from check import SAYINGS  # noqa: E402
from download import Download  # noqa: E402
from image import Capable, Image, Link  # noqa: E402
from programs import Program  # noqa: E402
from recipes import KUBERNETES, artifacts  # noqa: E402
from workshop import BUILD, Made, digest  # noqa: E402

# Their releases are no versions of a Go module.
ABSENT = {"cluster-autoscaler", "k8s-dns-node-cache"}


class Text(Made):
    """Something that needs no compiler."""

    version = "of the test"

    def __init__(self, text: str):
        self.text, self.key, self.path = text, digest(text), BUILD / "text"

    def write(self, target: pathlib.Path) -> None:
        target.write_text(self.text)


class Recipes(unittest.TestCase):
    def test_everything_that_machines_download_is_made(self):
        """A node configuration as the model writes it, for the release that is made."""
        text = (ROOT / "tests/fixtures/model/ha/machines.snap").read_text()
        asked = {re.sub(r"/release/v[^/]+/", f"/release/{KUBERNETES}/", url) for url in re.findall(r"url: https://(\S+)", text)}
        made = {file.url for file in artifacts() if isinstance(file, Download)}
        self.assertGreater(len(asked), 6)
        self.assertEqual(asked - made, set())

    def test_every_image_of_an_addon_is_made_under_its_tag(self):
        tags = {image.tag for image in artifacts() if isinstance(image, Image)}
        names = {tag.rpartition(":")[0] for tag in tags}
        for manifest in ROOT.glob("addons/*/manifest.yaml"):
            for image, tag in re.findall(r'"((?:[a-z0-9-]+\.)+[a-z]+/[\w/.-]+):([^"]*)"', manifest.read_text()):
                with self.subTest(image=image):
                    if image.rpartition("/")[2] not in ABSENT:
                        self.assertIn(f"{image}:{tag}" if tag else image, tags if tag else names)

    def test_everything_is_checked_and_says_what_it_is(self):
        self.assertEqual({made.name for made in artifacts()}, set(SAYINGS))
        self.assertEqual(len({made.path for made in artifacts()}), len(SAYINGS))
        for made in artifacts():
            self.assertTrue(made.version or made.packages, made.name)


class Images(unittest.TestCase):
    def image(self, text: str = "hello") -> Image:
        content = {"/opt/bin/hello": Capable(Text(text)), "/bin/hi": Link("../opt/bin/hello"), "/etc/hello.conf": "loud\n"}
        return Image("kspot.test/hello:1", content, ["/opt/bin/hello"], "65532:65532")

    def test_equal_files_make_an_equal_image(self):
        first = self.image().made().read_bytes()
        os.utime(self.image().path, (1, 1))
        self.image().path.unlink()
        self.assertEqual(self.image().made().read_bytes(), first)
        self.assertNotEqual(self.image("bye").made().read_bytes(), first)

    def test_a_layer_has_directories_first_and_no_trace_of_its_making(self):
        with tarfile.open(self.image().made()) as archive:
            layer = next(name for name in archive.getnames() if name.endswith("layer.tar"))
            content = tarfile.open(fileobj=io.BytesIO(archive.extractfile(layer).read()))
        names = content.getnames()
        for member in content:
            self.assertEqual((member.mtime, member.uid, member.gid), (0, 0, 0))
            parent = str(pathlib.PurePosixPath(member.name).parent)
            self.assertTrue(parent == "." or names.index(parent) < names.index(member.name), member.name)
        self.assertEqual(content.getmember("bin/hi").linkname, "../opt/bin/hello")
        capability = content.getmember("opt/bin/hello").pax_headers["SCHILY.xattr.security.capability"]
        self.assertEqual(len(capability), 20)

    def test_what_is_made_is_left_alone(self):
        path = self.image("once").made()
        before = path.stat().st_mtime_ns
        self.assertEqual(self.image("once").made().stat().st_mtime_ns, before)


class Programs(unittest.TestCase):
    def test_a_program_knows_its_module(self):
        program = Program("etcd", "etcd", "go.etcd.io/etcd/server/v3")
        self.assertRegex(program.version, r"^go\.etcd\.io/etcd/server/v3 v3\.6\.")


if __name__ == "__main__":
    unittest.main()
