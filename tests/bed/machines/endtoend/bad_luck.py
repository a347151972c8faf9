"""What goes wrong outside kspot must be named where people look, and be over once it is put right."""

import contextlib
import os
import signal
import subprocess
import threading
from pathlib import Path

from botocore.exceptions import ClientError

from machines import places
from machines.endtoend import instances, processes, workloads
from machines.endtoend.bed import Download
from machines.endtoend.instances import Instance
from machines.endtoend.site import Site
from machines.waiting import eventually

GROUP_TAGS = ("kspot.io/instancegroup", "kops.k8s.io/instancegroup")
NOTHING_FOUND = 2
FAKETIME = f"/usr/lib/{os.uname().machine}-linux-gnu/faketime/libfaketime.so.1"


def a_download_is_missing(site: Site) -> str:
    kubelet = Download("dl.k8s.io/release/*/bin/linux/amd64/kubelet")
    with kubelet.missing():
        worker = instances.replace(instances.workers()[0])
        site.says(worker.id, kubelet.url, "404")
    seconds = site.becomes_ready(worker)
    site.becomes_well()
    return f"{kubelet.url} was named; ready once it was back, after {seconds:.0f} s"


def a_download_is_another(site: Site) -> str:
    runc = Download("github.com/opencontainers/runc/releases/download/*/runc.amd64")
    with runc.replaced(b"not what was published"):
        worker = instances.replace(instances.workers()[0])
        site.says(worker.id, runc.url, "sha256")
        assert "runc" not in worker.run("ls", "/usr/local/sbin", "/usr/local/bin").split(), "it is installed all the same"
    seconds = site.becomes_ready(worker)
    site.becomes_well()
    return f"refused by its sum; ready once it was right, after {seconds:.0f} s"


def the_controller_dies_again_and_again(site: Site) -> str:
    """While a worker comes up: what it has not got it asks for again, and what it was granted twice it has once."""
    [only] = instances.control_planes()
    before = _restarts(only)
    with _Killing(only) as killing:
        worker = instances.replace(instances.workers()[0])
        seconds = site.becomes_ready(worker)
    assert killing.times >= 3, f"the controller was killed {killing.times} times only"
    site.becomes_well()
    restarts = _restarts(only) - before
    assert restarts == killing.times, f"the controller was killed {killing.times} times and started again {restarts} times"
    return f"killed {killing.times} times; the worker was ready after {seconds:.0f} s"


def _restarts(instance: Instance) -> int:
    return int(instance.run("systemctl", "show", "kspot-controller", "--property=NRestarts", "--value"))


class _Killing(threading.Thread):
    """kill -9 of an instance's controller as soon as it is there, a little later each time, so that it dies in whatever it does."""

    def __init__(self, instance: Instance):
        super().__init__(daemon=True)
        self.instance = instance
        self.times = 0
        self.stopping = threading.Event()

    def run(self) -> None:
        while not self.stopping.is_set():
            if controller := processes.of(self.instance.id).get("controller"):
                # Most requests are over in less than a second, and fall between two deaths or not.
                self.stopping.wait(0.2 + self.times % 5 * 0.4)
                with contextlib.suppress(ProcessLookupError):
                    os.kill(controller.pid, signal.SIGKILL)
                    self.times += 1
                eventually("the killed controller is gone", 10, lambda: not controller.lives, every=0.01)
            self.stopping.wait(0.1)

    def __enter__(self) -> "_Killing":
        self.start()
        return self

    def __exit__(self, *_) -> None:
        self.stopping.set()
        self.join()


def a_clock_is_wrong(site: Site) -> str:
    """A worker's, by more than a signature may be off. The rest of its machine's clock is right, as is everybody else's."""
    kubelet = Download("dl.k8s.io/release/*/bin/linux/amd64/kubelet")
    with kubelet.missing():
        worker = instances.replace(instances.workers()[0])
        # It has begun, and has not come to its end: from there on its clock is wrong.
        site.says(worker.id, kubelet.url)
        for minutes, word in ((-12, "ago, more than"), (12, "in the future, more than")):
            _set_clock(worker, minutes)
            site.says(worker.id, word, "clock")
        _set_clock(worker, 0)
    seconds = site.becomes_ready(worker)
    site.becomes_well()
    return f"refused 12 minutes late and early, by name; ready once it was right, after {seconds:.0f} s"


