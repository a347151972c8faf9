//! From EC2's types to the catalogue's.

use std::collections::BTreeSet;

use aws_sdk_ec2::types as ec2;

use crate::catalogue::instance_type::{Accelerators, Device, Ebs, InstanceStorage, InstanceType, Network, NetworkCard};
use crate::catalogue::{ImageInfo, Zone};

/// A zone that can be used: local and wavelength zones only if the account has opted in.
pub(super) fn zone(zone: ec2::AvailabilityZone) -> Option<(String, Zone)> {
    if zone.opt_in_status == Some(ec2::AvailabilityZoneOptInStatus::NotOptedIn) {
        return None;
    }
    let name = zone.zone_name?;
    let kind = zone.zone_type.unwrap_or_else(|| "availability-zone".to_owned());
    Some((name, Zone { id: zone.zone_id.unwrap_or_default(), kind }))
}

/// An instance type; `None` if AWS left out its name, processors or memory.
pub(super) fn instance_type(t: ec2::InstanceTypeInfo) -> Option<InstanceType> {
    let (architectures, manufacturer) =
        t.processor_info.map_or((None, None), |p| (p.supported_architectures, p.manufacturer));
    Some(InstanceType {
        name: t.instance_type?.as_str().to_owned(),
        vcpus: count(t.v_cpu_info?.default_v_cpus),
        memory_mib: size(t.memory_info?.size_in_mib),
        architectures: words(architectures, ec2::ArchitectureType::as_str),
        manufacturer,
        current_generation: t.current_generation.unwrap_or_default(),
        bare_metal: t.bare_metal.unwrap_or_default(),
        burstable: t.burstable_performance_supported.unwrap_or_default(),
        free_tier: t.free_tier_eligible.unwrap_or_default(),
        hibernation: t.hibernation_supported.unwrap_or_default(),
        auto_recovery: t.auto_recovery_supported.unwrap_or_default(),
        dedicated_hosts: t.dedicated_hosts_supported.unwrap_or_default(),
        hypervisor: t.hypervisor.map(|h| h.as_str().to_owned()),
        usage_classes: words(t.supported_usage_classes, ec2::UsageClassType::as_str),
        root_device_types: words(t.supported_root_device_types, ec2::RootDeviceType::as_str),
        virtualization_types: words(t.supported_virtualization_types, ec2::VirtualizationType::as_str),
        placement_strategies: words(
            t.placement_group_info.and_then(|p| p.supported_strategies),
            ec2::PlacementGroupStrategy::as_str,
        ),
        network: t.network_info.map(network).unwrap_or_default(),
        ebs: t.ebs_info.map(ebs).unwrap_or_default(),
        instance_storage: t.instance_storage_info.map(storage),
        gpu: t.gpu_info.map(gpus),
        inference: t.inference_accelerator_info.map(inference),
        neuron: t.neuron_info.map(neuron),
        media: t.media_accelerator_info.map(media),
        fpga: t.fpga_info.map(fpgas),
    })
}

/// An image; `None` if AWS left out its id or name.
pub(super) fn image(image: ec2::Image) -> Option<ImageInfo> {
    Some(ImageInfo {
        id: image.image_id?,
        name: image.name?,
        owner: image.owner_id.unwrap_or_default(),
        architecture: image.architecture.map(|a| a.as_str().to_owned()).unwrap_or_default(),
        root_device_name: image.root_device_name.unwrap_or_else(|| "/dev/sda1".to_owned()),
        created: image.creation_date.unwrap_or_default(),
    })
}

fn network(n: ec2::NetworkInfo) -> Network {
    let card = |c: ec2::NetworkCardInfo| NetworkCard {
        baseline_gbps: c.baseline_bandwidth_in_gbps,
        peak_gbps: c.peak_bandwidth_in_gbps,
    };
    Network {
        performance: n.network_performance.unwrap_or_default(),
        cards: n.network_cards.unwrap_or_default().into_iter().map(card).collect(),
        interfaces: count(n.maximum_network_interfaces),
        ipv4_per_interface: count(n.ipv4_addresses_per_interface),
        ipv6: n.ipv6_supported.unwrap_or_default(),
        ena: n.ena_support.map(|e| e.as_str().to_owned()).unwrap_or_default(),
        efa: n.efa_supported.unwrap_or_default(),
        encryption_in_transit: n.encryption_in_transit_supported.unwrap_or_default(),
    }
}

