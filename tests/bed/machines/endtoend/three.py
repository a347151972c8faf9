"""The steps on a cluster of three control planes and two workers, with spot machines beside them."""

import json
import threading
import time

from machines import control
from machines.endtoend import backups, common, instances, processes, replacement, workloads
from machines.endtoend.site import Site
from machines.endtoend.steps import Part, Step
from machines.waiting import eventually

SHAPE = common.Shape(
    "us-east-1a,us-east-1b,us-east-1c", control_planes=3, workers=2, target_seconds=120, bound_seconds=420,
    settings=("spec.nodeTerminationHandler.enabled=true", "spec.metricsServer.enabled=true"),
    options=("--image", "debian/debian-13-amd64-*"),
)  # fmt: skip
NOTICE_SECONDS = 60
HANDLER = "aws-node-termination-handler"


def a_spot_worker_joins(site: Site) -> str:
    """The tutorial's spot group; its machine is measured from the moment its power is on."""
    known = {instance.id for instance in instances.running()}
    site.operator.kspot(
        "toolbox", "instance-selector", "spot-2vcpus", "--usage-class", "spot", "--vcpus=2", "--memory=8GB", "--gpus", "0",
        "--node-count-min", "1", "--node-count-max", "3",
    )  # fmt: skip
    site.operator.kspot("update", "cluster", "--yes")
    new = eventually("a spot machine is on", 60, lambda: next((i for i in instances.workers("spot") if i.id not in known), None))
    boot = processes.Boot(new.id)
    seconds = site.becomes_ready(new)
    site.becomes_well()
    site.numbers.note("a worker from power-on to Ready", seconds, "s", 15, 180)
    boot.stop()
    site.numbers.note("the agent's own CPU time in that boot", boot.seconds, "s", 5, 30 if site.programs.debug else 5)
    peak = boot.peak_bytes / common.MIB
    site.numbers.note("the agent's memory in that boot, the most", peak, "MiB", common.MEMORY_MIB, common.DEBUG_MEMORY_MIB)
    return f"the agent's part of its boot took {new.lines()[-1].rpartition('elapsed=')[2]}"


def metrics_are_there(site: Site) -> str:
    """Of each node."""
    wanted = {instance.id for instance in instances.running()}

    def look() -> bool:
        items = json.loads(site.operator.kubectl("get", "--raw", "/apis/metrics.k8s.io/v1beta1/nodes").out)["items"]
        found = {item["metadata"]["name"] for item in items}
        assert found == wanted, f"metrics of {sorted(found)}, not of {sorted(wanted)}"
        return True

    eventually("the metrics API answers for each node", 120, look, every=2)
    top = site.operator.kubectl("top", "nodes", "--no-headers").out.splitlines()
    return f"kubectl top shows {len(top)} nodes"


class Available(threading.Thread):
    """Watches a Deployment and knows how few of its pods were available."""

    def __init__(self, site: Site, name: str):
        super().__init__(daemon=True)
        path = "jsonpath={.status.availableReplicas}{\"\\n\"}"
        self.watch = site.operator.start_kubectl("get", "deployment", name, "-n", workloads.NAMESPACE, "--watch", "-o", path)
        self.seen: list[int] = []
        self.start()
        eventually("the watch has begun", 30, lambda: self.seen)

    def run(self) -> None:
        for line in self.watch.stdout:
            self.seen.append(int(line.strip() or 0))

    def stop(self) -> int:
        ended = self.watch.poll()
        self.watch.terminate()
        self.watch.wait(10)
        self.join(10)
        assert ended is None, f"the watch ended by itself, with {ended}"
        return min(self.seen)


def a_budget_holds(site: Site) -> str:
    """A drain that the budget forbids leaves the machine; one that it allows never goes below it."""
    name = "guarded"
    only_workers = {"nodeSelector": {"kspot.io/lifecycle": "on-demand", "node-role.kubernetes.io/node": ""}}
    workloads.apply(site.operator, workloads.deployment(name, 2, **only_workers), workloads.budget(name, 2))
    pods = workloads.become_ready(site, name, 2)
    machine = instances.by_id(pods[0]["spec"]["nodeName"])
    refusal = site.operator.kspot("delete", "instance", machine.id, "--yes", "--drain-timeout", "10s", code=1).text
    assert f"{workloads.NAMESPACE}/{name}" in refusal, f"the budget is not named:\n{refusal}"
    assert machine.id in {instance.id for instance in instances.running()}, "the machine is gone all the same"
    assert _uids(workloads.pods(site, name)) == _uids(pods), "a pod was evicted all the same"
    site.operator.kubectl("uncordon", machine.id)

    workloads.apply(site.operator, workloads.budget(name, 1))
    available = Available(site, name)
    known = instances.running()
    started = time.monotonic()
    site.operator.kspot("delete", "instance", machine.id, "--yes", "--drain-timeout", "2m", seconds=180)
    took = time.monotonic() - started
    site.becomes_ready(instances.successor(machine, known, 90))
    fewest = available.stop()
    assert fewest >= 1, "for a moment no pod was available"
    workloads.become_ready(site, name, 2)
    site.becomes_well()
    workloads.delete(site.operator, f"deployment/{name}", f"pdb/{name}")
    return f"blocked by the budget; then drained and deleted in {took:.0f} s with {fewest} of 2 always available"


