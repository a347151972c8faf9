//! From a selection to the plain data of an instance group.

use std::collections::BTreeMap;

use serde::Serialize;

use super::choose::{Options, Selection, choose};
use super::query::Query;
use super::scope::{Offered, Scope};
use super::value::{Mib, Range, Ratio};
use crate::error::{Error, Result};

/// The tag prefix under which the cluster autoscaler reads what a node of an empty group would have.
const NODE_TEMPLATE: &str = "k8s.io/cluster-autoscaler/node-template";
/// The strategy that AWS advises for spot: deep pools first, then cheap ones.
pub const PRICE_CAPACITY_OPTIMIZED: &str = "price-capacity-optimized";

/// What a group is to be, beyond its types.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The group's name; several groups get a number or a zone after it.
    pub name: String,
    /// The cluster's name.
    pub cluster: String,
    /// The fewest nodes.
    pub min_size: u32,
    /// The most nodes.
    pub max_size: u32,
    /// The root volume in GiB, if it is not to be the default.
    pub node_volume_size: Option<u32>,
    /// Further security groups, by id.
    pub security_groups: Vec<String>,
    /// Labels for the nodes.
    pub node_labels: BTreeMap<String, String>,
    /// Taints for the nodes, as `key=value:Effect`.
    pub taints: Vec<String>,
    /// Whether the cluster autoscaler is to find the group.
    pub cluster_autoscaler: bool,
    /// Another strategy than [`PRICE_CAPACITY_OPTIMIZED`] for spot.
    pub allocation_strategy: Option<String>,
    /// Attributes instead of a list of types: AWS picks, and new types join by themselves.
    pub attribute_based: bool,
}

/// How many groups, and of what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Split {
    /// So many sizes; each has twice the memory per virtual CPU of the one before. 1 is one group.
    pub sizes: u32,
    /// A group per zone instead of one that spans the zones.
    pub per_zone: bool,
}

/// A group to be written, with the field names of the spec.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GroupDraft {
    /// The group's name.
    pub name: String,
    /// The architecture of its nodes.
    pub architecture: String,
    /// The type that stands for all: the smallest.
    pub machine_type: String,
    /// The fewest nodes.
    pub min_size: u32,
    /// The most nodes.
    pub max_size: u32,
    /// The zones it spans.
    pub zones: Vec<String>,
    /// The root volume in GiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub root_volume_size: Option<u32>,
    /// Further security groups.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub additional_security_groups: Vec<String>,
    /// The types, and how they are bought.
    pub mixed_instances_policy: Policy,
    /// Whether a node at risk is replaced before it is taken.
    pub capacity_rebalance: bool,
    /// Labels for the nodes.
    pub node_labels: BTreeMap<String, String>,
    /// Taints for the nodes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub taints: Vec<String>,
    /// Tags of the group.
    pub cloud_labels: BTreeMap<String, String>,
}

/// The types of a group, and how they are bought. What is `None` has no meaning for on-demand groups.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Policy {
    /// The types, the smallest first; empty in an attribute-based group.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub instances: Vec<String>,
    /// The attributes of an attribute-based group.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instance_requirements: Option<Requirements>,
    /// So many nodes are on-demand before any is spot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_demand_base: Option<u32>,
    /// The share of on-demand nodes above the base, in percent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_demand_above_base: Option<u32>,
    /// How pools are chosen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spot_allocation_strategy: Option<String>,
}

/// What the types of an attribute-based group must have.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Requirements {
    /// Virtual CPUs.
    pub cpu: Range<u32>,
    /// Memory in MiB.
    pub memory_mib: Range<u64>,
    /// Processor makers, which decide the architecture.
    pub cpu_manufacturers: Vec<String>,
    /// Families that would fit by their numbers but are not in the selection, as `m7i-flex.*`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub excluded_instance_types: Vec<String>,
}

/// One group of a split, with the selection it comes from.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Planned {
    /// The group.
    pub group: GroupDraft,
    /// Why it is as it is.
    pub selection: Selection,
}

/// Chooses and drafts all groups of a split, in the order of sizes, then zones.
pub fn plan(
    scope: &Scope<'_>,
    query: &Query,
    options: &Options,
    settings: &Settings,
    split: Split,
) -> Result<Vec<Planned>> {
    let mut planned = Vec::new();
    for (step, query) in sizes(scope, query, split.sizes)?.into_iter().enumerate() {
        let name = if split.sizes > 1 { format!("{}{}", settings.name, step + 1) } else { settings.name.clone() };
        for (name, scope) in zone_scopes(scope, name, split.per_zone)? {
            let selection =
                choose(&scope, &query, options).map_err(|e| e.context(format!("choose types for group {name}")))?;
            let settings = Settings { name, ..settings.clone() };
            planned.push(Planned { group: draft(&scope, &selection, &settings), selection });
        }
    }
    Ok(planned)
}

/// The group of a selection.
pub fn draft(scope: &Scope<'_>, selection: &Selection, settings: &Settings) -> GroupDraft {
    let spot = selection.filtered.query.wants_spot();
    let strategy = settings.allocation_strategy.as_deref().unwrap_or(PRICE_CAPACITY_OPTIMIZED);
    let requirements = settings.attribute_based.then(|| requirements(scope, selection));
    GroupDraft {
        name: settings.name.clone(),
        architecture: selection.architecture.clone(),
        machine_type: selection.types.first().cloned().unwrap_or_default(),
        min_size: settings.min_size,
        max_size: settings.max_size,
        zones: selection.zones.clone(),
        root_volume_size: settings.node_volume_size,
        additional_security_groups: settings.security_groups.clone(),
        mixed_instances_policy: Policy {
            instances: if settings.attribute_based { Vec::new() } else { selection.types.clone() },
            instance_requirements: requirements,
            on_demand_base: spot.then_some(0),
            on_demand_above_base: spot.then_some(0),
            spot_allocation_strategy: spot.then(|| strategy.to_owned()),
        },
        capacity_rebalance: spot,
        node_labels: settings.node_labels.clone(),
        taints: settings.taints.clone(),
        cloud_labels: if settings.cluster_autoscaler { autoscaler_tags(selection, settings) } else { BTreeMap::new() },
    }
}

