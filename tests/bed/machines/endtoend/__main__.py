"""The end-to-end test; scripts/testbed test calls it.

    scripts/testbed test                      builds a cluster of 1+1 in a bed and tries it, then one of 3+2 in another
    scripts/testbed test --list               the steps
    scripts/testbed test --only STEP          only this step, on a new cluster; may be given more than once; also `one`, `three`
    scripts/testbed test --only STEP --keep   leaves bed and cluster as they are afterwards
    scripts/testbed test --only STEP --again  on the cluster that --keep has left, which stays

Prints one line per step, then what was measured. Exits with 1 if a step fails, after showing what an operator would look at,
and with 3 and the reasons if this machine cannot do it.
"""

import argparse
import os
import signal
import sys
import time
from contextlib import nullcontext

from machines.endtoend import needs, one, three
from machines.endtoend.bed import DIRECTORY, bed
from machines.endtoend.measured import Numbers
from machines.endtoend.site import Site
from machines.endtoend.steps import Part, Walk
from machines.held import NotDown, NotUp

PARTS = (one.PART, three.PART)
UNFIT = 3


def main() -> int:
    options = _options()
    if options.list:
        for part in PARTS:
            for step in (part.first, *part.steps, part.last):
                print(f"{step.name:22} {step.what}")
        return 0
    if lacks := needs.lacking(made=options.again):
        return _unfit(lacks)
    # Ended from outside it still takes down what it brought up.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(130))
    started, numbers, walk = time.monotonic(), Numbers(), Walk(_steps(options.only))
    programs = needs.programs(DIRECTORY / "bin")
    print(f"kspot {programs.title}; Kubernetes {programs.kubernetes}; {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}", flush=True)
    parts = [part for part in PARTS if walk.wants(part)]
    if (options.keep or options.again) and len(parts) != 1:
        sys.exit("--keep and --again are for the steps of one cluster: name them with --only")
    try:
        for part in parts:
            _walk(walk, part, Site(f"{part.name}.endtoend.k8s.local", programs, numbers), options)
    except NotUp as error:
        if error.code == UNFIT:
            return _unfit(error.reasons)
        print(f"FAIL  bed-up: {error}")
        walk.failed.append("bed-up")
    _summarize(walk, numbers, time.monotonic() - started)
    return 1 if walk.failed else 0


def _walk(walk: Walk, part: Part, site: Site, options: argparse.Namespace) -> None:
    """A part in a bed of its own: what one leaves behind is no matter of the next one's."""
    started = time.monotonic()
    try:
        with nullcontext() if options.again else bed(options.keep, part.debian):
            print(f"{'ok':5} {'bed-up':22} {'the bed is up':66} {time.monotonic() - started:6.1f} s", flush=True)
            if not options.again:
                site.forget_people()
            walk.take(part, site, options.again, options.keep or options.again)
    except NotDown as error:
        print(f"FAIL  bed-down: {error}", flush=True)
        walk.failed.append("bed-down")


def _unfit(reasons: list[str]) -> int:
    print("this machine cannot run the end-to-end test:", *reasons, sep="\n  ", file=sys.stderr)
    return UNFIT


def _steps(asked: list[str]) -> list[str]:
    """The names of steps, where a part's name stands for all of its."""
    return [name for part in PARTS for name in part.names() if name in asked or part.name in asked]


def _summarize(walk: Walk, numbers: Numbers, seconds: float) -> None:
    if numbers.all:
        print("", *numbers.table(), "", sep="\n")
    if walk.failed:
        print(f"failed: {', '.join(walk.failed)}")
    if walk.left_out:
        print(f"not run: {', '.join(walk.left_out)}")
    print(f"{'failed' if walk.failed else 'passed'} after {seconds:.0f} s")


def _options() -> argparse.Namespace:
    names = [name for part in PARTS for name in (part.name, *part.names())]
    parser = argparse.ArgumentParser(prog="scripts/testbed test", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", default=[], choices=names, metavar="STEP", help="only this step")
    parser.add_argument("--keep", action="store_true", help="leave the bed and the cluster as they are")
    parser.add_argument("--again", action="store_true", help="on the cluster that --keep has left")
    parser.add_argument("--list", action="store_true", help="say which steps there are")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
