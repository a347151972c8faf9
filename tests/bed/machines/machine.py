"""A booted instance: its disk, its processes, how it is powered on and off."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

from machines import cgroups, places, roots
from machines.cloud import Instance
from machines.commands import attempt, run
from machines.console import Consoles

BOOT = Path(__file__).with_name("boot.sh")
# What needs a real file system below it; overlay on overlay is refused by the kernel.
REAL_DIRECTORIES = ("var/lib/containerd", "var/lib/kubelet", "var/lib/etcd")
# AWS gives an instance a few minutes between the power button and the plug.
POWER_OFF_SECONDS = 30.0
# Below the bed itself, whose metadata and names booting instances wait for, and below whoever works on the machine.
NICER = 10
POWER_OFF_SIGNAL = signal.SIGRTMIN + 4
REBOOTED = {129, -signal.SIGHUP}


class Machine:
    """One instance on this machine, for as long as its disk is there."""

    def __init__(self, instance: Instance, consoles: Consoles, memory_group: str):
        self.instance = instance
        self.consoles = consoles
        self.memory_group = memory_group
        self.release = roots.release_of(instance.image)
        self.directory = places.INSTANCES / instance.id
        self.root = self.directory / "root"
        self.console = self.directory / "console.log"
        self.process: subprocess.Popen | None = None
        self.terminal: int | None = None
        self.powered_on = 0.0
        self.plug_pulled_at: float | None = None

    def create_disk(self) -> None:
        """An empty layer over the root and the bed's own certificates."""
        for name in ("upper", "work", "root"):
            (self.directory / name).mkdir(parents=True)
        for name in REAL_DIRECTORIES:
            (self.directory / "data" / name).mkdir(parents=True)
        upper = self.directory / "upper"
        (upper / "etc").mkdir()
        (upper / "etc/hostname").write_text("localhost\n")
        (upper / "etc/resolv.conf").write_text(f"nameserver {places.RESOLVER_ADDRESS}\nsearch {self.search_domain}\noptions timeout:2\n")

    @property
    def search_domain(self) -> str:
        region = self.instance.place.region
        return "ec2.internal" if region == "us-east-1" else f"{region}.compute.internal"

    def power_on(self) -> None:
        layers = f"lowerdir={places.TRUST}:{roots.path(self.release)},upperdir={self.directory}/upper,workdir={self.directory}/work"
        run("mount", "-t", "overlay", "overlay", "-o", layers, str(self.root))
        self.terminal, inner = self.consoles.open(self.console)
        where = [self.instance.id, places.netns_of(self.instance.id), str(self.root), str(self.directory / "data")]
        self.process = subprocess.Popen(
            ["nice", "-n", str(NICER), str(BOOT), "outside", *where, os.ttyname(inner), self.memory_group],
            stdin=subprocess.DEVNULL, stdout=inner, stderr=inner, start_new_session=True,
        )  # fmt: skip
        self.powered_on = time.monotonic()
        self.plug_pulled_at = None

    def first_process(self) -> int | None:
        """The instance's PID 1, by its number on this machine."""
        process = self.process
        if process is None or process.poll() is not None:
            return None
        try:
            children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        except OSError:
            return None
        return int(children[0]) if children else None

    def booted(self) -> int | None:
        """The instance's PID 1 once it has the instance's own root; before, its root is this machine's."""
        pid = self.first_process()
        try:
            marker = Path("/proc", str(pid), "root/run/host/instance-id").read_text().strip()
        except OSError:
            return None
        return pid if marker == self.instance.id else None

    def press_power_button(self) -> None:
        """Begins an orderly end; `tick` makes it a certain one."""
        self.plug_pulled_at = time.monotonic() + POWER_OFF_SECONDS
        self._signal(POWER_OFF_SIGNAL)

    def pull_plug(self) -> None:
        self._signal(signal.SIGKILL)
        if self.process:
            self.process.kill()

    def _signal(self, number: int) -> None:
        if pid := self.first_process():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def ended(self) -> bool:
        """Whether the instance's processes are gone; pulls the plug on one that was asked to end and takes too long."""
        if self.process is None:
            return True
        if self.process.poll() is None:
            if self.plug_pulled_at and time.monotonic() > self.plug_pulled_at:
                self.pull_plug()
            return False
        return True

    def rebooted(self) -> bool:
        """Whether an instance that has ended did so to begin anew."""
        return bool(self.process) and self.process.returncode in REBOOTED

    def clear_away(self) -> None:
        """Takes back what a power-on made: processes, mounts, groups, console. The disk stays."""
        cgroups.kill(self.instance.id, self.memory_group)
        if self.process:
            self.process.wait()
        attempt("umount", "-l", str(self.root))
        for _ in range(40):
            if cgroups.remove(self.instance.id, self.memory_group):
                break
            time.sleep(0.05)
        if self.terminal is not None:
            self.consoles.close(self.terminal)
        self.process = self.terminal = None

    def delete_disk(self) -> None:
        """What is left of a terminated instance is its console."""
        for name in ("upper", "work", "data", "root"):
            shutil.rmtree(self.directory / name, ignore_errors=True)

    def first_boot(self) -> str:
        """How far cloud-init is: "running", "done", "error", or "" before it began."""
        pid = self.booted()
        if pid is None:
            return ""
        run_directory = Path("/proc", str(pid), "root/run/cloud-init")
        try:
            if (run_directory / "result.json").exists():
                errors = json.loads((run_directory / "result.json").read_text())["v1"]["errors"]
                return "error" if errors else "done"
            return "running" if (run_directory / "status.json").exists() else ""
        except (OSError, ValueError, KeyError):
            return "running"


def enter(pid: int) -> list[str]:
    """The beginning of a command line that runs what follows in the instance with this PID 1."""
    search = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    spaces = ["--mount", "--uts", "--ipc", "--pid", "--net", "--cgroup"]
    return ["nsenter", "--target", str(pid), *spaces, "--", "env", "-i", "-C", "/", search, "HOME=/root", f"TERM={os.environ.get('TERM', 'dumb')}", "LANG=C.UTF-8"]
