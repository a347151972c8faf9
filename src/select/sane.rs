//! What a node group does without unless it is asked for: accelerators, whole machines, burstable and old hardware.
//!
//! Older Nitro generations stay. AWS marks m5 and m6i as previous, and they are deep spot pools.

use serde::Serialize;

use super::filter::{Filter, Filtered, Reason, described};
use super::query::Query;
use crate::catalogue::InstanceType;

/// A sort of type that makes no ordinary node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Exclusion {
    /// GPUs, fractions included.
    Gpu,
    /// Inference accelerators.
    Inference,
    /// Neuron devices (Inferentia and Trainium).
    Neuron,
    /// FPGAs.
    Fpga,
    /// Media accelerators.
    Media,
    /// Apple hardware.
    Mac,
    /// Bare metal.
    Metal,
    /// High-performance computing families: one zone, no spot.
    Hpc,
    /// Burstable types.
    Burstable,
    /// The hypervisor before Nitro.
    Xen,
}

impl Exclusion {
    /// Every exclusion, in the order in which they are told.
    pub const ALL: [Exclusion; 10] = [
        Exclusion::Gpu,
        Exclusion::Inference,
        Exclusion::Neuron,
        Exclusion::Fpga,
        Exclusion::Media,
        Exclusion::Mac,
        Exclusion::Metal,
        Exclusion::Hpc,
        Exclusion::Burstable,
        Exclusion::Xen,
    ];

    /// The name under which a rejection is told, for example `left-out: gpu`.
    pub fn filter_name(self) -> &'static str {
        match self {
            Exclusion::Gpu => "left-out: gpu",
            Exclusion::Inference => "left-out: inference",
            Exclusion::Neuron => "left-out: neuron",
            Exclusion::Fpga => "left-out: fpga",
            Exclusion::Media => "left-out: media",
            Exclusion::Mac => "left-out: mac",
            Exclusion::Metal => "left-out: metal",
            Exclusion::Hpc => "left-out: hpc",
            Exclusion::Burstable => "left-out: burstable",
            Exclusion::Xen => "left-out: xen",
        }
    }

    /// The flag that lets such types in.
    pub fn lifted_by(self) -> &'static str {
        match self {
            Exclusion::Gpu => "--gpus",
            Exclusion::Inference => "--inference-accelerators",
            Exclusion::Neuron => "--neuron-devices",
            Exclusion::Fpga => "--fpga-support",
            Exclusion::Media | Exclusion::Hpc => "--instance-types",
            Exclusion::Mac => "--cpu-architecture arm64_mac",
            Exclusion::Metal => "--baremetal",
            Exclusion::Burstable => "--burst-support",
            Exclusion::Xen => "--hypervisor xen",
        }
    }

    /// What of this sort the type has.
    fn found_in(self, t: &InstanceType) -> Option<String> {
        let yes = |there: bool, what: &str| there.then(|| what.to_owned());
        match self {
            Exclusion::Gpu => t.gpu.as_ref().map(described),
            Exclusion::Inference => t.inference.as_ref().map(described),
            Exclusion::Neuron => t.neuron.as_ref().map(described),
            Exclusion::Fpga => t.fpga.as_ref().map(described),
            Exclusion::Media => t.media.as_ref().map(described),
            Exclusion::Mac => yes(t.architectures.iter().any(|a| a.ends_with("_mac")), "Apple hardware"),
            Exclusion::Metal => yes(t.bare_metal, "bare metal"),
            Exclusion::Hpc => yes(t.name.starts_with("hpc"), "a family for high-performance computing"),
            Exclusion::Burstable => yes(t.burstable, "burstable"),
            Exclusion::Xen => yes(t.hypervisor.as_deref() == Some("xen"), "the Xen hypervisor"),
        }
    }

    /// Whether the type is of this sort.
    pub fn is_in(self, t: &InstanceType) -> bool {
        self.found_in(t).is_some()
    }

    /// The sort in one word, for example `gpu`.
    pub fn word(self) -> &'static str {
        self.filter_name().trim_start_matches("left-out: ")
    }

    /// Whether the query asks for such types: by a filter that only they pass, by name, or by a base type of the sort.
    fn is_asked_for(self, q: &Query, base: Option<&InstanceType>) -> bool {
        let some = |range: Option<super::Range<u64>>| range.is_some_and(|range| !range.is_zero());
        let inference = some(q.inference_accelerators)
            || q.inference_accelerator_manufacturer.is_some()
            || q.inference_accelerator_model.is_some();
        let mac = q.cpu_architecture.as_deref().is_some_and(|a| a.ends_with("_mac"));
        let asked = match self {
            Exclusion::Gpu => {
                some(q.gpus)
                    || q.gpu_memory_total.is_some_and(|range| !range.is_zero())
                    || q.gpu_manufacturer.is_some()
                    || q.gpu_model.is_some()
            }
            Exclusion::Inference | Exclusion::Neuron => inference || some(q.neuron_devices),
            Exclusion::Fpga => q.fpga_support == Some(true),
            Exclusion::Media | Exclusion::Hpc => false,
            Exclusion::Mac => mac,
            Exclusion::Metal => mac || q.baremetal == Some(true),
            Exclusion::Burstable => q.burst_support == Some(true),
            Exclusion::Xen => q.hypervisor.as_deref() == Some("xen"),
        };
        asked || !q.instance_types.is_empty() || base.is_some_and(|base| self.is_in(base))
    }
}

/// The exclusions that hold for a query, as filters.
pub(super) fn filters<'a>(query: &Query, base: Option<&InstanceType>) -> Vec<Filter<'a>> {
    let holding = Exclusion::ALL.into_iter().filter(|exclusion| !exclusion.is_asked_for(query, base));
    holding
        .map(|exclusion| {
            let want = format!("only with {}", exclusion.lifted_by());
            Filter::new(exclusion.filter_name(), want, move |t| exclusion.found_in(t).map_or(Ok(()), Err))
        })
        .collect()
}

/// How many types that fit otherwise one exclusion leaves out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LeftOut {
    /// The sort of type.
    pub exclusion: Exclusion,
    /// How many; a type of several sorts counts for the first.
    pub types: usize,
    /// The flag that lets them in.
    pub lifted_by: &'static str,
}

/// The "left out" line: types that fit everything that was asked and are missing only because of exclusions.
pub fn left_out(filtered: &Filtered) -> Vec<LeftOut> {
    let is_exclusion = |reason: &Reason| reason.filter.starts_with("left-out: ");
    let missing: Vec<&str> = filtered
        .rejected
        .values()
        .filter(|reasons| reasons.iter().all(is_exclusion))
        .filter_map(|reasons| reasons.first().map(|first| first.filter.as_str()))
        .collect();
    Exclusion::ALL
        .into_iter()
        .map(|exclusion| LeftOut {
            exclusion,
            types: missing.iter().filter(|name| **name == exclusion.filter_name()).count(),
            lifted_by: exclusion.lifted_by(),
        })
        .filter(|left_out| left_out.types > 0)
        .collect()
}
