"""The bed's process: the emulator, the loop, and everything that instances talk to. Prints what happens; `ready` when it is.

    python -m machines.server [--port 0] [--lifeline]
"""

import argparse
import fcntl
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import emulator as emulation
import wire

from machines import answers, cgroups, control, host, leftovers, places
from machines.authority import Authority
from machines.bed import Bed
from machines.fronts import Fronts

# An access key has twenty characters; those of the emulator name their account.
ACCOUNT = "000000000001"
READY = "ready"


class WakingLog(emulation.RequestLog):
    """The emulator's log, which tells the loop when something may have changed."""

    def __init__(self, path: str | None):
        super().__init__(path)
        self.changed = threading.Event()

    def add(self, call: wire.Call, status: int, seconds: float) -> None:
        super().add(call, status, seconds)
        if not call.reads:
            self.changed.set()


def main() -> None:
    parser = argparse.ArgumentParser(description="the test bed's process")
    parser.add_argument("--port", type=int, default=0, help="the emulator's port on 127.0.0.1; 0 takes a free one")
    parser.add_argument("--lifeline", action="store_true", help="go down when standard input ends")
    options = parser.parse_args()
    lock = _lock_machine()
    started = time.monotonic()

    def say(text: str) -> None:
        print(f"{time.monotonic() - started:8.2f}  {text}", flush=True)

    leftovers.note_traces(host.prepare(), cgroups.memory_group())
    requests = places.STATE / "requests.jsonl"
    requests.unlink(missing_ok=True)
    log = WakingLog(str(requests))
    emulator = emulation.Emulator(emulation.load_moto(stock=False), log, 0)
    server = emulation.serve(emulator, options.port)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}"
    say(f"the emulator listens on {address}")

    bed = Bed(emulator.serving, log.changed, say)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: bed.stop())
    if options.lifeline:
        threading.Thread(target=_stop_with_stdin, args=(bed,), daemon=True).start()
    authority = Authority()
    authority.install()
    bed.open()
    Fronts(authority, address).listen()
    answers.from_machines(bed.health_of)
    control.listen({"status": bed.status, "kill": bed.kill, "interrupt": bed.interruptions.begin})
    proxy, endpoint = _start_price_proxy(address)
    _write_environment(endpoint)
    places.RESOLVER.write_text(f"nameserver {places.BED_ADDRESS}\noptions timeout:2\n")
    say(READY)
    try:
        bed.run()
    finally:
        proxy.stdin.close()
        proxy.wait(10)
        left = leftovers.clean()
        say("down" if not left else "left behind: " + ", ".join(left))
        os.close(lock)
    # Threads of servers end with the process.
    os._exit(0 if not left else 1)


def _stop_with_stdin(bed: Bed) -> None:
    """The starter holds the other side, so even its kill -9 ends the bed, and in good order."""
    while sys.stdin.buffer.read(4096):
        pass
    bed.stop()


def _lock_machine() -> int:
    """One bed at a time: its namespaces and links have fixed names. The lock goes with the process, however it ends."""
    descriptor = os.open(places.LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        sys.exit(f"another bed is up: {os.read(descriptor, 4096).decode()}")
    os.ftruncate(descriptor, 0)
    os.write(descriptor, json.dumps({"pid": os.getpid(), "state": str(places.STATE)}).encode())
    return descriptor


def _start_price_proxy(upstream: str) -> tuple[subprocess.Popen, str]:
    """What the CLI under test talks to: the emulator with prices and with answers in pages."""
    script = Path(emulation.__file__).with_name("paging.py")
    command = [sys.executable, str(script), "--port", "0", "--lifeline", "--upstream", upstream, "--prices", "--regional"]
    proxy = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    return proxy, proxy.stdout.readline().split()[1]


def _write_environment(endpoint: str) -> None:
    """To be sourced by whoever runs a command against the bed; nothing of the caller's own AWS configuration stays."""
    lines = [
        "unset AWS_PROFILE AWS_SESSION_TOKEN AWS_CONFIG_FILE AWS_SHARED_CREDENTIALS_FILE",
        f"export AWS_ENDPOINT_URL={endpoint} AWS_REGION={wire.DEFAULT_REGION} AWS_DEFAULT_REGION={wire.DEFAULT_REGION}",
        f"export AWS_ACCESS_KEY_ID=AKIA{ACCOUNT}BED0 AWS_SECRET_ACCESS_KEY=bed AWS_EC2_METADATA_DISABLED=true",
    ]
    places.ENVIRONMENT.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
