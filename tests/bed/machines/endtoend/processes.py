"""kspot's processes in instances, as this machine sees them."""

import os
import re
import threading
from dataclasses import dataclass
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Process:
    pid: int
    role: str  # boot, keep, controller

    @property
    def lives(self) -> bool:
        try:
            return bool(Path(f"/proc/{self.pid}/cmdline").read_bytes())
        except OSError:
            return False

    @property
    def inner_pid(self) -> int:
        """Its number in the instance."""
        return int(self._status("NSpid").split()[-1])

    @property
    def peak_bytes(self) -> int:
        """The most that it ever had in memory."""
        return self._memory("VmHWM")

    @property
    def own_bytes(self) -> int:
        """What of it is no page of the program's file, which the kernel may drop."""
        return self._memory("RssAnon")

    @property
    def cpu_seconds(self) -> float:
        """Its own, without what it has started."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def _memory(self, name: str) -> int:
        return int(self._status(name).split()[0]) << 10

    def _status(self, name: str) -> str:
        found = re.search(rf"^{name}:\s+(.*)$", Path(f"/proc/{self.pid}/status").read_text(), re.M)
        if found is None:
            raise ProcessLookupError(f"process {self.pid} has ended")
        return found[1]


def of(instance_id: str) -> dict[str, Process]:
    """The kspot processes of an instance, by what they do."""
    found = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            arguments = (entry / "cmdline").read_bytes().split(b"\0")
            if len(arguments) < 3 or not arguments[0].endswith(b"/bin/kspot") or arguments[1] != b"node":
                continue
            if (entry / "root/run/host/instance-id").read_text().strip() == instance_id:
                process = Process(int(entry.name), arguments[2].decode())
                found[process.role] = process
        except OSError:
            continue  # it has ended meanwhile
    return found


class Boot(threading.Thread):
    """Follows an instance's agent and knows how much CPU time it took, to a fifth of a second, and the most memory."""

    def __init__(self, instance_id: str):
        super().__init__(daemon=True)
        self.instance_id = instance_id
        self.seconds = 0.0
        self.peak_bytes = 0
        self.stopping = threading.Event()
        self.start()

    def run(self) -> None:
        agent = None
        while not self.stopping.wait(0.2):
            try:
                agent = agent or of(self.instance_id).get("boot")
                if agent:
                    self.peak_bytes = agent.peak_bytes
                    self.seconds = agent.cpu_seconds
            except OSError:
                return  # it has ended

    def stop(self) -> None:
        self.stopping.set()
        self.join()
        assert self.seconds > 0 and self.peak_bytes > 0, f"nobody has seen the agent of {self.instance_id}"
