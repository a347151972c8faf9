//! Where an observation looks for things that no tag filter finds.

use std::collections::BTreeSet;

use super::interruption;
use super::naming::Names;
use crate::cloud::Scope;
use crate::resource::{Desired, Kind, Resource, tags};
use crate::spec::Role;

/// The scope of a cluster: the names that follow from its own, and those of everything that is desired.
///
/// What was desired once and is not any more is found through the scope that was stored when it was last applied: see
/// [`Scope::union`].
pub fn scope(cluster: &str, desired: &Desired) -> Scope {
    scope_of_name(cluster).union(scope_of_desired(cluster, desired))
}

/// The names of everything that is desired, and no others: enough where a stored scope says what there was before.
pub fn scope_of_desired(cluster: &str, desired: &Desired) -> Scope {
    let mut scope = Scope::of(cluster);
    for (addr, resource) in desired {
        match resource {
            Resource::RecordSet(record) => scope.add(Kind::RecordSet, [record.candidate()]),
            Resource::DiscoveryDocument(document) => scope.add(Kind::DiscoveryDocument, [document.candidate()]),
            Resource::OidcProvider(provider) => scope.add(Kind::OidcProvider, [provider.arn.clone()]),
            _ if FOUND_BY_NAME.contains(&addr.kind) => scope.add(addr.kind, [addr.name.clone()]),
            _ => {}
        }
        scope.labels.extend(labels(cluster, resource));
    }
    scope
}

/// The kinds of which an observation finds only what it is told to look for.
const FOUND_BY_NAME: [Kind; 10] = [
    Kind::EventRule,
    Kind::HostedZone,
    Kind::IamRole,
    Kind::InstanceProfile,
    Kind::Listener,
    Kind::LoadBalancer,
    Kind::NodeConfig,
    Kind::Queue,
    Kind::ScalingPolicy,
    Kind::TargetGroup,
];

/// The scope that follows from a cluster's name alone: for a cluster whose specs are gone.
pub fn scope_of_name(cluster: &str) -> Scope {
    let names = Names::of(cluster);
    let mut scope = Scope::of(cluster);
    let roles: BTreeSet<String> = Role::ALL.into_iter().map(|r| names.iam(r)).collect();
    scope.add(Kind::IamRole, roles.clone());
    scope.add(Kind::InstanceProfile, roles);
    scope.add(Kind::LoadBalancer, ["api", "bastion"].map(|p| names.balancer(p)));
    scope.add(Kind::TargetGroup, ["tcp", "tls", "kspot-controller", "bastion"].map(|p| names.balancer(p)));
    scope.add(Kind::Queue, [names.termination_queue()]);
    scope.add(Kind::EventRule, interruption::RULES.map(|r| names.event_rule(r)));
    scope
}

/// The tag keys of a resource that are not on everything: cloud labels, the termination handler's tag.
fn labels(cluster: &str, resource: &Resource) -> BTreeSet<String> {
    let common = tags::owned(cluster, "");
    let found = resource.field("tags");
    let keys = found.as_object().into_iter().flat_map(|map| map.keys());
    keys.filter(|k| !common.contains_key(*k)).cloned().collect()
}
