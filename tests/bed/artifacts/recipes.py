"""What machines of a cluster download, under the names that the CLI and its addons give."""

import re

from debian import Packages
from download import Download
from image import Capable, Image, Link
from programs import MODULES, CProgram, ModuleFiles, Program
from workshop import ROOT


def _constant(name: str) -> str:
    """A release that the CLI pins in src/model/assets.rs."""
    return re.search(rf'const {name}: &str = "([^"]+)"', (ROOT / "src/model/assets.rs").read_text())[1]


def _release(module: str, package: str) -> str:
    return re.search(rf"^\s*(?:require )?{package} (v\S+)", (MODULES / module / "go.mod").read_text(), re.M)[1]


def _addon(image: str) -> str:
    """The image with the tag of the addon that runs it: written behind it, or the release set further up."""
    for manifest in sorted(ROOT.glob("addons/*/manifest.yaml")):
        text = manifest.read_text()
        if named := re.search(rf'"{re.escape(image)}:([^"]*)"', text):
            release = re.search(r'set release = .*default\("v?([^"]+)"', text)
            return f"{image}:{named[1]}" if named[1] else f"{image}:v{release[1]}"
    raise LookupError(f"no addon runs {image}")


KUBERNETES = _release("kubernetes", "k8s.io/kubernetes")
# The newest that the CLI gives to a cluster of this release, and what kubeadm names.
ETCD = re.search(r'^\s*34\.\.=36 => "([^"]+)"', (ROOT / "src/spec/complete.rs").read_text(), re.M)[1]
COREDNS = _release("coredns", "github.com/coredns/coredns")


def _kubernetes(name: str) -> Program:
    version = "k8s.io/component-base/version"
    variables = {
        f"{version}.gitVersion": KUBERNETES,
        f"{version}.gitMajor": "1",
        f"{version}.gitMinor": KUBERNETES.split(".")[1],
        f"{version}.gitTreeState": "clean",
    }
    return Program(name, "kubernetes", f"k8s.io/kubernetes/cmd/{name}", variables)


def _files() -> list[Download]:
    containerd, runc, cni = (_constant(name) for name in ("CONTAINERD", "RUNC", "CNI_PLUGINS"))
    credentials = _constant("ECR_CREDENTIAL_PROVIDER")
    github = "github.com/{0}/releases/download/v{1}/".format
    provider = "k8s.io/cloud-provider-aws/cmd/ecr-credential-provider"
    kubernetes = [
        Download(name, f"dl.k8s.io/release/{KUBERNETES}/bin/linux/amd64/{name}", [_kubernetes(name)], ".sha256", alone=True)
        for name in ("kubelet", "kubeadm", "kubectl")
    ]
    module = "github.com/containerd/containerd/v2"
    version = {f"{module}/version.Version": _release("containerd", module)}
    of_containerd = [
        Program(name, "containerd", f"{module}/cmd/{name}", version, "urfave_cli_no_docs")
        for name in ("containerd", "containerd-shim-runc-v2", "ctr")
    ]
    tools = re.findall(r"^\t(github.com/containernetworking/plugins/plugins/\S+)$", (MODULES / "cni-plugins/go.mod").read_text(), re.M)
    plugin_version = {"github.com/containernetworking/plugins/pkg/utils/buildversion.BuildVersion": f"v{cni}"}
    plugins = [Program(tool.rpartition("/")[2], "cni-plugins", tool, plugin_version) for tool in tools]
    seccomp = Packages(("libseccomp-dev",), needed=False)
    runc_program = Program(
        "runc", "runc", "github.com/opencontainers/runc", tags="seccomp,urfave_cli_no_docs,netgo,osusergo",
        cgo=True, packages=seccomp, libraries="-lseccomp",
    )
    crictl = _release("cri-tools", "sigs.k8s.io/cri-tools")
    return [
        *kubernetes,
        Download(
            "containerd", f"{github('containerd/containerd', containerd)}containerd-{containerd}-linux-amd64.tar.gz",
            of_containerd, ".sha256sum", "bin/",
        ),
        Download("runc", f"{github('opencontainers/runc', runc)}runc.amd64", [runc_program], "/runc.sha256sum"),
        Download(
            "cni-plugins", f"{github('containernetworking/plugins', cni)}cni-plugins-linux-amd64-v{cni}.tgz",
            plugins, ".sha256", "./",
        ),
        Download(
            "ecr-credential-provider",
            f"artifacts.k8s.io/binaries/cloud-provider-aws/v{credentials}/linux/amd64/ecr-credential-provider-linux-amd64",
            [Program("ecr-credential-provider", "cloud-provider-aws", provider)], ".sha256", alone=True,
        ),
        Download(
            "crictl", f"{github('kubernetes-sigs/cri-tools', crictl[1:])}crictl-{crictl}-linux-amd64.tar.gz",
            [Program(
                "crictl", "cri-tools", "sigs.k8s.io/cri-tools/cmd/crictl",
                {"sigs.k8s.io/cri-tools/pkg/version.Version": crictl},
            )],
            ".sha256", "", alone=True,
        ),
    ]  # fmt: skip


