"""Simulated kubelets: what real ones would write into the API for machines that run nothing.

    kubelets.py --plane DIR --url URL --instances FILE

FILE is the JSON of `kspot get instances`. Every machine but bastions becomes a node that is ready and stays so; the parts
of the control plane are pods on its nodes; pods that are scheduled there become ready, and go when they are deleted. Nothing
else is simulated: no container runs. Prints "listening URL" once all have joined; ends when its standard
input does.
"""

import argparse
import datetime
import http.client
import json
import os
import select
import ssl
import sys
import urllib.parse

COMPONENTS = ("etcd-main", "kube-apiserver", "kube-controller-manager", "kube-scheduler")


def now() -> str:
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


class Api:
    def __init__(self, url: str, plane: str):
        self.address = urllib.parse.urlsplit(url).netloc
        self.tls = ssl.create_default_context(cafile=f"{plane}/kubernetes-ca.crt")
        self.tls.load_cert_chain(f"{plane}/plane.crt", f"{plane}/plane.key")
        self.connection = None

    def call(self, method: str, path: str, body: dict | None = None, accepted: tuple[int, ...] = ()) -> dict:
        kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
        if self.connection is None:
            self.connection = http.client.HTTPSConnection(self.address, context=self.tls, timeout=30)
        self.connection.request(method, path, json.dumps(body) if body else None, {"Content-Type": kind})
        answer = self.connection.getresponse()
        data = json.loads(answer.read())
        if answer.status >= 300 and answer.status not in accepted:
            raise RuntimeError(f"{method} {path}: {answer.status} {data.get('message')}")
        return data


def node_status(version: str) -> dict:
    condition = {"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "simulated", "lastHeartbeatTime": now()}
    info = dict.fromkeys(
        ("machineID", "systemUUID", "bootID", "kernelVersion", "osImage", "containerRuntimeVersion", "kubeProxyVersion"), ""
    )
    info |= {"kubeletVersion": version, "operatingSystem": "linux", "architecture": "amd64"}
    capacity = {"cpu": "8", "memory": "32Gi", "pods": "110"}
    return {"conditions": [condition], "nodeInfo": info, "capacity": capacity, "allocatable": capacity}


def join(api: Api, machine: dict, version: str) -> None:
    name, zone = machine["id"], machine["zone"]
    control_plane = machine["role"] == "control-plane"
    labels = {
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": "amd64",
        "topology.kubernetes.io/zone": zone,
        "kspot.io/lifecycle": machine["lifecycle"],
    }
    taints = []
    if control_plane:
        labels["node-role.kubernetes.io/control-plane"] = ""
        taints = [{"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"}]
    node = {"metadata": {"name": name, "labels": labels}, "spec": {"providerID": f"aws:///{zone}/{name}", "taints": taints}}
    api.call("POST", "/api/v1/nodes", node)
    api.call("PATCH", f"/api/v1/nodes/{name}/status", {"status": node_status(version)})
    for component in COMPONENTS if control_plane else ():
        pod = {
            "metadata": {"name": f"{component}-{name}", "labels": {"component": component, "tier": "control-plane"}},
            "spec": {
                "nodeName": name,
                "priorityClassName": "system-node-critical",
                "automountServiceAccountToken": False,
                "tolerations": [{"operator": "Exists"}],
                "containers": [{"name": component, "image": f"registry.k8s.io/{component}"}],
            },
        }
        api.call("POST", "/api/v1/namespaces/kube-system/pods", pod)


def run_pods(api: Api) -> None:
    for pod in api.call("GET", "/api/v1/pods")["items"]:
        metadata, spec, status = pod["metadata"], pod["spec"], pod.get("status", {})
        path = f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}"
        if metadata.get("deletionTimestamp"):
            api.call("DELETE", path, {"gracePeriodSeconds": 0}, accepted=(404,))
        elif spec.get("nodeName") and status.get("phase") != "Running":
            running = [
                {"name": c["name"], "ready": True, "image": c["image"], "imageID": "", "restartCount": 0,
                 "state": {"running": {"startedAt": now()}}}
                for c in spec["containers"]
            ]
            ready = [{"type": kind, "status": "True"} for kind in ("Initialized", "ContainersReady", "Ready", "PodScheduled")]
            status = {"phase": "Running", "conditions": ready, "containerStatuses": running, "startTime": now()}
            api.call("PATCH", f"{path}/status", {"status": status}, accepted=(404, 409))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--plane", required=True)
    parser.add_argument("--url", required=True)
    parser.add_argument("--instances", required=True)
    options = parser.parse_args()
    with open(options.instances) as file:
        machines = [m for m in json.load(file)["items"] if m["role"] != "bastion"]
    api = Api(options.url, options.plane)
    version = api.call("GET", "/version")["gitVersion"]
    for machine in machines:
        join(api, machine, version)
    print(f"listening {options.url}", flush=True)
    beats = 0
    while not select.select([sys.stdin], [], [], 1)[0] or os.read(0, 4096):
        run_pods(api)
        beats += 1
        if beats % 10 == 0:
            for machine in machines:
                api.call("PATCH", f"/api/v1/nodes/{machine['id']}/status", {"status": node_status(version)}, accepted=(404,))


if __name__ == "__main__":
    main()
