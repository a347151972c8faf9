"""Data that moto lacks: the machine images of today."""

import atexit
import json
import os
import tempfile

CANONICAL, DEBIAN, AMAZON = "099720109477", "136693071363", "137112412989"

# (id, owner, name, architecture, root device): named as their publishers name them.
IMAGES = [
    ("ami-0a1b2c3d4e5f60001", CANONICAL, "ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-amd64-server-20260218", "x86_64", "/dev/sda1"),
    ("ami-0a1b2c3d4e5f60002", CANONICAL, "ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-arm64-server-20260218", "arm64", "/dev/sda1"),
    ("ami-0a1b2c3d4e5f60003", CANONICAL, "ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-amd64-server-20251212", "x86_64", "/dev/sda1"),
    ("ami-0a1b2c3d4e5f60004", CANONICAL, "ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-arm64-server-20251212", "arm64", "/dev/sda1"),
    ("ami-0a1b2c3d4e5f60005", CANONICAL, "ubuntu/images/hvm-ssd/ubuntu-jammy-22.04-amd64-server-20260115", "x86_64", "/dev/sda1"),
    ("ami-0a1b2c3d4e5f60006", DEBIAN, "debian-13-amd64-20260210-2385", "x86_64", "/dev/xvda"),
    ("ami-0a1b2c3d4e5f60007", AMAZON, "al2023-ami-2023.9.20260202.0-kernel-6.12-x86_64", "x86_64", "/dev/xvda"),
    ("ami-0a1b2c3d4e5f60008", AMAZON, "al2023-ami-2023.9.20260202.0-kernel-6.12-arm64", "arm64", "/dev/xvda"),
]


def write_images() -> str:
    """Writes the list in moto's format to a file that goes with the process; gives its path.

    moto's own list has 1301 images, none of them Ubuntu 24.04, and makes every one anew for each account and region.
    """
    images = [_image(*image) for image in IMAGES]
    with tempfile.NamedTemporaryFile("w", suffix=".json", delete=False) as file:
        json.dump(images, file)
    atexit.register(os.unlink, file.name)
    return file.name


def _image(image_id: str, owner: str, name: str, architecture: str, root_device: str) -> dict:
    return {
        "ami_id": image_id,
        "name": name,
        "description": name,
        "owner_id": owner,
        "architecture": architecture,
        "root_device_name": root_device,
        "root_device_type": "ebs",
        "image_location": f"{owner}/{name}",
        "image_type": "machine",
        "state": "available",
        "public": True,
        "platform": None,
        "sriov": "simple",
        "virtualization_type": "hvm",
        "hypervisor": "xen",
    }
