"""VPCs, subnets, gateways and what hangs on them."""

from corrections import override
from moto.ec2.models.subnets import SubnetBackend
from moto.ec2.models.vpcs import VPCBackend
from moto.ec2.responses.subnets import Subnets


@override(Subnets)
def modify_subnet_attribute(original, self):
    """API_ModifySubnetAttribute: PrivateDnsHostnameTypeOnLaunch is kept; moto drops it."""
    if kind := self._get_param("PrivateDnsHostnameTypeOnLaunch"):
        subnet = self.ec2_backend.get_subnet(self._get_param("SubnetId"))
        subnet.private_dns_name_options_on_launch["HostnameType"] = kind
    return original(self)


@override(SubnetBackend)
def delete_subnet(original, self, subnet_id):
    """VPC user guide, "Subnet route tables": an association goes with its subnet; moto keeps it, so that the route table
    can never be deleted."""
    deleted = original(self, subnet_id)
    for table in self.route_tables.values():
        for association in [a for a, subnet in table._associations.items() if subnet == subnet_id]:
            del table._associations[association]
    return deleted


@override(VPCBackend)
def delete_vpc(original, self, vpc_id):
    """API_DeleteVpc: DHCP options are not the VPC's and stay; moto deletes them too."""
    vpc = self.vpcs.get(vpc_id)
    options = vpc.dhcp_options if vpc else None
    deleted = original(self, vpc_id)
    if options:
        options.vpc = None
        self.dhcp_options_sets[options.id] = options
    return deleted
