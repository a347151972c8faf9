//! What every resource is tagged with, and what a group's machines carry besides.

use std::collections::BTreeMap;

use super::Input;
use crate::resource::{Tags, tags};
use crate::spec::mixed_instances::MinMax;
use crate::spec::{InstanceGroup, Role};

/// The tag of machines and their Auto Scaling group that names the instance group.
pub const INSTANCE_GROUP: &str = "kspot.io/instancegroup";

/// kOps' name of [`INSTANCE_GROUP`].
pub const KOPS_INSTANCE_GROUP: &str = "kops.k8s.io/instancegroup";

/// The label and tag that says how a machine was bought: `spot` or `on-demand`.
pub const LIFECYCLE: &str = "kspot.io/lifecycle";

/// How the keys of tags begin that tell the cluster autoscaler what a node of an empty group would be like; the
/// controller makes labels of the `label/` ones.
const NODE_TEMPLATE: &str = "k8s.io/cluster-autoscaler/node-template";

/// The tags of an owned resource: name, cluster, ownership, the spec's cloud labels.
pub(super) fn owned(input: &Input<'_>, name: &str) -> Tags {
    let mut all = input.cluster.spec.cloud_labels.clone();
    all.extend(tags::owned(input.cluster.name(), name));
    all
}

/// The keys that say "control plane": kOps' and the ones before them.
pub fn role_tags(role: Role) -> Tags {
    let keys: &[&str] = match role {
        Role::ControlPlane => &["control-plane", "master"],
        Role::Node => &["node"],
        Role::Bastion => &["bastion"],
    };
    keys.iter().map(|k| (format!("k8s.io/role/{k}"), "1".to_owned())).collect()
}

/// The tags of a group's Auto Scaling group, launch template, machines, volumes and interfaces.
pub(super) fn of_group(input: &Input<'_>, group: &InstanceGroup) -> Tags {
    let spec = &input.cluster.spec;
    let mut all = owned(input, &input.names().instance_group(group));
    all.extend(group.spec.cloud_labels.clone());
    if let Some(handler) = spec.enabled_node_termination_handler().filter(|h| h.queue_mode()) {
        all.insert(handler.managed_asg_tag().to_owned(), String::new());
    }
    all.extend(role_tags(group.spec.role));
    all.insert(INSTANCE_GROUP.to_owned(), group.name().to_owned());
    all.insert(KOPS_INSTANCE_GROUP.to_owned(), group.name().to_owned());
    if group.spec.role != Role::Bastion {
        all.extend(node_template(input, group));
    }
    all
}

fn node_template(input: &Input<'_>, group: &InstanceGroup) -> Tags {
    let labels = labels(group).into_iter().map(|(k, v)| (format!("{NODE_TEMPLATE}/label/{k}"), v));
    let taints = group
        .spec
        .effective_taints()
        .into_iter()
        .map(|t| (format!("{NODE_TEMPLATE}/taint/{}", t.key), format!("{}:{}", t.value, t.effect.as_str())));
    let resources = resources(input, group).into_iter().map(|(k, v)| (format!("{NODE_TEMPLATE}/resources/{k}"), v));
    labels.chain(taints).chain(resources).collect()
}

/// The labels of a group's nodes.
pub fn labels(group: &InstanceGroup) -> BTreeMap<String, String> {
    let mut all = group.spec.node_labels.clone();
    all.insert(INSTANCE_GROUP.to_owned(), group.name().to_owned());
    all.insert(KOPS_INSTANCE_GROUP.to_owned(), group.name().to_owned());
    match group.spec.role {
        Role::ControlPlane => {
            all.insert("node-role.kubernetes.io/control-plane".to_owned(), String::new());
            all.insert("node.kubernetes.io/exclude-from-external-load-balancers".to_owned(), String::new());
        }
        Role::Node => {
            all.insert("node-role.kubernetes.io/node".to_owned(), String::new());
        }
        Role::Bastion => {}
    }
    if let Some(lifecycle) = lifecycle(group) {
        all.insert(LIFECYCLE.to_owned(), lifecycle.to_owned());
    }
    all
}

/// How every machine of the group is bought; `None` for a group that buys both ways, whose machines find out one by one.
fn lifecycle(group: &InstanceGroup) -> Option<&'static str> {
    if !group.spec.buys_spot() {
        return Some("on-demand");
    }
    let only_spot = match &group.spec.mixed_instances_policy {
        Some(policy) => policy.on_demand_base() == 0 && policy.on_demand_above_base() == 0,
        None => true,
    };
    only_spot.then_some("spot")
}

/// What the smallest type of the group has: the autoscaler must never believe that a node is larger than it will be.
/// A resource of which some type's amount is unknown is left out.
fn resources(input: &Input<'_>, group: &InstanceGroup) -> BTreeMap<&'static str, String> {
    let policy = group.spec.mixed_instances_policy.as_ref();
    let listed = policy.map(|p| p.instances.as_slice()).filter(|l| !l.is_empty());
    let by_attributes = policy.and_then(|p| p.instance_requirements.as_ref());
    let mut all = BTreeMap::from([("ephemeral-storage", format!("{}Gi", group.spec.root_volume().size_gib))]);
    if let Some(wanted) = by_attributes {
        let least = |range: &Option<MinMax>| range.as_ref().and_then(|r| r.min);
        all.extend(least(&wanted.cpu).map(|q| ("cpu", q.to_string())));
        all.extend(least(&wanted.memory).map(|q| ("memory", q.to_string())));
        return all;
    }
    let one = [group.spec.machine_type().to_owned()];
    let facts: Option<Vec<_>> = listed.unwrap_or(&one).iter().map(|t| input.types.get(t)).collect();
    if let Some(facts) = facts {
        all.extend(facts.iter().map(|t| t.vcpus).min().map(|n| ("cpu", n.to_string())));
        all.extend(facts.iter().map(|t| t.memory_mib).min().map(|n| ("memory", format!("{n}Mi"))));
    }
    all
}
