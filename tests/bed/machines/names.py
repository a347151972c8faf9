"""Which name has which address in the bed. A pure look-up; resolver.py speaks DNS."""

import ipaddress
import re
from dataclasses import dataclass, field

from machines import places

DOWNLOADS = {"dl.k8s.io", "cdn.dl.k8s.io", "github.com", "objects.githubusercontent.com", "artifacts.k8s.io"}
# The last one is the bed's own, for images that nobody publishes.
REGISTRIES = {"registry.k8s.io", "public.ecr.aws", "docker.io", "registry-1.docker.io", "index.docker.io", "ghcr.io", "quay.io", "kspot.test"}
_INSTANCE = re.compile(r"ip-(\d+)-(\d+)-(\d+)-(\d+)\.(ec2\.internal|[a-z0-9-]+\.compute\.internal)")
_AWS = re.compile(r".*\.amazonaws\.com(\.cn)?|.*\.api\.aws")
MOST_ALIASES = 8


def is_aws(name: str) -> bool:
    return bool(_AWS.fullmatch(name))


@dataclass
class Names:
    """What changes is put in place whole, so that who reads it needs no lock."""

    balancers: dict[str, list[str]] = field(default_factory=dict)
    records: dict[str, list[tuple[str, str]]] = field(default_factory=dict)

    def addresses(self, name: str) -> list[str] | None:
        """The IPv4 addresses of a name; None if there is no such name."""
        for _ in range(MOST_ALIASES):
            if name in self.balancers:
                return self.balancers[name]
            if name in DOWNLOADS or name in REGISTRIES:
                return [places.FRONT_ADDRESS]
            if match := _INSTANCE.fullmatch(name):
                return [".".join(match.groups()[:4])]
            if found := self._records(name):
                if aliases := [value for kind, value in found if kind == "CNAME"]:
                    name = aliases[0]
                    continue
                return [value for kind, value in found if kind == "A"]
            if ".elb." in name:
                return None
            return [places.FRONT_ADDRESS] if is_aws(name) else None
        return None

    def texts(self, name: str) -> list[str]:
        return [value.strip('"') for kind, value in self._records(name) or [] if kind == "TXT"]

    def name_of(self, address: str) -> str | None:
        """The private name of an address, as reverse look-ups in a VPC give it."""
        if ipaddress.ip_address(address) in ipaddress.ip_network("198.18.0.0/15"):
            return None
        return f"ip-{address.replace('.', '-')}.ec2.internal"

    def _records(self, name: str) -> list[tuple[str, str]] | None:
        if name in self.records:
            return self.records[name]
        _, _, parent = name.partition(".")
        return self.records.get(f"*.{parent}")
