//! The way in over SSH for private clusters: a load balancer before the bastion's machines. The machines themselves are
//! a group like every other.

use std::collections::BTreeSet;

use super::balancer::{self, Balancer, Targets};
use super::security::SSH_PORT;
use super::{Input, security};
use crate::error::Result;
use crate::resource::{Desired, Kind, Ref};
use crate::spec::Role;
use crate::spec::networking::BastionSpec;

/// The bastion's load balancer, and its target group.
pub(super) const BASTION: &str = "bastion";

pub(super) fn build(input: &Input<'_>, desired: &mut Desired) -> Result<()> {
    if !exists(input) {
        return Ok(());
    }
    let given = spec(input).and_then(|b| b.load_balancer.clone()).unwrap_or_default();
    let balancer_type = given.balancer_type.unwrap_or_default();
    let more = given.additional_security_groups.iter().map(Ref::id);
    let balancer = Balancer {
        prefix: BASTION,
        balancer_type,
        subnets: balancer::one_per_zone(input, balancer_type),
        security_groups: more.chain([security::of_bastion_balancer(input)]).collect(),
        // A bastion stands in one zone at a time; every address must lead to it.
        cross_zone: true,
    };
    balancer.add(input, desired)?;
    let targets = Targets { prefix: BASTION, protocol: "TCP", port: SSH_PORT, preserve_client_ip: true };
    balancer::target_group(input, desired, targets)?;
    balancer::tcp_listener(input, desired, BASTION, SSH_PORT, BASTION)
}

/// Whether some group is a bastion.
pub(super) fn exists(input: &Input<'_>) -> bool {
    input.groups_of(Role::Bastion).next().is_some()
}

/// What the spec says about it.
pub(super) fn spec<'a>(input: &Input<'a>) -> Option<&'a BastionSpec> {
    input.cluster.spec.topology.as_ref()?.bastion.as_ref()
}

/// The target groups that bastions are registered with.
pub(super) fn target_groups(input: &Input<'_>) -> BTreeSet<Ref> {
    BTreeSet::from([Ref::to(Kind::TargetGroup, input.names().balancer(BASTION))])
}
