"""VPCs, subnets, gateways and what hangs on them."""

from corrections import override
from corrections.filters import by_tag
from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models.dhcp_options import DHCPOptionsSetBackend
from moto.ec2.models.nat_gateways import NatGatewayBackend
from moto.ec2.models.subnets import Subnet, SubnetBackend
from moto.ec2.models.vpcs import VPCBackend
from moto.ec2.responses.dhcp_options import DHCPOptions
from moto.ec2.responses.egress_only_internet_gateways import EgressOnlyInternetGateway
from moto.ec2.responses.nat_gateways import NatGateways
from moto.ec2.responses.subnets import Subnets


@override(Subnets)
def modify_subnet_attribute(original, self):
    """API_ModifySubnetAttribute: PrivateDnsHostnameTypeOnLaunch and EnableDns64 are kept; moto drops both."""
    if dns64 := self._get_param("EnableDns64.Value"):
        self.ec2_backend.get_subnet(self._get_param("SubnetId")).enable_dns64 = str(dns64).lower() == "true"
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


@override(DHCPOptions)
def create_dhcp_options(original, self):
    """API_CreateDhcpOptions: TagSpecifications tag the options; moto drops them."""
    answer = original(self)
    answer.result["DhcpOptions"].add_tags(self._parse_tag_specification().get("dhcp-options", {}))
    return answer


@override(EgressOnlyInternetGateway)
def describe_egress_only_internet_gateways(original, self):
    """API_DescribeEgressOnlyInternetGateways: filters by tag; moto ignores them."""
    answer = original(self)
    field = "EgressOnlyInternetGateways"
    answer.result[field] = by_tag(answer.result[field], self._filters_from_querystring())
    return answer


@override(NatGateways)
def describe_nat_gateways(original, self):
    """API_DescribeNatGateways: an unknown id is NatGatewayNotFound, and filters by tag count; moto leaves out and ignores."""
    for gateway_id in self._get_param("NatGatewayIds", []):
        _nat_gateway(self.ec2_backend, gateway_id)
    answer = original(self)
    answer.result["NatGateways"] = by_tag(answer.result["NatGateways"], self._filters_from_querystring())
    return answer


@override(NatGatewayBackend)
def delete_nat_gateway(original, self, nat_gateway_id):
    """API_DeleteNatGateway: an unknown id is NatGatewayNotFound (moto raises); the gateway's interface goes and its address
    is free again (moto keeps both in use)."""
    gateway = _nat_gateway(self, nat_gateway_id)
    for address in self.addresses:
        if address.eni is gateway._eni:
            self.disassociate_address(address=address.public_ip)
    self.enis.pop(gateway._eni.id, None)
    return original(self, nat_gateway_id)


def _nat_gateway(ec2, gateway_id: str):
    if gateway_id not in ec2.nat_gateways:
        raise EC2ClientError("NatGatewayNotFound", f"The Nat Gateway {gateway_id} was not found")
    return ec2.nat_gateways[gateway_id]


def _ipv6_associations(self) -> list[dict]:
    """API_SubnetIpv6CidrBlockAssociation: Ipv6CidrBlockState.State is a word; moto answers a printed dictionary."""
    return [
        {
            "ipv6CidrBlock": association["ipv6CidrBlock"],
            "associationId": association["associationId"],
            "ipv6CidrBlockState": {"state": association["ipv6CidrBlockState"]["State"]},
        }
        for association in self.ipv6_cidr_block_associations.values()
        if association["ipv6CidrBlockState"]["State"] == "associated"
    ]


Subnet.ipv6_cidr_block_association_set = property(_ipv6_associations)


@override(DHCPOptionsSetBackend)
def associate_dhcp_options(original, self, dhcp_options, vpc):
    """API_AssociateDhcpOptions: the set that the VPC had before is free again, and can be deleted; moto counts it as used
    for ever."""
    before = vpc.dhcp_options
    if before is not None and before is not dhcp_options and before.vpc is vpc:
        before.vpc = None
    return original(self, dhcp_options, vpc)