# The program for packet filters of Debian's iptables goes by the name that it is called with.
IPTABLES = Packages(("iptables", "nftables", "conntrack"))
IPTABLES_PROGRAMS = ("usr/sbin/xtables-nft-multi", "usr/sbin/xtables-legacy-multi", "usr/sbin/nft", "usr/sbin/conntrack")
IPTABLES_LINKS = {
    f"/usr/sbin/{family}{kind}{action}": Link(f"xtables-{kind[1:] or 'nft'}-multi")
    for family in ("iptables", "ip6tables")
    for kind in ("", "-nft", "-legacy")
    for action in ("", "-save", "-restore")
}

# Debian's static busybox breaks in getaddrinfo.
BUSYBOX = Packages(("busybox",))
BUSYBOX_PROGRAMS = ("bin/busybox",)
APPLETS = (
    "[ awk base64 basename cat chmod cp cut date dd df dirname du echo env expr false find free getopt grep gunzip gzip head "
    "hostname httpd id ip kill less ln ls md5sum mkdir mkfifo mktemp more mount mv nc nslookup od pgrep pidof ping ping6 printf "
    "ps pwd readlink realpath rm rmdir sed seq sh sha256sum sleep sort stat stty sync tail tar tee telnet test time timeout top "
    "touch tr traceroute true tty umount uname uniq uptime vi watch wc wget which whoami xargs yes"
).split()


def _images() -> list[Image]:
    images = [_of_kubernetes(f"kube-{name}") for name in ("apiserver", "controller-manager", "scheduler")]
    images.append(_of_kubernetes("kube-proxy", IPTABLES_LINKS, packages=IPTABLES, programs=IPTABLES_PROGRAMS))
    etcd = "go.etcd.io/etcd"
    etcd_programs = {
        "etcd": Program("etcd", "etcd", f"{etcd}/server/v3"),
        "etcdctl": Program("etcdctl", "etcd", f"{etcd}/etcdctl/v3"),
        "etcdutl": Program("etcdutl", "etcd", f"{etcd}/etcdutl/v3"),
    }
    images.append(Image(
        f"registry.k8s.io/etcd:{ETCD}-0",
        {f"/usr/local/bin/{name}": program for name, program in etcd_programs.items()},
        ["/usr/local/bin/etcd"],
    ))  # fmt: skip
    images.append(Image(_constant("SANDBOX_IMAGE"), {"/pause": CProgram("pause")}, ["/pause"], "65535:65535"))
    coredns = Program("coredns", "coredns", variables={"github.com/coredns/coredns/coremain.GitCommit": "bed"})
    coredns_tag = f"registry.k8s.io/coredns/coredns:{COREDNS}"
    images.append(Image(coredns_tag, {"/coredns": Capable(coredns)}, ["/coredns"], "65532:65532"))
    images.extend(_flannel())
    images.append(_of_provider())
    images.append(_addon_program(
        "registry.k8s.io/networking/kube-network-policies", "/bin/netpol",
        Program("netpol", "kube-network-policies", "sigs.k8s.io/kube-network-policies/cmd/kube-network-policies/standard"),
    ))  # fmt: skip
    metrics = Program("metrics-server", "metrics-server", "sigs.k8s.io/metrics-server/cmd/metrics-server")
    images.append(_addon_program("registry.k8s.io/metrics-server/metrics-server", "/metrics-server", metrics, "65534"))
    handler = Program("node-termination-handler", "aws-node-termination-handler", "github.com/aws/aws-node-termination-handler/cmd")
    images.append(_addon_program("public.ecr.aws/aws-ec2/aws-node-termination-handler", "/node-termination-handler", handler, "1000"))
    images.append(_problem_detector())
    images.extend(_storage())
    applets = {f"/bin/{applet}": Link("busybox") for applet in APPLETS}
    images.append(Image("kspot.test/tools:1", applets, ["/bin/sh"], packages=BUSYBOX, programs=BUSYBOX_PROGRAMS))
    return images


def _of_kubernetes(name: str, more: dict | None = None, **options) -> Image:
    path = f"/usr/local/bin/{name}"
    return Image(f"registry.k8s.io/{name}:{KUBERNETES}", {path: _kubernetes(name), **(more or {})}, [path], **options)


