//! What an instance type is, as far as a filter, a price or a node's size depends on it.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// One instance type. Words such as `hypervisor` are AWS's own, in lower case where AWS has them so.
///
/// The serialised form leaves out what is false, empty or absent, so that a region's list is small and quick to read.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct InstanceType {
    /// The name, for example `m7i.xlarge`.
    pub name: String,
    /// Virtual CPUs at the default core and thread count.
    pub vcpus: u32,
    /// Memory in MiB.
    pub memory_mib: u64,
    /// Architectures it can run: `x86_64`, `arm64`, `i386`, `x86_64_mac`, `arm64_mac`.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub architectures: BTreeSet<String>,
    /// Who made the processor: `Intel`, `AMD`, `AWS`, `Apple`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manufacturer: Option<String>,
    /// AWS lists it as current. Many previous generations are still deep spot pools.
    #[serde(skip_serializing_if = "is_false")]
    pub current_generation: bool,
    /// It is a whole machine.
    #[serde(skip_serializing_if = "is_false")]
    pub bare_metal: bool,
    /// It earns and spends CPU credits.
    #[serde(skip_serializing_if = "is_false")]
    pub burstable: bool,
    /// It is in AWS's free tier.
    #[serde(skip_serializing_if = "is_false")]
    pub free_tier: bool,
    /// It can hibernate.
    #[serde(skip_serializing_if = "is_false")]
    pub hibernation: bool,
    /// It recovers by itself from a host failure.
    #[serde(skip_serializing_if = "is_false")]
    pub auto_recovery: bool,
    /// It can be put on a dedicated host.
    #[serde(skip_serializing_if = "is_false")]
    pub dedicated_hosts: bool,
    /// `nitro` or `xen`; absent on bare metal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hypervisor: Option<String>,
    /// `on-demand`, `spot`, `capacity-block`.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub usage_classes: BTreeSet<String>,
    /// `ebs`, `instance-store`.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub root_device_types: BTreeSet<String>,
    /// `hvm`, `paravirtual`.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub virtualization_types: BTreeSet<String>,
    /// Placement group strategies: `cluster`, `partition`, `spread`.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub placement_strategies: BTreeSet<String>,
    /// The network side.
    pub network: Network,
    /// Block storage over the network.
    pub ebs: Ebs,
    /// Local disks, if it has any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instance_storage: Option<InstanceStorage>,
    /// Graphics processors; present, with a count of 0, on types that have a fraction of one (g6f).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gpu: Option<Accelerators>,
    /// Inference accelerators as AWS reports them (inf1, inf2, dl2q).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inference: Option<Accelerators>,
    /// Neuron devices (inf1, inf2, trn1, trn2).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub neuron: Option<Accelerators>,
    /// Media accelerators (vt1).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub media: Option<Accelerators>,
    /// Field programmable gate arrays (f1, f2).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fpga: Option<Accelerators>,
}

/// The network of a type.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Network {
    /// AWS's phrase, for example `Up to 12.5 Gigabit` or `Moderate`.
    pub performance: String,
    /// One entry per network card.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cards: Vec<NetworkCard>,
    /// Network interfaces that can be attached.
    pub interfaces: u32,
    /// Private IPv4 addresses per interface.
    pub ipv4_per_interface: u32,
    /// It can have IPv6 addresses.
    #[serde(skip_serializing_if = "is_false")]
    pub ipv6: bool,
    /// Enhanced networking: `unsupported`, `supported` or `required`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub ena: String,
    /// It has an elastic fabric adapter.
    #[serde(skip_serializing_if = "is_false")]
    pub efa: bool,
    /// Traffic between instances is encrypted by the hardware.
    #[serde(skip_serializing_if = "is_false")]
    pub encryption_in_transit: bool,
}

/// Bandwidths of one network card in Gbit/s.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct NetworkCard {
    /// What is always there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub baseline_gbps: Option<f64>,
    /// What is there for a while.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peak_gbps: Option<f64>,
}

/// Block storage of a type.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Ebs {
    /// EBS optimisation: `unsupported`, `supported` or `default`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub optimized: String,
    /// Encrypted volumes: `unsupported` or `supported`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub encryption: String,
    /// NVMe volumes: `unsupported`, `supported` or `required`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub nvme: String,
    /// Baseline bandwidth in Mbit/s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub baseline_bandwidth_mbps: Option<u64>,
    /// Baseline throughput in MB/s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub baseline_throughput_mbs: Option<f64>,
    /// Baseline operations per second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub baseline_iops: Option<u64>,
}

/// Local disks of a type.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct InstanceStorage {
    /// All disks together in GB.
    pub total_gb: u64,
    /// `ssd` or `hdd`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disk_type: Option<String>,
    /// NVMe: `unsupported`, `supported` or `required`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nvme: Option<String>,
    /// Encryption: `unsupported` or `required`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encryption: Option<String>,
}

/// Accelerators of one sort.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Accelerators {
    /// One entry per model.
    pub devices: Vec<Device>,
    /// Memory of all devices together in MiB.
    pub total_memory_mib: u64,
}

/// Accelerators of one model.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Device {
    /// The model, for example `L4`.
    pub name: String,
    /// Who makes it; AWS does not say so for neuron devices.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manufacturer: Option<String>,
    /// Whole devices; 0 where the type has a fraction of one.
    pub count: u32,
    /// The fraction of a device, for example 0.125, where it is not 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partition: Option<f64>,
}

