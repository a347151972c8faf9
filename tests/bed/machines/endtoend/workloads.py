"""What the steps run in the cluster. One image does: it is the bed's own, with busybox in it."""

import json

from machines.endtoend.operators import Operator
from machines.endtoend.site import Site, conditions
from machines.waiting import eventually

NAMESPACE = "endtoend"
IMAGE = "kspot.test/tools:1"
OBJECTS = 40
# Nothing is served, written or waited for at a pod's end.
_POD = {"terminationGracePeriodSeconds": 1}
_WEB = 'mkdir -p /tmp/www && hostname >/tmp/www/index.html && exec httpd -f -p 8080 -h /tmp/www'


def _named(kind: str, name: str, version: str, **rest) -> dict:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name, "namespace": NAMESPACE}, **rest}


def _container(command: str, port: int | None = None) -> dict:
    container = {"name": "main", "image": IMAGE, "command": ["sh", "-c", command]}
    if port:
        container["readinessProbe"] = {"httpGet": {"port": port, "path": "/"}, "periodSeconds": 1}
        container["ports"] = [{"containerPort": port}]
    return container


def deployment(name: str, replicas: int, **pod) -> dict:
    """A web server that says the name of its pod."""
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": {**_POD, "containers": [_container(_WEB, 8080)], **pod}}
    spec = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template}
    return _named("Deployment", name, "apps/v1", spec=spec)


def service(name: str) -> dict:
    return _named("Service", name, "v1", spec={"selector": {"app": name}, "ports": [{"port": 80, "targetPort": 8080}]})


def everywhere(name: str) -> dict:
    """A pod on each node, from which others are asked."""
    labels = {"app": name}
    command = "trap 'exit 0' TERM; sleep 1000000 & wait"
    pod = {**_POD, "tolerations": [{"operator": "Exists"}], "containers": [_container(command)]}
    spec = {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": pod}}
    return _named("DaemonSet", name, "apps/v1", spec=spec)


def budget(name: str, available: int) -> dict:
    spec = {"minAvailable": available, "selector": {"matchLabels": {"app": name}}}
    return _named("PodDisruptionBudget", name, "policy/v1", spec=spec)


def apply(operator: Operator, *objects: dict) -> None:
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
    everything = {"apiVersion": "v1", "kind": "List", "items": [namespace, *objects]}
    operator.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=json.dumps(everything))


def delete(operator: Operator, *things: str) -> None:
    operator.kubectl("delete", "-n", NAMESPACE, "--ignore-not-found", "--wait=false", *things)


def pods(site: Site, app: str) -> list[dict]:
    """Those that are ready and are to stay."""
    found = site.operator.get("pods", "-n", NAMESPACE, "-l", f"app={app}")["items"]
    return [pod for pod in found if conditions(pod).get("Ready") == "True" and "deletionTimestamp" not in pod["metadata"]]


def become_ready(site: Site, app: str, count: int, seconds: float = 120) -> list[dict]:
    def look() -> list[dict] | None:
        ready = pods(site, app)
        return ready if len(ready) == count else None

    return eventually(f"{count} pods of {app} are ready", seconds, look)


def ask(site: Site, pod: dict, *command: str) -> str:
    """Runs a command in a pod."""
    return site.operator.kubectl("exec", "-n", NAMESPACE, pod["metadata"]["name"], "--", *command).out


def write_objects(operator: Operator) -> dict[str, tuple[str, str]]:
    """Something to lose; gives it as `objects` does."""
    maps = [_named("ConfigMap", f"object-{n}", "v1", data={"number": str(n)}) for n in range(OBJECTS)]
    apply(operator, *maps)
    return objects(operator)


def change_objects(operator: Operator) -> None:
    """One goes, one changes, one comes."""
    delete(operator, "configmap/object-0")
    changed = [("object-1", "other"), ("object-new", "new")]
    apply(operator, *(_named("ConfigMap", name, "v1", data={"number": number}) for name, number in changed))


def objects(operator: Operator) -> dict[str, tuple[str, str]]:
    """Each object's uid and content: one that was lost and made again is another one."""
    found = operator.get("configmaps", "-n", NAMESPACE)["items"]
    mine = [item for item in found if item["metadata"]["name"].startswith("object-")]
    return {item["metadata"]["name"]: (item["metadata"]["uid"], item["data"]["number"]) for item in mine}
