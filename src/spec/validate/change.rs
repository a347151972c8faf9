//! What may not change once a cluster exists, and how far Kubernetes may move at once.

use super::Report;
use crate::spec::cluster::Cluster;
use crate::spec::etcd::EtcdMember;
use crate::spec::object::Kind;
use crate::spec::problem::{Problem, Problems};

/// A rule about a change of the cluster.
type ChangeRule = fn(&Cluster, &Cluster, &mut Report);

const RULES: &[ChangeRule] = &[kubernetes_moves_by_one, network_stays, etcd_members_stay, name_stays];

/// What is wrong with changing a cluster that exists (as it was applied last) into another.
pub fn validate_change(applied: &Cluster, wanted: &Cluster) -> Problems {
    let mut report = Report::about(Kind::Cluster, wanted.name());
    for rule in RULES {
        rule(applied, wanted, &mut report);
    }
    Problems(report.into_problems())
}

/// What is wrong with nodes of one release under an API server of another.
pub fn validate_skew(
    nodes: crate::spec::KubernetesVersion,
    api_server: crate::spec::KubernetesVersion,
) -> Option<Problem> {
    let path = "spec.kubernetesVersion";
    if (nodes.major, nodes.minor) > (api_server.major, api_server.minor) {
        let message = format!("nodes run {nodes}, newer than the API server's {api_server}");
        return Some(Problem::error(path, message));
    }
    (api_server.minor - nodes.minor > 3).then(|| {
        let message = format!("nodes run {nodes}, more than three minor releases behind the API server's {api_server}");
        Problem::error(path, message)
    })
}

fn kubernetes_moves_by_one(applied: &Cluster, wanted: &Cluster, report: &mut Report) {
    let (from, to) = (applied.spec.kubernetes_version(), wanted.spec.kubernetes_version());
    let path = "spec.kubernetesVersion";
    report.require(to.minor >= from.minor, path, || {
        format!("Kubernetes {from} can't go back to {to}: minor releases only go forward")
    });
    report.require(to.minor <= from.minor + 1, path, || {
        format!("Kubernetes {from} can't go to {to} at once: go by 1.{} first", from.minor + 1)
    });
}

fn network_stays(applied: &Cluster, wanted: &Cluster, report: &mut Report) {
    let (old, new) = (&applied.spec, &wanted.spec);
    let ranges = [
        ("spec.networkCIDR", old.network_cidr(), new.network_cidr()),
        ("spec.podCIDR", old.pod_cidr(), new.pod_cidr()),
        ("spec.serviceClusterIPRange", old.service_cluster_ip_range(), new.service_cluster_ip_range()),
    ];
    for (path, old, new) in ranges {
        report.require(old == new, path, || {
            format!("it can't change from {old} to {new}: machines and services live in it")
        });
    }
    report.require(old.network_id == new.network_id, "spec.networkID", || {
        "a cluster can't move to another VPC".to_owned()
    });
}

fn etcd_members_stay(applied: &Cluster, wanted: &Cluster, report: &mut Report) {
    for old in applied.spec.etcd_clusters.iter().filter(|_| !wanted.spec.etcd_clusters.is_empty()) {
        let found = wanted.spec.etcd_clusters.iter().enumerate().find(|(_, new)| new.name == old.name);
        let Some((i, new)) = found else {
            report.error(
                "spec.etcdClusters",
                format!("etcd cluster {} can't be removed: its data would be lost", old.name),
            );
            continue;
        };
        let stays = |old: &&EtcdMember| new.etcd_members.iter().any(|m| m.name == old.name);
        for gone in old.etcd_members.iter().filter(|old| !stays(old)) {
            let message =
                format!("member {} of etcd cluster {} can't be removed: its data would be lost", gone.name, old.name);
            report.error(format!("spec.etcdClusters[{i}].etcdMembers"), message);
        }
        for (j, member) in new.etcd_members.iter().enumerate() {
            let before = old.etcd_members.iter().find(|m| m.name == member.name);
            if let Some(before) = before.filter(|before| before.instance_group != member.instance_group) {
                let message = format!("member {} can't move from group {}", member.name, before.instance_group);
                report.error(format!("spec.etcdClusters[{i}].etcdMembers[{j}].instanceGroup"), message);
            }
        }
    }
}

fn name_stays(applied: &Cluster, wanted: &Cluster, report: &mut Report) {
    let (old, new) = (applied.name(), wanted.name());
    report.require(old == new, "metadata.name", || format!("cluster {old} can't be renamed to {new}"));
}
