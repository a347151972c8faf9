//! The volumes of etcd's members, as machines of the control plane use them.

use std::collections::BTreeSet;

use super::{AwsCloud, AwsError};
use crate::error::{Error, Result};
use crate::resource::volume::ETCD_TAG;

/// Device names for attached volumes, as EC2 recommends them.
const DEVICES: std::ops::RangeInclusive<u8> = b'f'..=b'p';

/// A member's volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberVolume {
    /// `vol-...`
    pub id: String,
    /// The etcd cluster.
    pub etcd: String,
    /// The member.
    pub member: String,
    /// The availability zone.
    pub zone: String,
    /// The instance that it is attached to, or is being.
    pub instance: Option<String>,
    /// How far that is: `attaching`, `attached`, `detaching` ...
    pub attachment: String,
}

impl AwsCloud {
    /// The volumes of a cluster's etcd members, without those that are going: one paged sweep.
    pub async fn member_volumes(&self, cluster: &str) -> Result<Vec<MemberVolume>> {
        let mut pages = self
            .ec2
            .describe_volumes()
            .filters(super::ec2_cluster_filter(cluster))
            .filters(aws_sdk_ec2::types::Filter::builder().name("tag-key").values(format!("{ETCD_TAG}*")).build())
            .into_paginator()
            .send();
        let mut all = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|e| AwsError::of(format!("list etcd's volumes of cluster {cluster}"), &e))?;
            all.extend(page.volumes().iter().filter_map(member_volume));
        }
        Ok(all)
    }

    /// Attaches a volume to an instance, under the first device name that is free.
    pub async fn attach_volume(&self, volume: &str, instance: &str) -> Result<()> {
        let taken = self.devices(instance).await?;
        let free = DEVICES.map(|letter| format!("/dev/sd{}", char::from(letter)));
        // The same device by either of its names.
        let is_free =
            |device: &String| !taken.contains(device) && !taken.contains(&device.replace("/dev/sd", "/dev/xvd"));
        let none = || Error::failed(format!("{instance} has no device name left for volume {volume}"));
        let device = free.into_iter().find(is_free).ok_or_else(none)?;
        let call = self.ec2.attach_volume().volume_id(volume).instance_id(instance).device(device);
        let attached = call.customize().send().await;
        attached.map_err(|e| AwsError::of(format!("attach volume {volume} to {instance}"), &e))?;
        Ok(())
    }

    /// The device names that an instance has given.
    async fn devices(&self, instance: &str) -> Result<BTreeSet<String>> {
        let found = self.ec2.describe_instances().instance_ids(instance).customize().send().await;
        let found = found.map_err(|e| AwsError::of(format!("describe {instance}"), &e))?;
        let mappings = found.reservations().iter().flat_map(|r| r.instances()).flat_map(|i| i.block_device_mappings());
        Ok(mappings.filter_map(|m| m.device_name().map(str::to_owned)).collect())
    }
}

/// The volume of a member, if it has one. Of two nobody can tell which has the member's data.
pub fn of_member<'a>(all: &'a [MemberVolume], etcd: &str, member: &str) -> Result<Option<&'a MemberVolume>> {
    let found: Vec<&MemberVolume> = all.iter().filter(|v| v.etcd == etcd && v.member == member).collect();
    match found[..] {
        [] => Ok(None),
        [volume] => Ok(Some(volume)),
        _ => {
            let ids: Vec<&str> = found.iter().map(|v| v.id.as_str()).collect();
            let ids = ids.join(" and ");
            let of = |v: &MemberVolume| match &v.instance {
                Some(instance) => format!("{} in {}, at {instance}", v.id, v.zone),
                None => format!("{} in {}, at no machine", v.id, v.zone),
            };
            let error = Error::failed(format!("{ids} are all tagged as the volume of etcd {etcd} member {member}"));
            let error = found.iter().fold(error, |error, v| error.detail(of(v)));
            Err(error.hint(format!(
                "take the tag from the one without the member's data: \
                 aws ec2 delete-tags --resources vol-... --tags Key={ETCD_TAG}{etcd}"
            )))
        }
    }
}

fn member_volume(volume: &aws_sdk_ec2::types::Volume) -> Option<MemberVolume> {
    use aws_sdk_ec2::types::VolumeState;
    if matches!(volume.state(), Some(VolumeState::Deleting | VolumeState::Deleted)) {
        return None;
    }
    let tag = volume.tags().iter().find_map(|t| Some((t.key()?.strip_prefix(ETCD_TAG)?, t.value()?)))?;
    let attached = volume.attachments().first();
    Some(MemberVolume {
        id: volume.volume_id()?.to_owned(),
        etcd: tag.0.to_owned(),
        member: tag.1.split('/').next()?.to_owned(),
        zone: volume.availability_zone().unwrap_or_default().to_owned(),
        instance: attached.and_then(|a| a.instance_id()).map(str::to_owned),
        attachment: attached.and_then(|a| a.state()).map(|s| s.as_str().to_owned()).unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use aws_sdk_ec2::types::{Tag, Volume, VolumeState};

    use super::*;

    fn volume(id: &str, member: &str, state: VolumeState) -> Option<MemberVolume> {
        let tag = Tag::builder().key(format!("{ETCD_TAG}main")).value(format!("{member}/a,b")).build();
        member_volume(&Volume::builder().volume_id(id).availability_zone("eu-west-1a").state(state).tags(tag).build())
    }

    /// A member has one volume or none; two are named, with what to do. One that is going is none.
    #[test]
    fn a_member_has_one_volume() {
        let states = [VolumeState::InUse, VolumeState::Deleting, VolumeState::Available, VolumeState::Available];
        let made = [("vol-1", "a"), ("vol-2", "a"), ("vol-3", "b"), ("vol-4", "b")].into_iter().zip(states);
        let all: Vec<MemberVolume> = made.filter_map(|((id, member), state)| volume(id, member, state)).collect();
        let found = |etcd, member| of_member(&all, etcd, member).map(|found| found.map(|v| v.id.as_str()));
        assert_eq!(found("main", "a").unwrap(), Some("vol-1"));
        assert_eq!(found("events", "a").unwrap(), None);
        assert_eq!(found("main", "c").unwrap(), None);
        let error = found("main", "b").unwrap_err();
        assert!(error.message().contains("vol-3 and vol-4"), "{error}");
        assert!(error.hints()[0].contains("--tags Key=k8s.io/etcd/main"), "{:?}", error.hints());
    }
}
