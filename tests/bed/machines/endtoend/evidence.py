"""What an operator would look at when something is wrong, printed when a step fails."""

from machines import control
from machines.endtoend import instances
from machines.endtoend.site import Site, conditions

LINES = 25
MOST = 6  # pods that are described


def show(site: Site) -> None:
    """Each part is tried for itself: that one fails is part of the picture."""
    parts = {
        "kspot validate": lambda: site.operator.kspot("validate", code=None, seconds=60).text,
        "kspot get instances": lambda: site.operator.kspot("get", "instances", code=None, seconds=60).text,
        "consoles": _consoles,
        "controllers": _controllers,
        "nodes": lambda: site.operator.kubectl("get", "nodes", "-o", "wide", code=None).text,
        "what is not ready": lambda: _not_ready(site),
    }
    for title, part in parts.items():
        try:
            text = part()
        except Exception as error:  # whatever is broken
            text = f"{type(error).__name__}: {error}"
        print(f"  -- {title}")
        for line in text.strip().splitlines():
            print(f"     {line}")


def _consoles() -> str:
    ids = [row["id"] for row in control.ask("status")["instances"]]
    found = []
    for instance in instances.running():
        found += [f"{instance.id} ({instance.group}), on for {instance.up:.0f} s:", *(f"  {line}" for line in instance.lines()[-LINES:])]
    off = sorted(set(ids) - {instance.id for instance in instances.running()})
    return "\n".join([*found, *(f"{instance_id}: off" for instance_id in off)])


def _controllers() -> str:
    found = []
    for instance in instances.control_planes():
        found += [f"{instance.id}:", instance.run("journalctl", "-u", "kspot-controller", "-n", str(LINES), "--no-pager", "-o", "cat")]
    return "\n".join(found)


def _not_ready(site: Site) -> str:
    found, dead = [], set()
    for node in site.operator.get("nodes")["items"]:
        if conditions(node).get("Ready") != "True":
            dead.add(node["metadata"]["name"])
            found.append(_end(site.operator.kubectl("describe", "node", node["metadata"]["name"], code=None).text))
    pods = site.operator.get("pods", "--all-namespaces")["items"]
    # What is on a node that is not ready is not ready for that reason.
    pods = [pod for pod in pods if conditions(pod).get("Ready") != "True" and pod["spec"].get("nodeName") not in dead]
    for pod in pods[:MOST]:
        name, namespace = pod["metadata"]["name"], pod["metadata"]["namespace"]
        found.append(_end(site.operator.kubectl("describe", "pod", name, "-n", namespace, code=None).text))
        found.append(_end(site.operator.kubectl("logs", name, "-n", namespace, "--all-containers", "--tail=10", code=None).text))
    return "\n".join([*found, f"and {len(pods) - MOST} more pods" if len(pods) > MOST else ""])


def _end(text: str) -> str:
    lines = text.strip().splitlines()
    return "\n".join([*lines[:8], "  ...", *lines[-LINES:]] if len(lines) > LINES + 8 else lines)