/// The tags by which the autoscaler finds the group, and by which it knows a node of it while there is none.
fn autoscaler_tags(selection: &Selection, settings: &Settings) -> BTreeMap<String, String> {
    let mut tags = BTreeMap::from([
        ("k8s.io/cluster-autoscaler/enabled".to_owned(), "1".to_owned()),
        (format!("k8s.io/cluster-autoscaler/{}", settings.cluster), "1".to_owned()),
        (format!("{NODE_TEMPLATE}/resources/cpu"), selection.size.vcpus.to_string()),
        (format!("{NODE_TEMPLATE}/resources/memory"), format!("{}Mi", selection.size.memory_mib)),
    ]);
    if let Some(gib) = settings.node_volume_size {
        tags.insert(format!("{NODE_TEMPLATE}/resources/ephemeral-storage"), format!("{gib}Gi"));
    }
    for (label, value) in &settings.node_labels {
        tags.insert(format!("{NODE_TEMPLATE}/label/{label}"), value.clone());
    }
    for taint in &settings.taints {
        if let Some((key, value)) = taint.split_once('=').or_else(|| taint.split_once(':')) {
            let value = if taint.contains('=') { value.to_owned() } else { format!(":{value}") };
            tags.insert(format!("{NODE_TEMPLATE}/taint/{key}"), value);
        }
    }
    tags
}

/// The attributes that mean the selection's size, and what they would let in beyond the types that fit.
fn requirements(scope: &Scope<'_>, selection: &Selection) -> Requirements {
    let fitting: Vec<_> = selection.types.iter().chain(&selection.spare).filter_map(|name| scope.find(name)).collect();
    let range = |of: &dyn Fn(&crate::catalogue::InstanceType) -> u64| {
        let sizes = fitting.iter().map(|t| of(t));
        Range { min: sizes.clone().min().unwrap_or_default(), max: sizes.max().unwrap_or_default() }
    };
    let vcpus = range(&|t| u64::from(t.vcpus));
    let memory = range(&|t| t.memory_mib);
    let makers: std::collections::BTreeSet<String> = fitting.iter().filter_map(|t| t.manufacturer.clone()).collect();
    let fits = |name: &str| fitting.iter().any(|t| t.name == name);
    let stray = scope.catalogue.types.values().filter(|t| {
        vcpus.contains(u64::from(t.vcpus))
            && memory.contains(t.memory_mib)
            && t.manufacturer.as_ref().is_some_and(|maker| makers.contains(maker))
            && !fits(&t.name)
            && scope.zones_offering(&t.name).next().is_some()
    });
    let excluded: std::collections::BTreeSet<String> = stray.map(|t| format!("{}.*", t.family())).collect();
    let narrow = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
    Requirements {
        cpu: Range { min: narrow(vcpus.min), max: narrow(vcpus.max) },
        memory_mib: memory,
        cpu_manufacturers: makers.into_iter().map(|maker| maker_word(&maker)).collect(),
        excluded_instance_types: excluded.into_iter().collect(),
    }
}

/// The word of the Auto Scaling API for a maker.
fn maker_word(maker: &str) -> String {
    match maker {
        "AWS" => "amazon-web-services".to_owned(),
        other => other.to_ascii_lowercase(),
    }
}

/// One query per size. Each size has twice the memory per virtual CPU of the one before: starting from the base type's
/// memory, else from the ratio asked for, else from 1:2.
fn sizes(scope: &Scope<'_>, query: &Query, count: u32) -> Result<Vec<Query>> {
    if count <= 1 {
        return Ok(vec![query.clone()]);
    }
    if query.memory.is_some() {
        return Err(Error::usage(
            "--ig-count needs the memory to be free: each group has twice that of the one before",
        )
        .hint("leave out --memory, or give --vcpus-to-memory-ratio for the first group"));
    }
    let base = query.base_instance_type.as_deref().and_then(|name| scope.find(name));
    let ratio = query.vcpus_to_memory_ratio.unwrap_or(Ratio { vcpus: 1, gib: 2 });
    let scaled = (0..count).map(|step| {
        let factor = 1_u64 << step.min(16);
        let mut query = query.clone();
        match base {
            Some(t) => query.memory = Some(Range::exactly(Mib(t.memory_mib * factor))),
            None => query.vcpus_to_memory_ratio = Some(Ratio { gib: ratio.gib * factor, ..ratio }),
        }
        query
    });
    Ok(scaled.collect())
}

/// The scope as it is, or one per zone, each with the name of its group.
fn zone_scopes<'a>(scope: &Scope<'a>, name: String, per_zone: bool) -> Result<Vec<(String, Scope<'a>)>> {
    if !per_zone {
        return Ok(vec![(name, scope.clone())]);
    }
    let one = |zone: &String| {
        let single = Scope::zones(scope.catalogue, std::slice::from_ref(zone), Offered::Somewhere)?;
        Ok((format!("{name}-{zone}"), single.with_advisor(scope.advisor)))
    };
    scope.zones.iter().map(one).collect()
}
