//! The filters of the instance selector, as flags.

use clap::Args as ClapArgs;

use crate::error::Result;
use crate::select::aggregate::service_refused;
use crate::select::query::Query;
use crate::select::value::{Mib, Range};

/// Declares the flags of ranges: `--x`, `--x-min`, `--x-max`.
macro_rules! filters {
    (
        ranges { $($(#[$rdoc:meta])* $range:ident, $min:ident, $max:ident: $rtype:ty, $rname:literal;)* }
        words { $($(#[$wdoc:meta])* $word:ident $(alias $walias:literal)?;)* }
        switches { $($(#[$sdoc:meta])* $switch:ident;)* }
    ) => {
        /// What instance types must have. Flags that are left out do not matter.
        #[derive(ClapArgs, Clone, Debug, Default)]
        pub(in crate::cli) struct Filters {
            $(
                $(#[$rdoc])*
                #[arg(long, value_name = $rname, allow_negative_numbers = true, help_heading = "Filters")]
                $range: Option<$rtype>,
                #[doc = concat!("At least this; no upper bound unless the -max flag is given")]
                #[arg(long, value_name = $rname, hide_short_help = true, allow_negative_numbers = true, help_heading = "Filters")]
                $min: Option<$rtype>,
                #[doc = concat!("At most this; no lower bound unless the -min flag is given")]
                #[arg(long, value_name = $rname, hide_short_help = true, allow_negative_numbers = true, help_heading = "Filters")]
                $max: Option<$rtype>,
            )*
            $(
                $(#[$wdoc])*
                #[arg(long, value_name = "WORD", help_heading = "Filters" $(, alias = $walias)?)]
                $word: Option<String>,
            )*
            $(
                $(#[$sdoc])*
                #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", help_heading = "Filters")]
                $switch: Option<bool>,
            )*

            /// Memory for each vCPU, as vCPU:GiB, for example 1:4
            #[arg(long, value_name = "1:N", help_heading = "Filters")]
            vcpus_to_memory_ratio: Option<String>,

            /// Types like this one: its architecture, and about its vCPUs and memory
            #[arg(long, value_name = "TYPE", help_heading = "Filters")]
            base_instance_type: Option<String>,

            /// Ordinary sizes of the general families; 4 vCPUs unless said otherwise
            #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL", help_heading = "Filters")]
            flexible: Option<bool>,

            /// Only types whose name this regular expression matches
            #[arg(long, value_name = "REGEX", allow_hyphen_values = true, help_heading = "Filters")]
            allow_list: Option<String>,

            /// No types whose name this regular expression matches
            #[arg(long, value_name = "REGEX", allow_hyphen_values = true, help_heading = "Filters")]
            deny_list: Option<String>,

            /// Only these types
            #[arg(long, value_name = "TYPE,...", value_delimiter = ',', help_heading = "Filters")]
            instance_types: Vec<String>,

            /// Highest price in dollars per hour: spot with --usage-class spot, else on-demand
            #[arg(long, value_name = "USD", conflicts_with_all = ["price_per_hour", "price_per_hour_max"], help_heading = "Filters")]
            max_price: Option<f64>,

            /// Highest interruption rate in percent, by --advisor
            #[arg(long, value_name = "PERCENT", requires = "advisor", help_heading = "Filters")]
            max_interruption: Option<u8>,

            /// Not supported: says why
            #[arg(long, value_name = "SERVICE", hide = true)]
            service: Option<String>,
        }
    };
}

filters! {
    ranges {
        /// Number of vCPUs
        vcpus, vcpus_min, vcpus_max: u64, "N";
        /// Memory, for example 16GiB (also 16gb, 512mib; GiB without a unit)
        memory, memory_min, memory_max: Mib, "SIZE";
        /// Number of GPUs; 0 means none, fractional ones included
        gpus, gpus_min, gpus_max: u64, "N";
        /// Memory of all GPUs together
        gpu_memory_total, gpu_memory_total_min, gpu_memory_total_max: Mib, "SIZE";
        /// Number of inference accelerators
        inference_accelerators, inference_accelerators_min, inference_accelerators_max: u64, "N";
        /// Number of Trainium and Inferentia devices
        neuron_devices, neuron_devices_min, neuron_devices_max: u64, "N";
        /// Number of network interfaces
        network_interfaces, network_interfaces_min, network_interfaces_max: u64, "N";
        /// Peak network bandwidth in Gbit/s
        network_performance, network_performance_min, network_performance_max: f64, "GBPS";
        /// Baseline network bandwidth in Gbit/s
        network_baseline, network_baseline_min, network_baseline_max: f64, "GBPS";
        /// Size of the instance store
        instance_storage, instance_storage_min, instance_storage_max: Mib, "SIZE";
        /// Baseline bandwidth to EBS
        ebs_optimized_baseline_bandwidth, ebs_optimized_baseline_bandwidth_min, ebs_optimized_baseline_bandwidth_max: Mib, "SIZE";
        /// Baseline throughput to EBS per second
        ebs_optimized_baseline_throughput, ebs_optimized_baseline_throughput_min, ebs_optimized_baseline_throughput_max: Mib, "SIZE";
        /// Baseline I/O operations per second to EBS
        ebs_optimized_baseline_iops, ebs_optimized_baseline_iops_min, ebs_optimized_baseline_iops_max: u64, "N";
        /// Generation: the number in the family's name
        generation, generation_min, generation_max: u64, "N";
        /// Price in dollars per hour: spot with --usage-class spot, else on-demand
        price_per_hour, price_per_hour_min, price_per_hour_max: f64, "USD";
    }
    words {
        /// x86_64 (amd64), arm64, i386, x86_64_mac or arm64_mac
        cpu_architecture;
        /// amd, intel, aws or apple
        cpu_manufacturer;
        /// nvidia, amd, ...
        gpu_manufacturer;
        /// Model of the GPU, for example T4
        gpu_model;
        /// Maker of the inference accelerators
        inference_accelerator_manufacturer;
        /// Model of the inference accelerators
        inference_accelerator_model;
        /// spot or on-demand
        usage_class;
        /// ebs or instance-store
        root_device_type;
        /// hvm or paravirtual (pv)
        virtualization_type;
        /// nitro or xen
        hypervisor;
        /// cluster, partition or spread
        placement_group_strategy;
        /// hdd or ssd
        disk_type;
    }
    switches {
        /// Enhanced networking
        ena_support;
        /// Elastic Fabric Adapter
        efa_support;
        /// Hibernation
        hibernation_support;
        /// FPGAs
        fpga_support;
        /// Burstable types
        burst_support;
        /// Bare metal
        baremetal;
        /// What AWS counts as the current generation
        current_generation;
        /// Encryption in transit
        network_encryption;
        /// IPv6
        ipv6;
        /// Free tier
        free_tier;
        /// Automatic recovery
        auto_recovery;
        /// Dedicated hosts
        dedicated_hosts;
        /// Encrypted disks
        disk_encryption;
        /// NVMe disks
        nvme;
        /// EBS-optimised
        ebs_optimized;
    }
}

impl Filters {
    /// Whether a filter needs prices.
    pub(in crate::cli) fn needs_prices(&self) -> bool {
        [self.max_price, self.price_per_hour, self.price_per_hour_min, self.price_per_hour_max]
            .iter()
            .any(Option::is_some)
    }

    /// The selector's question.
    pub(in crate::cli) fn query(&self) -> Result<Query> {
        if let Some(service) = &self.service {
            return Err(service_refused(service));
        }
        /// One range out of its three flags.
        macro_rules! range {
            ($field:ident, $min:ident, $max:ident) => {
                Range::from_flags(&stringify!($field).replace('_', "-"), self.$field, self.$min, self.$max)?
            };
        }
        let regex = |text: &Option<String>| text.as_deref().map(str::parse).transpose();
        Query {
            vcpus: range!(vcpus, vcpus_min, vcpus_max),
            memory: range!(memory, memory_min, memory_max),
            vcpus_to_memory_ratio: self.vcpus_to_memory_ratio.as_deref().map(str::parse).transpose()?,
            cpu_architecture: self.cpu_architecture.clone(),
            cpu_manufacturer: self.cpu_manufacturer.clone(),
            gpus: range!(gpus, gpus_min, gpus_max),
            gpu_memory_total: range!(gpu_memory_total, gpu_memory_total_min, gpu_memory_total_max),
            gpu_manufacturer: self.gpu_manufacturer.clone(),
            gpu_model: self.gpu_model.clone(),
            inference_accelerators: range!(
                inference_accelerators,
                inference_accelerators_min,
                inference_accelerators_max
            ),
            inference_accelerator_manufacturer: self.inference_accelerator_manufacturer.clone(),
            inference_accelerator_model: self.inference_accelerator_model.clone(),
            neuron_devices: range!(neuron_devices, neuron_devices_min, neuron_devices_max),
            usage_class: self.usage_class.clone(),
            root_device_type: self.root_device_type.clone(),
            virtualization_type: self.virtualization_type.clone(),
            hypervisor: self.hypervisor.clone(),
            placement_group_strategy: self.placement_group_strategy.clone(),
            disk_type: self.disk_type.clone(),
            ena_support: self.ena_support,
            efa_support: self.efa_support,
            hibernation_support: self.hibernation_support,
            fpga_support: self.fpga_support,
            burst_support: self.burst_support,
            baremetal: self.baremetal,
            current_generation: self.current_generation,
            network_encryption: self.network_encryption,
            ipv6: self.ipv6,
            free_tier: self.free_tier,
            auto_recovery: self.auto_recovery,
            dedicated_hosts: self.dedicated_hosts,
            disk_encryption: self.disk_encryption,
            nvme: self.nvme,
            ebs_optimized: self.ebs_optimized,
            network_interfaces: range!(network_interfaces, network_interfaces_min, network_interfaces_max),
            network_performance: range!(network_performance, network_performance_min, network_performance_max),
            network_baseline: range!(network_baseline, network_baseline_min, network_baseline_max),
            instance_storage: range!(instance_storage, instance_storage_min, instance_storage_max),
            ebs_optimized_baseline_bandwidth: range!(
                ebs_optimized_baseline_bandwidth,
                ebs_optimized_baseline_bandwidth_min,
                ebs_optimized_baseline_bandwidth_max
            ),
            ebs_optimized_baseline_throughput: range!(
                ebs_optimized_baseline_throughput,
                ebs_optimized_baseline_throughput_min,
                ebs_optimized_baseline_throughput_max
            ),
            ebs_optimized_baseline_iops: range!(
                ebs_optimized_baseline_iops,
                ebs_optimized_baseline_iops_min,
                ebs_optimized_baseline_iops_max
            ),
            generation: range!(generation, generation_min, generation_max),
            price_per_hour: match self.max_price {
                Some(_) => Range::from_flags("price-per-hour", None, self.price_per_hour_min, self.max_price)?,
                None => range!(price_per_hour, price_per_hour_min, price_per_hour_max),
            },
            max_interruption: self.max_interruption,
            instance_types: self.instance_types.iter().cloned().collect(),
            allow_list: regex(&self.allow_list)?,
            deny_list: regex(&self.deny_list)?,
            base_instance_type: self.base_instance_type.clone(),
            flexible: self.flexible.unwrap_or(false),
        }
        .normalized()
    }
}
