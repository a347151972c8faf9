"""EBS volumes: sparse files that appear in an instance as the NVMe disks of a Nitro instance, and outlive it.

A file is a loop device for as long as it is attached; the instance sees that device under other names. Only one loop device
exists for a file at any time: two would not know of each other's pages.
"""

import os
import stat
from pathlib import Path

from machines import places
from machines.cloud import Attachment
from machines.commands import attempt, run

BY_ID = "dev/disk/by-id"


class Volumes:
    def __init__(self) -> None:
        self.attached: dict[str, dict[str, int]] = {}  # instance -> volume -> number of its NVMe disk
        self.names: dict[tuple[str, str], str] = {}  # (instance, volume) -> the device name that the request gave

    def sync(self, instance_id: str, first_process: int, attachments: tuple[Attachment, ...], sizes: dict[str, int]) -> list[str]:
        """Makes a running instance's disks what is attached to it; gives what changed, in words."""
        disks = self.attached.setdefault(instance_id, {})
        wanted = {attachment.volume: attachment for attachment in attachments}
        root = Path(f"/proc/{first_process}/root")
        said = []
        for volume in disks.keys() - wanted.keys():
            self._disappear(root, instance_id, volume, disks.pop(volume))
            said.append(f"{volume} is detached")
        for volume in wanted.keys() - disks.keys():
            number = next(n for n in range(1, 128) if n not in disks.values())
            device = self._loop_device(volume, sizes[volume])
            self._appear(root, wanted[volume], number, os.stat(device))
            disks[volume] = number
            self.names[instance_id, volume] = wanted[volume].device
            said.append(f"{volume} is /dev/nvme{number}n1 ({wanted[volume].device})")
        return said

    def forget(self, instance_id: str) -> None:
        """An instance is off: its disks are nobody's until the next power-on."""
        for volume in self.attached.pop(instance_id, {}):
            self.names.pop((instance_id, volume), None)
            self._release(volume)

    def delete(self, existing: dict[str, int]) -> None:
        """What the emulator has deleted loses its data."""
        for file in places.VOLUMES.glob("vol-*"):
            if file.name not in existing:
                _detach_loops(file)
                file.unlink()

    def _loop_device(self, volume: str, gib: int) -> str:
        file = places.VOLUMES / volume
        if not file.exists():
            places.VOLUMES.mkdir(parents=True, exist_ok=True)
            with open(file, "wb") as empty:
                empty.truncate(gib << 30)
        if devices := loops_of(file):
            return devices[0]
        return run("losetup", "--find", "--show", str(file)).strip()

    def _release(self, volume: str) -> None:
        """Lets go of the loop device; the kernel keeps it until the last mount of it is gone."""
        if not any(volume in disks for disks in self.attached.values()):
            _detach_loops(places.VOLUMES / volume)

    def _appear(self, root: Path, attachment: Attachment, number: int, device: os.stat_result) -> None:
        node = root / f"dev/nvme{number}n1"
        os.mknod(node, stat.S_IFBLK | 0o660, device.st_rdev)
        (root / BY_ID).mkdir(parents=True, exist_ok=True)
        for link, target in _links(root, attachment.volume, attachment.device, number):
            link.unlink(missing_ok=True)
            link.symlink_to(target)

    def _disappear(self, root: Path, instance_id: str, volume: str, number: int) -> None:
        device = self.names.pop((instance_id, volume))
        for link, _ in _links(root, volume, device, number):
            link.unlink(missing_ok=True)
        (root / f"dev/nvme{number}n1").unlink(missing_ok=True)
        self._release(volume)


def _links(root: Path, volume: str, device: str, number: int) -> list[tuple[Path, str]]:
    """The names that udev gives a volume's disk on Amazon's own image: by volume, and as the request called it."""
    identity = "nvme-Amazon_Elastic_Block_Store_" + volume.replace("-", "")
    links = [(root / BY_ID / identity, f"../../nvme{number}n1"), (root / BY_ID / f"{identity}_1", f"../../nvme{number}n1")]
    name = device.removeprefix("/dev/")
    if "/" not in name:
        links.append((root / "dev" / name, f"nvme{number}n1"))
    return links


def loops_of(file: Path) -> list[str]:
    """The loop devices of a file."""
    return run("losetup", "--noheadings", "--output", "NAME", "--associated", str(file)).split()


def _detach_loops(file: Path) -> None:
    for device in loops_of(file):
        attempt("losetup", "--detach", device)
