//! Names of clusters and groups, as DNS, Kubernetes and AWS allow them.

use std::collections::BTreeSet;

use super::{ClusterRule, GroupRule, Report, Specs};
use crate::error::did_you_mean;
use crate::spec::instance_group::{InstanceGroup, Role};
use crate::spec::metadata::CLUSTER_LABEL;

pub(super) const CLUSTER_RULES: &[ClusterRule] = &[cluster_name_is_a_dns_name, group_names_are_unique];
pub(super) const GROUP_RULES: &[GroupRule] = &[group_name_is_a_label, group_belongs_to_cluster, aws_names_fit];

/// Longest name of a launch template; an Auto Scaling group's may have 255 characters.
const LAUNCH_TEMPLATE_NAME: usize = 128;

/// The cluster's name is part of the tag key `kubernetes.io/cluster/<name>`, which may have 128 characters.
const CLUSTER_NAME: usize = 128 - "kubernetes.io/cluster/".len();

/// Whether this is one label of a DNS name: lower case letters, digits and inner hyphens, at most 63.
pub(super) fn is_dns_label(text: &str) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    (1..=63).contains(&text.len()) && text.bytes().all(inner) && !text.starts_with('-') && !text.ends_with('-')
}

fn cluster_name_is_a_dns_name(specs: &Specs, report: &mut Report) {
    let name = specs.cluster.name();
    let path = "metadata.name";
    if !name.split('.').all(is_dns_label) {
        return report.error(path, format!("{name:?} is not a DNS name: lower case letters, digits, hyphens and dots"));
    }
    report.require(name.contains('.'), path, || format!("{name:?} has no dot, write for example \"{name}.k8s.local\""));
    report.require(name.len() <= CLUSTER_NAME, path, || {
        format!("the name has {} characters, AWS tags leave room for {CLUSTER_NAME}", name.len())
    });
}

fn group_names_are_unique(specs: &Specs, report: &mut Report) {
    let mut seen = BTreeSet::new();
    for group in specs.groups {
        report.require(seen.insert(group.name()), "metadata.name", || format!("two groups are named {}", group.name()));
    }
}

fn group_name_is_a_label(_: &Specs, group: &InstanceGroup, report: &mut Report) {
    let name = group.name();
    report.require(is_dns_label(name), "metadata.name", || {
        format!("{name:?} is not a name: lower case letters, digits and hyphens, at most 63")
    });
}

fn group_belongs_to_cluster(specs: &Specs, group: &InstanceGroup, report: &mut Report) {
    let path = format!("metadata.labels.{CLUSTER_LABEL}");
    let cluster = specs.cluster.name();
    match group.cluster() {
        Some(name) if name == cluster => {}
        Some(name) => {
            let near = did_you_mean(name, [cluster]).map(|near| format!(", did you mean {near}")).unwrap_or_default();
            report.error(path, format!("the group belongs to {name}, not to {cluster}{near}"));
        }
        None => report.error(path, format!("the label is missing, write {CLUSTER_LABEL}: {cluster}")),
    }
}

fn aws_names_fit(specs: &Specs, group: &InstanceGroup, report: &mut Report) {
    let middle = if group.spec.role == Role::ControlPlane { ".masters." } else { "." };
    let name = format!("{}{middle}{}", group.name(), specs.cluster.name());
    report.require(name.len() <= LAUNCH_TEMPLATE_NAME, "metadata.name", || {
        format!("its launch template would be {name}: {} characters, AWS allows {LAUNCH_TEMPLATE_NAME}", name.len())
    });
}
