"""That what was made runs: every program says who it is, those of images with nothing around them but their image."""

import json
import pathlib
import re
import shlex
import subprocess
import tarfile
import tempfile

from download import Download
from image import Image
from recipes import COREDNS, ETCD, KUBERNETES
from workshop import sha256

# By artifact: commands, and what they must answer. The path of a file's program is relative to where the file is unpacked.
SAYINGS: dict[str, list[tuple[str, str]]] = {
    "kubelet": [("kubelet --version", f"Kubernetes {KUBERNETES}")],
    "kubeadm": [("kubeadm version -o short", KUBERNETES)],
    "kubectl": [("kubectl version --client", KUBERNETES)],
    "kube-apiserver": [("kube-apiserver --version", KUBERNETES)],
    "kube-controller-manager": [("kube-controller-manager --version", KUBERNETES)],
    "kube-scheduler": [("kube-scheduler --version", KUBERNETES)],
    "kube-proxy": [
        ("kube-proxy --version", KUBERNETES),
        ("iptables --version", "nf_tables"),
        ("ip6tables-save --version", "nf_tables"),
        ("iptables-legacy --version", "legacy"),
        ("nft --version", "nftables v1"),
        ("conntrack --version", "conntrack-tools"),
        ("iptables -m statistic -m comment -m conntrack -m mark -j MASQUERADE --help", "random-fully"),
    ],
    "etcd": [("etcd --version", ETCD), ("etcdctl version", "etcdctl version: 3.6"), ("etcdutl version", "etcdutl version: 3.6")],
    "pause": [("/pause --version", "pause")],
    "containerd": [
        ("bin/containerd --version", r"v2\."),
        ("bin/containerd-shim-runc-v2 -v", "Version"),
        ("bin/ctr --version", r"v2\."),
    ],
    "runc": [("runc.amd64 --version", r"runc version 1\.[\s\S]*libseccomp: 2")],
    "cni-plugins": [(name, "CNI [-a-z]+ plugin") for name in ("bridge", "loopback", "host-local", "portmap", "firewall")],
    "coredns": [("/coredns -version", COREDNS[1:]), ("/coredns -plugins", "kubernetes")],
    "flannel": [("/opt/bin/flanneld --version", r"v0\."), ("iptables --version", "nf_tables"), ("sleep 0.1", "")],
    "cloud-controller-manager": [("/bin/aws-cloud-controller-manager --help", "--configure-cloud-routes")],
    "kube-network-policies": [("/bin/netpol --help", "nfqueue-id")],
    "metrics-server": [("/metrics-server --help", "--metric-resolution")],
    "aws-node-termination-handler": [("/node-termination-handler --help", "enable-sqs-termination-draining")],
    "node-problem-detector": [
        ("/node-problem-detector --version", r"v1\."),
        ("/home/kubernetes/bin/log-counter --journald-source=x --pattern=x --log-path=/ --lookback=1s --count=0", "Found 0 matching"),
        ("/node-problem-detector --config.system-log-monitor=/config/readonly-monitor.json --enable-k8s-exporter=false", "Failed .* /dev/kmsg"),
    ],
    "aws-ebs-csi-driver": [
        ("/bin/aws-ebs-csi-driver --version", '"driverVersion": "v1'),
        ("mkfs.ext4 -V", "mke2fs"), ("mkfs.xfs -V", "mkfs.xfs"), ("blkid --version", "blkid"), ("mount --version", "mount from"),
        ("resize2fs --help", "resize2fs"),
    ],
    "csi-provisioner": [("/csi-provisioner --help", "extra-create-metadata")],
    "csi-attacher": [("/csi-attacher --help", "retry-interval-max")],
    "csi-resizer": [("/csi-resizer --help", "handle-volume-inuse-error")],
    "livenessprobe": [("/livenessprobe --help", "probe-timeout")],
    "csi-node-driver-registrar": [("/csi-node-driver-registrar --help", "kubelet-registration-path")],
    "ecr-credential-provider": [("ecr-credential-provider-linux-amd64 --help", "credential provider")],
    "crictl": [("crictl --version", "crictl version v1")],
    "tools": [("busybox", "BusyBox"), ("nslookup kspot.test 127.0.0.1", "refused|timed out"), ("wget -O- http://127.0.0.1:1/", "refused"), ("wget -O- http://kspot.test/", "bad address")],
}  # fmt: skip


def check(made: Download | Image) -> None:
    """Raises if it is not what it should be."""
    with tempfile.TemporaryDirectory(prefix="kspot-artifact.") as directory:
        root = pathlib.Path(directory)
        if isinstance(made, Image):
            _unpack_image(made, root)
        else:
            if sha256(made.path) != made.known[1]:
                raise ValueError(f"{made.path} is not what {made.sums_path} says")
            _unpack_file(made, root)
        for command, answer in SAYINGS[made.name]:
            program, *arguments = shlex.split(command)
            argv = ["chroot", root, program] if isinstance(made, Image) else [root / program]
            done = subprocess.run([*argv, *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60)
            if not re.search(answer, done.stdout):
                raise ValueError(f"{command}: ended with {done.returncode} and said {done.stdout[-500:]!r}, not {answer!r}")


def _unpack_image(image: Image, root: pathlib.Path) -> None:
    with tarfile.open(image.path) as archive:
        [manifest] = json.load(archive.extractfile("manifest.json"))
        if manifest["RepoTags"] != [image.tag]:
            raise ValueError(f"{image.path} is {manifest['RepoTags']}")
        for layer in manifest["Layers"]:
            with tarfile.open(fileobj=archive.extractfile(layer)) as content:
                content.extractall(root)


def _unpack_file(file: Download, root: pathlib.Path) -> None:
    if file.directory is None:
        (root / file.path.name).symlink_to(file.path)
    else:
        with tarfile.open(file.path) as content:
            content.extractall(root)
