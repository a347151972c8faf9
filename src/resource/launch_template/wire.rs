//! The content of a launch template version, to and from EC2's types.

use aws_sdk_ec2::types::builders::LaunchTemplateEbsBlockDeviceRequestBuilder;
use aws_sdk_ec2::types::{
    CreditSpecificationRequest, LaunchTemplateBlockDeviceMapping, LaunchTemplateBlockDeviceMappingRequest,
    LaunchTemplateEbsBlockDevice, LaunchTemplateEbsBlockDeviceRequest, LaunchTemplateHttpTokensState,
    LaunchTemplateIamInstanceProfileSpecificationRequest, LaunchTemplateInstanceMarketOptionsRequest,
    LaunchTemplateInstanceMetadataEndpointState, LaunchTemplateInstanceMetadataOptionsRequest,
    LaunchTemplateInstanceMetadataProtocolIpv6, LaunchTemplateInstanceNetworkInterfaceSpecificationRequest,
    LaunchTemplatePlacementRequest, LaunchTemplateSpotMarketOptionsRequest, LaunchTemplateTagSpecificationRequest,
    LaunchTemplatesMonitoringRequest, MarketType, RequestLaunchTemplateData, ResourceType, ResponseLaunchTemplateData,
    SpotInstanceType,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{BlockDevice, EbsVolume, LaunchTemplateData, MetadataOptions, NetworkInterface, SpotOptions};
use crate::cloud::Scope;
use crate::cloud::aws::{Call, ec2_tags, from_ec2_tags};
use crate::error::Result;
use crate::resource::{Ref, Tags};

/// What gets the instance tags.
const TAGGED: [ResourceType; 3] = [ResourceType::Instance, ResourceType::Volume, ResourceType::NetworkInterface];

/// The content as a create call takes it.
pub(super) fn request(data: &LaunchTemplateData, call: &Call<'_>) -> Result<RequestLaunchTemplateData> {
    let key = data.key_pair.as_ref().map(|k| call.id(k)).transpose()?;
    let tag_specifications = TAGGED.into_iter().map(|kind| {
        let tags = ec2_tags(&data.instance_tags);
        LaunchTemplateTagSpecificationRequest::builder().resource_type(kind).set_tags(Some(tags)).build()
    });
    let request = RequestLaunchTemplateData::builder()
        .image_id(&data.image_id)
        .instance_type(data.instance_type.as_str().into())
        .set_key_name(key)
        .set_iam_instance_profile(profile(data, call)?)
        .network_interfaces(interface(&data.network_interface, call)?)
        .metadata_options(metadata(&data.metadata))
        .set_block_device_mappings(Some(data.block_devices.iter().map(|(name, d)| device(name, d)).collect()))
        .monitoring(LaunchTemplatesMonitoringRequest::builder().enabled(data.monitoring).build())
        .set_credit_specification(data.cpu_credits.as_ref().map(|c| credits(c)))
        .set_placement(data.tenancy.as_deref().map(|t| LaunchTemplatePlacementRequest::builder().tenancy(t.into()).build()))
        .set_instance_market_options(data.spot.as_ref().map(market))
        .set_user_data(Some(STANDARD.encode(&data.user_data)).filter(|d| !d.is_empty()))
        .set_tag_specifications(Some(tag_specifications.collect()).filter(|_| !data.instance_tags.is_empty()));
    Ok(request.build())
}

fn profile(
    data: &LaunchTemplateData,
    call: &Call<'_>,
) -> Result<Option<LaunchTemplateIamInstanceProfileSpecificationRequest>> {
    let Some(profile) = &data.instance_profile else { return Ok(None) };
    let id = call.id(profile)?;
    let request = LaunchTemplateIamInstanceProfileSpecificationRequest::builder();
    Ok(Some(if id.starts_with("arn:") { request.arn(id) } else { request.name(id) }.build()))
}

fn interface(
    interface: &NetworkInterface,
    call: &Call<'_>,
) -> Result<LaunchTemplateInstanceNetworkInterfaceSpecificationRequest> {
    let ipv6 = Some(interface.ipv6_addresses).filter(|n| *n > 0).map(u32::cast_signed);
    Ok(LaunchTemplateInstanceNetworkInterfaceSpecificationRequest::builder()
        .device_index(0)
        .delete_on_termination(true)
        .associate_public_ip_address(interface.public_ip)
        .set_groups(Some(call.all(&interface.security_groups)?))
        .set_ipv6_address_count(ipv6)
        .build())
}

fn metadata(options: &MetadataOptions) -> LaunchTemplateInstanceMetadataOptionsRequest {
    use LaunchTemplateInstanceMetadataEndpointState as Endpoint;
    use LaunchTemplateInstanceMetadataProtocolIpv6 as Ipv6;
    LaunchTemplateInstanceMetadataOptionsRequest::builder()
        .http_endpoint(if options.enabled { Endpoint::Enabled } else { Endpoint::Disabled })
        .http_tokens(options.http_tokens.as_str().into())
        .http_put_response_hop_limit(options.hop_limit.cast_signed())
        .http_protocol_ipv6(if options.ipv6 { Ipv6::Enabled } else { Ipv6::Disabled })
        .build()
}

fn device(name: &str, device: &BlockDevice) -> LaunchTemplateBlockDeviceMappingRequest {
    let mapping = LaunchTemplateBlockDeviceMappingRequest::builder().device_name(name);
    match device {
        BlockDevice::Ebs(volume) => mapping.ebs(ebs(volume).build()),
        BlockDevice::Ephemeral(disk) => mapping.virtual_name(disk),
    }
    .build()
}

fn ebs(volume: &EbsVolume) -> LaunchTemplateEbsBlockDeviceRequestBuilder {
    LaunchTemplateEbsBlockDeviceRequest::builder()
        .volume_size(volume.size.cast_signed())
        .volume_type(volume.volume_type.as_str().into())
        .set_iops(volume.iops.map(u32::cast_signed))
        .set_throughput(volume.throughput.map(u32::cast_signed))
        .encrypted(volume.encrypted)
        .set_kms_key_id(volume.kms_key.clone())
        .delete_on_termination(volume.delete_on_termination)
}

fn credits(credits: &str) -> CreditSpecificationRequest {
    CreditSpecificationRequest::builder().cpu_credits(credits).build()
}

fn market(spot: &SpotOptions) -> LaunchTemplateInstanceMarketOptionsRequest {
    let options = LaunchTemplateSpotMarketOptionsRequest::builder()
        .spot_instance_type(SpotInstanceType::OneTime)
        .set_max_price(spot.max_price.clone())
        .instance_interruption_behavior(spot.interruption_behavior.as_str().into());
    LaunchTemplateInstanceMarketOptionsRequest::builder()
        .market_type(MarketType::Spot)
        .spot_options(options.build())
        .build()
}

/// The content as a describe call answers it, with references by id.
pub(super) fn observed(scope: &Scope, data: &ResponseLaunchTemplateData) -> LaunchTemplateData {
    let profile = data.iam_instance_profile().and_then(|p| p.arn().or(p.name()));
    LaunchTemplateData {
        image_id: data.image_id().unwrap_or_default().to_owned(),
        instance_type: data.instance_type().map(|t| t.as_str().to_owned()).unwrap_or_default(),
        key_pair: data.key_name().map(Ref::id),
        instance_profile: profile.map(Ref::id),
        network_interface: observed_interface(data),
        metadata: observed_metadata(data),
        block_devices: data.block_device_mappings().iter().filter_map(observed_device).collect(),
        monitoring: data.monitoring().and_then(|m| m.enabled()).unwrap_or_default(),
        cpu_credits: data.credit_specification().and_then(|c| c.cpu_credits()).map(str::to_owned),
        tenancy: data.placement().and_then(|p| p.tenancy()).map(|t| t.as_str().to_owned()),
        spot: data.instance_market_options().filter(|m| m.market_type() == Some(&MarketType::Spot)).map(|market| {
            let options = market.spot_options();
            SpotOptions {
                max_price: options.and_then(|o| o.max_price()).map(str::to_owned),
                interruption_behavior: options
                    .and_then(|o| o.instance_interruption_behavior())
                    .map_or("terminate", |b| b.as_str())
                    .to_owned(),
            }
        }),
        user_data: observed_user_data(data),
        instance_tags: observed_tags(scope, data),
    }
}

fn number(n: Option<i32>) -> Option<u32> {
    n.and_then(|n| u32::try_from(n).ok())
}

fn observed_interface(data: &ResponseLaunchTemplateData) -> NetworkInterface {
    let first = data.network_interfaces().iter().find(|i| i.device_index().unwrap_or_default() == 0);
    // A template made by hand may name the groups outside of an interface.
    let groups = first.map_or_else(|| data.security_group_ids(), |i| i.groups());
    NetworkInterface {
        public_ip: first.and_then(|i| i.associate_public_ip_address()).unwrap_or_default(),
        security_groups: groups.iter().map(Ref::id).collect(),
        ipv6_addresses: number(first.and_then(|i| i.ipv6_address_count())).unwrap_or_default(),
    }
}

fn observed_metadata(data: &ResponseLaunchTemplateData) -> MetadataOptions {
    let options = data.metadata_options();
    let endpoint = options.and_then(|o| o.http_endpoint());
    MetadataOptions {
        enabled: endpoint != Some(&LaunchTemplateInstanceMetadataEndpointState::Disabled),
        http_tokens: options
            .and_then(|o| o.http_tokens())
            .unwrap_or(&LaunchTemplateHttpTokensState::Optional)
            .as_str()
            .to_owned(),
        hop_limit: number(options.and_then(|o| o.http_put_response_hop_limit())).unwrap_or(1),
        ipv6: options.and_then(|o| o.http_protocol_ipv6()) == Some(&LaunchTemplateInstanceMetadataProtocolIpv6::Enabled),
    }
}

fn observed_device(mapping: &LaunchTemplateBlockDeviceMapping) -> Option<(String, BlockDevice)> {
    let device = match (mapping.ebs(), mapping.virtual_name()) {
        (Some(volume), _) => BlockDevice::Ebs(observed_ebs(volume)),
        (None, Some(disk)) => BlockDevice::Ephemeral(disk.to_owned()),
        (None, None) => return None,
    };
    Some((mapping.device_name()?.to_owned(), device))
}

fn observed_ebs(volume: &LaunchTemplateEbsBlockDevice) -> EbsVolume {
    EbsVolume {
        size: number(volume.volume_size()).unwrap_or_default(),
        volume_type: volume.volume_type().map(|t| t.as_str().to_owned()).unwrap_or_default(),
        iops: number(volume.iops()),
        throughput: number(volume.throughput()),
        encrypted: volume.encrypted().unwrap_or_default(),
        kms_key: volume.kms_key_id().map(str::to_owned),
        delete_on_termination: volume.delete_on_termination().unwrap_or_default(),
    }
}

/// User data that is no text (compressed by hand) is shown as it came, in base64.
fn observed_user_data(data: &ResponseLaunchTemplateData) -> String {
    let raw = data.user_data().unwrap_or_default();
    let text = STANDARD.decode(raw).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    text.unwrap_or_else(|| raw.to_owned())
}

/// The tags that all three kinds of things get; one that only some of them get shows up as missing.
fn observed_tags(scope: &Scope, data: &ResponseLaunchTemplateData) -> Tags {
    let of = |kind: &ResourceType| {
        let spec = data.tag_specifications().iter().find(|s| s.resource_type() == Some(kind));
        spec.map(|s| from_ec2_tags(scope, s.tags())).unwrap_or_default()
    };
    let [mut common, volume, interface] = TAGGED.each_ref().map(of);
    common.retain(|k, v| volume.get(k) == Some(v) && interface.get(k) == Some(v));
    common
}
