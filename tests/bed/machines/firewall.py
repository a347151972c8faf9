"""Security groups, the source/destination check and load balancers, as one nftables ruleset of the VPC.

`render` is a pure function of what there is; the ruleset is replaced whole, in one transaction, when its text changes.
Connections that are under way stay with conntrack, as they do on AWS.
"""

from dataclasses import dataclass

from machines import places
from machines.cloud import Instance, Rule, SecurityGroup
from machines.commands import run

TABLE = "kspot-bed"
EVERYWHERE = "0.0.0.0/0"


@dataclass(frozen=True)
class Node:
    """A load balancer's presence in one subnet. The mark is on every connection that came through it."""

    mark: int
    address: str
    security_groups: tuple[str, ...]


@dataclass(frozen=True)
class Forward:
    """A port of a node, and who gets its connections."""

    node: Node
    port: int
    protocol: str
    targets: tuple[tuple[str, int], ...]  # (address, port)
    preserves_client: bool


class Firewall:
    def __init__(self) -> None:
        self.loaded = ""

    def load(self, instances: list[Instance], groups: dict[str, SecurityGroup], nodes: list[Node], forwards: list[Forward]) -> bool:
        """Puts the rules in place; gives whether they changed."""
        text = render(instances, groups, nodes, forwards)
        if text == self.loaded:
            return False
        run("ip", "netns", "exec", places.NETNS, "nft", "-f", "-", stdin=text)
        self.loaded = text
        return True


def render(instances: list[Instance], groups: dict[str, SecurityGroup], nodes: list[Node], forwards: list[Forward]) -> str:
    members = _Members(instances, nodes)
    chains = [*_balancing(forwards), *_source_dest_check(instances)]
    ingress, egress, node_ingress, node_egress, checks = [], [], [], [], []
    for instance in sorted(instances, key=lambda i: i.id):
        link = places.link_of(instance.id)
        own = [groups[group] for group in instance.security_groups if group in groups]
        chains.append(_chain(f"in-{link}", _ingress(own, members), "drop"))
        chains.append(_chain(f"out-{link}", _egress(own, members), "drop"))
        ingress.append(f'"{link}" : jump in-{link}')
        egress.append(f'"{link}" : jump out-{link}')
    for node in nodes:
        # A network load balancer without security groups lets everything through.
        if not node.security_groups:
            continue
        own = [groups[group] for group in node.security_groups if group in groups]
        chains.append(_chain(f"in-node-{node.mark}", _node_ingress(own, members), "drop"))
        chains.append(_chain(f"out-node-{node.mark}", _node_egress(own, members), "drop"))
        node_ingress.append(f"{node.mark} : jump in-node-{node.mark}")
        node_egress.append(f"{node.mark} : jump out-node-{node.mark}")
        checks.append(f"{node.address} : jump out-node-{node.mark}")
    established = "ct state established,related accept"
    # Neither security groups nor routes are asked about the metadata service and the resolver.
    local = [f"ip daddr {{ {places.METADATA_ADDRESS}, {places.RESOLVER_ADDRESS} }} accept", "meta l4proto { tcp, udp } th dport 53 accept"]
    stuck = [f'"{places.link_of(i.id)}" : drop' for i in sorted(instances, key=lambda i: i.id) if not i.way_out]
    chains += [
        # One hook for each party: the verdict `accept` is the end of its hook only.
        _hook("outgoing", "filter hook forward priority 0", [established, _map("iifname", egress)]),
        _hook("to-balancers", "filter hook forward priority 1", [established, _map("ct mark", node_ingress)]),
        _hook("from-balancers", "filter hook forward priority 2", [established, _map("ct mark", node_egress)]),
        _hook("outside", "filter hook input priority 0", [established, *local, _map("iifname", stuck), _map("iifname", egress)]),
        _hook("checks", "filter hook output priority 0", [established, _map("ip saddr", checks)]),
        # After source NAT: what a load balancer passes on comes from its own address unless it preserves the client's.
        _hook("incoming", "filter hook postrouting priority 150", [established, _map("oifname", ingress)]),
    ]
    body = "\n".join(chains)
    return f"table ip {TABLE}\ndelete table ip {TABLE}\ntable ip {TABLE} {{\n{body}\n}}\n"


class _Members:
    """Who is in a security group: instances by link, nodes of load balancers by mark and address."""

    def __init__(self, instances: list[Instance], nodes: list[Node]):
        self.links: dict[str, list[str]] = {}
        self.marks: dict[str, list[str]] = {}
        self.addresses: dict[str, list[str]] = {}
        for instance in sorted(instances, key=lambda i: i.id):
            for group in instance.security_groups:
                self.links.setdefault(group, []).append(f'"{places.link_of(instance.id)}"')
        for node in nodes:
            for group in node.security_groups:
                self.marks.setdefault(group, []).append(str(node.mark))
                self.addresses.setdefault(group, []).append(node.address)


