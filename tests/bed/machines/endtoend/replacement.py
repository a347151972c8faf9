"""Machines of the control plane die."""

import threading
import time

from machines.balancers import API_ANSWERS_AGAIN_SECONDS
from machines.commands import CommandFailed
from machines.endtoend import instances, workloads
from machines.endtoend.instances import Instance
from machines.endtoend.operators import Operator
from machines.endtoend.site import Site

TARGET_SECONDS = 90
BOUND_SECONDS = 300


class Answers(threading.Thread):
    """Asks the API all the time, as a user's kubectl, in a `with`; knows the longest time without an answer."""

    def __init__(self, operator: Operator):
        super().__init__(daemon=True)
        self.operator = operator
        self.last = time.monotonic()
        self.longest = 0.0
        self.stopping = threading.Event()

    def run(self) -> None:
        while not self.stopping.wait(0.5):
            answered = self._answers()
            now = time.monotonic()
            if answered:
                self.longest = max(self.longest, now - self.last)
                self.last = now

    def _answers(self) -> bool:
        try:
            return self.operator.kubectl("get", "--raw=/readyz", "--request-timeout=2s", code=None, seconds=10).code == 0
        except CommandFailed:
            return False  # it did not end in time

    def __enter__(self) -> "Answers":
        self.start()
        return self

    def __exit__(self, *_) -> None:
        self.stopping.set()
        self.join()
        self.longest = max(self.longest, time.monotonic() - self.last)


def the_only_one(site: Site) -> str:
    [only] = instances.control_planes()
    before = workloads.write_objects(site.operator)
    away, seconds = _dies(site, only)
    assert workloads.objects(site.operator) == before, "objects are not what they were"
    site.numbers.note("the only control plane replaced and healthy", seconds, "s", TARGET_SECONDS, BOUND_SECONDS)
    return f"the API was away for {away:.0f} s, all {len(before)} objects are there"


def each_in_turn(site: Site) -> str:
    """Both people's kubeconfigs, made before, work after each."""
    before = workloads.write_objects(site.operator)
    remarks, longest = [], 0.0
    for instance in instances.control_planes():
        away, seconds = _dies(site, instance)
        longest = max(longest, seconds)
        remarks.append(f"{instance.zone}: {seconds:.0f} s, API away {away:.0f} s")
        for person in (site.operator, site.colleague):
            assert workloads.objects(person) == before, "objects are not what they were"
    site.numbers.note("a control plane of three replaced and healthy, the slowest", longest, "s", TARGET_SECONDS, BOUND_SECONDS)
    return f"{'; '.join(remarks)}; all {len(before)} objects are there"


def _dies(site: Site, instance: Instance) -> tuple[float, float]:
    """Kills it; gives how long the API was away at most, and how long it took until all was well again."""
    with Answers(site.colleague) as answers:
        started = time.monotonic()
        new = instances.replace(instance)
        site.becomes_ready(new, BOUND_SECONDS)
        site.becomes_well(BOUND_SECONDS)
        seconds = time.monotonic() - started
    away = answers.longest
    assert away < API_ANSWERS_AGAIN_SECONDS, f"the API was away for {away:.0f} s after {instance.id} was killed"
    return away, seconds
