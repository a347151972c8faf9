"""What AWS refuses to delete while something else uses it: moto deletes it, so a wrong order of deletion would pass."""

from corrections import override
from moto.ec2.exceptions import DependencyViolationError, EC2ClientError
from moto.ec2.models.elastic_ip_addresses import ElasticAddressBackend
from moto.ec2.models.elastic_network_interfaces import NetworkInterfaceBackend
from moto.ec2.models.internet_gateways import InternetGatewayBackend
from moto.ec2.models.security_groups import SecurityGroupBackend
from moto.ec2.models.subnets import SubnetBackend
from moto.ec2.models.vpcs import VPCBackend
from moto.elbv2 import elbv2_backends


def _load_balancers(ec2) -> list:
    return list(elbv2_backends[ec2.account_id][ec2.region_name].load_balancers.values())


def _nat_gateways(ec2) -> list:
    return [gateway for gateway in ec2.nat_gateways.values() if gateway.state != "deleted"]


@override(SubnetBackend)
def delete_subnet(original, self, subnet_id):
    """API_DeleteSubnet: refused while network interfaces (of instances, NAT gateways, load balancers) are in the subnet."""
    users = [eni.id for eni in self.enis.values() if eni.subnet.id == subnet_id]
    users += [gateway.id for gateway in _nat_gateways(self) if gateway.subnet_id == subnet_id]
    users += [lb.arn for lb in _load_balancers(self) if subnet_id in [subnet.id for subnet in lb.subnets]]
    if users:
        raise DependencyViolationError(f"The subnet '{subnet_id}' has dependencies and cannot be deleted.")
    return original(self, subnet_id)


@override(SecurityGroupBackend)
def _delete_security_group(original, self, vpc_id, group_id):
    """API_DeleteSecurityGroup: refused while an interface or load balancer has the group, or another group's rule names it."""
    users = [eni.id for eni in self.enis.values() if group_id in [group.id for group in eni.group_set or []]]
    users += [lb.arn for lb in _load_balancers(self) if group_id in (lb.security_groups or [])]
    for other in (group for of_vpc in self.groups.values() for group in of_vpc.values() if group.id != group_id):
        named = [rule.source_group.get("GroupId") for rule in (*other.ingress_rules, *other.egress_rules)]
        users += [other.id] if group_id in named else []
    if users:
        raise DependencyViolationError(f"resource {group_id} has a dependent object")
    return original(self, vpc_id, group_id)


@override(SecurityGroupBackend)
def delete_security_group(original, self, name=None, group_id=None):
    """API_DeleteSecurityGroup: the default group of a VPC goes with the VPC only."""
    group = self.get_security_group_by_name_or_id(group_id or name)
    if group and group.name == "default" and group.vpc_id in self.vpcs and not getattr(self, "deleting_vpc", False):
        raise EC2ClientError("CannotDelete", f"the specified group: \"{group.id}\" name: \"default\" cannot be deleted by a user")
    return original(self, name, group_id)


@override(InternetGatewayBackend)
def detach_internet_gateway(original, self, internet_gateway_id, vpc_id):
    """API_DetachInternetGateway: refused while something in the VPC has a public address."""
    public = [eni.id for eni in self.enis.values() if eni.subnet.vpc_id == vpc_id and eni.public_ip]
    public += [a.public_ip for a in self.addresses if a.eni and a.eni.subnet.vpc_id == vpc_id]
    public += [lb.arn for lb in _load_balancers(self) if lb.vpc_id == vpc_id and lb.scheme != "internal"]
    if public:
        message = f"Network {vpc_id} has some mapped public address(es). Please unmap those public address(es) before detaching the gateway."
        raise DependencyViolationError(message)
    return original(self, internet_gateway_id, vpc_id)


@override(ElasticAddressBackend)
def release_address(original, self, address=None, allocation_id=None):
    """API_ReleaseAddress: an address that is associated is InvalidIPAddress.InUse; moto cuts it off and releases it."""
    found = self.address_by_ip([address]) if address else self.address_by_allocation([allocation_id])
    if found[0].association_id:
        raise EC2ClientError("InvalidIPAddress.InUse", f"The address '{found[0].public_ip}' is in use.")
    return original(self, address=address, allocation_id=allocation_id)


@override(NetworkInterfaceBackend)
def delete_network_interface(original, self, eni_id):
    """API_DeleteNetworkInterface: an attached interface must be detached first."""
    eni = self.enis.get(eni_id)
    if eni and (eni.instance or eni.id in [gateway._eni.id for gateway in _nat_gateways(self)]):
        raise EC2ClientError("InvalidNetworkInterface.InUse", f"Network interface '{eni_id}' is currently in use.")
    return original(self, eni_id)


@override(VPCBackend)
def delete_vpc(original, self, vpc_id):
    """API_DeleteVpc: everything but the VPC's default group, default network ACL and main route table must be gone. moto
    looks at subnets, route tables and VPN gateways only, and keeps the ACL."""
    if vpc_id in self.vpcs and _things_in_vpc(self, vpc_id):
        raise DependencyViolationError(f"The vpc '{vpc_id}' has dependencies and cannot be deleted.")
    self.deleting_vpc = True
    try:
        deleted = original(self, vpc_id)
    finally:
        self.deleting_vpc = False
    for acl in [acl.id for acl in self.network_acls.values() if acl.vpc_id == vpc_id]:
        del self.network_acls[acl]
    return deleted


def _things_in_vpc(ec2, vpc_id: str) -> list[str]:
    things = [gateway.id for gateway in ec2.internet_gateways.values() if gateway.vpc and gateway.vpc.id == vpc_id]
    things += [gateway.id for gateway in ec2.egress_only_internet_gateways.values() if gateway.vpc_id == vpc_id]
    things += [gateway.id for gateway in _nat_gateways(ec2) if gateway.vpc_id == vpc_id]
    things += [eni.id for eni in ec2.enis.values() if eni.subnet.vpc_id == vpc_id]
    things += [group.id for group in ec2.groups.get(vpc_id, {}).values() if group.name != "default"]
    things += [e.id for e in ec2.vpc_end_points.values() if e.vpc_id == vpc_id and e.state != "deleted"]
    things += [acl.id for acl in ec2.network_acls.values() if acl.vpc_id == vpc_id and str(acl.default).lower() != "true"]
    return things
