"""A person with kspot, kubectl and a home directory of their own."""

import json
import os
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from machines import places
from machines.client import outside
from machines.commands import CommandFailed
from machines.endtoend.needs import Programs

COMMAND_SECONDS = 120
# Every kspot command on the last cluster, with what it wrote.
LOG = places.STATE / "endtoend/kspot.log"


@dataclass(frozen=True)
class Done:
    command: str
    code: int
    out: str
    err: str

    @property
    def text(self) -> str:
        return self.out + self.err

    def expect(self, code: int) -> "Done":
        if self.code != code:
            raise CommandFailed(f"{self.command}: exit {self.code}, not {code}:\n{self.text.strip()}")
        return self


class Operator:
    def __init__(self, home: Path, programs: Programs, store: str, cluster: str):
        self.programs = programs
        self.home = home
        home.mkdir(parents=True, exist_ok=True)
        # Nothing of the caller's own AWS, Kubernetes or kspot configuration.
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "KSPOT_STATE_STORE": store,
            "KSPOT_CLUSTER_NAME": cluster,
            "KSPOT_AGENT_DIR": str(programs.kspot.parent),
        }
        self.kubeconfig = home / ".kube/config"

    def kspot(self, *arguments: str, stdin: str = "", code: int | None = 0, seconds: float = COMMAND_SECONDS) -> Done:
        """kspot, which must end with this exit code; None: with any."""
        started = time.monotonic()
        done = self._run([str(self.programs.kspot), *arguments], stdin, seconds)
        with open(LOG, "a") as log:
            print(f"$ {done.command}: exit {done.code} after {time.monotonic() - started:.1f} s", done.text, sep="\n", file=log)
        return done if code is None else done.expect(code)

    def kubectl(self, *arguments: str, stdin: str = "", code: int | None = 0, seconds: float = COMMAND_SECONDS) -> Done:
        command = [str(self.programs.kubectl), "--request-timeout=15s", *arguments]
        done = self._run(command, stdin, seconds)
        return done if code is None else done.expect(code)

    def get(self, *arguments: str) -> dict:
        """What the API has, as JSON."""
        return json.loads(self.kubectl("get", *arguments, "--output=json").out)

    def start_kubectl(self, *arguments: str) -> subprocess.Popen:
        """A kubectl that goes on until it is ended."""
        command = outside(str(self.programs.kubectl), *arguments)
        return subprocess.Popen(command, env=self.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)

    def _run(self, command: list[str], stdin: str, seconds: float) -> Done:
        shown = f"{Path(command[0]).name.removesuffix('-linux-amd64')} {' '.join(command[1:])}"
        try:
            done = subprocess.run(outside(*command), env=self.environment, input=stdin, text=True, capture_output=True, timeout=seconds)
        except subprocess.TimeoutExpired as late:
            raise CommandFailed(f"{shown}: no end after {seconds:.0f} s:\n{(late.stderr or b'').decode(errors='replace')[-2000:]}") from None
        return Done(shown, done.returncode, done.stdout, done.stderr)
