"""Undoing a bed: whatever it made on this machine, found by the bed's own names, so that it does not matter how it ended."""

import contextlib
import json
import os
import shutil
from pathlib import Path

from machines import cgroups, host, places
from machines.commands import attempt, run

PREFIX = "kspot-bed-"


def note_traces(settings: dict[str, str], memory_group: str) -> None:
    """Writes down what cannot be found by name."""
    places.TRACES.write_text(json.dumps({"settings": settings, "memory_group": memory_group}))


def found() -> list[str]:
    """Everything of a bed that is on this machine, in words."""
    memory = _traces().get("memory_group", cgroups.memory_group())
    things = [f"network namespace {name}" for name in _namespaces()]
    things += [f"mount {path}" for path in _mounts()]
    things += [f"control group {group}" for name in _instances(memory) for group in cgroups.groups_of(name, memory)]
    things += [f"loop device {device}" for device in _loops()]
    things += [f"link {places.HOST_LINK}"] if Path(f"/sys/class/net/{places.HOST_LINK}").exists() else []
    return things


def clean() -> list[str]:
    """Removes everything; gives what is there still."""
    traces = _traces()
    memory = traces.get("memory_group", cgroups.memory_group())
    for instance_id in _instances(memory):
        cgroups.kill(instance_id, memory)
    # The deepest first.
    for path in sorted(_mounts(), reverse=True):
        attempt("umount", "-l", path)
    for instance_id in _instances(memory):
        cgroups.remove(instance_id, memory)
    for device in _loops():
        attempt("losetup", "--detach", device)
    for name in _namespaces():
        attempt("ip", "netns", "del", name)
    attempt("ip", "link", "del", places.HOST_LINK)
    host.restore(traces.get("settings", {}))
    left = found()
    if not left:
        # Of an instance the console stays.
        disks = [path for path in places.INSTANCES.glob("*/*") if path.is_dir()]
        for directory in (places.VOLUMES, places.TRUST, *disks):
            shutil.rmtree(directory, ignore_errors=True)
        for file in (places.TRACES, places.ENVIRONMENT, places.RESOLVER, places.CONTROL):
            file.unlink(missing_ok=True)
    return left


def forget_consoles() -> None:
    """Consoles outlive their bed, until the next one."""
    shutil.rmtree(places.INSTANCES, ignore_errors=True)


def _traces() -> dict:
    with contextlib.suppress(OSError, ValueError):
        return json.loads(places.TRACES.read_text())
    return {}


def _namespaces() -> list[str]:
    return [line.split()[0] for line in run("ip", "netns", "list").splitlines() if line.startswith(PREFIX)]


def _mounts() -> list[str]:
    below = f"{places.INSTANCES}/"
    lines = Path("/proc/self/mounts").read_text().splitlines()
    return [path for path in (line.split()[1] for line in lines) if path.startswith(below)]


def _loops() -> list[str]:
    lines = run("losetup", "--noheadings", "--raw", "--output", "NAME,BACK-FILE").splitlines()
    devices = [line.split(maxsplit=1) for line in lines if " " in line]
    return [device for device, file in devices if file.startswith(f"{places.VOLUMES}/")]


def _instances(memory: str) -> list[str]:
    """Those that have control groups."""
    bases = [cgroups.ROOT / controller for controller in (*cgroups.CONTROLLERS, "systemd", "unified")]
    bases.append(cgroups.ROOT / "memory" / memory.lstrip("/"))
    names = {name for base in bases if base.is_dir() for name in os.listdir(base) if name.startswith(PREFIX)}
    return sorted(name.removeprefix(PREFIX) for name in names)
