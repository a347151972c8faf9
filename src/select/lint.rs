//! Compares an existing group with today's best set, and says what to change.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::choose::{Options, Selection, choose};
use super::diversify::architecture;
use super::group::PRICE_CAPACITY_OPTIMIZED;
use super::query::Query;
use super::sane::Exclusion;
use super::scope::Scope;
use super::score::{self, Score};
use super::value::{Mib, Range};
use super::zones;
use crate::catalogue::InstanceType;
use crate::error::{Error, Result};

/// A group as its spec has it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ExistingGroup {
    /// The group's name.
    pub name: String,
    /// The type that stands for all.
    pub machine_type: String,
    /// The types of its policy; empty where it has none.
    pub instances: Vec<String>,
    /// Nodes that are on-demand before any is spot; `None` where the spec does not say.
    pub on_demand_base: Option<u32>,
    /// The share of on-demand nodes above the base in percent; `None` where the spec does not say (then all are).
    pub on_demand_above_base: Option<u32>,
    /// How spot pools are chosen.
    pub spot_allocation_strategy: Option<String>,
    /// Whether a node at risk is replaced early.
    pub capacity_rebalance: Option<bool>,
    /// Tags of the group.
    pub cloud_labels: BTreeMap<String, String>,
}

/// How bad a problem is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Nodes will not come up, or the autoscaler will be wrong.
    Error,
    /// Spot nodes will be lost more often, or cost more, than they need.
    Warning,
    /// The list could be better.
    Advice,
}

/// One thing that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// How bad it is.
    pub severity: Severity,
    /// The field of the spec.
    pub field: &'static str,
    /// What is wrong, and why it matters.
    pub message: String,
}

/// Field values to set, to be as good as today's best set; what is `None` stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Patch {
    /// The type that stands for all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub machine_type: Option<String>,
    /// The types, in order.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instances: Option<Vec<String>>,
    /// How spot pools are chosen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spot_allocation_strategy: Option<String>,
    /// Whether a node at risk is replaced early.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capacity_rebalance: Option<bool>,
    /// Nodes that are on-demand before any is spot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_demand_base: Option<u32>,
}

/// What is wrong with a group, and what would make it right.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// The group's name.
    pub name: String,
    /// What is wrong, the worst first.
    pub problems: Vec<Problem>,
    /// Types that today's best set has and the group has not.
    pub added: Vec<String>,
    /// Types that the group has and today's best set has not.
    pub removed: Vec<String>,
    /// How diversified the group is now.
    pub score: Score,
    /// How diversified it would be.
    pub best: Score,
    /// What to set.
    pub patch: Patch,
}

/// Checks a group against the catalogue, in the zones of the scope. A group whose types are all unknown is an error.
pub fn lint(scope: &Scope<'_>, group: &ExistingGroup, options: &Options) -> Result<Report> {
    let spot = group.is_spot();
    let names = group.types();
    let known: Vec<&InstanceType> = names.iter().filter_map(|name| scope.find(name)).collect();
    let leader = scope.find(&group.machine_type).or_else(|| known.first().copied()).ok_or_else(|| {
        Error::failed(format!("group {}: region {} has none of its types", group.name, scope.catalogue.region))
            .hint("is the catalogue that of the cluster's region?")
    })?;
    let best = choose(scope, &like(leader, spot), options)?;
    let mut problems = list_problems(scope, &names, spot);
    problems.extend(size_problems(&known));
    problems.extend(if spot { policy_problems(group) } else { Vec::new() });
    let current: BTreeSet<&String> = names.iter().collect();
    let wanted: BTreeSet<&String> = best.types.iter().collect();
    let added: Vec<String> = wanted.difference(&current).map(|name| (*name).clone()).collect();
    let removed: Vec<String> = current.difference(&wanted).map(|name| (*name).clone()).collect();
    let score = score::score(scope, &names, spot);
    problems.extend(score.warnings.iter().map(|warning| Problem::new(Severity::Warning, INSTANCES, warning.clone())));
    if let Some(gain) = gain(&score, &best.score) {
        problems.push(gain);
    }
    problems.sort_by_key(|problem| problem.severity);
    let patch = patch(group, &best, !problems.is_empty() && current != wanted);
    Ok(Report { name: group.name.clone(), problems, added, removed, score, best: best.score, patch })
}

const INSTANCES: &str = "spec.mixedInstancesPolicy.instances";

impl ExistingGroup {
    /// Whether it buys any spot capacity.
    pub fn is_spot(&self) -> bool {
        self.on_demand_above_base.is_some_and(|percent| percent < 100)
    }

    fn types(&self) -> Vec<String> {
        if self.instances.is_empty() { vec![self.machine_type.clone()] } else { self.instances.clone() }
    }
}

impl Problem {
    fn new(severity: Severity, field: &'static str, message: impl Into<String>) -> Self {
        Problem { severity, field, message: message.into() }
    }
}

