"""Network load balancers: their addresses, which targets are healthy, who gets a connection.

The connections themselves are the firewall's: the kernel passes them on.
"""

import concurrent.futures
import ipaddress
import threading
from dataclasses import dataclass

from machines import namespaces, places
from machines.cloud import Balancer, Target, TargetGroup, World
from machines.commands import attempt
from machines.firewall import Forward, Node
from machines.network import Network

# What `status` tells; the end-to-end test holds kspot to it, with one machine behind the API and with three.
API_ANSWERS_AGAIN_SECONDS = 90
# AWS asks every 5 to 300 s; the bed has no need to be that patient.
CHECK_EVERY_SECONDS = 1.0
CHECK_TIMEOUT_SECONDS = 1.0


@dataclass
class Health:
    """How a target has answered lately."""

    healthy: bool = False
    known: bool = False
    in_a_row: int = 0  # answers that contradict `healthy`

    def note(self, answered: bool, group: TargetGroup) -> bool:
        """Takes one answer in; gives whether the verdict changed."""
        if self.known and answered == self.healthy:
            self.in_a_row = 0
            return False
        self.in_a_row += 1
        needed = group.healthy_after if answered else group.unhealthy_after
        if self.known and self.in_a_row < needed:
            return False
        # The first answer of a new target counts at once if it is bad: until then it is `initial`, which gets nothing.
        if not self.known and answered and self.in_a_row < needed:
            return False
        self.healthy, self.known, self.in_a_row = answered, True, 0
        return True


class Balancers:
    """Load balancers as they are on this machine. `update` and `forwards` are the loop's, `check_all` is a thread's."""

    def __init__(self, network: Network):
        self.network = network
        self.nodes: dict[tuple[str, str], Node] = {}  # (balancer, subnet) -> node
        self.zones: dict[tuple[str, str], str] = {}
        self.health: dict[tuple[str, str, int], Health] = {}  # (target group, target, port)
        self.marks = 0
        self.changed = threading.Event()

    def update(self, world: World) -> None:
        """Gives new load balancers their addresses, takes those of deleted ones back."""
        wanted = {(arn, subnet[0]): (balancer, subnet) for arn, balancer in world.balancers.items() for subnet in balancer.subnets}
        for key in self.nodes.keys() - wanted.keys():
            self.network.release(self.nodes.pop(key).address)
            del self.zones[key]
        for key, (balancer, (_, zone, block)) in wanted.items():
            known = self.nodes.get(key)
            if known is None:
                self.marks += 1
                self.nodes[key] = Node(self.marks, self._free_address(block), balancer.security_groups)
                self.zones[key] = zone
                self.network.take(self.nodes[key].address)
            elif known.security_groups != balancer.security_groups:
                self.nodes[key] = Node(known.mark, known.address, balancer.security_groups)
        targets = {(arn, t.id, t.port) for arn, group in world.target_groups.items() for t in group.targets}
        self.health = {key: self.health.get(key) or Health() for key in targets}

    def forwards(self, world: World) -> list[Forward]:
        """What the firewall has to do with connections."""
        made = []
        for (arn, subnet), node in sorted(self.nodes.items()):
            for listener in world.balancers[arn].listeners:
                group = world.target_groups.get(listener.target_group)
                if group is None or listener.protocol not in ("TCP", "UDP"):
                    continue
                targets = self._receivers(world.balancers[arn], self.zones[arn, subnet], group)
                chosen = tuple((target.address, target.port) for target in targets)
                made.append(Forward(node, listener.port, listener.protocol.lower(), chosen, group.preserves_client))
        return made

    def _receivers(self, balancer: Balancer, zone: str, group: TargetGroup) -> list[Target]:
        """The healthy targets, of the node's own zone unless the balancer works across zones; if none is healthy at all,
        every one: "If there are no healthy targets, the load balancer fails open"."""
        healthy = [target for target in group.targets if self.healthy(group.arn, target)] or list(group.targets)
        near = [target for target in healthy if balancer.cross_zone or target.zone in (zone, None)]
        return near

    def healthy(self, group: str, target: Target) -> bool:
        health = self.health.get((group, target.id, target.port))
        return bool(health and health.healthy)

    def names(self, world: World) -> dict[str, list[str]]:
        """The addresses behind each load balancer's name: of nodes that have somebody to pass a connection to, else all."""
        names: dict[str, list[str]] = {}
        serving = {forward.node.mark for forward in self.forwards(world) if forward.targets}
        for arn, balancer in world.balancers.items():
            nodes = [node for (owner, _), node in sorted(self.nodes.items()) if owner == arn]
            names[balancer.name] = [node.address for node in nodes if node.mark in serving] or [node.address for node in nodes]
        return names

    def check_all(self, world: World, pool: concurrent.futures.Executor) -> None:
        """Asks every target of every load balancer once, from the load balancer's own address."""
        asked = []
        for (arn, _), node in list(self.nodes.items()):
            balancer = world.balancers.get(arn)
            for listener in balancer.listeners if balancer else ():
                if group := world.target_groups.get(listener.target_group):
                    asked += [(group, target, node.address) for target in group.targets]
        once = {(group.arn, target.id, target.port): (group, target, source) for group, target, source in asked}
        answers = pool.map(lambda a: _answers(a[1].address, a[0].check_port or a[1].port, a[2]), once.values())
        for (key, (group, target, _)), answered in zip(once.items(), answers):
            health = self.health.get(key)
            if health and health.note(answered, group):
                self.changed.set()
                if not answered:
                    # Connections to a target that has become unhealthy are ended: the next packet finds another.
                    attempt("ip", "netns", "exec", places.NETNS, "conntrack", "-D", "--dst-nat", target.address)

    def _free_address(self, block: str) -> str:
        """The subnet's last address that is not taken; instances get the first ones."""
        taken = {node.address for node in self.nodes.values()}
        network = ipaddress.ip_network(block)
        candidates = (str(network.broadcast_address - n) for n in range(1, network.num_addresses - 4))
        return next(address for address in candidates if address not in taken)


def _answers(address: str, port: int, source: str) -> bool:
    sock = namespaces.client(places.NETNS, source)
    try:
        sock.settimeout(CHECK_TIMEOUT_SECONDS)
        sock.connect((address, port))
        return True
    except OSError:
        return False
    finally:
        sock.close()
