"""The bed's command line; scripts/testbed calls it.

    check                             whether this machine can be a bed; says what it lacks
    up [--port N] [--lifeline]        makes the bed ready; with --lifeline it goes down when standard input ends
    status [-o json]                  instances, load balancers and their targets
    kill INSTANCE                     the machine dies at once; then EC2 and Auto Scaling hear of it
    interrupt INSTANCE [--notice S]   a spot interruption: the notice, and two minutes later the end
    console INSTANCE                  what the console has shown
    shell INSTANCE [COMMAND...]       runs a command, or a shell, in an instance
    run COMMAND...                    runs a command on this machine with the bed's AWS environment and its names
    down                              ends the bed and removes everything that it made
"""

import argparse
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from machines import control, host, leftovers, places
from machines.balancers import API_ANSWERS_AGAIN_SECONDS
from machines.client import outside
from machines.machine import enter
from machines.server import READY
from machines.spot import NOTICE_SECONDS

UNFIT = 3
HERE = Path(__file__).parent


def check(_options) -> int:
    missing = host.install_programs()
    lacks = [f"{program} is not installed (Debian: {host.PROGRAMS[program]})" for program in missing] or host.lacking()
    if lacks:
        print("this machine cannot be a test bed:", *lacks, sep="\n  ", file=sys.stderr)
    return UNFIT if lacks else 0


def up(options) -> int:
    places.STATE.mkdir(parents=True, exist_ok=True)
    if unfit := check(options):
        return unfit
    if bed := _running():
        print(f"a bed is up already: process {bed['pid']}, {bed['state']}", file=sys.stderr)
        return 1
    if things := leftovers.found():
        print(f"removing what a bed before left: {len(things)} things", flush=True)
    leftovers.clean()
    leftovers.forget_consoles()
    _build_base()
    server = _start_server(options.port, options.lifeline)
    if server is None:
        return 1
    print(f"source {places.ENVIRONMENT}", flush=True)
    return server.wait() if options.lifeline else 0


def _build_base() -> None:
    """The root of all instances, built once for its recipe and this kernel."""
    recipe = hashlib.sha256(os.uname().release.encode())
    for file in sorted(path for path in (HERE / "base.sh", *(HERE / "image").rglob("*")) if path.is_file()):
        recipe.update(file.relative_to(HERE).as_posix().encode() + file.read_bytes())
    stamp = places.STATE / "base.recipe"
    if places.BASE.is_dir() and stamp.exists() and stamp.read_text() == recipe.hexdigest():
        return
    started = time.monotonic()
    print("building the instances' root (a few minutes, once) ...", flush=True)
    stamp.unlink(missing_ok=True)
    log = places.STATE / "base.log"
    with open(log, "w") as output:
        built = subprocess.run(["nice", str(HERE / "base.sh"), str(places.BASE)], stdout=output, stderr=output, timeout=1800)
    if built.returncode != 0:
        sys.exit(f"building it failed: {log}\n" + "".join(log.read_text().splitlines(keepends=True)[-15:]))
    stamp.write_text(recipe.hexdigest())
    print(f"built in {time.monotonic() - started:.0f} s", flush=True)


def _start_server(port: int, lifeline: bool) -> subprocess.Popen | None:
    """Starts the bed's process on its own and shows what it says until it is ready."""
    command = [sys.executable, "-m", "machines.server", "--port", str(port), *(["--lifeline"] if lifeline else [])]
    with open(places.LOG, "w") as log:
        server = subprocess.Popen(
            command,
            stdin=None if lifeline else subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    with open(places.LOG) as log:
        while True:
            line = log.readline()
            if line:
                print(line, end="", flush=True)
                if line.split()[-1] == READY:
                    return server
            elif server.poll() is not None:
                return None
            else:
                time.sleep(0.05)


def _running() -> dict | None:
    """The bed that holds the machine's lock."""
    try:
        bed = json.loads(places.LOCK.read_text())
    except (OSError, ValueError):
        return None
    # The lock is the kernel's; the file is just where the holder says who it is.
    return bed if subprocess.run(["flock", "--nonblock", str(places.LOCK), "true"]).returncode != 0 else None


def down(_options) -> int:
    started = time.monotonic()
    if bed := _running():
        if bed["state"] != str(places.STATE):
            print(f"the bed that is up is another's: {bed['state']}", file=sys.stderr)
            return 1
        os.kill(bed["pid"], signal.SIGTERM)
        deadline = time.monotonic() + 60
        while _running() and time.monotonic() < deadline:
            time.sleep(0.1)
        if _running():
            os.kill(bed["pid"], signal.SIGKILL)
    left = leftovers.clean()
    if left:
        print("left behind:", *left, sep="\n  ", file=sys.stderr)
        return 1
    print(f"down after {time.monotonic() - started:.1f} s, nothing is left")
    return 0


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

    command(check)
    starting = command(up)
    starting.add_argument("--port", type=int, default=0, help="the emulator's port on 127.0.0.1; 0 takes a free one")
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


if __name__ == "__main__":
    sys.exit(main())
