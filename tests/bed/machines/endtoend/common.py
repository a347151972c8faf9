"""Steps that are the same on every cluster."""

import base64
import json
import re
import time
from dataclasses import dataclass

from machines import places, roots
from machines.endtoend import instances, processes, workloads
from machines.endtoend.site import STORE, Site, conditions
from machines.waiting import eventually

# The machines' disks are directories on the disk of this machine, which may be nearly full.
EVICTION = "memory.available<100Mi,nodefs.available<1%,imagefs.available<1%"
USER_DATA_BYTES = 8 << 10
MIB = 1 << 20
# Not a matter of how fast the machine is: the target is the bound, but for a build that nobody ships.
MEMORY_MIB, DEBUG_MEMORY_MIB = 60, 200


@dataclass(frozen=True)
class Shape:
    zones: str
    control_planes: int
    workers: int
    target_seconds: int
    bound_seconds: int
    settings: tuple[str, ...] = ()
    options: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.control_planes}+{self.workers}"


def comes_up(site: Site, shape: Shape) -> str:
    """The tutorial's way, from the bucket to a cluster that is well."""
    kspot = site.operator.kspot
    kspot("create", "state-store", STORE)
    settings = [f"spec.kubelet.evictionHard={EVICTION}", *shape.settings]
    kspot(
        "create", "cluster", site.cluster,
        "--zones", shape.zones,
        "--control-plane-count", str(shape.control_planes), "--control-plane-size", "m5.large",
        "--node-count", str(shape.workers), "--node-size", "t3.large",
        "--kubernetes-version", site.programs.kubernetes,
        "--admin-access", f"{places.HOST_ADDRESS}/32",
        *shape.options,
        *(word for setting in settings for word in ("--set", setting)),
    )  # fmt: skip
    kspot("apply", "--merge", "-f", "-", stdin=json.dumps(_checksums(site)))
    started = time.monotonic()
    kspot("update", "cluster", "--yes", "--admin")
    updated = time.monotonic() - started
    site.becomes_well(shape.bound_seconds)
    seconds = time.monotonic() - started
    site.numbers.note(f"{shape}: from update --yes to a healthy validate", seconds, "s", shape.target_seconds, shape.bound_seconds)
    site.colleague.kspot("export", "kubeconfig", "--admin=1h")
    return f"update {updated:.1f} s, then {seconds - updated:.1f} s"


def _checksums(site: Site) -> dict:
    """The programs are built here: they are not those whose sums kspot knows."""
    lines = (places.ARTIFACTS / "checksums.yaml").read_text().splitlines()
    sums = dict(line.split(": ") for line in lines)
    return {"apiVersion": "kspot.io/v1alpha1", "kind": "Cluster", "metadata": {"name": site.cluster}, "spec": {"assets": {"checksums": sums}}}


def nothing_to_do(site: Site) -> None:
    """What machines do when they boot is no change of what was planned."""
    site.operator.kspot("update", "cluster", "--detailed-exitcode")


def nodes_are_what_they_should_be(site: Site) -> str:
    """Every machine is a node that is ready and says where and what it is."""
    ec2, nodes, all_instances, systems = site.aws("ec2"), site.nodes(), instances.running(), set()
    assert set(nodes) == {i.id for i in all_instances}, f"nodes {sorted(nodes)} are not the machines {sorted(i.id for i in all_instances)}"
    for instance in all_instances:
        node = nodes[instance.id]
        [reservation] = ec2.describe_instances(InstanceIds=[instance.id])["Reservations"]
        [machine] = reservation["Instances"]
        [image] = ec2.describe_images(ImageIds=[machine["ImageId"]])["Images"]
        role = "control-plane" if instance.is_control_plane else "node"
        wanted = {
            "topology.kubernetes.io/zone": instance.zone,
            "topology.kubernetes.io/region": instance.zone[:-1],
            "node.kubernetes.io/instance-type": machine["InstanceType"],
            "kspot.io/lifecycle": instance.lifecycle,
            "kspot.io/instancegroup": instance.group,
            f"node-role.kubernetes.io/{role}": "",
        }
        labels = node["metadata"]["labels"]
        assert conditions(node)["Ready"] == "True", f"{instance.id} is not ready"
        provider = node["spec"].get("providerID")
        assert provider == f"aws:///{instance.zone}/{instance.id}", f"{instance.id} has the provider id {provider}"
        system = node["status"]["nodeInfo"]["osImage"]
        assert system.startswith(f"Debian GNU/Linux {roots.release_of(image['Name'])} "), f"{instance.id} of {image['Name']} runs {system}"
        systems.add(system)
        wrong = {key: labels.get(key) for key, value in wanted.items() if labels.get(key) != value}
        assert not wrong, f"{instance.id}: {wrong} should be {({key: wanted[key] for key in wrong})}"
    return f"{len(nodes)} nodes, {' and '.join(sorted(systems))}"


