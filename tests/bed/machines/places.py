"""Where the bed keeps things, and the addresses and names it takes on this machine."""

import hashlib
import os
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[3]
STATE = Path(os.environ.get("KSPOT_BED_DIR") or REPOSITORY / "target/testbed").resolve()
ARTIFACTS = Path(os.environ.get("KSPOT_BED_ARTIFACTS") or REPOSITORY / "target/testbed/artifacts").resolve()

ROOTS = STATE / "roots"
TRUST = STATE / "trust"
INSTANCES = STATE / "instances"
VOLUMES = STATE / "volumes"
ENVIRONMENT = STATE / "env"
RESOLVER = STATE / "resolv.conf"
LOG = STATE / "bed.log"

# One bed per machine, whatever its directory: its namespaces, links and control groups have fixed names.
LOCK = Path("/run/kspot-bed.lock")
# What a bed changed that can't be found by name, so that the next one can undo it even if this one is killed.
TRACES = Path("/run/kspot-bed.json")
# A socket's path has at most 107 characters; the directory may be deep down.
CONTROL = Path(f"/run/kspot-bed-{hashlib.sha256(str(STATE).encode()).hexdigest()[:8]}.sock")
CONTROLS = "kspot-bed-*.sock"
NETNS = "kspot-bed-vpc"
NETNS_OF_INSTANCE = "kspot-bed-{id}"
CGROUP = "kspot-bed-{id}"
HOST_LINK = "kspot-bed"

# Who asks with the environment that the bed gives out; an access key of the emulator names its account.
ACCOUNT = "000000000001"

# RFC 2544's range, which nobody routes: the link between host and bed, and the stand-in for everything outside the VPC.
HOST_ADDRESS = "198.18.0.1"
BED_ADDRESS = "198.18.0.2"
LINK_PREFIX = 30
FRONT_ADDRESS = "198.18.1.1"
METADATA_ADDRESS = "169.254.169.254"
RESOLVER_ADDRESS = "169.254.169.253"


def netns_of(instance_id: str) -> str:
    return NETNS_OF_INSTANCE.format(id=instance_id)


def link_of(instance_id: str) -> str:
    """The instance's link in the VPC; a link's name has at most 15 characters."""
    return "i" + instance_id.removeprefix("i-")[-13:]
