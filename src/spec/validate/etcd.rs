//! etcd: which clusters, one member per control-plane group, an odd number, different backup stores.

use std::collections::{BTreeMap, BTreeSet};

use super::{ClusterRule, Report, Specs};
use crate::error::did_you_mean;
use crate::spec::etcd::EtcdCluster;
use crate::spec::instance_group::{InstanceGroup, Role};
use crate::spec::version::KubernetesVersion;

pub(super) const CLUSTER_RULES: &[ClusterRule] =
    &[main_exists_once, members_are_odd_and_unique, one_member_per_group, versions_agree, backups_are_in_s3];

/// etcd's clusters with their paths; none when the default is taken.
fn clusters<'s>(specs: &Specs<'s>) -> impl Iterator<Item = (String, &'s EtcdCluster)> {
    specs.cluster.spec.etcd_clusters.iter().enumerate().map(|(i, c)| (format!("spec.etcdClusters[{i}]"), c))
}

fn main_exists_once(specs: &Specs, report: &mut Report) {
    let mut seen = BTreeSet::new();
    for (path, cluster) in clusters(specs) {
        let name = cluster.name.as_str();
        let path = format!("{path}.name");
        report.require(matches!(name, "main" | "events"), path.clone(), || {
            format!("{name:?} is neither main nor events")
        });
        report.require(seen.insert(name), path, || format!("two etcd clusters are named {name}"));
    }
    report.require(seen.is_empty() || seen.contains("main"), "spec.etcdClusters", || "main is missing".to_owned());
}

fn members_are_odd_and_unique(specs: &Specs, report: &mut Report) {
    for (path, cluster) in clusters(specs) {
        let count = cluster.etcd_members.len();
        report.require(count % 2 == 1, format!("{path}.etcdMembers"), || {
            format!("{count} members, an odd number is needed")
        });
        let mut names = BTreeSet::new();
        for (i, member) in cluster.etcd_members.iter().enumerate() {
            let path = format!("{path}.etcdMembers[{i}].name");
            let valid = super::names::is_dns_label(&member.name);
            report.require(valid, path.clone(), || {
                format!("{:?} is not a name: lower case letters, digits, hyphens", member.name)
            });
            report.require(names.insert(&member.name), path, || format!("two members are named {}", member.name));
        }
    }
}

fn one_member_per_group(specs: &Specs, report: &mut Report) {
    let control_plane = specs.groups.iter().filter(|g| g.spec.role == Role::ControlPlane);
    let groups: BTreeSet<&str> = control_plane.map(InstanceGroup::name).collect();
    for (path, cluster) in clusters(specs) {
        let mut members: BTreeMap<&str, &str> = BTreeMap::new();
        for (i, member) in cluster.etcd_members.iter().enumerate() {
            let group = member.instance_group.as_str();
            let path = format!("{path}.etcdMembers[{i}].instanceGroup");
            if !groups.contains(group) {
                let near = did_you_mean(group, groups.iter().copied())
                    .map(|n| format!(", did you mean {n}"))
                    .unwrap_or_default();
                report.error(path, format!("there is no control-plane group {group}{near}"));
            } else if let Some(other) = members.insert(group, &member.name) {
                report.error(path, format!("group {group} already runs member {other}, a group runs one"));
            }
        }
        for group in groups.iter().filter(|g| !members.contains_key(*g)) {
            report.error(format!("{path}.etcdMembers"), format!("control-plane group {group} has no member"));
        }
    }
}

/// The oldest minor and patch release of etcd 3 that has `/livez`, `/readyz` and `--bump-revision`, as its changelog says.
const OLDEST: (u32, u32) = (5, 11);

fn versions_agree(specs: &Specs, report: &mut Report) {
    let mut first: Option<&str> = None;
    for (path, version) in clusters(specs).filter_map(|(p, c)| Some((format!("{p}.version"), c.version.as_deref()?))) {
        let parsed = version.parse::<KubernetesVersion>();
        let supported = parsed.is_ok_and(|v| v.major == 3 && (v.minor, v.patch) >= OLDEST);
        report.require(supported, path.clone(), || {
            let (minor, patch) = OLDEST;
            format!("{version:?} is not a release of etcd 3.{minor}.{patch} or newer, such as 3.6.12")
        });
        let first = *first.get_or_insert(version);
        report.require(first == version, path, || {
            format!("etcd {version} beside {first}: all clusters run the same release")
        });
    }
}

fn backups_are_in_s3(specs: &Specs, report: &mut Report) {
    for (path, cluster) in clusters(specs) {
        let Some(store) = cluster.backups.as_ref().and_then(|b| b.backup_store.as_deref()) else { continue };
        let path = format!("{path}.backups.backupStore");
        report.require(store.starts_with("s3://"), path, || format!("{store:?} is not an s3:// address"));
    }
}