def _flannel() -> list[Image]:
    module = "github.com/flannel-io/flannel"
    version = _release("flannel", module)
    # One of its backends is C.
    flanneld = Program(
        "flanneld", "flannel", module, {f"{module}/pkg/version.Version": version}, "netgo,osusergo", cgo=True,
    )  # fmt: skip
    install = Program("install-conf", "flannel", f"{module}/cmd/install_conf")
    shell = {f"/bin/{applet}": Link("busybox") for applet in ("cat", "sh", "sleep")}
    return [
        Image(
            _addon("ghcr.io/flannel-io/flannel"),
            {"/opt/bin/flanneld": flanneld, "/opt/bin/install-conf": install, **IPTABLES_LINKS, **shell},
            ["/opt/bin/flanneld"], packages=Packages((*IPTABLES.names, *BUSYBOX.names)), programs=(*IPTABLES_PROGRAMS, *BUSYBOX_PROGRAMS),
        ),
    ]  # fmt: skip


def _problem_detector() -> Image:
    module = "k8s.io/node-problem-detector"

    def program(name: str, package: str) -> Program:
        version = {f"{module}/pkg/version.version": _release("node-problem-detector", module)}
        # The journal is read with a library that is opened when it runs. The exporter to another cloud drags in its SDK.
        return Program(
            name, "node-problem-detector", f"{module}/cmd/{package}", version, "journald,disable_stackdriver_exporter",
            cgo=True, static=False, packages=Packages(("libsystemd-dev",), needed=False),
        )  # fmt: skip

    return Image(
        _addon("registry.k8s.io/node-problem-detector/node-problem-detector"),
        {
            "/node-problem-detector": program("node-problem-detector", "nodeproblemdetector"),
            "/home/kubernetes/bin/log-counter": program("log-counter", "logcounter"),
            "/config": ModuleFiles("node-problem-detector", module, "config"),
        },
        ["/node-problem-detector", "--config.system-log-monitor=/config/kernel-monitor.json,/config/readonly-monitor.json"],
        packages=Packages(("libsystemd0",)),
    )  # fmt: skip


def _storage() -> list[Image]:
    """The driver for EBS and what stands beside it."""
    filesystems = Packages(("e2fsprogs", "mount", "util-linux", "xfsprogs"))
    tools = (
        "bin/findmnt", "bin/lsblk", "bin/mount", "bin/umount", "sbin/blkid", "sbin/blockdev", "sbin/e2fsck", "sbin/fsck",
        "sbin/fsck.ext4", "sbin/fsck.xfs", "sbin/mke2fs", "sbin/mkfs.ext4", "sbin/mkfs.xfs", "sbin/resize2fs", "sbin/tune2fs",
        "sbin/dumpe2fs", "sbin/xfs_repair", "usr/sbin/xfs_io", "etc/mke2fs.conf",
    )  # fmt: skip
    path = "/bin/aws-ebs-csi-driver"
    module = "github.com/kubernetes-sigs/aws-ebs-csi-driver"
    version = {f"{module}/pkg/driver.driverVersion": _release("csi", module)}
    driver = Program("aws-ebs-csi-driver", "csi", f"{module}/cmd", version)
    images = [
        Image(_addon("registry.k8s.io/provider-aws/aws-ebs-csi-driver"), {path: driver}, [path], packages=filesystems, programs=tools)
    ]
    beside = {
        "csi-provisioner": "github.com/kubernetes-csi/external-provisioner/v6/cmd/csi-provisioner",
        "csi-attacher": "github.com/kubernetes-csi/external-attacher/v4/cmd/csi-attacher",
        "csi-resizer": "github.com/kubernetes-csi/external-resizer/v2/cmd/csi-resizer",
        "livenessprobe": "./livenessprobe",
        "csi-node-driver-registrar": "./registrar",
    }
    for name, package in beside.items():
        images.append(_addon_program(f"registry.k8s.io/sig-storage/{name}", f"/{name}", Program(name, "csi", package)))
    return images


def _of_provider() -> Image:
    name = "aws-cloud-controller-manager"
    program = Program(name, "cloud-provider-aws", f"k8s.io/cloud-provider-aws/cmd/{name}")
    return _addon_program("registry.k8s.io/provider-aws/cloud-controller-manager", f"/bin/{name}", program)


def _addon_program(image: str, path: str, program: Program, user: str = "") -> Image:
    return Image(_addon(image), {path: program}, [path], user)


def artifacts() -> list[Download | Image]:
    """In the order in which a cluster needs them."""
    files = {file.name: file for file in _files()}
    images = _images()
    first = [files.pop(name) for name in ("kubelet", "kubeadm", "kubectl")]
    control_plane = images[:6]
    runtime = [files.pop(name) for name in ("containerd", "runc", "cni-plugins")]
    return [*first, *control_plane, *runtime, *images[6:], *files.values()]
