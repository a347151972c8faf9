//! Launch template: what the machines of a group are made of.
//!
//! Its versions are numbered and never change. The observed value is that of the default version, which is always the
//! one that kspot made last: so one sweep tells the content of every template, however many groups there are.

mod aws;
mod wire;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{Kind, Model, Ref, ReplaceOrder, Rules, Tags};
use crate::digest::sha256;

/// The attribute that holds the number of the default version.
pub const VERSION: &str = "version";

/// The attribute that holds the number of the latest version.
pub const LATEST: &str = "latest";

/// A launch template. Attributes: [`VERSION`], [`LATEST`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LaunchTemplate {
    /// What instances are launched with: a change makes a new version.
    pub data: LaunchTemplateData,
    /// The tags of the template itself.
    pub tags: Tags,
}

/// The content of one version.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LaunchTemplateData {
    /// The machine image.
    pub image_id: String,
    /// The type, unless the group's policy names others.
    pub instance_type: String,
    /// The SSH key pair.
    pub key_pair: Option<Ref>,
    /// The profile that hands the role to the instance, by its ARN.
    pub instance_profile: Option<Ref>,
    /// The one network interface.
    pub network_interface: NetworkInterface,
    /// The instance metadata service.
    pub metadata: MetadataOptions,
    /// Disks by device name, the root one included.
    pub block_devices: BTreeMap<String, BlockDevice>,
    /// Whether metrics come every minute instead of every five.
    pub monitoring: bool,
    /// `standard` or `unlimited`, of burstable types.
    pub cpu_credits: Option<String>,
    /// `default`, `dedicated` or `host`.
    pub tenancy: Option<String>,
    /// Launches spot instances; not together with a mixed instances policy.
    pub spot: Option<SpotOptions>,
    /// What cloud-init runs, as plain text.
    pub user_data: String,
    /// The tags that instances, volumes and network interfaces get alike.
    pub instance_tags: Tags,
}

/// The network interface of an instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NetworkInterface {
    /// Whether it gets a public IPv4 address.
    pub public_ip: bool,
    /// Its security groups.
    pub security_groups: BTreeSet<Ref>,
    /// How many IPv6 addresses it gets.
    pub ipv6_addresses: u32,
}

/// How the instance metadata service answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MetadataOptions {
    /// Whether it answers at all.
    pub enabled: bool,
    /// `required` (version 2 only) or `optional`.
    pub http_tokens: String,
    /// How many network hops an answer may take; 1 keeps it from containers.
    pub hop_limit: u32,
    /// Whether it answers on IPv6.
    pub ipv6: bool,
}

/// What is behind a device name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum BlockDevice {
    /// An EBS volume.
    Ebs(EbsVolume),
    /// A disk of the machine itself: `ephemeral0` ...
    Ephemeral(String),
}

/// An EBS volume that is made with the instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EbsVolume {
    /// GiB.
    pub size: u32,
    /// `gp3`, `io2` ...
    #[serde(rename = "type")]
    pub volume_type: String,
    /// Operations per second, where the type can be told.
    pub iops: Option<u32>,
    /// MiB per second, of `gp3`.
    pub throughput: Option<u32>,
    /// Whether it is encrypted.
    pub encrypted: bool,
    /// The key it is encrypted with; the account's default key for EBS otherwise.
    pub kms_key: Option<String>,
    /// Whether it goes with the instance.
    pub delete_on_termination: bool,
}

/// How spot instances are asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SpotOptions {
    /// USD per hour at most; the on-demand price otherwise.
    pub max_price: Option<String>,
    /// `terminate` (AWS's default), `stop` or `hibernate`.
    pub interruption_behavior: String,
}

impl Model for LaunchTemplate {
    const KIND: Kind = Kind::LaunchTemplate;
    const RULES: Rules = Rules {
        noun: "launch template",
        forces_replacement: &[],
        replace: ReplaceOrder::DeleteFirst,
        text: &["data.userData"],
        ec2_type: Some("launch-template"),
        only_grows: &[],
        loses_data: None,
    };
}

impl LaunchTemplate {
    /// A short hash of the content: equal for equal content, with references by address. Groups pin it, so that desired
    /// state holds no version number.
    pub fn content(&self) -> String {
        // Maps and sets are sorted and fields have a fixed order: the text is canonical. Writing to memory can't fail.
        let text = serde_json::to_vec(&self.data).unwrap_or_default();
        sha256(&text)[..16].to_owned()
    }
}

#[cfg(test)]
pub(crate) fn example() -> LaunchTemplate {
    let root = EbsVolume {
        size: 64,
        volume_type: "gp3".into(),
        iops: Some(3000),
        throughput: Some(125),
        encrypted: true,
        kms_key: None,
        delete_on_termination: true,
    };
    LaunchTemplate {
        data: LaunchTemplateData {
            image_id: "ami-1".into(),
            instance_type: "m5.large".into(),
            key_pair: None,
            instance_profile: Some(Ref::to(Kind::InstanceProfile, "nodes.c")),
            network_interface: NetworkInterface {
                public_ip: true,
                security_groups: BTreeSet::from([Ref::id("sg-1")]),
                ipv6_addresses: 0,
            },
            metadata: MetadataOptions { enabled: true, http_tokens: "required".into(), hop_limit: 1, ipv6: false },
            block_devices: BTreeMap::from([
                ("/dev/sda1".to_owned(), BlockDevice::Ebs(root)),
                ("/dev/sdc".to_owned(), BlockDevice::Ephemeral("ephemeral0".into())),
            ]),
            monitoring: false,
            cpu_credits: Some("standard".into()),
            tenancy: None,
            spot: Some(SpotOptions { max_price: Some("0.1".into()), interruption_behavior: "terminate".into() }),
            user_data: "#!/bin/sh\necho hello\n".into(),
            instance_tags: super::tags::owned("c", "nodes.c"),
        },
        tags: super::tags::owned("c", "nodes.c"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The hash follows the content that instances are made of, and nothing else.
    #[test]
    fn the_hash_is_of_the_content() {
        let template = example();
        let mut other = template.clone();
        other.tags.insert("team".into(), "a".into());
        assert_eq!(template.content(), other.content());
        assert_eq!(template.content().len(), 16);
        other.data.user_data.push('x');
        assert_ne!(template.content(), other.content());
    }
}