impl Accelerators {
    /// Whole devices of all models.
    pub fn count(&self) -> u32 {
        self.devices.iter().map(|d| d.count).sum()
    }
}

impl Network {
    /// Bandwidth at peak in Gbit/s over all cards; where AWS gives no figure, the one in its phrase; `None` for
    /// phrases such as `Moderate`.
    pub fn peak_gbps(&self) -> Option<f64> {
        let peaks: Vec<f64> = self.cards.iter().filter_map(|c| c.peak_gbps).collect();
        if peaks.is_empty() { gigabits(&self.performance) } else { Some(peaks.iter().sum()) }
    }

    /// Bandwidth that is always there in Gbit/s over all cards, if AWS gives it.
    pub fn baseline_gbps(&self) -> Option<f64> {
        let bases: Vec<f64> = self.cards.iter().filter_map(|c| c.baseline_gbps).collect();
        (!bases.is_empty()).then(|| bases.iter().sum())
    }
}

/// Reads `Up to 12.5 Gigabit`, `37.5 Gigabit`, `4x 100 Gigabit`.
fn gigabits(phrase: &str) -> Option<f64> {
    let (figures, _) = phrase.split_once(" Gigabit")?;
    let mut words = figures.rsplit(' ');
    let each: f64 = words.next()?.parse().ok()?;
    let times = words.next().and_then(|w| w.strip_suffix('x')).and_then(|n| n.parse::<f64>().ok()).unwrap_or(1.0);
    Some(each * times)
}

impl InstanceType {
    /// The family: the name before the point, for example `m7i-flex`.
    pub fn family(&self) -> &str {
        self.name.split_once('.').map_or(self.name.as_str(), |(family, _)| family)
    }

    /// The generation: the first number that follows letters, so 7 for `c7i`, `u7i-12tb` and 4 for `mac-m4`.
    pub fn generation(&self) -> Option<u32> {
        let family = self.family().as_bytes();
        let start = (1..family.len()).find(|&i| family[i].is_ascii_digit() && family[i - 1].is_ascii_alphabetic())?;
        let digits: String = self.family()[start..].chars().take_while(char::is_ascii_digit).collect();
        digits.parse().ok()
    }

    /// Processor maker and generation, for example `AMD 7`: our stand-in for "the same hardware pool".
    pub fn platform(&self) -> String {
        let maker = self.manufacturer.as_deref().unwrap_or("unknown maker");
        self.generation().map_or(maker.to_owned(), |g| format!("{maker} {g}"))
    }

    /// Pods that get an address of the VPC with the Amazon VPC CNI: each interface keeps one address for itself,
    /// and two pods use the host's network.
    pub fn eni_pods(&self) -> u32 {
        self.network.interfaces * self.network.ipv4_per_interface.saturating_sub(1) + 2
    }

    /// Millicores left for pods after the usual reservation for the kubelet (6 % of the first core, 1 % of the second,
    /// 0.5 % of the next two, 0.25 % of the rest).
    pub fn allocatable_millicores(&self) -> u64 {
        let cores = u64::from(self.vcpus);
        let tenths_of_percent = 60 * cores.min(1)
            + 10 * cores.saturating_sub(1).min(1)
            + 5 * cores.saturating_sub(2).min(2)
            + 5 * cores.saturating_sub(4) / 2;
        cores * 1000 - tenths_of_percent
    }

    /// MiB left for pods after the kubelet's share (255 MiB and 11 MiB for each of `pods`) and the eviction threshold of
    /// 100 MiB.
    pub fn allocatable_memory_mib(&self, pods: u32) -> u64 {
        self.memory_mib.saturating_sub(255 + 11 * u64::from(pods) + 100)
    }
}

fn is_false(value: &bool) -> bool {
    !value
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str) -> InstanceType {
        InstanceType { name: name.into(), ..InstanceType::default() }
    }

    /// The generation is the first number after a letter, whatever else the name holds.
    #[test]
    fn generation_is_read_from_odd_names() {
        for (name, generation) in [
            ("c7i.large", 7),
            ("u7i-12tb.224xlarge", 7),
            ("u-6tb1.metal", 1),
            ("mac-m4.metal", 4),
            ("p6-b200.48xlarge", 6),
        ] {
            assert_eq!(named(name).generation(), Some(generation), "{name}");
        }
    }

    /// Decimals and multiples in AWS's phrase count; words do not become a number.
    #[test]
    fn network_phrases_keep_decimals_and_multiples() {
        assert_eq!(gigabits("Up to 12.5 Gigabit"), Some(12.5));
        assert_eq!(gigabits("4x 100 Gigabit"), Some(400.0));
        assert_eq!(gigabits("Low to Moderate"), None);
    }

    /// Pods per node and the reservation follow the published formulas.
    #[test]
    fn node_size_follows_the_formulas() {
        let mut t = named("m5.xlarge");
        (t.vcpus, t.memory_mib) = (4, 16384);
        (t.network.interfaces, t.network.ipv4_per_interface) = (4, 15);
        assert_eq!(t.eni_pods(), 58);
        assert_eq!(t.allocatable_millicores(), 3920);
        assert_eq!(t.allocatable_memory_mib(58), 16384 - 255 - 638 - 100);
    }
}
