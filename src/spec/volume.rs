//! EBS volumes: the types, what a volume is once every default is filled in, the extra volumes of a group.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A type of EBS volume.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum VolumeType {
    /// General purpose SSD with IOPS and throughput of its own.
    #[default]
    Gp3,
    /// General purpose SSD whose IOPS grow with its size.
    Gp2,
    /// Provisioned IOPS SSD.
    Io1,
    /// Provisioned IOPS SSD, more durable.
    Io2,
    /// Magnetic.
    Standard,
    /// Throughput-optimised hard disk; not for root volumes.
    St1,
    /// Cold hard disk; not for root volumes.
    Sc1,
}

impl VolumeType {
    /// AWS's name of the type.
    pub fn as_str(self) -> &'static str {
        match self {
            VolumeType::Gp3 => "gp3",
            VolumeType::Gp2 => "gp2",
            VolumeType::Io1 => "io1",
            VolumeType::Io2 => "io2",
            VolumeType::Standard => "standard",
            VolumeType::St1 => "st1",
            VolumeType::Sc1 => "sc1",
        }
    }
}

/// A volume with every default filled in, ready for a launch template or CreateVolume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EbsVolume {
    /// Size in GiB.
    pub size_gib: u32,
    /// Type.
    pub volume_type: VolumeType,
    /// I/O operations per second; `None` where the type takes none.
    pub iops: Option<u32>,
    /// Throughput in MiB/s; gp3 only.
    pub throughput: Option<u32>,
    /// Whether it is encrypted.
    pub encrypted: bool,
    /// KMS key (ARN, id or alias); `None` for the account's default key.
    pub kms_key: Option<String>,
    /// Whether it goes away with its instance.
    pub delete_on_termination: bool,
}

/// What a spec says about a volume, before defaults.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted<'a> {
    pub(crate) size_gib: u32,
    pub(crate) volume_type: Option<VolumeType>,
    pub(crate) iops: Option<u32>,
    pub(crate) throughput: Option<u32>,
    pub(crate) encrypted: Option<bool>,
    pub(crate) kms_key: Option<&'a str>,
}

impl Wanted<'_> {
    /// Fills in: gp3 with 3000 IOPS and 125 MiB/s (and never less), 100 IOPS for io1 and io2, encrypted.
    pub(crate) fn complete(self) -> EbsVolume {
        let volume_type = self.volume_type.unwrap_or_default();
        let (iops, throughput) = match volume_type {
            VolumeType::Gp3 => {
                (Some(self.iops.unwrap_or(3000).max(3000)), Some(self.throughput.unwrap_or(125).max(125)))
            }
            VolumeType::Io1 | VolumeType::Io2 => (Some(self.iops.unwrap_or(100)), None),
            VolumeType::Gp2 | VolumeType::Standard | VolumeType::St1 | VolumeType::Sc1 => (None, None),
        };
        EbsVolume {
            size_gib: self.size_gib,
            volume_type,
            iops,
            throughput,
            encrypted: self.encrypted.unwrap_or(true),
            kms_key: self.kms_key.map(str::to_owned),
            delete_on_termination: true,
        }
    }
}

/// A further EBS volume of every machine of a group.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Volume {
    /// Device name, `/dev/sdb` to `/dev/sdp` or `/dev/xvdb` ...
    pub device: String,
    /// Size in GiB.
    pub size: u32,
    /// Type. Default gp3.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub volume_type: Option<VolumeType>,
    /// I/O operations per second. Default 3000 for gp3, 100 for io1 and io2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iops: Option<u32>,
    /// Throughput in MiB/s, gp3 only. Default 125.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub throughput: Option<u32>,
    /// Whether it is encrypted. Default true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encrypted: Option<bool>,
    /// KMS key for the encryption: an ARN, an id or an alias. Default: the account's key for EBS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Whether it is deleted with its instance. Default true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delete_on_termination: Option<bool>,
}

impl Volume {
    /// The volume with every default filled in.
    pub fn complete(&self) -> EbsVolume {
        let wanted = Wanted {
            size_gib: self.size,
            volume_type: self.volume_type,
            iops: self.iops,
            throughput: self.throughput,
            encrypted: self.encrypted,
            kms_key: self.key.as_deref(),
        };
        EbsVolume { delete_on_termination: self.delete_on_termination.unwrap_or(true), ..wanted.complete() }
    }
}

/// Where an extra volume is formatted (once, if blank) and mounted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct VolumeMount {
    /// Device name of one of `volumes`.
    pub device: String,
    /// File system it is formatted with if it is blank.
    pub filesystem: Filesystem,
    /// Directory it is mounted on.
    pub path: String,
    /// Options for mkfs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub format_options: Vec<String>,
    /// Options for mount.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mount_options: Vec<String>,
}

/// A file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Filesystem {
    /// ext4.
    Ext4,
    /// XFS.
    Xfs,
    /// Btrfs.
    Btrfs,
}
