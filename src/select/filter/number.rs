//! Counts, sizes and bandwidths in ranges.

use std::fmt::Display;

use super::Filter;
use crate::catalogue::InstanceType;
use crate::catalogue::instance_type::Accelerators;
use crate::select::query::Query;
use crate::select::value::{Bound, Mib, Range};

/// What a type has of something; `None` where AWS does not list it.
type Datum<T> = fn(&InstanceType) -> Option<T>;

pub(super) fn filters<'a>(q: &Query) -> Vec<Filter<'a>> {
    let ratio = q.vcpus_to_memory_ratio;
    [
        within("vcpus", q.vcpus, |t| Some(u64::from(t.vcpus))),
        within("memory", q.memory, |t| Some(Mib(t.memory_mib))),
        ratio.map(|ratio| {
            Filter::new("vcpus-to-memory-ratio", ratio.to_string(), move |t| {
                let (vcpus, memory) = (u64::from(t.vcpus), t.memory_mib);
                if ratio.fits(vcpus, memory) { Ok(()) } else { Err(format!("{} per {vcpus} vCPUs", Mib(memory))) }
            })
        }),
        devices("gpus", q.gpus, |t| t.gpu.as_ref()),
        within("gpu-memory-total", q.gpu_memory_total, |t| t.gpu.as_ref().map(|gpu| Mib(gpu.total_memory_mib))),
        devices("inference-accelerators", q.inference_accelerators, |t| t.inference.as_ref()),
        devices("neuron-devices", q.neuron_devices, |t| t.neuron.as_ref()),
        within("network-interfaces", q.network_interfaces, |t| Some(u64::from(t.network.interfaces))),
        bandwidth("network-performance", q.network_performance, |t| t.network.peak_gbps()),
        bandwidth("network-baseline", q.network_baseline, |t| t.network.baseline_gbps()),
        within("instance-storage", q.instance_storage, |t| {
            Some(Mib(t.instance_storage.as_ref().map_or(0, |disks| disks.total_gb * 1024)))
        }),
        within("ebs-optimized-baseline-bandwidth", q.ebs_optimized_baseline_bandwidth, |t| {
            t.ebs.baseline_bandwidth_mbps.map(Mib)
        }),
        within("ebs-optimized-baseline-throughput", q.ebs_optimized_baseline_throughput.map(as_number), |t| {
            t.ebs.baseline_throughput_mbs
        }),
        within("ebs-optimized-baseline-iops", q.ebs_optimized_baseline_iops, |t| t.ebs.baseline_iops),
        within("generation", q.generation, |t| t.generation().map(u64::from)),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// A datum in a range. What AWS does not list fits only a range of exactly 0.
fn within<'a, T: Bound + 'a>(flag: &'static str, range: Option<Range<T>>, datum: Datum<T>) -> Option<Filter<'a>> {
    let range = range?;
    Some(Filter::new(flag, range.to_string(), move |t| judge(&range, datum(t))))
}

fn judge<T: Bound>(range: &Range<T>, value: Option<T>) -> Result<(), String> {
    match value {
        Some(value) if range.contains(value) => Ok(()),
        Some(value) => Err(value.to_string()),
        None if range.is_zero() => Ok(()),
        None => Err("none".to_owned()),
    }
}

/// A bandwidth in a range. One that AWS gives no figure for fits no range: every type has some network.
fn bandwidth<'a>(flag: &'static str, range: Option<Range<f64>>, datum: Datum<f64>) -> Option<Filter<'a>> {
    let range = range?;
    Some(Filter::new(flag, format!("{range} Gbit/s"), move |t| match datum(t) {
        Some(value) => judge(&range, Some(value)),
        None => Err(t.network.performance.clone()),
    }))
}

/// Whole devices of one sort. A range of exactly 0 means none at all: a fraction of a device, which AWS counts as 0, is
/// one too many.
fn devices<'a>(
    flag: &'static str,
    range: Option<Range<u64>>,
    sort: fn(&InstanceType) -> Option<&Accelerators>,
) -> Option<Filter<'a>> {
    let range = range?;
    Some(Filter::new(flag, range.to_string(), move |t| match sort(t) {
        Some(found) if range.is_zero() => Err(described(found)),
        found => judge(&range, found.map(|found| u64::from(found.count()))),
    }))
}

/// `1 × L4`, or `0.125 of L4`.
pub(in crate::select) fn described(found: &Accelerators) -> String {
    let of = |amount: &dyn Display, link: &str, name: &str| format!("{amount}{link}{name}");
    let each = found.devices.iter().map(|d| match d.partition {
        Some(part) => of(&part, " of ", &d.name),
        None => of(&d.count, " × ", &d.name),
    });
    each.collect::<Vec<_>>().join(", ")
}

/// A size in MiB as a plain number, to be compared with MB/s.
fn as_number(range: Range<Mib>) -> Range<f64> {
    let max = if range.max == Mib::GREATEST { f64::GREATEST } else { range.max.0 as f64 };
    Range { min: range.min.0 as f64, max }
}
