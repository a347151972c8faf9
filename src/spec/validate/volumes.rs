//! EBS volumes: sizes, IOPS and throughput that AWS sells.

use std::collections::BTreeSet;

use super::{ClusterRule, GroupRule, Report, Specs};
use crate::spec::instance_group::InstanceGroup;
use crate::spec::volume::{EbsVolume, VolumeType};

pub(super) const GROUP_RULES: &[GroupRule] = &[root_volume, extra_volumes, mounts_have_a_volume];
pub(super) const CLUSTER_RULES: &[ClusterRule] = &[etcd_volumes];

/// The fields that a problem of a volume is told about.
struct Fields<'p> {
    size: &'p str,
    volume_type: &'p str,
    iops: &'p str,
    throughput: &'p str,
}

/// The smallest and largest size in GiB, the largest IOPS, and the largest IOPS per GiB of a type.
fn limits(volume_type: VolumeType) -> (u32, u32, u32, u32) {
    match volume_type {
        VolumeType::Gp3 => (1, 65_536, 80_000, 500),
        VolumeType::Gp2 => (1, 16_384, 0, 0),
        VolumeType::Io1 => (4, 16_384, 64_000, 50),
        VolumeType::Io2 => (4, 65_536, 256_000, 1000),
        VolumeType::Standard => (1, 1024, 0, 0),
        VolumeType::St1 | VolumeType::Sc1 => (125, 16_384, 0, 0),
    }
}

/// IOPS and throughput as they were written: they only count for the types that take them.
struct Given {
    iops: bool,
    throughput: bool,
}

fn check(volume: &EbsVolume, given: Given, fields: &Fields, report: &mut Report) {
    let name = volume.volume_type.as_str();
    let (smallest, largest, most_iops, ratio) = limits(volume.volume_type);
    let size = volume.size_gib;
    report.require((smallest..=largest).contains(&size), fields.size, || {
        format!("{size} GiB, a {name} volume has {smallest} to {largest}")
    });
    report.require(!given.iops || volume.iops.is_some(), fields.iops, || format!("a {name} volume takes no IOPS"));
    report.require(!given.throughput || volume.throughput.is_some(), fields.throughput, || {
        format!("a {name} volume takes no throughput, only gp3 does")
    });
    let Some(iops) = volume.iops else { return };
    report.require((100..=most_iops).contains(&iops), fields.iops, || {
        format!("{iops} IOPS, a {name} volume has 100 to {most_iops}")
    });
    let included = volume.volume_type == VolumeType::Gp3 && iops <= 3000;
    report.require(included || u64::from(iops) <= u64::from(size) * u64::from(ratio), fields.iops, || {
        format!("{iops} IOPS on {size} GiB, a {name} volume has at most {ratio} per GiB")
    });
    if let Some(throughput) = volume.throughput {
        report.require((125..=2000).contains(&throughput), fields.throughput, || {
            format!("{throughput} MiB/s, a {name} volume has 125 to 2000")
        });
        report.require(throughput * 4 <= iops, fields.throughput, || {
            format!("{throughput} MiB/s need {} IOPS, the volume has {iops}", throughput * 4)
        });
    }
}

fn root_volume(_: &Specs, group: &InstanceGroup, report: &mut Report) {
    let fields = Fields {
        size: "spec.rootVolumeSize",
        volume_type: "spec.rootVolumeType",
        iops: "spec.rootVolumeIops",
        throughput: "spec.rootVolumeThroughput",
    };
    let volume = group.spec.root_volume();
    let bootable = !matches!(volume.volume_type, VolumeType::St1 | VolumeType::Sc1);
    report.require(bootable, fields.volume_type, || {
        "hard disks can't be root volumes: gp3, gp2, io1, io2 or standard".to_owned()
    });
    let given =
        Given { iops: group.spec.root_volume_iops.is_some(), throughput: group.spec.root_volume_throughput.is_some() };
    check(&volume, given, &fields, report);
    let key_alone = group.spec.root_volume_encryption_key.is_some() && !volume.encrypted;
    report.require(!key_alone, "spec.rootVolumeEncryptionKey", || "the volume is not encrypted".to_owned());
}

fn extra_volumes(_: &Specs, group: &InstanceGroup, report: &mut Report) {
    let mut devices = BTreeSet::new();
    for (i, volume) in group.spec.volumes.iter().enumerate() {
        let path = |field: &str| format!("spec.volumes[{i}].{field}");
        let device = volume.device.as_str();
        report.require(device.starts_with("/dev/"), path("device"), || format!("{device:?} is not a device, /dev/..."));
        report.require(devices.insert(device), path("device"), || format!("{device} stands here twice"));
        let (size, volume_type, iops, throughput) = (path("size"), path("type"), path("iops"), path("throughput"));
        let fields = Fields { size: &size, volume_type: &volume_type, iops: &iops, throughput: &throughput };
        let given = Given { iops: volume.iops.is_some(), throughput: volume.throughput.is_some() };
        check(&volume.complete(), given, &fields, report);
        let key_alone = volume.key.is_some() && volume.encrypted == Some(false);
        report.require(!key_alone, path("key"), || "the volume is not encrypted".to_owned());
    }
}

fn mounts_have_a_volume(_: &Specs, group: &InstanceGroup, report: &mut Report) {
    let mut paths = BTreeSet::new();
    for (i, mount) in group.spec.volume_mounts.iter().enumerate() {
        let known = group.spec.volumes.iter().any(|v| v.device == mount.device);
        report.require(known, format!("spec.volumeMounts[{i}].device"), || {
            format!("no volume has the device {}", mount.device)
        });
        let path = format!("spec.volumeMounts[{i}].path");
        report
            .require(mount.path.starts_with('/'), path.clone(), || format!("{:?} is not an absolute path", mount.path));
        report.require(paths.insert(&mount.path), path, || format!("{} stands here twice", mount.path));
    }
}

fn etcd_volumes(specs: &Specs, report: &mut Report) {
    for (i, cluster) in specs.cluster.spec.etcd_clusters.iter().enumerate() {
        for (j, member) in cluster.etcd_members.iter().enumerate() {
            let path = |field: &str| format!("spec.etcdClusters[{i}].etcdMembers[{j}].{field}");
            let (size, volume_type) = (path("volumeSize"), path("volumeType"));
            let (iops, throughput) = (path("volumeIops"), path("volumeThroughput"));
            let fields = Fields { size: &size, volume_type: &volume_type, iops: &iops, throughput: &throughput };
            let given = Given { iops: member.volume_iops.is_some(), throughput: member.volume_throughput.is_some() };
            check(&member.volume(), given, &fields, report);
        }
    }
}
