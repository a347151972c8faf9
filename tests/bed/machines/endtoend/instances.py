"""The instances, from outside: which there are, what they say, how they end."""

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from machines import control, places
from machines.machine import enter
from machines.waiting import eventually


@dataclass(frozen=True)
class Instance:
    id: str
    group: str
    zone: str
    address: str
    lifecycle: str
    up: float
    pid: int | None

    @property
    def is_control_plane(self) -> bool:
        return self.group.startswith("control-plane-")

    @property
    def console(self) -> Path:
        return places.INSTANCES / self.id / "console.log"

    def lines(self) -> list[str]:
        """What kspot has written to the console."""
        text = self.console.read_bytes().decode(errors="replace") if self.console.exists() else ""
        return [line.strip() for line in text.splitlines() if "kspot: " in line]

    def phases(self, agent: int | None = None) -> list[str]:
        """The phases of the boot that are done, in order; if an agent's pid is given, those that it has told of."""
        by = r"kspot\[\d+\]" if agent is None else rf"kspot\[{agent}\]"
        return [match[1] for line in self.lines() if (match := re.search(rf"{by}: .* phase=(\S+) done ", line))]

    def run(self, *command: str, seconds: float = 30) -> str:
        """Runs a command in the instance."""
        done = subprocess.run([*enter(self.pid), *command], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=seconds)
        return done.stdout + done.stderr


def running() -> list[Instance]:
    """Those that should run and are on, the eldest first."""
    rows = [row for row in control.ask("status")["instances"] if row["state"] in ("pending", "running") and row["up"] is not None]
    return [Instance(row["id"], row["group"], row["zone"], row["address"], row["lifecycle"], row["up"], row["pid"]) for row in rows]


def control_planes() -> list[Instance]:
    return [instance for instance in running() if instance.is_control_plane]


def workers(lifecycle: str | None = None) -> list[Instance]:
    return [i for i in running() if not i.is_control_plane and lifecycle in (None, i.lifecycle)]


def by_id(instance_id: str) -> Instance:
    for instance in running():
        if instance.id == instance_id:
            return instance
    raise LookupError(f"{instance_id} is not on")


def kill(instance: Instance) -> None:
    """Its plug is pulled; then EC2 and Auto Scaling hear of it."""
    control.ask("kill", instance_id=instance.id)


def successor(of: Instance, known: list[Instance], seconds: float = 60) -> Instance:
    """The machine that Auto Scaling starts in an instance's place, as soon as it is on."""
    before = {instance.id for instance in known}

    def look() -> Instance | None:
        return next((i for i in running() if i.id not in before and i.group == of.group and i.pid), None)

    return eventually(f"a machine comes in place of {of.id}", seconds, look)


def replace(instance: Instance) -> Instance:
    """Kills an instance; gives the one that comes in its place."""
    known = running()
    kill(instance)
    return successor(instance, known)
