"""Whether this machine can be a bed, what it lacks, and what of it is changed while one is up."""

import contextlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from machines import cgroups, places
from machines.commands import CommandFailed, attempt, run

# Program -> Debian package.
PROGRAMS = {
    "ip": "iproute2",
    "nft": "nftables",
    "conntrack": "conntrack",
    "debootstrap": "debootstrap",
    "losetup": "mount",
    "mount": "mount",
    "unshare": "util-linux",
    "nsenter": "util-linux",
    "setpriv": "util-linux",
    "nice": "coreutils",
    "openssl": "openssl",
}
# What debootstrap checks packages with, which it only recommends.
FILES = {"/usr/share/keyrings/debian-archive-keyring.gpg": "debian-archive-keyring"}
CAP_SYS_ADMIN, CAP_NET_ADMIN, CAP_MKNOD = 21, 12, 27
SETTINGS = Path("/proc/sys")
# Module -> what is there once it is loaded. From inside an instance the kernel loads neither.
MODULES = {"br_netfilter": SETTINGS / "net/bridge", "nf_conntrack": SETTINGS / "net/netfilter"}
RULES = (
    "add table ip probe; add chain ip probe c { type nat hook prerouting priority 0; }; "
    "add rule ip probe c ct mark 0 dnat ip to numgen random mod 2 map { 0 : 192.0.2.1, 1 : 192.0.2.2 }"
)


def reasons(kubernetes: bool = True) -> list[str]:
    """Everything that keeps this machine from being a bed, in words. Missing packages are installed if nothing else is in the way."""
    lacks = lacking(kubernetes)
    if not lacks and _install():
        # What only these programs could try.
        lacks = lacking(kubernetes)
    return [*lacks, *(f"{thing} is not installed (Debian: {package})" for thing, package in _missing().items())]


def _install() -> bool:
    """Installs the packages of what is missing; gives whether there was anything to do. What fails is missing still."""
    missing = _missing()
    if not missing or not shutil.which("apt-get"):
        return False
    packages = sorted(set(missing.values()))
    print(f"installing {' '.join(packages)}", flush=True)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    with contextlib.suppress(subprocess.TimeoutExpired):
        for command in (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends", *packages]):
            subprocess.run(["apt-get", *command], env=environment, stdout=subprocess.DEVNULL, timeout=300, check=False)
    return True


def _missing() -> dict[str, str]:
    programs = {program: package for program, package in PROGRAMS.items() if shutil.which(program) is None}
    return programs | {file: package for file, package in FILES.items() if not Path(file).exists()}


def lacking(kubernetes: bool = True) -> list[str]:
    """What keeps this machine from being a bed, besides programs, in words; nothing is left changed by asking."""
    if os.uname().sysname != "Linux":
        return [f"this is {os.uname().sysname}: the bed needs Linux"]
    if os.geteuid() != 0:
        return ["it needs root: run it with sudo"]
    lacks = [f"{name} is missing from the process's capabilities" for name in _missing_capabilities()]
    lacks += cgroups.lacking()
    if not _works("unshare", "--net", "--mount", "--pid", "--fork", "true"):
        lacks.append("new network, mount and process namespaces are refused (unshare)")
    elif shutil.which("nft") and not _works("unshare", "--net", "nft", RULES):
        lacks.append("packet filter rules with connection marks and address translation are refused (nft)")
    if not _overlay_works():
        lacks.append(f"an overlay cannot be mounted over directories in {places.STATE}: it needs a real file system there, not another overlay")
    if not _loops_work():
        lacks.append("a file cannot be made a loop device, which volumes are made of (losetup)")
    if not _can_read("/dev/kmsg"):
        lacks.append("/dev/kmsg cannot be read, which kubelets do")
    if kubernetes and not _has_module("br_netfilter"):
        lacks.append("there is no kernel module br_netfilter, which Services need")
    return lacks + _unchangeable(kubernetes)


def _works(*command: str) -> bool:
    """Whether a program can do what is asked of it; one that is missing is named as missing, not here."""
    return shutil.which(command[0]) is None or attempt(*command)


def _missing_capabilities() -> list[str]:
    status = Path("/proc/self/status").read_text()
    mask = int(next(line.split()[1] for line in status.splitlines() if line.startswith("CapEff:")), 16)
    names = {"CAP_SYS_ADMIN": CAP_SYS_ADMIN, "CAP_NET_ADMIN": CAP_NET_ADMIN, "CAP_MKNOD": CAP_MKNOD}
    return [name for name, bit in names.items() if not mask >> bit & 1]


def _overlay_works() -> bool:
    places.STATE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=places.STATE) as directory:
        for name in ("lower", "upper", "work", "root"):
            (Path(directory) / name).mkdir()
        options = f"lowerdir={directory}/lower,upperdir={directory}/upper,workdir={directory}/work"
        mounted = attempt("mount", "-t", "overlay", "overlay", "-o", options, f"{directory}/root")
        if mounted:
            attempt("umount", f"{directory}/root")
        shutil.rmtree(f"{directory}/work", ignore_errors=True)
        return mounted


def _loops_work() -> bool:
    if shutil.which("losetup") is None:
        return True
    with tempfile.NamedTemporaryFile(dir=places.STATE) as file:
        file.truncate(1 << 20)
        try:
            device = run("losetup", "--find", "--show", file.name).strip()
        except CommandFailed:
            return False
        return attempt("losetup", "--detach", device)


def _can_read(path: str) -> bool:
    try:
        os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK))
        return True
    except OSError:
        return False


def _has_module(name: str) -> bool:
    return MODULES[name].exists() or (shutil.which("modprobe") is not None and attempt("modprobe", "-q", "-n", name))


def load_modules() -> None:
    """Those that an instance cannot load: there `modprobe` just agrees."""
    for name, sign in MODULES.items():
        if not sign.exists() and shutil.which("modprobe"):
            attempt("modprobe", "-q", name)


def changes(kubernetes: bool) -> dict[str, tuple[str, str]]:
    """Settings of this machine that instances share and that are not as they must be: what each is, and what it must be."""
    # A systemd takes a handful of the host's, a kubelet some more.
    wanted = {"fs/inotify/max_user_instances": max(2048, int(_read("fs/inotify/max_user_instances")))}
    if kubernetes:
        # What kube-proxy wants by default, no less and no more: only the host's own network namespace could set it, to any other
        # it is read-only, and kube-proxy ends if it cannot make it so.
        wanted["net/netfilter/nf_conntrack_max"] = max(131072, 32768 * (os.cpu_count() or 1))
    present = {name: (_read(name), str(value)) for name, value in wanted.items() if (SETTINGS / name).exists()}
    return {name: (now, value) for name, (now, value) in present.items() if now != value}


def change(settings: dict[str, tuple[str, str]]) -> None:
    for name, (_, value) in settings.items():
        (SETTINGS / name).write_text(value)


def _unchangeable(kubernetes: bool) -> list[str]:
    """Settings that would have to be changed and cannot be, as outside the machine's own network namespace."""
    refused = {name: setting for name, setting in changes(kubernetes).items() if not os.access(SETTINGS / name, os.W_OK)}
    return [f"{name.replace('/', '.')} is {now}, must be {value}, and cannot be changed here" for name, (now, value) in refused.items()]


def restore(before: dict[str, str]) -> None:
    for name, value in before.items():
        with contextlib.suppress(OSError):
            (SETTINGS / name).write_text(value)


def _read(name: str) -> str:
    return (SETTINGS / name).read_text().strip()