fn ebs(e: ec2::EbsInfo) -> Ebs {
    let baseline = e.ebs_optimized_info;
    let baseline = baseline.as_ref();
    let unsigned = |n: i32| u64::try_from(n).ok();
    Ebs {
        optimized: e.ebs_optimized_support.map(|s| s.as_str().to_owned()).unwrap_or_default(),
        encryption: e.encryption_support.map(|s| s.as_str().to_owned()).unwrap_or_default(),
        nvme: e.nvme_support.map(|s| s.as_str().to_owned()).unwrap_or_default(),
        baseline_bandwidth_mbps: baseline.and_then(|b| b.baseline_bandwidth_in_mbps).and_then(unsigned),
        baseline_throughput_mbs: baseline.and_then(|b| b.baseline_throughput_in_m_bps),
        baseline_iops: baseline.and_then(|b| b.baseline_iops).and_then(unsigned),
    }
}

fn storage(s: ec2::InstanceStorageInfo) -> InstanceStorage {
    let first = s.disks.unwrap_or_default().into_iter().next();
    InstanceStorage {
        total_gb: size(s.total_size_in_gb),
        disk_type: first.and_then(|d| d.r#type).map(|t| t.as_str().to_owned()),
        nvme: s.nvme_support.map(|n| n.as_str().to_owned()),
        encryption: s.encryption_support.map(|e| e.as_str().to_owned()),
    }
}

fn gpus(info: ec2::GpuInfo) -> Accelerators {
    let devices = info.gpus.unwrap_or_default().into_iter().map(|d| Device {
        partition: d.gpu_partition_size.filter(|part| *part < 1.0),
        ..device(d.name, d.manufacturer, d.count)
    });
    Accelerators { devices: devices.collect(), total_memory_mib: size(info.total_gpu_memory_in_mib) }
}

fn inference(info: ec2::InferenceAcceleratorInfo) -> Accelerators {
    let devices = info.accelerators.unwrap_or_default().into_iter().map(|d| device(d.name, d.manufacturer, d.count));
    Accelerators { devices: devices.collect(), total_memory_mib: size(info.total_inference_memory_in_mib) }
}

fn neuron(info: ec2::NeuronInfo) -> Accelerators {
    let devices = info.neuron_devices.unwrap_or_default().into_iter().map(|d| device(d.name, None, d.count));
    Accelerators { devices: devices.collect(), total_memory_mib: size(info.total_neuron_device_memory_in_mib) }
}

fn media(info: ec2::MediaAcceleratorInfo) -> Accelerators {
    let devices = info.accelerators.unwrap_or_default().into_iter().map(|d| device(d.name, d.manufacturer, d.count));
    Accelerators { devices: devices.collect(), total_memory_mib: size(info.total_media_memory_in_mib) }
}

fn fpgas(info: ec2::FpgaInfo) -> Accelerators {
    let devices = info.fpgas.unwrap_or_default().into_iter().map(|d| device(d.name, d.manufacturer, d.count));
    Accelerators { devices: devices.collect(), total_memory_mib: size(info.total_fpga_memory_in_mib) }
}

fn device(name: Option<String>, manufacturer: Option<String>, number: Option<i32>) -> Device {
    Device { name: name.unwrap_or_default(), manufacturer, count: count(number), partition: None }
}

fn words<T>(list: Option<Vec<T>>, word: fn(&T) -> &str) -> BTreeSet<String> {
    list.unwrap_or_default().iter().map(|item| word(item).to_owned()).collect()
}

fn count(number: Option<i32>) -> u32 {
    number.and_then(|n| u32::try_from(n).ok()).unwrap_or_default()
}

fn size(number: Option<impl Into<i64>>) -> u64 {
    number.and_then(|n| u64::try_from(n.into()).ok()).unwrap_or_default()
}
