//! The network itself: VPC, DHCP options, internet gateway, subnets. How packets leave it is in `routes`.

use super::{Input, shared, tags};
use crate::error::{Error, Result};
use crate::resource::{self, Desired, DhcpOptions, InternetGateway, Kind, Ref, Tags, Vpc};
use crate::spec::network::Ipv6Cidr;
use crate::spec::{Subnet, SubnetType};

pub(super) fn build(input: &Input<'_>, desired: &mut Desired) -> Result<()> {
    if input.cluster.spec.network_id.is_none() {
        vpc(input, desired)?;
    }
    shared::own_subnets(input).try_for_each(|s| subnet(input, desired, s))
}

fn vpc(input: &Input<'_>, desired: &mut Desired) -> Result<()> {
    let name = input.cluster.name();
    let spec = &input.cluster.spec;
    let region = &input.account.region;
    let domain_name = match region.as_str() {
        "us-east-1" => "ec2.internal".to_owned(),
        _ => format!("{region}.compute.internal"),
    };
    let options = DhcpOptions {
        domain_name,
        domain_name_servers: vec!["AmazonProvidedDNS".to_owned()],
        tags: tags::owned(input, name),
    };
    input.add(desired, name, options)?;
    let vpc = Vpc {
        cidr: spec.network_cidr().to_string(),
        additional_cidrs: spec.network_cidrs().iter().skip(1).map(ToString::to_string).collect(),
        ipv6: true,
        dns_support: true,
        dns_hostnames: true,
        dhcp_options: Ref::to(Kind::DhcpOptions, name),
        tags: tags::owned(input, name),
    };
    input.add(desired, name, vpc)?;
    input.add(desired, name, InternetGateway { vpc: shared::vpc(input), tags: tags::owned(input, name) })
}

fn subnet(input: &Input<'_>, desired: &mut Desired, subnet: &Subnet) -> Result<()> {
    let name = input.names().below(&subnet.name);
    let cidr = subnet.cidr.ok_or_else(|| Error::invalid(format!("subnet {} has no cidr", subnet.name)))?;
    let mut tags = tags::owned(input, &name);
    tags.insert("SubnetType".to_owned(), subnet.subnet_type.as_str().to_owned());
    if !input.cluster.spec.disable_subnet_tags.unwrap_or(false) {
        tags.extend(role_tags(input, subnet.subnet_type));
    }
    let ipv6 = subnet.ipv6_cidr.map(|c| number(subnet, c)).transpose()?;
    let made = resource::Subnet {
        vpc: shared::vpc(input),
        zone: subnet.zone.clone(),
        cidr: cidr.to_string(),
        ipv6,
        resource_name_dns: true,
        assign_ipv6: ipv6.is_some(),
        dns64: input.cluster.spec.is_ipv6() && subnet.subnet_type.is_private() && ipv6.is_some(),
        tags,
    };
    input.add(desired, &name, made)
}

/// By these tags the cloud controller finds the subnets for load balancers of services.
fn role_tags(input: &Input<'_>, subnet_type: SubnetType) -> Tags {
    let some_private = input.cluster.spec.subnets.iter().any(|s| s.subnet_type.is_private());
    let public = !subnet_type.is_private();
    // AWS gives internal load balancers no place in the public subnets of an IPv6 network.
    let fallback = subnet_type == SubnetType::Public && !some_private && !input.cluster.spec.is_ipv6();
    let internal = subnet_type.is_private() || fallback;
    let keys = [(public, "kubernetes.io/role/elb"), (internal, "kubernetes.io/role/internal-elb")];
    keys.into_iter().filter(|(wanted, _)| *wanted).map(|(_, k)| (k.to_owned(), "1".to_owned())).collect()
}

/// Which /64 of the VPC's range a subnet has. AWS chooses that range, so a subnet's can't be written out beforehand.
fn number(subnet: &Subnet, cidr: Ipv6Cidr) -> Result<u16> {
    let place = match cidr {
        Ipv6Cidr::Nth { prefix: 64, index } => u16::try_from(index).ok().filter(|n| *n < 256),
        _ => None,
    };
    place.ok_or_else(|| {
        Error::invalid(format!("subnet {} asks for the IPv6 range {cidr}, which the VPC's /56 can't give", subnet.name))
            .hint("write /64#N with N from 0 to ff")
    })
}
