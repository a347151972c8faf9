"""The instances' control groups: one per controller, below this machine's root; for memory below our own group, as the host
manages memory by groups itself."""

import os
import signal
import time
from pathlib import Path

from machines import places

ROOT = Path("/sys/fs/cgroup")
CONTROLLERS = ("cpu", "cpuacct", "cpuset", "memory", "devices", "freezer", "blkio", "pids")
# Trees without controllers: systemd's own, and cgroup v2 beside v1.
PLAIN = ("systemd", "unified")
PROBE = "kspot-bed-probe"


def hierarchies(text: str) -> list[tuple[tuple[str, ...], str]]:
    """The controllers of each tree that is mounted, and our own group in it, as /proc/self/cgroup tells."""
    lines = [line.split(":", 2) for line in text.splitlines()]
    return [(tuple(controllers.split(",")), path) for _, controllers, path in lines]


def memory_group() -> str:
    """The path of our own group of the memory controller."""
    found = hierarchies(Path("/proc/self/cgroup").read_text())
    return next((path for controllers, path in found if "memory" in controllers), "/")


def bases(memory: str) -> dict[str, Path]:
    """Where an instance's group is made, by tree; `memory` is our own group of memory."""
    found = {tree: ROOT / tree for tree in (*CONTROLLERS, *PLAIN)}
    found["memory"] /= memory.lstrip("/")
    return found


def lacking() -> list[str]:
    """What of the control groups keeps this machine from being a bed. A group is made in each tree, and removed."""
    there = bases(memory_group())
    missing = [tree for tree, base in there.items() if not (base / "cgroup.procs").exists()]
    if missing and (ROOT / "cgroup.controllers").exists():
        return [f"{ROOT} is cgroup v2: the bed knows cgroup v1 only (systemd.unified_cgroup_hierarchy=0)"]
    if missing:
        return [f"these trees of cgroup v1 are not mounted below {ROOT}, or our own group is not to be seen: {', '.join(missing)}"]
    if shared := together(Path("/proc/self/cgroup").read_text()):
        return [f"cgroup v1 controllers are mounted together, the bed knows them apart only: {'; '.join(shared)}"]
    return [f"no control groups can be made in {', '.join(refused)}"] if (refused := _refused(there)) else []


def together(text: str) -> list[str]:
    """Controllers that share a tree: a tree is mounted whole or not at all, and boot.sh mounts each controller for itself."""
    return [",".join(found) for found, _ in hierarchies(text) if len(found) > 1 and set(found) & set(CONTROLLERS)]


def _refused(there: dict[str, Path]) -> list[str]:
    """The directories in which no group can be made: they are read-only, or no control groups at all."""
    refused = []
    for base in there.values():
        probe = base / PROBE
        try:
            probe.mkdir(exist_ok=True)
            if not (probe / "cgroup.procs").exists():
                refused.append(str(base))
            probe.rmdir()
        except OSError:
            refused.append(str(base))
    return refused


def groups_of(instance_id: str, memory: str) -> list[Path]:
    """Every group of an instance that there is."""
    name = places.CGROUP.format(id=instance_id)
    return [base / name for base in bases(memory).values() if (base / name).is_dir()]


def instances(memory: str) -> list[str]:
    """The instances that have groups."""
    prefix = places.CGROUP.format(id="")
    names = {name for base in bases(memory).values() if base.is_dir() for name in os.listdir(base) if name.startswith(prefix)}
    return sorted(name.removeprefix(prefix) for name in names)


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
