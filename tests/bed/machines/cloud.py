"""What the emulator says that there is, read out of its state as plain data.

moto's state has no locks: `read` is called while the emulator's own lock is held, and what it gives is nobody else's.
"""

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass, field

GROUP_TAG = "aws:autoscaling:groupName"
# A name for the group is what people look for; the tag that kspot and kOps give their instances comes first.
GROUP_TAGS = ("kops.k8s.io/instancegroup", GROUP_TAG, "Name")


@dataclass(frozen=True)
class Place:
    """An account's region, in which ids are found."""

    account: str
    region: str


@dataclass(frozen=True)
class Rule:
    """A security group's rule: whom it lets in or out."""

    protocol: str
    ports: tuple[int, int] | None
    cidrs: tuple[str, ...]
    groups: tuple[str, ...]


@dataclass(frozen=True)
class SecurityGroup:
    ingress: tuple[Rule, ...]
    egress: tuple[Rule, ...]


@dataclass(frozen=True)
class Attachment:
    """A volume at an instance, other than its root."""

    volume: str
    device: str


@dataclass(frozen=True)
class Instance:
    id: str
    place: Place
    group: str
    zone: str
    address: str
    subnet: str
    state: str
    lifecycle: str
    architecture: str
    image: str
    source_dest_check: bool
    security_groups: tuple[str, ...]
    hop_limit: int
    way_out: bool
    attachments: tuple[Attachment, ...]

    @property
    def wanted(self) -> bool:
        return self.state in ("pending", "running")


@dataclass(frozen=True)
class Target:
    id: str
    address: str
    port: int
    zone: str | None


@dataclass(frozen=True)
class TargetGroup:
    arn: str
    targets: tuple[Target, ...]
    preserves_client: bool
    check_port: int | None
    healthy_after: int
    unhealthy_after: int


@dataclass(frozen=True)
class Listener:
    port: int
    protocol: str
    target_group: str


@dataclass(frozen=True)
class Balancer:
    arn: str
    name: str
    subnets: tuple[tuple[str, str, str], ...]  # (id, zone, CIDR block)
    security_groups: tuple[str, ...]
    cross_zone: bool
    listeners: tuple[Listener, ...]


@dataclass
class World:
    """Everything that the bed has to make true."""

    instances: dict[str, Instance] = field(default_factory=dict)
    security_groups: dict[str, SecurityGroup] = field(default_factory=dict)
    routes: dict[str, str] = field(default_factory=dict)  # CIDR block -> instance
    networks: set[str] = field(default_factory=set)  # CIDR blocks of VPCs in which there is something
    volumes: dict[str, int] = field(default_factory=dict)  # id -> GiB
    balancers: dict[str, Balancer] = field(default_factory=dict)
    target_groups: dict[str, TargetGroup] = field(default_factory=dict)
    records: dict[str, list[tuple[str, str]]] = field(default_factory=dict)  # name -> [(type, value)]


def places() -> Iterator[Place]:
    """Every region of every account that has been asked anything. (A dictionary of backends makes what is looked up in it.)"""
    from moto.backends import get_backend

    for account, regions in list(get_backend("ec2").items()):
        for region in list(regions):
            yield Place(account, region)


def backend(service: str, place: Place):
    from moto.backends import get_backend

    return get_backend(service)[place.account][place.region]


def find(instance_id: str) -> tuple[Place, object] | None:
    """Where an instance is, and moto's own object for it."""
    for place in places():
        if instance := backend("ec2", place).get_instance_by_id(instance_id):
            return place, instance
    return None


def read() -> World:
    world = World()
    for place in places():
        _read_region(world, place)
    for account in {place.account for place in places()}:
        _read_records(world, Place(account, "aws"))
    return world


def _read_region(world: World, place: Place) -> None:
    ec2 = backend("ec2", place)
    networks = set()
    for reservation in ec2.reservations.values():
        for raw in reservation.instances:
            world.instances[raw.id] = _instance(place, raw)
            if world.instances[raw.id].wanted:
                networks.add(raw.vpc_id)
    for groups in ec2.groups.values():
        for group in groups.values():
            world.security_groups[group.id] = SecurityGroup(_rules(group.ingress_rules), _rules(group.egress_rules))
    for volume in ec2.volumes.values():
        world.volumes[volume.id] = int(volume.size)
    elb = backend("elbv2", place)
    for balancer in elb.load_balancers.values():
        world.balancers[balancer.arn] = _balancer(balancer)
        networks.add(balancer.vpc_id)
    for group in elb.target_groups.values():
        world.target_groups[group.arn] = _target_group(world, group)
    world.networks |= {ec2.vpcs[vpc].cidr_block for vpc in networks if vpc in ec2.vpcs}
    for table in ec2.route_tables.values():
        if table.vpc_id in networks:
            for route in table.routes:
                attached = route.instance or (route.interface.instance if route.interface else None)
                if attached and route.destination_cidr_block:
                    world.routes[route.destination_cidr_block] = attached.id


