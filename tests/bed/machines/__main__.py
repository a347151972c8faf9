"""The bed's command line; scripts/testbed calls it.

    check                             whether this machine can be a bed; says what it lacks
    up [--port N] [--lifeline]        makes the bed ready; with --lifeline it goes down when standard input ends, or with ^C
       [--debian 13]                  has a root of Debian 13 as well, for instances with an image of that name
    status [-o json]                  instances, load balancers and their targets
    kill INSTANCE                     the machine dies at once; then EC2 and Auto Scaling hear of it
    interrupt INSTANCE [--notice S]   a spot interruption: the notice, and two minutes later the end
    console INSTANCE                  what the console has shown
    shell INSTANCE [COMMAND...]       runs a command, or a shell, in an instance
    run COMMAND...                    runs a command on this machine with the bed's AWS environment and its names
    down                              ends the bed and removes everything that it made

Exit code 3: this machine cannot be a bed, or not now; the reasons are printed, each on a line of its own, indented.
"""

import argparse
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time

from machines import control, host, leftovers, lock, places, roots
from machines.balancers import API_ANSWERS_AGAIN_SECONDS
from machines.client import outside
from machines.machine import enter
from machines.server import READY
from machines.spot import NOTICE_SECONDS

UNFIT = 3


def check(options) -> int:
    return _refuse(host.reasons(kubernetes=not options.no_kubernetes))


def _refuse(reasons: list[str]) -> int:
    if reasons:
        print("this machine cannot be a test bed:", *reasons, sep="\n  ", file=sys.stderr, flush=True)
    return UNFIT if reasons else 0


def up(options) -> int:
    places.STATE.mkdir(parents=True, exist_ok=True)
    if unfit := check(options):
        return unfit
    held = lock.take()
    if held is None:
        bed = lock.holder() or {"pid": "unknown", "state": "unknown"}
        return _refuse([f"a bed is up already: process {bed['pid']}, {bed['state']}"])
    lock.sign(held)
    # Ended from outside it takes down what it has begun.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        return _clear_away() or _build_roots(options.debian) or _serve(held, options)
    finally:
        os.close(held)


def _clear_away() -> int:
    """What a bed before has left; what cannot be removed stands in the way of the next one."""
    if things := leftovers.found():
        print(f"removing what a bed before left: {len(things)} things", flush=True)
    if code := _remove():
        return code
    leftovers.forget_consoles()
    return 0


def _remove() -> int:
    left = leftovers.clean()
    if left:
        print("left behind:", *left, sep="\n  ", file=sys.stderr)
    return 1 if left else 0


def _build_roots(releases: list[str]) -> int:
    for release in dict.fromkeys([roots.STAND_IN, *releases]):
        try:
            if unfit := _refuse(roots.build(release)):
                return unfit
        except roots.Unbuilt:
            return 1
    return 0


def _serve(held: int, options) -> int:
    """Starts the bed's process; returns once it is ready, with a lifeline once it has ended."""
    server = _start_server(held, options)
    try:
        if not _becomes_ready(server):
            return 1
        print(f"source {places.ENVIRONMENT}", flush=True)
        return server.wait() if options.lifeline else 0
    except BaseException:
        # It has a session of its own, which no ^C reaches.
        server.terminate()
        server.wait()
        raise


def _start_server(held: int, options) -> subprocess.Popen:
    command = [sys.executable, "-m", "machines.server", "--lock", str(held), "--port", str(options.port)]
    command += ["--lifeline"] if options.lifeline else []
    command += ["--no-kubernetes"] if options.no_kubernetes else []
    with open(places.LOG, "w") as log:
        stdin = None if options.lifeline else subprocess.DEVNULL
        return subprocess.Popen(command, stdin=stdin, stdout=log, stderr=log, start_new_session=True, pass_fds=[held])


def _becomes_ready(server: subprocess.Popen) -> bool:
    """Shows what the bed's process says until it is ready; gives whether it is."""
    with open(places.LOG) as log:
        while True:
            line = log.readline()
            if line:
                print(line, end="", flush=True)
                if line.split()[-1:] == [READY]:
                    return True
            elif server.poll() is not None:
                return False
            else:
                time.sleep(0.05)


def down(_options) -> int:
    started = time.monotonic()
    held = lock.take()
    if held is None:
        bed = lock.holder()
        if bed and bed["state"] != str(places.STATE):
            print(f"the bed that is up is another's: {bed['state']}", file=sys.stderr)
            return 1
        held = _end(bed)
    if held is None:
        print("the bed does not end", file=sys.stderr)
        return 1
    code = _remove()
    lock.release(held)
    if code == 0:
        print(f"down after {time.monotonic() - started:.1f} s, nothing is left")
    return code


