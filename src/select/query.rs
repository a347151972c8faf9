//! What is asked of the selector: one field per flag, parsed; `None` and empty mean "don't care".

use std::collections::BTreeSet;

use serde::Serialize;

use super::value::{Mib, Pattern, Range, Ratio};
use super::words;
use crate::error::Result;

/// Everything that can be asked of an instance type. Fields are named like the flags.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Query {
    /// Virtual CPUs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vcpus: Option<Range<u64>>,
    /// Memory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<Range<Mib>>,
    /// GiB of memory per virtual CPU, rounded up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vcpus_to_memory_ratio: Option<Ratio>,
    /// An architecture, see [`words::ARCHITECTURE`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_architecture: Option<String>,
    /// A processor maker, see [`words::CPU_MANUFACTURER`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_manufacturer: Option<String>,
    /// Whole GPUs. Exactly 0 means no GPU at all, fractions included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gpus: Option<Range<u64>>,
    /// Memory of all GPUs together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gpu_memory_total: Option<Range<Mib>>,
    /// Maker of a GPU, in any case.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gpu_manufacturer: Option<String>,
    /// Model of a GPU, in any case.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gpu_model: Option<String>,
    /// Inference accelerators. Exactly 0 means none at all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inference_accelerators: Option<Range<u64>>,
    /// Maker of an inference accelerator, in any case.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inference_accelerator_manufacturer: Option<String>,
    /// Model of an inference accelerator, in any case.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inference_accelerator_model: Option<String>,
    /// Neuron devices (Inferentia and Trainium). Exactly 0 means none at all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub neuron_devices: Option<Range<u64>>,
    /// How it is bought, see [`words::USAGE_CLASS`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage_class: Option<String>,
    /// See [`words::ROOT_DEVICE_TYPE`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub root_device_type: Option<String>,
    /// See [`words::VIRTUALIZATION_TYPE`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub virtualization_type: Option<String>,
    /// See [`words::HYPERVISOR`]. Bare metal has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hypervisor: Option<String>,
    /// See [`words::PLACEMENT_STRATEGY`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub placement_group_strategy: Option<String>,
    /// See [`words::DISK_TYPE`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disk_type: Option<String>,
    /// Enhanced networking (ENA) works.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ena_support: Option<bool>,
    /// An elastic fabric adapter is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub efa_support: Option<bool>,
    /// It can hibernate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hibernation_support: Option<bool>,
    /// It has an FPGA.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fpga_support: Option<bool>,
    /// It is burstable.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub burst_support: Option<bool>,
    /// It is bare metal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub baremetal: Option<bool>,
    /// AWS lists it as a current generation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current_generation: Option<bool>,
    /// Traffic between instances is encrypted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network_encryption: Option<bool>,
    /// It can have IPv6 addresses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ipv6: Option<bool>,
    /// It is in the free tier.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub free_tier: Option<bool>,
    /// It recovers by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auto_recovery: Option<bool>,
    /// It can be put on dedicated hosts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dedicated_hosts: Option<bool>,
    /// Its disks (local ones if it has any, else EBS) can be encrypted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disk_encryption: Option<bool>,
    /// Its disks (local ones if it has any, else EBS) are NVMe.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nvme: Option<bool>,
    /// EBS optimisation is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ebs_optimized: Option<bool>,
    /// Network interfaces that can be attached.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network_interfaces: Option<Range<u64>>,
    /// Peak network bandwidth in Gbit/s over all cards.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network_performance: Option<Range<f64>>,
    /// Network bandwidth that is always there, in Gbit/s over all cards.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network_baseline: Option<Range<f64>>,
    /// Local disks together, a GB counted as a GiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instance_storage: Option<Range<Mib>>,
    /// EBS baseline bandwidth; the number of MiB is compared with Mbit/s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ebs_optimized_baseline_bandwidth: Option<Range<Mib>>,
    /// EBS baseline throughput; the number of MiB is compared with MB/s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ebs_optimized_baseline_throughput: Option<Range<Mib>>,
    /// EBS baseline operations per second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ebs_optimized_baseline_iops: Option<Range<u64>>,
    /// The generation in the name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub generation: Option<Range<u64>>,
    /// US dollars per hour: every known spot price in the zones in question (usage class spot), else on-demand.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub price_per_hour: Option<Range<f64>>,
    /// The highest interruption frequency in percent per month that the advisor may give; needs its file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_interruption: Option<u8>,
    /// Only these types, in any case.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub instance_types: BTreeSet<String>,
    /// Only names that this matches anywhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow_list: Option<Pattern>,
    /// No name that this matches anywhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deny_list: Option<Pattern>,
    /// Types like this one; fills filters that are not set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base_instance_type: Option<String>,
    /// General purpose types of many families; fills filters that are not set.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub flexible: bool,
}

impl Query {
    /// Checks the words that AWS has a closed list for and puts them in AWS's spelling; the first unknown one is an
    /// error that names the possible ones.
    pub fn normalized(mut self) -> Result<Query> {
        for (flag, field, allowed) in [
            ("cpu-architecture", &mut self.cpu_architecture, words::ARCHITECTURE),
            ("cpu-manufacturer", &mut self.cpu_manufacturer, words::CPU_MANUFACTURER),
            ("usage-class", &mut self.usage_class, words::USAGE_CLASS),
            ("root-device-type", &mut self.root_device_type, words::ROOT_DEVICE_TYPE),
            ("virtualization-type", &mut self.virtualization_type, words::VIRTUALIZATION_TYPE),
            ("hypervisor", &mut self.hypervisor, words::HYPERVISOR),
            ("placement-group-strategy", &mut self.placement_group_strategy, words::PLACEMENT_STRATEGY),
            ("disk-type", &mut self.disk_type, words::DISK_TYPE),
        ] {
            if let Some(given) = field {
                *given = words::canonical(flag, given, allowed)?.to_owned();
            }
        }
        Ok(self)
    }

    /// Whether spot capacity is asked for.
    pub fn wants_spot(&self) -> bool {
        self.usage_class.as_deref().is_some_and(|class| class.eq_ignore_ascii_case("spot"))
    }
}
