"""etcd's snapshots: taken when asked for, tried, and gone back to."""

import json
import time

from machines.endtoend import workloads
from machines.endtoend.site import Site
from machines.waiting import eventually

# A restore lets the revision jump, so that nobody who watches takes an old object for a new one.
JUMP = 1_000_000_000
BACK_SECONDS = 240


def etcd_goes_back(site: Site) -> str:
    """What changed since the snapshot is undone on every member; the cluster is well, and so are its people."""
    kspot = site.operator.kspot
    before = workloads.write_objects(site.operator)
    name = kspot("etcd", "backup").out.strip()
    assert name in kspot("etcd", "list", "--output", "name").out.split(), f"{name} is not listed"
    tried = kspot("etcd", "restore", name, "--drill", seconds=300).out
    assert name in tried, f"the drill says {tried!r}"
    assert workloads.objects(site.operator) == before, "a drill has changed objects"

    workloads.change_objects(site.operator)
    assert workloads.objects(site.operator) != before
    started = time.monotonic()
    kspot("etcd", "restore", name, "--yes", seconds=BACK_SECONDS)
    restored = time.monotonic() - started
    eventually("the objects are as they were", BACK_SECONDS, lambda: workloads.objects(site.operator) == before)
    site.becomes_well()
    back = time.monotonic() - started
    assert workloads.objects(site.colleague) == before, "the other kubeconfig sees something else"
    members = eventually("every member says where it is", 90, lambda: _members(site))
    leaders = [member for member in members if member["leads"]]
    assert len(leaders) == 1, f"{len(leaders)} members lead"
    return f"{len(members)} members restored in {restored:.0f} s, well after {back:.0f} s"


def _members(site: Site) -> list[dict] | None:
    """What members say of themselves, once all have told since the restore."""
    members = json.loads(site.operator.kspot("etcd", "status", "--output", "json").out)["items"]
    said = [(member.get("report") or {}).get("status") for member in members if member["etcd"] == "main"]
    return said if all(one and one["revision"] > JUMP for one in said) else None
