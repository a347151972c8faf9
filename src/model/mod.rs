//! Specs and facts in, desired state out: what a cluster is made of on AWS. Pure: the same input gives the same bytes.
//!
//! A builder per concern adds its resources to one map. They refer to each other by name, so that no builder needs another
//! one's result.
//!
//! * `network`: VPC, gateways, subnets, NAT, route tables. `shared` says what of it the spec gives by id.
//! * `security`: security groups and each rule. [`iam`]: roles and their policies.
//! * `control_plane`: the API's load balancer, etcd's volumes. `bastion`: the way in over SSH. `dns`: the records.
//! * `groups`: an Auto Scaling group and a launch template per instance group, with [`user_data`] and [`node_config`].
//! * `issuer`: the documents and the provider by which AWS trusts service accounts.
//! * `interruption`: the queue, the rules and the hooks of the termination handler.
//! * [`naming`] and [`tags`]: what everything is called and marked with. [`scope()`]: where an observation looks.

mod addons;
pub mod assets;
mod balancer;
mod bastion;
mod control_plane;
mod dns;
mod groups;
pub mod iam;
mod input;
mod interruption;
mod issuer;
mod launch_template;
pub mod naming;
mod network;
pub mod node_config;
mod routes;
mod scope;
mod security;
mod shared;
pub mod tags;
pub mod user_data;

#[cfg(test)]
mod tests;

pub use input::{AgentBinary, Facts, Input, Store};
pub use scope::{scope, scope_of_desired, scope_of_name};

use crate::error::Result;
use crate::resource::Desired;

/// Everything that the cluster is made of.
///
/// An error says what is missing in the input (an image, a fact about something shared) or what AWS would not take; the
/// specs themselves were completed and validated before.
pub fn build(input: &Input<'_>) -> Result<Desired> {
    let mut desired = Desired::new();
    network::build(input, &mut desired)?;
    routes::build(input, &mut desired)?;
    security::build(input, &mut desired)?;
    issuer::build(input, &mut desired)?;
    iam::build(input, &mut desired)?;
    control_plane::build(input, &mut desired)?;
    bastion::build(input, &mut desired)?;
    dns::build(input, &mut desired)?;
    groups::build(input, &mut desired)?;
    interruption::build(input, &mut desired)?;
    addons::build(input, &mut desired)?;
    Ok(desired)
}
