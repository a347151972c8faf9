//! Judges specs: every rule that a cluster and its groups must keep, each one a pure function, all of them at once.
//!
//! Rules are listed below by file, a file per concern. A rule gets the specs and a `Report`; it names the field and
//! says what is wrong and what would be right. What AWS or the state store must be asked is not judged here.

mod access;
mod addons;
pub mod change;
mod control_plane;
mod etcd;
mod group;
mod iam;
mod labels;
mod mixed_instances;
mod names;
mod network;
mod report;
mod subnets;
mod types;
mod versions;
mod volumes;

#[cfg(test)]
mod tests;

use super::cluster::Cluster;
use super::instance_group::InstanceGroup;
use super::object::Kind;
use super::parse::Document;
use super::problem::{ObjectId, Problems};

pub(crate) use report::Report;
pub use types::{Architecture, Facts, TypeFacts};

/// What is judged together: a cluster, all its groups, and what is known about instance types.
#[derive(Clone, Copy)]
pub struct Specs<'s> {
    /// The cluster.
    pub cluster: &'s Cluster,
    /// All its groups.
    pub groups: &'s [InstanceGroup],
    /// The catalogue; without one, rules about instance types are left out.
    pub types: Option<&'s dyn TypeFacts>,
}

/// A rule about the cluster, or about the groups together.
type ClusterRule = fn(&Specs, &mut Report);

/// A rule about each group.
type GroupRule = fn(&Specs, &InstanceGroup, &mut Report);

const CLUSTER_RULES: &[&[ClusterRule]] = &[
    names::CLUSTER_RULES,
    versions::CLUSTER_RULES,
    network::CLUSTER_RULES,
    subnets::CLUSTER_RULES,
    access::CLUSTER_RULES,
    control_plane::CLUSTER_RULES,
    etcd::CLUSTER_RULES,
    volumes::CLUSTER_RULES,
    iam::CLUSTER_RULES,
    labels::CLUSTER_RULES,
    addons::CLUSTER_RULES,
];

const GROUP_RULES: &[&[GroupRule]] = &[
    names::GROUP_RULES,
    group::GROUP_RULES,
    control_plane::GROUP_RULES,
    mixed_instances::GROUP_RULES,
    types::GROUP_RULES,
    volumes::GROUP_RULES,
    labels::GROUP_RULES,
];

/// Everything that is wrong with the specs, errors and warnings, by object and rule.
pub fn validate(specs: &Specs) -> Problems {
    let mut report = Report::about(Kind::Cluster, specs.cluster.name());
    for rule in CLUSTER_RULES.iter().copied().flatten() {
        rule(specs, &mut report);
    }
    let mut problems = report.into_problems();
    for group in specs.groups {
        let mut report = Report::about(Kind::InstanceGroup, group.name());
        for rule in GROUP_RULES.iter().copied().flatten() {
            rule(specs, group, &mut report);
        }
        problems.extend(report.into_problems());
    }
    Problems(problems)
}

/// Gives problems the place of their field in the text that their object was read from, and orders them by place.
pub fn locate(problems: &mut Problems, documents: &[Document]) {
    let ids: Vec<(ObjectId, &Document)> = documents.iter().map(|d| (ObjectId::of(&d.object), d)).collect();
    for problem in &mut problems.0 {
        let document = ids.iter().find(|(id, _)| problem.object.as_ref() == Some(id)).map(|(_, document)| document);
        if let (None, Some(document)) = (&problem.place, document) {
            problem.place = Some(document.source.place(&problem.path));
        }
    }
    problems.sort();
}

/// Judges a text that holds all groups of a cluster, and the cluster itself unless it is given.
///
/// # Errors
/// Every error of the specs with its place, and the warnings after them.
pub fn validate_documents(
    documents: &[Document],
    cluster: Option<&Cluster>,
    types: Option<&dyn TypeFacts>,
) -> Result<Problems, Problems> {
    let own = documents.iter().find_map(|d| d.object.as_cluster());
    let groups: Vec<InstanceGroup> = documents.iter().filter_map(|d| d.object.as_group().cloned()).collect();
    let Some(cluster) = own.or(cluster) else { return Ok(Problems::default()) };
    let mut problems = validate(&Specs { cluster, groups: &groups, types });
    locate(&mut problems, documents);
    problems.into_result()
}
