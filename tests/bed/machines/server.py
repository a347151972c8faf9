"""The bed's process: the emulator, the loop, and everything that instances talk to. Prints what happens; `ready` when it is.

    python -m machines.server --lock DESCRIPTOR [--port 0] [--lifeline] [--no-kubernetes]

The lock is the machine's, open, from who starts it. However it ends, all that it made is removed first.
"""

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import emulator as emulation
import wire

from machines import answers, control, host, leftovers, lock, places
from machines.authority import Authority
from machines.bed import Bed
from machines.fronts import Fronts

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
    parser.add_argument("--lock", type=int, required=True, help="the machine's lock, an open file")
    parser.add_argument("--port", type=int, default=0, help="the emulator's port on 127.0.0.1; 0 takes a free one")
    parser.add_argument("--lifeline", action="store_true", help="go down when standard input ends")
    parser.add_argument("--no-kubernetes", action="store_true", help="leave settings alone that only Kubernetes needs")
    options = parser.parse_args()
    lock.sign(options.lock)
    started = time.monotonic()

    def say(text: str) -> None:
        print(f"{time.monotonic() - started:8.2f}  {text}", flush=True)

    # Until there is a bed that can be stopped.
    _on_signals(lambda: sys.exit(0))
    code = 0
    try:
        _run(options, say)
    except SystemExit:
        pass
    except BaseException:  # whatever it was, what there is so far is removed
        traceback.print_exc()
        code = 1
    _on_signals(lambda: None)
    left = leftovers.clean()
    say("down" if not left else "left behind: " + ", ".join(left))
    lock.release(options.lock)
    # Threads of servers end with the process.
    os._exit(1 if left else code)


def _on_signals(do: Callable[[], None]) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: do())


def _run(options: argparse.Namespace, say: Callable[[str], None]) -> None:
    """Makes the bed and keeps it until it is told to stop."""
    _change_settings(kubernetes=not options.no_kubernetes)
    requests = places.STATE / "requests.jsonl"
    requests.unlink(missing_ok=True)
    log = WakingLog(str(requests))
    emulator = emulation.Emulator(emulation.load_moto(stock=False), log, 0)
    server = emulation.serve(emulator, options.port)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}"
    say(f"the emulator listens on {address}")

    bed = Bed(emulator.serving, log.changed, say)
    _on_signals(bed.stop)
    if options.lifeline:
        threading.Thread(target=_stop_with_stdin, args=(bed,), daemon=True).start()
    authority = Authority()
    authority.install()
    bed.open()
    Fronts(authority, address).listen()
    answers.from_machines(bed.health_of)
    control.listen({"status": bed.status, "kill": bed.kill, "interrupt": bed.interruptions.begin})
    with _price_proxy(address) as endpoint:
        _write_environment(endpoint)
        places.RESOLVER.write_text(f"nameserver {places.BED_ADDRESS}\noptions timeout:2\n")
        say(READY)
        bed.run()


def _change_settings(kubernetes: bool) -> None:
    """Of this machine; what they were is written down first."""
    host.load_modules()
    changes = host.changes(kubernetes)
    leftovers.note_traces({name: now for name, (now, _) in changes.items()})
    host.change(changes)


def _stop_with_stdin(bed: Bed) -> None:
    """The starter holds the other side, so even its kill -9 ends the bed, and in good order."""
    while sys.stdin.buffer.read(4096):
        pass
    bed.stop()


@contextlib.contextmanager
def _price_proxy(upstream: str) -> Iterator[str]:
    """What the CLI under test talks to: the emulator with prices and with answers in pages."""
    script = Path(emulation.__file__).with_name("paging.py")
    command = [sys.executable, str(script), "--port", "0", "--lifeline", "--upstream", upstream, "--prices", "--regional"]
    proxy = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield proxy.stdout.readline().split()[1]
    finally:
        proxy.stdin.close()
        try:
            proxy.wait(10)
        except subprocess.TimeoutExpired:
            proxy.kill()


def _write_environment(endpoint: str) -> None:
    """To be sourced by whoever runs a command against the bed; nothing of the caller's own AWS configuration stays."""
    lines = [
        "unset AWS_PROFILE AWS_SESSION_TOKEN AWS_CONFIG_FILE AWS_SHARED_CREDENTIALS_FILE",
        f"export AWS_ENDPOINT_URL={endpoint} AWS_REGION={wire.DEFAULT_REGION} AWS_DEFAULT_REGION={wire.DEFAULT_REGION}",
        f"export AWS_ACCESS_KEY_ID=AKIA{places.ACCOUNT}BED0 AWS_SECRET_ACCESS_KEY=bed AWS_EC2_METADATA_DISABLED=true",
    ]
    places.ENVIRONMENT.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
