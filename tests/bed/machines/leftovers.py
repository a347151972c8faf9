"""Undoing a bed: whatever it made on this machine, found by the bed's own names, so that it does not matter how it ended.

What can't be found by name, in which directory the bed was above all, is in its traces. Who cleans holds the machine's lock.
"""

import contextlib
import json
import re
import shutil
from pathlib import Path

from machines import cgroups, host, places
from machines.commands import attempt, run

PREFIX = "kspot-bed-"


def note_traces(settings: dict[str, str]) -> None:
    """Writes down what cannot be found by name: before it is changed, so that nothing changed is forgotten."""
    traces = {"state": str(places.STATE), "settings": settings, "memory_group": cgroups.memory_group()}
    places.TRACES.write_text(json.dumps(traces))


def found() -> list[str]:
    """Everything of a bed that is on this machine, in words."""
    memory = _memory_group()
    things = [f"network namespace {name}" for name in _namespaces()]
    things += [f"mount {path}" for path in _mounts()]
    things += [f"control group {group}" for name in cgroups.instances(memory) for group in cgroups.groups_of(name, memory)]
    things += [f"loop device {device}" for device in _loops()]
    things += [f"link {places.HOST_LINK}"] if Path(f"/sys/class/net/{places.HOST_LINK}").exists() else []
    return things


def clean() -> list[str]:
    """Removes everything; gives what is there still."""
    memory = _memory_group()
    for instance_id in cgroups.instances(memory):
        cgroups.kill(instance_id, memory)
    # The deepest first.
    for path in sorted(_mounts(), reverse=True):
        attempt("umount", "-l", path)
    for instance_id in cgroups.instances(memory):
        cgroups.remove(instance_id, memory)
    for device in _loops():
        attempt("losetup", "--detach", device)
    for name in _namespaces():
        attempt("ip", "netns", "del", name)
    attempt("ip", "link", "del", places.HOST_LINK)
    host.restore(_traces().get("settings", {}))
    left = found()
    if not left:
        for state in _states():
            _remove_files(state)
        for file in (places.TRACES, *places.TRACES.parent.glob(places.CONTROLS)):
            file.unlink(missing_ok=True)
    return left


def _remove_files(state: Path) -> None:
    """Of an instance the console stays."""
    disks = [path for path in _below(places.INSTANCES, state).glob("*/*") if path.is_dir()]
    for directory in (_below(places.VOLUMES, state), _below(places.TRUST, state), *disks):
        shutil.rmtree(directory, ignore_errors=True)
    for file in (places.ENVIRONMENT, places.RESOLVER):
        _below(file, state).unlink(missing_ok=True)


def forget_consoles() -> None:
    """Consoles outlive their bed, until the next one."""
    shutil.rmtree(places.INSTANCES, ignore_errors=True)


def _traces() -> dict:
    with contextlib.suppress(OSError, ValueError):
        return json.loads(places.TRACES.read_text())
    return {}


def _memory_group() -> str:
    return _traces().get("memory_group") or cgroups.memory_group()


def _states() -> list[Path]:
    """Our own directory, and that of the bed that has left traces: it may be another checkout's."""
    return sorted({places.STATE, Path(_traces().get("state") or places.STATE)})


def _below(path: Path, state: Path) -> Path:
    """The same place in another bed's directory."""
    return state / path.relative_to(places.STATE)


def _namespaces() -> list[str]:
    return [line.split()[0] for line in run("ip", "netns", "list").splitlines() if line.startswith(PREFIX)]


def _mounts() -> list[str]:
    below = tuple(f"{_below(places.INSTANCES, state)}/" for state in _states())
    return [path for path in mount_points(Path("/proc/self/mounts").read_text()) if path.startswith(below)]


def mount_points(text: str) -> list[str]:
    """Where something is mounted, as /proc/self/mounts tells: with spaces and the like as octal numbers."""
    escaped = [line.split(" ")[1] for line in text.splitlines()]
    return [re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), path) for path in escaped]


def _loops() -> list[str]:
    said = run("losetup", "--json", "--output", "NAME,BACK-FILE")
    below = tuple(f"{_below(places.VOLUMES, state)}/" for state in _states())
    devices = json.loads(said)["loopdevices"] if said.strip() else []
    return [device["name"] for device in devices if (device["back-file"] or "").startswith(below)]
