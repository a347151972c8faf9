//! Roles: who may do what. A role has one inline policy of its own name, made of small grants.
//!
//! The rules: nothing that a machine does not need; what changes things is bound to the cluster's tag; what AWS cannot
//! bind to a tag is bound to an ARN; the state store is readable below the cluster's own prefix and writable only where
//! machines write.

mod control_plane;
mod controllers;
mod node;
mod service_accounts;
mod statement;

use std::collections::BTreeSet;

use super::Input;
use crate::error::{Error, Result};
use crate::resource::policy::compact;
use crate::resource::{Desired, IamRole, InstanceProfile, Kind, Ref};
use crate::spec::{InstanceGroup, Role};
pub use service_accounts::addon_roles;
pub use statement::{Policy, Statement};

/// What AWS takes as the sum of a role's inline policies, in characters without white space.
const INLINE_LIMIT: usize = 10_240;

/// The roles and instance profiles of the groups that bring none of their own, and the roles of service accounts.
pub(super) fn build(input: &Input<'_>, desired: &mut Desired) -> Result<()> {
    let roles: BTreeSet<Role> = input.groups.iter().filter(|g| own_profile(g).is_none()).map(|g| g.spec.role).collect();
    for role in roles {
        let name = input.names().iam(role);
        let tags = super::tags::owned(input, &name);
        let iam = IamRole {
            trust_policy: trust(input),
            identity_provider: None,
            policy: policy(input, role)?,
            managed_policies: managed_policies(input, role),
            permissions_boundary: boundary(input),
            tags: tags.clone(),
        };
        input.add(desired, &name, iam)?;
        input.add(desired, &name, InstanceProfile { role: Ref::to(Kind::IamRole, &name), tags })?;
    }
    service_accounts::build(input, desired)
}

fn boundary(input: &Input<'_>) -> Option<String> {
    input.cluster.spec.iam.as_ref().and_then(|i| i.permissions_boundary.clone())
}

/// The instance profile of a group's machines: its own, which is shared, or its role's.
pub(super) fn profile(input: &Input<'_>, group: &InstanceGroup) -> Ref {
    match own_profile(group) {
        Some(arn) => Ref::id(arn),
        None => Ref::to(Kind::InstanceProfile, input.names().iam(group.spec.role)),
    }
}

fn own_profile(group: &InstanceGroup) -> Option<&str> {
    group.spec.iam.as_ref().and_then(|i| i.profile.as_deref())
}

fn trust(input: &Input<'_>) -> String {
    let service = format!("ec2.{}", input.dns_suffix());
    let allow = Statement::allow(["sts:AssumeRole"]).by_service(service);
    Policy::of([allow]).to_json()
}

/// The role's one inline policy; none if there is nothing to allow.
fn policy(input: &Input<'_>, role: Role) -> Result<Option<String>> {
    let mut policy = match role {
        Role::ControlPlane => control_plane::policy(input),
        Role::Node => node::policy(input),
        Role::Bastion => Policy::default(),
    };
    if let Some(more) = by_role(&input.cluster.spec.additional_policies, role) {
        policy.append_json(more).map_err(|e| {
            Error::invalid(format!("spec.additionalPolicies.{} is not a list of IAM statements", role.label()))
                .because(e)
        })?;
    }
    let hint = "move statements from spec.additionalPolicies to a managed policy and name it in spec.externalPolicies";
    checked(&input.names().iam(role), &policy, hint)
}

/// The text of a role's policy, if it allows anything and AWS would take it.
fn checked(role: &str, policy: &Policy, hint: &str) -> Result<Option<String>> {
    if policy.is_empty() {
        return Ok(None);
    }
    let text = policy.to_json();
    let length = compact(&text).len();
    if length > INLINE_LIMIT {
        let message = format!("the policy of role {role} has {length} characters, AWS takes {INLINE_LIMIT}");
        return Err(Error::invalid(message).hint(hint));
    }
    Ok(Some(text))
}

fn managed_policies(input: &Input<'_>, role: Role) -> BTreeSet<String> {
    by_role(&input.cluster.spec.external_policies, role).into_iter().flatten().cloned().collect()
}

/// The entry of a map that is keyed by role, under the role's name or kOps' older one.
fn by_role<V>(map: &std::collections::BTreeMap<String, V>, role: Role) -> Option<&V> {
    map.get(role.label()).or_else(|| (role == Role::ControlPlane).then(|| map.get("master")).flatten())
}