def _set(values: list[str]) -> str:
    return "{ " + ", ".join(values) + " }"


def _map(key: str, verdicts: list[str]) -> str:
    return f"{key} vmap {_set(verdicts)}" if verdicts else ""


def _hook(name: str, hook: str, rules: list[str]) -> str:
    return _lines(name, [f"type {hook}; policy accept;", *filter(None, rules)])


def _chain(name: str, rules: list[str], last: str) -> str:
    return _lines(name, [*rules, last])


def _lines(name: str, rules: list[str]) -> str:
    return f"  chain {name} {{\n" + "".join(f"    {rule}\n" for rule in rules) + "  }"


def _service(rule: Rule, port: str) -> str:
    """What a rule says of protocol and ports; `port` is the expression for a connection's port."""
    match rule.protocol:
        case "-1" | "all":
            return ""
        case "tcp" | "udp" as protocol:
            ports = f" {port} {rule.ports[0]}-{rule.ports[1]}" if rule.ports else ""
            return f"meta l4proto {protocol}{ports} "
        case "icmp":
            return "meta l4proto icmp "
        case other:
            return f"meta l4proto {other} "


def _accept(rules: list[Rule], port: str, block: str, sides) -> list[str]:
    """One nftables rule for each side that a rule names: `block` matches a CIDR block, `sides` gives a group's matches."""
    accepted = []
    for rule in rules:
        service = _service(rule, port)
        for cidr in rule.cidrs:
            match = "" if cidr == EVERYWHERE else f"{block} {cidr} "
            accepted.append(f"{service}{match}accept")
        for group in rule.groups:
            accepted += [f"{service}{match} accept" for match in sides(group)]
    return accepted


def _ingress(groups: list[SecurityGroup], members: _Members) -> list[str]:
    def sides(group: str) -> list[str]:
        # Behind a load balancer a client's group means nothing: the load balancer's own does.
        matches = [f"ct mark 0 iifname {_set(members.links[group])}"] if group in members.links else []
        if group in members.marks:
            matches.append(f"ct mark {_set(members.marks[group])}")
            matches.append(f"ip saddr {_set(members.addresses[group])}")
        return matches

    return _accept([rule for group in groups for rule in group.ingress], "th dport", "ip saddr", sides)


def _egress(groups: list[SecurityGroup], members: _Members) -> list[str]:
    """By what was asked for: a load balancer's address, not that of the target that it stands for."""

    def sides(group: str) -> list[str]:
        matches = [f"ct mark 0 oifname {_set(members.links[group])}"] if group in members.links else []
        return matches + ([f"ct mark {_set(members.marks[group])}"] if group in members.marks else [])

    return _accept([rule for group in groups for rule in group.egress], "ct original proto-dst", "ct original ip daddr", sides)


def _node_ingress(groups: list[SecurityGroup], members: _Members) -> list[str]:
    def sides(group: str) -> list[str]:
        return [f"iifname {_set(members.links[group])}"] if group in members.links else []

    return _accept([rule for group in groups for rule in group.ingress], "ct original proto-dst", "ip saddr", sides)


def _node_egress(groups: list[SecurityGroup], members: _Members) -> list[str]:
    def sides(group: str) -> list[str]:
        return [f"oifname {_set(members.links[group])}"] if group in members.links else []

    return _accept([rule for group in groups for rule in group.egress], "th dport", "ip daddr", sides)


def _balancing(forwards: list[Forward]) -> list[str]:
    """Connections to a node go on to a target; by NAT, so that the kernel does all the work."""
    ways_in, ways_out = [], []
    for forward in forwards:
        if not forward.targets:
            continue
        choices = ", ".join(f"{i} : {address} . {port}" for i, (address, port) in enumerate(forward.targets))
        ways_in.append(
            f"ip daddr {forward.node.address} {forward.protocol} dport {forward.port} ct mark set {forward.node.mark} "
            f"dnat ip to numgen random mod {len(forward.targets)} map {{ {choices} }}"
        )
        if not forward.preserves_client:
            served = f"ct mark {forward.node.mark} meta l4proto {forward.protocol} ct original proto-dst {forward.port}"
            ways_out.append(f"ct status dnat {served} snat to {forward.node.address}")
    return [
        _hook("to-targets", "nat hook prerouting priority -100", ways_in),
        _hook("from-nodes", "nat hook postrouting priority 100", ways_out),
    ]


def _source_dest_check(instances: list[Instance]) -> list[str]:
    """An instance with the check on neither sends from nor gets what is not its own address."""
    checked = [(places.link_of(i.id), i.address) for i in sorted(instances, key=lambda i: i.id) if i.source_dest_check]
    sent = [f'iifname "{link}" ip saddr != {address} drop' for link, address in checked]
    got = [f'oifname "{link}" ip daddr != {address} drop' for link, address in checked]
    return [
        _hook("sources", "filter hook prerouting priority -150", sent),
        _hook("destinations", "filter hook postrouting priority 140", got),
    ]
