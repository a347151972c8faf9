//! The launch template of an instance group: what its machines are made of.

use std::collections::{BTreeMap, BTreeSet};

use super::{Input, iam, node_config, security, tags, user_data};
use crate::catalogue::ImageInfo;
use crate::error::{Error, Result};
use crate::resource::launch_template::{
    BlockDevice, EbsVolume, LaunchTemplate, LaunchTemplateData, MetadataOptions, NetworkInterface, SpotOptions,
};
use crate::resource::{Desired, KeyPair, Kind, Ref, key_pair};
use crate::spec::InstanceGroup;
use crate::spec::instance_group::{HttpTokens, InterruptionBehavior};
use crate::spec::volume;

/// The launch template of a group, with the node configuration that it leads to.
pub(super) fn build(input: &Input<'_>, group: &InstanceGroup, desired: &mut Desired) -> Result<LaunchTemplate> {
    let config = node_config::build(input, group)?;
    let user_data = user_data::build(input, group, config.as_ref())?;
    if let Some(config) = config {
        input.add(desired, &config.name(), config.clone())?;
    }
    let all = tags::of_group(input, group);
    let template = LaunchTemplate { data: data(input, group, user_data)?, tags: all };
    input.add(desired, &input.names().instance_group(group), template.clone())?;
    Ok(template)
}

fn data(input: &Input<'_>, group: &InstanceGroup, user_data: String) -> Result<LaunchTemplateData> {
    let spec = &group.spec;
    let subnets = input.cluster.spec.subnets_of(spec);
    let ipv6 = !subnets.is_empty() && subnets.iter().all(|s| s.ipv6_cidr.is_some());
    let image = image(input, group)?;
    Ok(LaunchTemplateData {
        image_id: image.id.clone(),
        instance_type: spec.machine_type().to_owned(),
        key_pair: key_pair(input),
        instance_profile: Some(iam::profile(input, group)),
        network_interface: NetworkInterface {
            public_ip: group.associates_public_ip(&input.cluster.spec),
            security_groups: security_groups(input, group),
            ipv6_addresses: u32::from(ipv6),
        },
        metadata: MetadataOptions {
            enabled: true,
            http_tokens: match spec.http_tokens() {
                HttpTokens::Required => "required".to_owned(),
                HttpTokens::Optional => "optional".to_owned(),
            },
            hop_limit: spec.http_put_response_hop_limit(),
            ipv6,
        },
        block_devices: block_devices(group, image),
        monitoring: spec.detailed_instance_monitoring.unwrap_or(false),
        cpu_credits: spec.cpu_credits.map(|c| c.as_str().to_owned()),
        tenancy: spec.tenancy.map(|t| t.as_str().to_owned()),
        spot: spot(group),
        user_data,
        instance_tags: tags::of_group(input, group),
    })
}

/// The image of a group.
pub(super) fn image<'a>(input: &Input<'a>, group: &InstanceGroup) -> Result<&'a ImageInfo> {
    let missing = || Error::failed(format!("the image of group {} is not known", group.name()));
    input.facts.images.get(group.name()).ok_or_else(missing)
}

fn security_groups(input: &Input<'_>, group: &InstanceGroup) -> BTreeSet<Ref> {
    let more = group.spec.additional_security_groups.iter().map(Ref::id);
    more.chain([security::of_group(input, group)]).collect()
}

/// A policy says itself how machines are bought; without one a price makes the whole group spot.
fn spot(group: &InstanceGroup) -> Option<SpotOptions> {
    let price = group.spec.max_price.clone().filter(|_| group.spec.mixed_instances_policy.is_none())?;
    let behavior = group.spec.instance_interruption_behavior.unwrap_or(InterruptionBehavior::Terminate);
    Some(SpotOptions {
        max_price: Some(price),
        interruption_behavior: match behavior {
            InterruptionBehavior::Terminate => "terminate",
            InterruptionBehavior::Stop => "stop",
            InterruptionBehavior::Hibernate => "hibernate",
        }
        .to_owned(),
    })
}

/// The root volume and the spec's further ones. Instance-store disks of today's types appear by themselves.
fn block_devices(group: &InstanceGroup, image: &ImageInfo) -> BTreeMap<String, BlockDevice> {
    let more = group.spec.volumes.iter().map(|v| (v.device.clone(), v.complete()));
    let root = (image.root_device_name.clone(), group.spec.root_volume());
    [root].into_iter().chain(more).map(|(device, v)| (device, BlockDevice::Ebs(ebs(v)))).collect()
}

fn ebs(volume: volume::EbsVolume) -> EbsVolume {
    EbsVolume {
        size: volume.size_gib,
        volume_type: volume.volume_type.as_str().to_owned(),
        iops: volume.iops,
        throughput: volume.throughput,
        encrypted: volume.encrypted,
        kms_key: volume.kms_key,
        delete_on_termination: volume.delete_on_termination,
    }
}

/// The SSH key pair: an existing one by name, none if the spec says so, else the cluster's own, if a key was given.
fn key_pair(input: &Input<'_>) -> Option<Ref> {
    match input.cluster.spec.ssh_key_name.as_deref() {
        Some("") => None,
        Some(name) => Some(Ref::id(name)),
        None => {
            let key = input.facts.ssh_public_key.as_ref()?;
            Some(Ref::to(Kind::KeyPair, input.names().key_pair(key)))
        }
    }
}

/// The cluster's own key pair, if machines use it.
pub(super) fn own_key_pair(input: &Input<'_>, desired: &mut Desired) -> Result<()> {
    let (Some(Ref::Addr(addr)), Some(key)) = (key_pair(input), &input.facts.ssh_public_key) else { return Ok(()) };
    let pair = KeyPair { public_key: key_pair::normalised(key), tags: tags::owned(input, &addr.name) };
    input.add(desired, &addr.name, pair)
}