def _set_clock(instance: Instance, minutes: int) -> None:
    """The agent's, which begins anew."""
    dropin = "/run/systemd/system/kspot-boot.service.d/clock.conf"
    text = f"[Service]\nEnvironment=LD_PRELOAD={FAKETIME} FAKETIME={minutes:+d}m FAKETIME_DONT_FAKE_MONOTONIC=1\n" if minutes else ""
    instance.run("mkdir", "-p", dropin.rpartition("/")[0])
    instance.run("bash", "-c", f'printf %s "$1" >{dropin}', "-", text)
    instance.run("systemctl", "daemon-reload")
    instance.run("systemctl", "restart", "--no-block", "kspot-boot")


def a_worker_is_of_another_group(site: Site) -> str:
    """Somebody changes a group's tag: its next machine asks for what is not its own."""
    old = instances.workers()[0]
    other = next(group for group in _groups(site) if group != old.group)
    _tag_group(site, old.group, other)
    known = instances.running()
    instances.kill(old)
    refused = eventually("a machine comes with the wrong tag", 60, lambda: _new_of(known, other))
    site.says(refused.id, f"is not one of group {other}'s")
    assert refused.id not in site.nodes(), "it joined all the same"
    journal = "".join(i.run("journalctl", "-u", "kspot-controller", "--no-pager", "-o", "cat") for i in instances.control_planes())
    assert any("refused" in line and refused.id in line for line in journal.splitlines()), "no controller has written down that it refused"
    # What kspot finds changed it puts right, and the machine that was born wrong goes.
    site.operator.kspot("update", "cluster", "--yes")
    known = instances.running()
    site.operator.kspot("delete", "instance", refused.id, "--yes")
    seconds = site.becomes_ready(eventually("a machine comes with the right tag", 90, lambda: _new_of(known, old.group)))
    site.becomes_well()
    return f"refused with the reason; after an update the next one was ready in {seconds:.0f} s"


def _new_of(known: list[Instance], group: str) -> Instance | None:
    before = {instance.id for instance in known}
    return next((i for i in instances.running() if i.id not in before and i.group == group and i.pid), None)


def _groups(site: Site) -> list[str]:
    names = site.operator.kspot("get", "instancegroups", "--output", "name").out.split()
    return sorted(name.rpartition("/")[2] for name in names if "control-plane" not in name)


def _tag_group(site: Site, group: str, value: str) -> None:
    name = f"{group}.{site.cluster}"
    tag = {"ResourceId": name, "ResourceType": "auto-scaling-group", "PropagateAtLaunch": True}
    site.aws("autoscaling").create_or_update_tags(Tags=[{**tag, "Key": key, "Value": value} for key in GROUP_TAGS])


def the_volume_is_blank(site: Site) -> str:
    """etcd's volume is swapped for a blank one with the same tags: nothing may be formatted, and nothing begins anew."""
    ec2, before = site.aws("ec2"), workloads.write_objects(site.operator)
    [only] = instances.control_planes()
    [right] = ec2.describe_volumes(Filters=[
        {"Name": "tag:KubernetesCluster", "Values": [site.cluster]},
        {"Name": "tag-key", "Values": ["k8s.io/etcd/main"]},
    ])["Volumes"]  # fmt: skip
    blank = ec2.create_volume(
        AvailabilityZone=right["AvailabilityZone"], Size=right["Size"], VolumeType=right["VolumeType"],
        TagSpecifications=[{"ResourceType": "volume", "Tags": right["Tags"]}],
    )["VolumeId"]  # fmt: skip
    ec2.delete_tags(Resources=[right["VolumeId"]], Tags=right["Tags"])
    try:
        new = instances.replace(only)
        site.says(new.id, "etcd main member", "is not started", right["VolumeId"], "is blank")
        _is_blank(places.VOLUMES / blank)
    finally:
        _put_back(ec2, right, blank)
    site.becomes_ready(new)
    site.becomes_well()
    assert workloads.objects(site.operator) == before, "objects are not what they were"
    return f"refused by name, nothing formatted; with the right volume all {len(before)} objects are back"


def _put_back(ec2, right: dict, blank: str) -> None:
    """The right thing: the volume that was taken away comes back, and no second one is like it."""
    try:
        # It may never have been attached.
        with contextlib.suppress(ClientError):
            ec2.detach_volume(VolumeId=blank)
        ec2.delete_volume(VolumeId=blank)
    finally:
        ec2.create_tags(Resources=[right["VolumeId"]], Tags=right["Tags"])


def _is_blank(volume: Path) -> None:
    # What cannot be opened is nothing found as well.
    assert volume.is_file(), f"{volume} is not there: the volume was never attached"
    probe = subprocess.run(["blkid", "--probe", str(volume)], capture_output=True, text=True, timeout=30)
    assert probe.returncode == NOTHING_FOUND, f"the blank volume is not blank any more: {probe.stdout}"