def _end(bed: dict | None) -> int | None:
    """Ends the bed that has the lock, in good order if it can; gives the lock."""
    for number, seconds in ((signal.SIGTERM, 60), (signal.SIGKILL, 10)):
        if bed:
            with contextlib.suppress(ProcessLookupError):
                os.kill(bed["pid"], number)
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if (held := lock.take()) is not None:
                return held
    return None


def status(options) -> int:
    answer = control.ask("status")
    if options.output == "json":
        print(json.dumps(answer, indent=2))
        return 0
    header = ("INSTANCE", "GROUP", "ZONE", "ADDRESS", "LIFECYCLE", "STATE", "UP", "CLOUD-INIT", "WAY OUT")
    _table([header, *map(_row, answer["instances"])])
    if answer["balancers"]:
        print()
        _table([("LOAD BALANCER", "ADDRESSES"), *((name, ",".join(addresses)) for name, addresses in sorted(answer["balancers"].items()))])
    if answer["targets"]:
        print()
        rows = [(t["group"], t["target"], str(t["port"]), "yes" if t["healthy"] else "no") for t in answer["targets"]]
        _table([("TARGET GROUP", "TARGET", "PORT", "HEALTHY"), *rows])
        print(f"\nwhen a machine of a control plane dies, its API answers again within {API_ANSWERS_AGAIN_SECONDS} s")
    return 0


def _row(instance: dict) -> tuple[str, ...]:
    plain = [instance[key] or "-" for key in ("id", "group", "zone", "address", "lifecycle", "state")]
    up = "-" if instance["up"] is None else f"{instance['up']:.0f} s"
    return (*plain, up, instance["cloud-init"] or "-", "yes" if instance["way-out"] else "no")


def _table(rows: list[tuple[str, ...]]) -> None:
    widths = [max(map(len, column)) for column in zip(*rows)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())


def kill(options) -> int:
    control.ask("kill", instance_id=options.instance)
    return 0


def interrupt(options) -> int:
    answer = control.ask("interrupt", instance_id=options.instance, notice_seconds=options.notice)
    queues = ", ".join(answer["queues"]) or "none (no rule of the account matches and leads to a queue)"
    print(f"{options.instance} ends at {answer['end']}; queues: {queues}")
    return 0


def console(options) -> int:
    path = places.INSTANCES / options.instance / "console.log"
    if not path.exists():
        print(f"there is no console of {options.instance}", file=sys.stderr)
        return 1
    with open(path, "rb") as file:
        shutil.copyfileobj(file, sys.stdout.buffer)
    return 0


def shell(options) -> int:
    pids = {i["id"]: i["pid"] for i in control.ask("status")["instances"]}
    if not pids.get(options.instance):
        print(f"{options.instance} is not on", file=sys.stderr)
        return 1
    command = options.command or ["/bin/bash", "--login"]
    arguments = [*enter(pids[options.instance]), *command]
    os.execvp(arguments[0], arguments)


def run(options) -> int:
    control.ask("status")
    arguments = outside(*options.command)
    os.execvp(arguments[0], arguments)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/testbed", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(do, *instance: str) -> argparse.ArgumentParser:
        made = commands.add_parser(do.__name__)
        made.set_defaults(do=do)
        for name in instance:
            made.add_argument(name)
        return made

    starting = command(up)
    for checking in (command(check), starting):
        checking.add_argument("--no-kubernetes", action="store_true", help="leave settings alone that only Kubernetes needs")
    starting.add_argument("--port", type=int, default=0, help="the emulator's port on 127.0.0.1; 0 takes a free one")
    starting.add_argument("--debian", action="append", default=[], choices=roots.SUITES, help="a release to have a root of, besides 12")
    starting.add_argument("--lifeline", action="store_true", help="stay, and go down when standard input ends")
    command(status).add_argument("-o", "--output", choices=["table", "json"], default="table")
    command(kill, "instance")
    command(interrupt, "instance").add_argument("--notice", type=float, default=NOTICE_SECONDS, metavar="SECONDS")
    command(console, "instance")
    command(shell, "instance").add_argument("command", nargs=argparse.REMAINDER)
    command(run).add_argument("command", nargs=argparse.REMAINDER)
    command(down)
    return parser.parse_args()


def main() -> int:
    options = _options()
    try:
        return options.do(options)
    except control.Refused as refusal:
        print(refusal, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
