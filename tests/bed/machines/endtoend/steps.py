"""Steps with names, and how they are walked."""

import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass

from machines.endtoend import evidence
from machines.endtoend.site import Site
from machines.waiting import Late

RECOVERY_SECONDS = 180


@dataclass(frozen=True)
class Step:
    name: str
    what: str
    do: Callable[[Site], str | None]  # may give a remark for its line
    after: str | None = None  # the step of the same cluster that makes what it works with


@dataclass(frozen=True)
class Part:
    """Steps on one cluster: the first makes it, and the last removes it. Those in between leave it as well as it was."""

    name: str
    first: Step
    steps: tuple[Step, ...]
    last: Step
    debian: tuple[str, ...] = ()  # releases that its machines boot, besides the bed's own

    def names(self) -> list[str]:
        return [step.name for step in (self.first, *self.steps, self.last)]


class Walk:
    def __init__(self, only: list[str]):
        self.only = only
        self.failed: list[str] = []
        self.left_out: list[str] = []

    def wants(self, part: Part) -> bool:
        return not self.only or any(name in self.only for name in part.names())

    def take(self, part: Part, site: Site, made: bool, keep: bool) -> None:
        """All steps of a part, or those that were asked for and what they need; `made`: the cluster is there."""
        needed = {step.after for step in part.steps if step.name in self.only} if not made else set()
        steps = [step for step in part.steps if not self.only or step.name in self.only or step.name in needed]
        if not made and not self._passes(part.first, site):
            self._leave_out([*steps, part.last], f"{part.first.name} failed")
            return
        for number, step in enumerate(steps):
            if not self._passes(step, site) and not self._recovers(site):
                self._leave_out(steps[number + 1 :], f"the cluster is not well after {step.name}")
                break
        if not keep or part.last.name in self.only:
            self._passes(part.last, site)

    def _passes(self, step: Step, site: Site) -> bool:
        started = time.monotonic()
        try:
            remark = step.do(site)
        except Exception as error:  # a step fails in any way it likes
            self.failed.append(step.name)
            self._tell("FAIL", step, time.monotonic() - started, "")
            if not isinstance(error, Late | AssertionError):
                print("    " + traceback.format_exc(limit=-3).strip().replace("\n", "\n    "))
            print(f"    {error}".replace("\n", "\n    "), flush=True)
            evidence.show(site)
            return False
        self._tell("ok", step, time.monotonic() - started, remark or "")
        return True

    def _tell(self, verdict: str, step: Step, seconds: float, remark: str) -> None:
        print(f"{verdict:5} {step.name:22} {step.what:66} {seconds:6.1f} s  {remark}".rstrip(), flush=True)

    def _recovers(self, site: Site) -> bool:
        """Whether what a step left behind lets the next ones be judged."""
        try:
            site.becomes_well(RECOVERY_SECONDS)
        except Exception:  # then it does not
            return False
        return True

    def _leave_out(self, steps: list[Step], why: str) -> None:
        for step in steps:
            self.left_out.append(step.name)
            print(f"not run {step.name}: {why}", flush=True)
