"""The instances' control groups: one per controller, below this machine's root; for memory below our own group, as the host
manages memory by groups itself."""

import os
import signal
import time
from pathlib import Path

from machines import places

ROOT = Path("/sys/fs/cgroup")
CONTROLLERS = ("cpu", "cpuacct", "cpuset", "memory", "devices", "freezer", "blkio", "pids")


def memory_group() -> str:
    """The path of our own group of the memory controller."""
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if "memory" in controllers.split(","):
            return path
    return "/"


def groups_of(instance_id: str, memory: str) -> list[Path]:
    """Every group of an instance that there is."""
    name = places.CGROUP.format(id=instance_id)
    bases = [ROOT / controller for controller in (*CONTROLLERS, "systemd", "unified") if controller != "memory"]
    bases.append(ROOT / "memory" / memory.lstrip("/"))
    return [base / name for base in bases if (base / name).is_dir()]


def kill(instance_id: str, memory: str) -> None:
    """Ends every process in an instance's groups."""
    for _ in range(50):
        # A process that is ending is listed as 0, which to `kill` is ourselves.
        pids = {int(pid) for group in groups_of(instance_id, memory) for pid in _processes(group)} - {0}
        if not pids:
            return
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        time.sleep(0.05)


def remove(instance_id: str, memory: str) -> bool:
    """Removes an instance's groups, leaf first; gives whether they are gone (they are not while a process is ending)."""
    for group in groups_of(instance_id, memory):
        for directory, _, _ in os.walk(group, topdown=False):
            try:
                os.rmdir(directory)
            except OSError:
                pass
    return not groups_of(instance_id, memory)


def _processes(group: Path) -> list[str]:
    pids: list[str] = []
    for directory, _, _ in os.walk(group):
        try:
            pids += (Path(directory) / "cgroup.procs").read_text().split()
        except OSError:
            pass
    return pids
