"""What every step has at hand."""

import json
import shlex
import shutil
import urllib.request

import boto3

from machines import places
from machines.endtoend import instances
from machines.endtoend.bed import DIRECTORY
from machines.endtoend.instances import Instance
from machines.endtoend.measured import Numbers
from machines.endtoend.needs import Programs
from machines.endtoend.operators import LOG, Operator
from machines.waiting import eventually

STORE = "s3://kspot-endtoend"
REGION = "us-east-1"
HEALTHY_SECONDS = 300
HOMES = DIRECTORY / "homes"


class Site:
    """One cluster, two people who operate it, and the account it is in."""

    def __init__(self, cluster: str, programs: Programs, numbers: Numbers):
        self.cluster = cluster
        self.programs = programs
        self.numbers = numbers
        self.operator = Operator(HOMES / "one", programs, STORE, cluster)
        self.colleague = Operator(HOMES / "two", programs, STORE, cluster)

    def forget_people(self) -> None:
        """Nobody knows anything of a cluster before this one."""
        shutil.rmtree(HOMES, ignore_errors=True)
        LOG.unlink(missing_ok=True)
        for person in (self.operator, self.colleague):
            person.home.mkdir(parents=True)

    def aws(self, service: str):
        exported = self._environment()
        return boto3.client(
            service,
            region_name=REGION,
            endpoint_url=exported["AWS_ENDPOINT_URL"],
            aws_access_key_id=exported["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=exported["AWS_SECRET_ACCESS_KEY"],
        )

    @staticmethod
    def _environment() -> dict[str, str]:
        """What the bed exports to whoever works with it."""
        exported = {}
        for line in places.ENVIRONMENT.read_text().splitlines():
            command, *words = shlex.split(line)
            if command == "export":
                exported.update(word.split("=", 1) for word in words)
        return exported

    def inventory(self) -> dict:
        """What there is in the account."""
        url = f"{self._environment()['AWS_ENDPOINT_URL']}/_bed/inventory?account={places.ACCOUNT}&region={REGION}"
        # The bed is on loopback, whatever proxy this machine has for the rest.
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=30) as answer:
            return json.load(answer)["kinds"]

    def becomes_well(self, seconds: int = HEALTHY_SECONDS) -> None:
        self.operator.kspot("validate", "--wait", f"{seconds}s", "--interval", "3s", seconds=seconds + 60)

    def nodes(self) -> dict[str, dict]:
        return {node["metadata"]["name"]: node for node in self.operator.get("nodes")["items"]}

    def is_ready(self, instance: Instance) -> bool:
        node = self.nodes().get(instance.id)
        return bool(node) and conditions(node).get("Ready") == "True"

    def becomes_ready(self, instance: Instance, seconds: float = HEALTHY_SECONDS) -> float:
        """Waits until an instance is a node that is ready; gives how long it has been on."""
        eventually(f"{instance.id} is a ready node", seconds, lambda: self.is_ready(instance))
        return instances.by_id(instance.id).up

    def says(self, *words: str, seconds: float = 120) -> None:
        """Waits until what people look at names a problem: both the result of validate and the list of machines."""
        for command in (["validate", "--output", "json"], ["get", "instances", "--output", "json"]):
            def look() -> bool:
                said = self.operator.kspot(*command, code=None).text
                missing = [word for word in words if word not in said]
                if missing:
                    raise AssertionError(f"{missing[0]!r} is not in:\n{said.strip()}")
                return True

            eventually(f"kspot {command[0]} {command[1]} says {' ... '.join(words)}", seconds, look, every=1)


def conditions(thing: dict) -> dict[str, str]:
    return {condition["type"]: condition["status"] for condition in thing.get("status", {}).get("conditions", [])}
