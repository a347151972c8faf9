//! The rules about instance types that need the catalogue: they exist, run on one architecture, are equally large.

use super::{GroupRule, Report, Specs};
use crate::spec::instance_group::InstanceGroup;

pub(super) const GROUP_RULES: &[GroupRule] = &[types_exist, one_architecture, gpus_are_not_mixed, sizes_are_equal];

/// What rules must know of an instance type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Virtual CPUs.
    pub vcpus: u32,
    /// Memory in MiB.
    pub memory_mib: u64,
    /// Architecture.
    pub arch: Architecture,
    /// Number of GPUs, a fraction counting as one.
    pub gpus: u32,
}

/// An architecture that nodes can have, by Kubernetes' name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Architecture {
    /// x86-64.
    Amd64,
    /// 64-bit ARM (Graviton).
    Arm64,
}

impl Architecture {
    /// Kubernetes' name.
    pub fn as_str(self) -> &'static str {
        match self {
            Architecture::Amd64 => "amd64",
            Architecture::Arm64 => "arm64",
        }
    }
}

/// What knows instance types: the catalogue.
pub trait TypeFacts {
    /// The facts of a type; `None` if the region has no such type.
    fn facts(&self, instance_type: &str) -> Option<Facts>;

    /// The type that somebody who wrote this unknown name probably meant.
    fn nearest(&self, _unknown: &str) -> Option<String> {
        None
    }
}

/// The types of a group with their paths: the policy's, and the group's own.
fn types(group: &InstanceGroup) -> Vec<(String, &str)> {
    let own = group.spec.machine_type.iter().map(|name| ("spec.machineType".to_owned(), name.as_str()));
    let listed = group.spec.mixed_instances_policy.iter().flat_map(|p| &p.instances).enumerate();
    let listed = listed.map(|(i, name)| (format!("spec.mixedInstancesPolicy.instances[{i}]"), name.as_str()));
    own.chain(listed).collect()
}

fn known<'g>(specs: &Specs, group: &'g InstanceGroup) -> Vec<(String, &'g str, Facts)> {
    let Some(catalogue) = specs.types else { return Vec::new() };
    let facts = |(path, name)| catalogue.facts(name).map(|facts| (path, name, facts));
    types(group).into_iter().filter_map(facts).collect()
}

fn types_exist(specs: &Specs, group: &InstanceGroup, report: &mut Report) {
    let Some(catalogue) = specs.types else { return };
    for (path, name) in types(group).into_iter().filter(|(_, name)| catalogue.facts(name).is_none()) {
        let near = catalogue.nearest(name).map(|near| format!(", did you mean {near}")).unwrap_or_default();
        report.error(path, format!("the region has no instance type {name}{near}"));
    }
}

fn one_architecture(specs: &Specs, group: &InstanceGroup, report: &mut Report) {
    let known = known(specs, group);
    let Some((_, first, facts)) = known.first() else { return };
    for (path, name, other) in known.iter().filter(|(_, _, other)| other.arch != facts.arch) {
        let (arch, wanted) = (other.arch.as_str(), facts.arch.as_str());
        report.error(path.clone(), format!("{name} is {arch}, {first} is {wanted}: one image can't run on both"));
    }
}

fn gpus_are_not_mixed(specs: &Specs, group: &InstanceGroup, report: &mut Report) {
    let known = known(specs, group);
    let Some((_, first, facts)) = known.first() else { return };
    for (path, name, other) in known.iter().filter(|(_, _, other)| (other.gpus > 0) != (facts.gpus > 0)) {
        let (with, without) = if other.gpus > 0 { (name, first) } else { (first, name) };
        report.error(path.clone(), format!("{with} has GPUs, {without} has none: give them groups of their own"));
    }
}

/// The autoscaler takes every machine of a group for one like the first: unequal ones make it add too few or too many.
fn sizes_are_equal(specs: &Specs, group: &InstanceGroup, report: &mut Report) {
    let known = known(specs, group);
    let listed: Vec<_> = known.iter().filter(|(path, ..)| path != "spec.machineType").collect();
    let Some((_, first, facts)) = listed.first() else { return };
    let autoscaled = specs.cluster.spec.enabled_cluster_autoscaler().is_some() && group.spec.autoscale();
    for (path, name, other) in &listed {
        let same_memory = other.memory_mib.abs_diff(facts.memory_mib) * 20 <= facts.memory_mib;
        if other.vcpus == facts.vcpus && same_memory {
            continue;
        }
        let size = |f: &Facts| format!("{} vCPU and {} MiB", f.vcpus, f.memory_mib);
        let message = format!("{name} has {}, {first} has {}", size(other), size(facts));
        if autoscaled {
            let why = "the cluster autoscaler needs machines of one size in a group, memory within 5 %";
            report.error(path.clone(), format!("{message}: {why}, or autoscale: false"));
        } else {
            report.warning(path.clone(), format!("{message}: nodes of one group should be equally large"));
        }
    }
}
