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
INOTIFY_INSTANCES = Path("/proc/sys/fs/inotify/max_user_instances")
# All instances share the host's: a systemd takes a handful, a kubelet some more.
INOTIFY_INSTANCES_NEEDED = 2048


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


def raise_limits() -> int:
    """Gives the instances room; the answer is what to restore."""
    before = int(INOTIFY_INSTANCES.read_text())
    if before < INOTIFY_INSTANCES_NEEDED:
        INOTIFY_INSTANCES.write_text(str(INOTIFY_INSTANCES_NEEDED))
    return before


def restore_limits(before: int) -> None:
    INOTIFY_INSTANCES.write_text(str(before))