def _uids(pods: list[dict]) -> set[str]:
    return {pod["metadata"]["uid"] for pod in pods}


def an_interruption_drains(site: Site) -> str:
    """The event goes to the queue, the termination handler takes it from there and drains the node before its end."""
    name = "interrupted"
    workloads.apply(site.operator, workloads.deployment(name, 2, affinity=_rather_on_spot()))
    workloads.become_ready(site, name, 2)
    machine = instances.workers("spot")[0]
    assert _pods_of(site, name, machine.id), "no pod runs on the spot machine"
    known = instances.running()
    started = time.monotonic()
    answer = control.ask("interrupt", instance_id=machine.id, notice_seconds=NOTICE_SECONDS)
    assert answer["queues"], "the event reached no queue"
    eventually("its pods are gone from the machine", NOTICE_SECONDS, lambda: not _pods_of(site, name, machine.id))
    seconds = time.monotonic() - started
    assert any(i.id == machine.id for i in instances.running()), "the machine had ended before it was drained"
    assert site.nodes()[machine.id]["spec"].get("unschedulable"), "the node still takes pods"
    site.numbers.note("an interrupted spot worker drained after its notice", seconds, "s", 30, NOTICE_SECONDS)
    # One of the handlers may be on a machine that is gone, and has no log any more.
    log = site.operator.kubectl("logs", "-n", "kube-system", "-l", f"app.kubernetes.io/name={HANDLER}", "--tail=200", "--ignore-errors", code=None).out
    written = any("SPOT_ITN" in line and machine.id in line for line in log.splitlines())
    assert written, f"no handler has written of {machine.id}:\n{log[-2000:]}"
    workloads.become_ready(site, name, 2)
    site.becomes_ready(instances.successor(machine, known, NOTICE_SECONDS + 90))
    site.becomes_well()
    workloads.delete(site.operator, f"deployment/{name}")
    return f"by {HANDLER} from the queue {', '.join(answer['queues'])}"


def _rather_on_spot() -> dict:
    term = {"matchExpressions": [{"key": "kspot.io/lifecycle", "operator": "In", "values": ["spot"]}]}
    return {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 100, "preference": term}]}}


def _pods_of(site: Site, app: str, node: str) -> list[dict]:
    """Also those that are ending."""
    pods = site.operator.get("pods", "-n", workloads.NAMESPACE, "-l", f"app={app}")["items"]
    return [pod for pod in pods if pod["spec"].get("nodeName") == node]


PART = Part(
    "three",
    Step("three-up", "3 control planes, 2 workers: well", lambda site: common.comes_up(site, SHAPE)),
    (
        Step("three-plan", "nothing is left to do", common.nothing_to_do),
        Step("three-nodes", "nodes have provider id, zone, type and lifecycle", common.nodes_are_what_they_should_be),
        Step("three-services", "systemd understands the machines' services, and gives none up", common.services_are_understood),
        Step("three-service", "a Deployment runs, its Service answers from other nodes", common.a_service_answers),
        Step("three-dns", "names resolve", common.names_resolve, after="three-service"),
        Step("three-metrics", "the metrics API answers", metrics_are_there),
        Step("three-frugal", "memory and user data are small", common.machines_are_frugal),
        Step("spot-joins", "a spot group from the selector: its machine joins", a_spot_worker_joins),
        Step("budget", "a PodDisruptionBudget holds while a machine is deleted", a_budget_holds),
        Step("three-lost", "each control plane dies in turn; both kubeconfigs work", replacement.each_in_turn),
        Step("three-restore", "etcd goes back to a snapshot on all three members", backups.etcd_goes_back),
        Step("interruption", "a spot interruption in the queue drains the node", an_interruption_drains, after="spot-joins"),
    ),
    Step("three-gone", "the cluster is deleted: nothing is left", common.nothing_is_left),
    debian=("13",),
)