def _instance(place: Place, raw) -> Instance:
    tags = {tag["key"]: tag["value"] for tag in raw.get_tags()}
    on = raw.state in ("pending", "running")
    attached = [(device, block.volume_id) for device, block in raw.block_device_mapping.items()]
    return Instance(
        id=raw.id,
        place=place,
        group=next((tags[tag] for tag in GROUP_TAGS if tag in tags), ""),
        zone=raw.placement.zone,
        address=raw.private_ip if raw.nics else "",
        subnet=raw.ec2_backend.get_subnet(raw.subnet_id).cidr_block if on else "",
        state=raw.state,
        lifecycle="spot" if raw.lifecycle == "spot" else "on-demand",
        architecture=raw.architecture,
        image=_image(place, raw),
        source_dest_check=str(raw.source_dest_check).lower() == "true",
        security_groups=tuple(group.id for group in raw.security_groups),
        hop_limit=int(raw.metadata_options.http_put_response_hop_limit or 1),
        way_out=on and _has_way_out(raw),
        attachments=tuple(Attachment(volume, device) for device, volume in attached if device != raw.root_device_name),
    )


def _image(place: Place, raw) -> str:
    """The name of the instance's image; empty if nobody knows it."""
    image = backend("ec2", place).amis.get(raw.image_id)
    return image.name if image else ""


def _has_way_out(raw) -> bool:
    """Whether the subnet's default route leads somewhere: to a NAT gateway, or to the internet for who has a public address."""
    tables = [table for table in raw.ec2_backend.route_tables.values() if table.vpc_id == raw.vpc_id]
    own = [table for table in tables if raw.subnet_id in table._associations.values()]
    main = [table for table in tables if table.main_association_id]
    for route in (own or main)[0].routes if own or main else ():
        if route.destination_cidr_block == "0.0.0.0/0":
            return bool(route.nat_gateway or (route.gateway and raw.public_ip))
    return False


def _rules(rules) -> tuple[Rule, ...]:
    return tuple(
        Rule(
            protocol=str(rule.ip_protocol),
            ports=None if rule.from_port in (None, -1) else (int(rule.from_port), int(rule.to_port)),
            cidrs=(rule.cidr_ipv4,) if rule.cidr_ipv4 else (),
            groups=(rule.source_group["GroupId"],) if rule.source_group.get("GroupId") else (),
        )
        for rule in rules
    )


def _balancer(raw) -> Balancer:
    listeners = []
    for listener in raw.listeners.values():
        action = listener.default_actions[0].data
        forward = action.get("ForwardConfig", {}).get("TargetGroups") or [{}]
        if group := action.get("TargetGroupArn") or forward[0].get("TargetGroupArn"):
            listeners.append(Listener(int(listener.port), listener.protocol, group))
    return Balancer(
        arn=raw.arn,
        name=raw.dns_name.lower(),
        subnets=tuple((subnet.id, subnet.availability_zone, subnet.cidr_block) for subnet in raw.subnets),
        security_groups=tuple(raw.security_groups or ()),
        cross_zone=raw.attrs.get("load_balancing.cross_zone.enabled") == "true",
        listeners=tuple(listeners),
    )


def _target_group(world: World, raw) -> TargetGroup:
    targets = []
    for target in raw.targets.values():
        instance = world.instances.get(target["Id"])
        address = instance.address if instance else target["Id"]
        if _is_address(address):
            targets.append(Target(target["Id"], address, int(target["Port"]), instance.zone if instance else None))
    return TargetGroup(
        arn=raw.arn,
        targets=tuple(targets),
        preserves_client=raw.attributes.get("preserve_client_ip.enabled", str(raw.target_type == "instance").lower()) == "true",
        check_port=int(raw.health_check_port) if str(raw.health_check_port).isdigit() else None,
        healthy_after=int(raw.healthy_threshold_count),
        unhealthy_after=int(raw.unhealthy_threshold_count),
    )


def _is_address(text: str) -> bool:
    try:
        return ipaddress.ip_address(text).version == 4
    except ValueError:
        return False


def _read_records(world: World, place: Place) -> None:
    """Every zone's records, private or not: the bed has one network."""
    for zone in backend("route53", place).zones.values():
        for record in zone.rrsets:
            name = record.name.rstrip(".").lower().replace("\\052", "*")
            values = world.records.setdefault(name, [])
            if record.alias_target:
                values.append(("CNAME", record.alias_target["DNSName"].rstrip(".").lower()))
            elif record.type in ("A", "CNAME", "TXT"):
                values += [(record.type, str(value).rstrip(".")) for value in record.records or []]
