"""Whether this machine can be a bed, what it lacks, and what of it is changed while one is up."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from machines import cgroups, places
from machines.commands import attempt

# Program -> Debian package.
PROGRAMS = {
    "ip": "iproute2",
    "nft": "nftables",
    "conntrack": "conntrack",
    "debootstrap": "debootstrap",
    "losetup": "mount",
    "unshare": "util-linux",
    "nsenter": "util-linux",
    "setpriv": "util-linux",
    "openssl": "openssl",
}
CAP_SYS_ADMIN, CAP_NET_ADMIN, CAP_MKNOD = 21, 12, 27
SETTINGS = Path("/proc/sys")


def install_programs() -> list[str]:
    """Installs the packages of programs that are missing; gives the programs that are missing after that."""
    missing = _missing()
    if missing and os.geteuid() == 0 and shutil.which("apt-get"):
        packages = sorted({PROGRAMS[program] for program in missing})
        print(f"installing {' '.join(packages)}", flush=True)
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for command in (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends", *packages]):
            subprocess.run(["apt-get", *command], env=environment, stdout=subprocess.DEVNULL, timeout=600, check=False)
    return _missing()


def _missing() -> list[str]:
    return [program for program in PROGRAMS if shutil.which(program) is None]


def lacking() -> list[str]:
    """Everything that keeps this machine from being a bed, in words; nothing is changed by asking."""
    if os.uname().sysname != "Linux":
        return [f"this is {os.uname().sysname}: the bed needs Linux"]
    if os.geteuid() != 0:
        return ["it needs root: run it with sudo"]
    lacks = [f"{name} is missing from the process's capabilities" for name in _missing_capabilities()]
    lacks += _lacking_control_groups()
    if not attempt("unshare", "--net", "--mount", "--pid", "--fork", "true"):
        lacks.append("new network, mount and process namespaces are refused (unshare)")
    if not _overlay_works():
        lacks.append(f"an overlay cannot be mounted over directories in {places.STATE}: it needs a real file system there, not another overlay")
    if not Path("/dev/loop-control").exists():
        lacks.append("there are no loop devices (/dev/loop-control), which volumes are made of")
    return lacks


def _missing_capabilities() -> list[str]:
    status = Path("/proc/self/status").read_text()
    mask = int(next(line.split()[1] for line in status.splitlines() if line.startswith("CapEff:")), 16)
    names = {"CAP_SYS_ADMIN": CAP_SYS_ADMIN, "CAP_NET_ADMIN": CAP_NET_ADMIN, "CAP_MKNOD": CAP_MKNOD}
    return [name for name, bit in names.items() if not mask >> bit & 1]


def _lacking_control_groups() -> list[str]:
    """boot.sh hands an instance its own group of each cgroup v1 controller, which is what the bed was made on."""
    missing = [c for c in (*cgroups.CONTROLLERS, "systemd") if not (cgroups.ROOT / c / "cgroup.procs").exists()]
    if not missing:
        return []
    if (cgroups.ROOT / "cgroup.controllers").exists():
        return [f"{cgroups.ROOT} is cgroup v2: the bed knows cgroup v1 only (systemd.unified_cgroup_hierarchy=0)"]
    return [f"these cgroup v1 controllers are not mounted below {cgroups.ROOT}: {', '.join(missing)}"]


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


def prepare() -> dict[str, str]:
    """Changes settings of this machine that instances share; gives what they were, for `restore`."""
    wanted = {
        # A systemd takes a handful of the host's, a kubelet some more.
        "fs/inotify/max_user_instances": max(2048, int(_read("fs/inotify/max_user_instances"))),
        # What kube-proxy wants by default: only the host's own network namespace could set it, to any other it is read-only,
        # and kube-proxy ends if it is not so and it cannot make it so.
        "net/netfilter/nf_conntrack_max": max(131072, 32768 * (os.cpu_count() or 1)),
    }
    before = {}
    for name, value in wanted.items():
        if (SETTINGS / name).exists() and int(_read(name)) != value:
            before[name] = _read(name)
            (SETTINGS / name).write_text(str(value))
    return before


def restore(before: dict[str, str]) -> None:
    for name, value in before.items():
        (SETTINGS / name).write_text(value)


def _read(name: str) -> str:
    return (SETTINGS / name).read_text().strip()
