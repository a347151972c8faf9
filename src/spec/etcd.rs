//! etcd: its clusters, a member per control-plane group, its volumes and backups.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::block::block;
use super::duration::GoDuration;
use super::quantity::Quantity;
use super::volume::{EbsVolume, VolumeType, Wanted};

/// One etcd cluster; `main` holds everything, `events` (optional) only events.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EtcdCluster {
    /// `main` or `events`.
    pub name: String,
    /// One member per control-plane group; an odd number.
    pub etcd_members: Vec<EtcdMember>,
    /// Release of etcd, for example 3.6.12. Default: the one that fits the cluster's Kubernetes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// CPU request. Default 200m for main, 100m for events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_request: Option<Quantity>,
    /// Memory request. Default 100Mi.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_request: Option<Quantity>,
    /// How often and how long snapshots are taken and kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manager: Option<EtcdManager>,
    /// Where snapshots go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backups: Option<EtcdBackups>,
}

/// A member of an etcd cluster: one volume, one control-plane group.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EtcdMember {
    /// Name of the member, unique in its cluster, for example `a`. It cannot change once the cluster exists.
    pub name: String,
    /// The control-plane group that runs this member. It cannot change once the cluster exists.
    pub instance_group: String,
    /// Type of the volume. Default gp3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volume_type: Option<VolumeType>,
    /// Size of the volume in GiB. Default 20.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volume_size: Option<u32>,
    /// I/O operations per second. Default 3000 for gp3, 100 for io1 and io2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volume_iops: Option<u32>,
    /// Throughput in MiB/s, gp3 only. Default 125.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volume_throughput: Option<u32>,
    /// Whether the volume is encrypted. Default true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encrypted_volume: Option<bool>,
    /// KMS key of the volume: ARN, id or alias. Default: the account's key for EBS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kms_key_id: Option<String>,
}

impl EtcdMember {
    /// The member's volume with every default filled in; it outlives its instance.
    pub fn volume(&self) -> EbsVolume {
        let wanted = Wanted {
            size_gib: self.volume_size.unwrap_or(20),
            volume_type: self.volume_type,
            iops: self.volume_iops,
            throughput: self.volume_throughput,
            encrypted: self.encrypted_volume,
            kms_key: self.kms_key_id.as_deref(),
        };
        EbsVolume { delete_on_termination: false, ..wanted.complete() }
    }
}

block! {
    /// Snapshots of an etcd cluster.
    pub struct EtcdManager {
        /// How often a snapshot is taken. Default 15m0s.
        pub backup_interval: Option<GoDuration>,
        /// Days snapshots are kept. Default 90.
        pub backup_retention_days: Option<u32>,
    }
}

block! {
    /// Where snapshots of an etcd cluster go.
    pub struct EtcdBackups {
        /// `s3://bucket/prefix`, which clusters may share: snapshots are below `<cluster>/<name>`. Default:
        /// `backups/etcd/<name>` below the cluster in the state store.
        pub backup_store: Option<String>,
    }
}
