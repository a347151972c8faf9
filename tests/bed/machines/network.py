"""The VPC on this machine: one network namespace that routes, and a link from it to each instance.

An instance has a whole subnet on its side and only a route to its own address on the VPC's: whatever it sends, also to a
neighbour in its subnet, crosses the VPC, where the rules are (firewall.py). The host has a link too, as a client on the
internet would be; there is no default route, so nothing leaves the machine.
"""

import ipaddress
import json

from machines import namespaces, places
from machines.cloud import Instance
from machines.commands import attempt, run


class Network:
    def __init__(self) -> None:
        self.networks: set[str] = set()
        self.gateways: set[str] = set()
        self.routes: dict[str, str] = {}

    def open(self) -> None:
        """Makes the VPC's namespace with the addresses that every instance expects, and the host's way in."""
        run("ip", "netns", "add", places.NETNS)
        # The route back to a source may be another than the link it came by: pods, when the source check is off.
        settings = {"ipv4/ip_forward": "1", "ipv4/conf/all/rp_filter": "0", "ipv4/conf/default/rp_filter": "0"}
        namespaces.write_settings(places.NETNS, settings)
        self._in_vpc("link", "set", "lo", "up")
        for address in (places.METADATA_ADDRESS, places.RESOLVER_ADDRESS, places.FRONT_ADDRESS):
            self.take(address)
        run("ip", "link", "add", places.HOST_LINK, "type", "veth", "peer", "name", "host", "netns", places.NETNS)
        run("ip", "address", "add", f"{places.HOST_ADDRESS}/{places.LINK_PREFIX}", "dev", places.HOST_LINK)
        run("ip", "link", "set", places.HOST_LINK, "up")
        self._in_vpc("address", "add", f"{places.BED_ADDRESS}/{places.LINK_PREFIX}", "dev", "host")
        self._in_vpc("link", "set", "host", "up")

    def take(self, address: str) -> None:
        """Gives the VPC itself an address."""
        self._in_vpc("address", "replace", f"{address}/32", "dev", "lo")

    def release(self, address: str) -> None:
        attempt("ip", "-n", places.NETNS, "address", "del", f"{address}/32", "dev", "lo")

    def lead_to(self, networks: set[str]) -> list[str]:
        """Makes room for the VPCs in which there is something, and routes of the host to them; gives what there is to say."""
        said = []
        for network in self.networks - networks:
            attempt("ip", "route", "del", network, "via", places.BED_ADDRESS)
            attempt("ip", "-n", places.NETNS, "route", "del", "blackhole", network)
        for network in sorted(networks - self.networks):
            self.take(_resolver_of(network))
            # What is sent to nobody is lost without a word.
            self._in_vpc("route", "replace", "blackhole", network)
            if own := overlap(network):
                said.append(f"VPC {network}: this machine does not reach it, because {own} is a network of its own")
            else:
                run("ip", "route", "replace", network, "via", places.BED_ADDRESS)
                said.append(f"VPC {network}")
        self.networks = set(networks)
        return said

    def attach(self, instance: Instance) -> None:
        """Makes an instance's namespace, with its card `eth0` up and its way to the VPC."""
        netns, link = places.netns_of(instance.id), places.link_of(instance.id)
        subnet = ipaddress.ip_network(instance.subnet)
        gateway = str(subnet.network_address + 1)
        if gateway not in self.gateways:
            self.take(gateway)
            self.gateways.add(gateway)
        run("ip", "netns", "add", netns)
        run("ip", "-n", places.NETNS, "link", "add", link, "type", "veth", "peer", "name", "eth0", "address", mac_of(instance), "netns", netns)
        run("ip", "-n", netns, "link", "set", "lo", "up")
        run("ip", "-n", netns, "address", "add", f"{instance.address}/{subnet.prefixlen}", "dev", "eth0")
        run("ip", "-n", netns, "link", "set", "eth0", "up")
        run("ip", "-n", netns, "route", "add", "default", "via", gateway)
        self._in_vpc("link", "set", link, "up")
        # The VPC answers for every neighbour, and at once.
        settings = {f"ipv4/conf/{link}/proxy_arp": "1", f"ipv4/neigh/{link}/proxy_delay": "0"}
        namespaces.write_settings(places.NETNS, settings)
        self._in_vpc("route", "replace", f"{instance.address}/32", "dev", link)

    def unplug(self, instance_id: str) -> None:
        """From now on nothing of an instance answers, not even that nobody listens."""
        attempt("ip", "-n", places.NETNS, "link", "set", places.link_of(instance_id), "down")

    def detach(self, instance_id: str) -> None:
        attempt("ip", "-n", places.NETNS, "link", "del", places.link_of(instance_id))
        attempt("ip", "netns", "del", places.netns_of(instance_id))
        self.routes = {block: via for block, via in self.routes.items() if via != instance_id}

    def route(self, routes: dict[str, str], addresses: dict[str, str]) -> None:
        """The routes of route tables that lead to instances; `addresses` are those of the instances that are attached."""
        wanted = {block: via for block, via in routes.items() if via in addresses}
        for block in self.routes.keys() - wanted.keys():
            attempt("ip", "-n", places.NETNS, "route", "del", block)
        for block, via in wanted.items():
            if self.routes.get(block) != via:
                self._in_vpc("route", "replace", block, "via", addresses[via], "dev", places.link_of(via), "onlink")
        self.routes = wanted

    @staticmethod
    def _in_vpc(*arguments: str) -> None:
        run("ip", "-n", places.NETNS, *arguments)


def mac_of(instance: Instance) -> str:
    """A card's address, locally administered, the same at every boot."""
    digits = instance.id[-10:]
    return ":".join(["02", *(digits[i : i + 2] for i in range(0, 10, 2))])


def resolvers(networks: set[str]) -> list[str]:
    """Where the VPC's resolver listens: the address that is the same everywhere, the host's side, and each VPC's own."""
    return [places.RESOLVER_ADDRESS, places.BED_ADDRESS, *map(_resolver_of, sorted(networks))]


def _resolver_of(network: str) -> str:
    return str(ipaddress.ip_network(network).network_address + 2)


def overlap(network: str) -> str | None:
    """A route of the host, other than its default, that has to do with these addresses."""
    wanted = ipaddress.ip_network(network)
    for route in json.loads(run("ip", "-json", "-4", "route", "show")):
        block = route["dst"]
        if block != "default" and route.get("dev") != places.HOST_LINK and wanted.overlaps(ipaddress.ip_network(block)):
            return block
    return None
