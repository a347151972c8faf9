"""kill -9 of the agent, once after every phase of a boot: the boot must come to its end all the same."""

import os
import signal
import time

from machines.endtoend import instances, processes
from machines.endtoend.instances import Instance
from machines.endtoend.site import Site
from machines.waiting import Late, eventually

LAST = "joined"
# Right before the end of the boot, and over in one answer of the API: the end may come before the next look.
MAY_ESCAPE = {"etcd-quorum", "api-server", "cluster-parts", "registered"}
BOOT_SECONDS = 300


def on_a_worker(site: Site) -> str:
    return _boot(site, instances.workers()[0])


def on_the_control_plane(site: Site) -> str:
    [only] = instances.control_planes()
    return _boot(site, only)


def _boot(site: Site, instance: Instance) -> str:
    new = instances.replace(instance)
    killed = _kill_after_each_phase(new)
    spared = set(new.phases()) - set(killed) - MAY_ESCAPE - {LAST}
    assert killed and not spared, f"the agent was not killed after {', '.join(sorted(spared)) or 'any phase'}"
    site.becomes_ready(new)
    site.becomes_well()
    restarts = int(new.run("systemctl", "show", "kspot-boot", "--property=NRestarts", "--value"))
    assert restarts == len(killed), f"the agent was killed {len(killed)} times and started again {restarts} times"
    return f"{len(killed)} times: after {', '.join(killed)}"


def _kill_after_each_phase(instance: Instance) -> list[str]:
    """Gives the phases after whose end the agent was killed, in the order in which each ended first."""
    deadline = time.monotonic() + BOOT_SECONDS
    killed: list[str] = []
    while time.monotonic() < deadline:
        if LAST in instance.phases():
            return killed
        agent = processes.of(instance.id).get("boot")
        # What the agents have told that are dead by now does not say how far this one is.
        told = instance.phases(agent.inner_pid) if agent else []
        if new := next((phase for phase in told if phase not in killed), None):
            try:
                os.kill(agent.pid, signal.SIGKILL)
            except ProcessLookupError:
                continue  # it has come to its end by itself
            killed.append(new)
            eventually("the killed agent is gone", 10, lambda: not agent.lives, every=0.01)
        time.sleep(0.02)
    raise Late(f"the boot of {instance.id} is not over after {BOOT_SECONDS} s; killed after {', '.join(killed)}")
