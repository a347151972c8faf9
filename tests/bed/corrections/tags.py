"""EC2 tags."""

from corrections import override
from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models.core import TaggedEC2Resource
from moto.ec2.models.tags import EC2_PREFIX_TO_RESOURCE, TagBackend, get_prefix
from moto.ec2.responses.tags import TagResponse

# API_TagSpecification, ResourceType: names that moto spells otherwise.
EC2_PREFIX_TO_RESOURCE.update(
    {"eipalloc": "elastic-ip", "fl": "vpc-flow-log", "h": "dedicated-host", "nat": "natgateway", "pl": "prefix-list"}
)


@override(TaggedEC2Resource)
def get_tags(_original, self):
    """The same answer as moto's in constant time: moto scans the tags of the whole region for each resource, so that
    DescribeInstances by tag over 3000 instances takes half a minute."""
    if not self.id:
        return []
    kind = EC2_PREFIX_TO_RESOURCE.get(get_prefix(self.id), "")
    tags = self.ec2_backend.tags.get(self.id, {})
    return [{"resource_id": self.id, "key": k, "value": v, "resource_type": kind} for k, v in tags.items()]


@override(TagResponse)
def create_tags(original, self):
    """EC2 user guide, "Tag restrictions": keys that begin with `aws:` are reserved, a key has at most 128 characters and a
    value 256. moto takes all."""
    for tag in self._get_param("Tags", []):
        if tag["Key"].startswith("aws:"):
            raise EC2ClientError("InvalidParameterValue", "Tag keys starting with 'aws:' are reserved for internal use")
        if len(tag["Key"]) > 128 or len(tag.get("Value", "")) > 256:
            raise EC2ClientError("InvalidParameterValue", f"Tag {tag['Key'][:128]} is too long.")
    return original(self)


@override(TagBackend)
def describe_tags(original, self, filters=None):
    """API_DescribeTags answers the tags of what exists; moto goes on answering those of deleted resources."""
    existing = _existing(self)
    return [tag for tag in original(self, filters) if tag["resource_id"] in existing]


def _existing(ec2) -> set[str]:
    """Every EC2 id that can have tags; an instance keeps them for a while after its end."""
    groups = [group for of_vpc in ec2.groups.values() for group in of_vpc.values()]
    named = [address.allocation_id for address in ec2.addresses]
    named += [instance.id for reservation in ec2.reservations.values() for instance in reservation.instances]
    named += [gateway.id for gateway in ec2.nat_gateways.values() if gateway.state != "deleted"]
    named += [subnet for of_zone in ec2.subnets.values() for subnet in of_zone]
    named += [group.id for group in groups]
    named += [rule.id for group in groups for rule in (*group.ingress_rules, *group.egress_rules)]
    named += [pair.id for pair in ec2.key_pairs.values()]
    by_id = (
        ec2.amis, ec2.customer_gateways, ec2.dhcp_options_sets, ec2.egress_only_internet_gateways, ec2.enis, ec2.fleets,
        ec2.flow_logs, ec2.internet_gateways, ec2.launch_templates, ec2.managed_prefix_lists, ec2.network_acls,
        ec2.route_tables, ec2.snapshots, ec2.spot_instance_requests, ec2.volumes, ec2.vpc_end_points, ec2.vpc_pcxs,
        ec2.vpcs, ec2.vpn_gateways,
    )  # fmt: skip
    return set(named).union(*by_id)
