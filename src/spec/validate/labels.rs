//! Labels, taints and tags: their syntax, and the keys that are not free.

use std::collections::{BTreeMap, BTreeSet};

use super::{ClusterRule, GroupRule, Report, Specs};
use crate::spec::instance_group::InstanceGroup;

pub(super) const CLUSTER_RULES: &[ClusterRule] = &[cluster_tags];
pub(super) const GROUP_RULES: &[GroupRule] = &[node_labels, taints, group_tags, tags_are_not_too_many];

/// The tag that names a group, which kOps lets people repeat.
const GROUP_TAG: &str = "kops.k8s.io/instancegroup";

/// Tags AWS allows on a resource, and how many of them kspot needs itself.
const TAGS: usize = 50;
const OWN_TAGS: usize = 16;

/// What stands before labels and taints in the tags by which the cluster autoscaler knows them.
const TEMPLATE_LABEL: &str = "k8s.io/cluster-autoscaler/node-template/label/";
const TEMPLATE_TAINT: &str = "k8s.io/cluster-autoscaler/node-template/taint/";

/// The longest key of a tag.
const TAG_KEY: usize = 128;

/// Whether a label or taint key fits into its tag.
fn fits_a_tag(prefix: &str, key: &str, path: &str, report: &mut Report) {
    report.require(prefix.len() + key.len() <= TAG_KEY, path, || {
        format!("{key} is too long: with {prefix} before it, it is a tag, whose key has at most {TAG_KEY} characters")
    });
}

/// What is wrong with a label key: `[prefix/]name`.
fn key_error(key: &str) -> Option<String> {
    let (prefix, name) = key.rsplit_once('/').map_or((None, key), |(prefix, name)| (Some(prefix), name));
    let bad_prefix = prefix.is_some_and(|p| p.len() > 253 || !p.split('.').all(super::names::is_dns_label));
    if bad_prefix || name.is_empty() || !is_word(name) {
        return Some(format!(
            "{key:?} is not a label key: [dns.name/]name, letters, digits, '-', '_' and '.', at most 63"
        ));
    }
    None
}

/// Whether this is a label value or the name of a label key; empty is one.
fn is_word(text: &str) -> bool {
    let inner = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    let edge = |b: Option<&u8>| b.is_none_or(u8::is_ascii_alphanumeric);
    let bytes = text.as_bytes();
    bytes.len() <= 63 && bytes.iter().all(|b| inner(*b)) && edge(bytes.first()) && edge(bytes.last())
}

fn node_labels(_: &Specs, group: &InstanceGroup, report: &mut Report) {
    for (key, value) in &group.spec.node_labels {
        let path = format!("spec.nodeLabels.{key}");
        if let Some(error) = key_error(key) {
            report.error(path.clone(), error);
        }
        fits_a_tag(TEMPLATE_LABEL, key, &path, report);
        report.require(is_word(value), path, || {
            format!("{value:?} is not a label value: letters, digits, '-', '_' and '.', at most 63")
        });
    }
}

fn taints(_: &Specs, group: &InstanceGroup, report: &mut Report) {
    let mut seen = BTreeSet::new();
    for (i, taint) in group.spec.taints.iter().enumerate() {
        let path = format!("spec.taints[{i}]");
        if let Some(error) = key_error(&taint.key) {
            report.error(path.clone(), error);
        }
        fits_a_tag(TEMPLATE_TAINT, &taint.key, &path, report);
        report.require(is_word(&taint.value), path.clone(), || format!("{:?} is not a taint value", taint.value));
        report.require(seen.insert((&taint.key, taint.effect)), path, || {
            format!("a taint {} with the effect {} stands here twice", taint.key, taint.effect.as_str())
        });
    }
}

fn cluster_tags(specs: &Specs, report: &mut Report) {
    tags(&specs.cluster.spec.cloud_labels, None, report);
}

fn group_tags(_: &Specs, group: &InstanceGroup, report: &mut Report) {
    tags(&group.spec.cloud_labels, Some(group.name()), report);
}

fn tags(labels: &BTreeMap<String, String>, group: Option<&str>, report: &mut Report) {
    const RESERVED: [&str; 2] = ["Name", "KubernetesCluster"];
    const PREFIXES: [&str; 5] = ["kubernetes.io/cluster/", "k8s.io/role/", "kops.k8s.io/", "kspot.io/", "aws:"];
    for (key, value) in labels {
        let path = format!("spec.cloudLabels.{key}");
        let own_name = key == GROUP_TAG && group == Some(value);
        let reserved = RESERVED.contains(&key.as_str()) || PREFIXES.iter().any(|p| key.starts_with(p));
        report.require(!reserved || own_name, path.clone(), || format!("the tag {key} is reserved"));
        let sizes = (1..=128).contains(&key.chars().count()) && value.chars().count() <= 256;
        report.require(sizes, path, || "AWS allows 128 characters for a tag's key and 256 for its value".to_owned());
    }
}

fn tags_are_not_too_many(specs: &Specs, group: &InstanceGroup, report: &mut Report) {
    let spec = &group.spec;
    let mut keys: BTreeSet<&str> = specs.cluster.spec.cloud_labels.keys().map(String::as_str).collect();
    keys.extend(spec.cloud_labels.keys().map(String::as_str));
    let count = keys.len() + spec.node_labels.len() + spec.effective_taints().len() + OWN_TAGS;
    report.require(count <= TAGS, "spec.nodeLabels", || {
        format!("labels, taints and cloudLabels make about {count} tags, AWS allows {TAGS} on a resource")
    });
}