/// The query whose answer is a set of the size of this type.
fn like(t: &InstanceType, spot: bool) -> Query {
    Query {
        vcpus: Some(Range::exactly(u64::from(t.vcpus))),
        memory: Some(Range::exactly(Mib(t.memory_mib))),
        cpu_architecture: Some(architecture(t).to_owned()),
        usage_class: Some(if spot { "spot" } else { "on-demand" }.to_owned()),
        burst_support: t.burstable.then_some(true),
        baremetal: t.bare_metal.then_some(true),
        gpus: t.gpu.as_ref().map(|gpu| Range::exactly(u64::from(gpu.count()))).filter(|range| !range.is_zero()),
        ..Query::default()
    }
}

/// Types that do not exist, that no zone has, or that have no spot price anywhere.
fn list_problems(scope: &Scope<'_>, names: &[String], spot: bool) -> Vec<Problem> {
    let mut problems = Vec::new();
    for name in names {
        let offering: Vec<&str> = scope.zones_offering(name).collect();
        let pools = zones::pools(scope, name, spot).count();
        let (severity, what) = match (scope.find(name), offering.len(), pools) {
            (None, ..) => (Severity::Error, "is unknown in this region".to_owned()),
            (_, 0, _) => (Severity::Error, format!("is not offered in {}", scope.zones.join(", "))),
            (_, _, 0) => (Severity::Warning, "has no spot price in any of the group's zones".to_owned()),
            (_, few, _) if few < scope.zones.len() => {
                (Severity::Advice, format!("is offered only in {}: fewer pools", offering.join(", ")))
            }
            _ => continue,
        };
        problems.push(Problem::new(severity, INSTANCES, format!("{name} {what}")));
    }
    problems
}

/// Types of other sizes, of another architecture, or that make no ordinary node among ones that do.
fn size_problems(types: &[&InstanceType]) -> Vec<Problem> {
    let Some(first) = types.first() else { return Vec::new() };
    let mut problems = Vec::new();
    let spread = |of: &dyn Fn(&InstanceType) -> u64| {
        let sizes = types.iter().map(|t| of(t));
        (sizes.clone().min().unwrap_or_default(), sizes.max().unwrap_or_default())
    };
    let mut unequal = |what: &str, (least, most): (u64, u64)| {
        if most as f64 > least as f64 * 1.05 {
            let message = format!("{what} from {least} to {most}: the autoscaler takes all nodes for the first type");
            problems.push(Problem::new(Severity::Error, INSTANCES, message));
        }
    };
    unequal("virtual CPUs range", spread(&|t| u64::from(t.vcpus)));
    unequal("memory in MiB ranges", spread(&|t| t.memory_mib));
    for t in types {
        if architecture(t) != architecture(first) {
            let message = format!("{} is {}, but {} is {}", t.name, architecture(t), first.name, architecture(first));
            problems.push(Problem::new(Severity::Error, INSTANCES, message));
        }
        for exclusion in Exclusion::ALL {
            if exclusion.is_in(t) && !exclusion.is_in(first) {
                let message = format!("{} is of the sort {}, the others are not", t.name, exclusion.word());
                problems.push(Problem::new(Severity::Warning, INSTANCES, message));
            }
        }
    }
    problems
}

/// Settings of a spot group that lose nodes.
fn policy_problems(group: &ExistingGroup) -> Vec<Problem> {
    let mut problems = Vec::new();
    let strategy = group.spot_allocation_strategy.as_deref();
    if !matches!(strategy, Some(PRICE_CAPACITY_OPTIMIZED | "capacity-optimized" | "capacity-optimized-prioritized")) {
        let now = strategy.unwrap_or("not set, which means lowest-price");
        let message = format!("the strategy is {now}: {PRICE_CAPACITY_OPTIMIZED} is interrupted less");
        problems.push(Problem::new(Severity::Warning, "spec.mixedInstancesPolicy.spotAllocationStrategy", message));
    }
    if group.capacity_rebalance != Some(true) {
        let message = "capacity rebalance is off: a node at risk is replaced only after it is gone";
        problems.push(Problem::new(Severity::Warning, "spec.capacityRebalance", message));
    }
    if group.on_demand_base.is_none() {
        let message = "the on-demand base is not set: say 0, so that nobody has to guess";
        problems.push(Problem::new(Severity::Advice, "spec.mixedInstancesPolicy.onDemandBase", message));
    }
    problems
}

/// Says so when today's best set is clearly more diverse.
fn gain(now: &Score, best: &Score) -> Option<Problem> {
    (best.independent > now.independent * 1.2).then(|| {
        let message = format!(
            "today's best set has {:.1} independent pools of hardware, this one {:.1}",
            best.independent, now.independent
        );
        Problem::new(Severity::Advice, INSTANCES, message)
    })
}

/// What to set. The list is touched only if something speaks against it.
fn patch(group: &ExistingGroup, best: &Selection, replace_list: bool) -> Patch {
    let first = best.types.first().filter(|first| **first != group.machine_type);
    let spot = group.is_spot();
    let strategy = spot && policy_problems(group).iter().any(|p| p.field.ends_with("spotAllocationStrategy"));
    Patch {
        machine_type: first.filter(|_| replace_list).cloned(),
        instances: replace_list.then(|| best.types.clone()),
        spot_allocation_strategy: strategy.then(|| PRICE_CAPACITY_OPTIMIZED.to_owned()),
        capacity_rebalance: (spot && group.capacity_rebalance != Some(true)).then_some(true),
        on_demand_base: (spot && group.on_demand_base.is_none()).then_some(0),
    }
}
