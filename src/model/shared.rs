//! What the spec gives by id: it is referred to, and nothing else. No resource is made for it, so no plan can change or
//! delete it.

use super::Input;
use crate::error::{Error, Result};
use crate::resource::{Kind, Ref};
use crate::spec::Subnet;

/// The VPC: the shared one, or the cluster's own.
pub(super) fn vpc(input: &Input<'_>) -> Ref {
    match &input.cluster.spec.network_id {
        Some(id) => Ref::id(id),
        None => Ref::to(Kind::Vpc, input.cluster.name()),
    }
}

/// A subnet of the cluster.
pub(super) fn subnet(input: &Input<'_>, subnet: &Subnet) -> Ref {
    match &subnet.id {
        Some(id) => Ref::id(id),
        None => Ref::to(Kind::Subnet, input.names().below(&subnet.name)),
    }
}

/// The VPC's way to the internet: that of the shared VPC, or the cluster's own.
pub(super) fn internet_gateway(input: &Input<'_>) -> Result<Ref> {
    let Some(vpc) = &input.cluster.spec.network_id else {
        return Ok(Ref::to(Kind::InternetGateway, input.cluster.name()));
    };
    let missing = || {
        Error::invalid(format!("the shared VPC {vpc} has no internet gateway, which public subnets need"))
            .hint("attach an internet gateway to the VPC, or give the subnets by id")
    };
    input.facts.internet_gateway.as_ref().map(Ref::id).ok_or_else(missing)
}

/// The cluster's subnets that are its own.
pub(super) fn own_subnets<'a>(input: &Input<'a>) -> impl Iterator<Item = &'a Subnet> {
    input.cluster.spec.subnets.iter().filter(|s| s.id.is_none())
}