def services_are_understood(site: Site) -> str:
    """systemd only warns of a line that it does not know, and does without it."""
    versions = set()
    for instance in instances.running():
        services = ["kspot-boot", "kspot-keep", "containerd", "kubelet", *(["kspot-controller"] if instance.is_control_plane else [])]
        said = instance.run("systemd-analyze", "verify", *(f"/etc/systemd/system/{name}.service" for name in services))
        # It looks at what they need as well, which is the image's matter.
        about = [line for line in said.splitlines() if any(f"/{name}.service" in line for name in services)]
        assert not about, f"{instance.id}: {about}"
        for name in services:
            limit = instance.run("systemctl", "show", name, "--property=StartLimitIntervalUSec", "--value").strip()
            assert limit == "0", f"{instance.id}: systemd gives {name} up when it fails often within {limit}"
        waits = instance.run("systemd-inhibit", "--list", "--no-legend")
        waits_for = {line.split()[0] for line in waits.splitlines() if line.endswith(" delay")}
        assert "kubelet" in waits_for, f"{instance.id} does not wait for its pods when it is switched off:\n{waits}"
        versions.add(instance.run("systemctl", "--version").split()[1])
    return f"systemd {' and '.join(sorted(versions))}"


def a_service_answers(site: Site) -> str:
    """From pods on nodes that have no pod of the service."""
    workloads.apply(site.operator, workloads.deployment("web", 1), workloads.service("web"), workloads.everywhere("asker"))
    [server] = workloads.become_ready(site, "web", 1)
    askers = workloads.become_ready(site, "asker", len(instances.running()))
    others = [pod for pod in askers if pod["spec"]["nodeName"] != server["spec"]["nodeName"]]
    for pod in others:
        where = pod["spec"]["nodeName"]
        said = eventually(f"the service answers on {where}", 30, lambda: workloads.ask(site, pod, "timeout", "5", "wget", "-O-", "http://web"))
        assert said.strip() == server["metadata"]["name"], f"{said!r} answers on {where}"
    return f"asked on {len(others)} other nodes"


def names_resolve(site: Site) -> str:
    """Services by short and full name, and names outside the cluster."""
    askers = workloads.become_ready(site, "asker", len(instances.running()))
    address = site.operator.get("service", "web", "-n", workloads.NAMESPACE)["spec"]["clusterIP"]
    names = {
        f"web.{workloads.NAMESPACE}.svc.cluster.local": address,
        "kubernetes.default.svc.cluster.local": site.operator.get("service", "kubernetes")["spec"]["clusterIP"],
        f"sts.{site.aws('sts').meta.region_name}.amazonaws.com": places.FRONT_ADDRESS,
    }
    for pod in askers:
        for name, wanted in names.items():
            said = workloads.ask(site, pod, "nslookup", name)
            assert addresses(said) == {wanted}, f"{name} on {pod['spec']['nodeName']}: {said!r} is not {wanted}"
    return f"{len(names)} names on {len(askers)} nodes"


def addresses(said: str) -> set[str]:
    """What nslookup found; before the name it tells whom it asked."""
    _, _, found = said.partition("Name:")
    return set(re.findall(r"^Address(?: \d+)?:\s*(\S+)", found, re.M))


def machines_are_frugal(site: Site) -> str:
    """The memory of what stays on machines, the most since it began, and the size of user data."""
    most: dict[str, tuple[float, float]] = {}
    for instance in instances.running():
        for process in processes.of(instance.id).values():
            sizes = (process.peak_bytes / MIB, process.own_bytes / MIB)
            most[process.role] = max(most.get(process.role, (0, 0)), sizes)
    assert {"keep", "controller"} <= set(most), f"only {sorted(most)} of kspot's processes run"
    for role in ("keep", "controller"):
        bound = DEBUG_MEMORY_MIB if site.programs.debug else MEMORY_MIB
        site.numbers.note(f"memory of kspot node {role}, the most of all machines", most[role][0], "MiB", MEMORY_MIB, bound)
    sizes = [len(data) for data in _user_data(site)]
    site.numbers.note("user data, the largest group's", max(sizes) / 1024, "KiB", USER_DATA_BYTES / 1024, USER_DATA_BYTES / 1024)
    return ", ".join(f"{role} {peak:.0f} MiB at most, now {own:.0f} without the program's file" for role, (peak, own) in sorted(most.items()))


def _user_data(site: Site) -> list[bytes]:
    ec2 = site.aws("ec2")
    templates = ec2.describe_launch_templates(Filters=[{"Name": "tag:KubernetesCluster", "Values": [site.cluster]}])["LaunchTemplates"]
    assert templates, "there are no launch templates"
    found = []
    for template in templates:
        versions = ec2.describe_launch_template_versions(LaunchTemplateId=template["LaunchTemplateId"], Versions=["$Latest"])
        found.append(base64.b64decode(versions["LaunchTemplateVersions"][0]["LaunchTemplateData"]["UserData"]))
    return found


def nothing_is_left(site: Site) -> str:
    """The cluster goes, and with it everything but the store's bucket."""
    site.operator.kspot("delete", "cluster", site.cluster, "--yes", seconds=300)
    eventually("no machine is on", 90, lambda: not instances.running())
    left = {kind: ids for kind, ids in site.inventory().items() if not kind.startswith("s3/")}
    assert not left, f"left on AWS: {left}"
    return "the account is empty but for the store"
