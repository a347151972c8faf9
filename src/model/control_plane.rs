//! What the control plane has besides machines: the API's load balancer, etcd's volumes.

use std::collections::BTreeSet;

use super::balancer::{self, Balancer, Targets};
use super::security::{API_CERTIFICATE_PORT, API_PORT};
use super::{Input, security, tags};
use crate::error::{Error, Result};
use crate::resource::volume::ETCD_TAG;
use crate::resource::{Desired, Kind, Listener, Ref, Volume};
use crate::spec::api::ApiLoadBalancer;
use crate::spec::etcd::{EtcdCluster, EtcdMember};
use crate::spec::{Role, Subnet};

/// The API's load balancer.
const API: &str = "api";
/// The API, as clients reach it with Kubernetes' own certificate.
const API_TARGETS: Targets = Targets { prefix: "tcp", protocol: "TCP", port: API_PORT, preserve_client_ip: false };
/// The API behind a certificate of ACM.
const API_CERTIFICATE_TARGETS: Targets =
    Targets { prefix: "tls", protocol: "TLS", port: API_PORT, preserve_client_ip: false };
/// The ciphers of a listener with a certificate, unless the spec names others.
const SSL_POLICY: &str = "ELBSecurityPolicy-TLS13-1-2-2021-06";

pub(super) fn build(input: &Input<'_>, desired: &mut Desired) -> Result<()> {
    if input.cluster.spec.api_uses_load_balancer() {
        load_balancer(input, desired)?;
    }
    for cluster in &input.cluster.spec.etcd_clusters {
        cluster.etcd_members.iter().try_for_each(|m| volume(input, desired, cluster, m))?;
    }
    Ok(())
}

/// The target groups that control-plane machines are registered with.
pub(super) fn target_groups(input: &Input<'_>) -> BTreeSet<Ref> {
    let spec = &input.cluster.spec;
    if !spec.api_uses_load_balancer() {
        return BTreeSet::new();
    }
    let certificate = spec.api_load_balancer().is_some_and(|lb| lb.ssl_certificate.is_some());
    let all = [Some(API_TARGETS), certificate.then_some(API_CERTIFICATE_TARGETS)];
    all.into_iter().flatten().map(|t| Ref::to(Kind::TargetGroup, input.names().balancer(t.prefix))).collect()
}

fn load_balancer(input: &Input<'_>, desired: &mut Desired) -> Result<()> {
    let spec = &input.cluster.spec;
    let given = spec.api_load_balancer().cloned().unwrap_or_default();
    refuse_addresses(&given)?;
    let more = given.additional_security_groups.iter().map(Ref::id);
    let balancer = Balancer {
        prefix: API,
        balancer_type: spec.api_load_balancer_type(),
        subnets: subnets(input, &given)?,
        security_groups: more.chain([security::of_api(input)]).collect(),
        cross_zone: input.cluster.cross_zone_load_balancing(),
    };
    balancer.add(input, desired)?;
    balancer::target_group(input, desired, API_TARGETS)?;
    match &given.ssl_certificate {
        None => balancer::tcp_listener(input, desired, API, API_PORT, API_TARGETS.prefix),
        Some(certificate) => {
            balancer::target_group(input, desired, API_CERTIFICATE_TARGETS)?;
            certificate_listener(input, desired, certificate, given.ssl_policy.as_deref())?;
            balancer::tcp_listener(input, desired, API, API_CERTIFICATE_PORT, API_TARGETS.prefix)
        }
    }
}

/// The subnets that the spec names, else one per zone.
fn subnets<'a>(input: &Input<'a>, given: &ApiLoadBalancer) -> Result<Vec<&'a Subnet>> {
    let spec = &input.cluster.spec;
    if given.subnets.is_empty() {
        return Ok(balancer::one_per_zone(input, spec.api_load_balancer_type()));
    }
    let named = |name: &str| {
        spec.subnet(name)
            .ok_or_else(|| Error::invalid(format!("spec.api.loadBalancer names the unknown subnet {name}")))
    };
    given.subnets.iter().map(|s| named(&s.name)).collect()
}

/// Addresses of one's own and access logs are not built yet: better no load balancer than another one than was asked for.
fn refuse_addresses(given: &ApiLoadBalancer) -> Result<()> {
    let addressed =
        |s: &crate::spec::api::LoadBalancerSubnet| s.private_ipv4_address.is_some() || s.allocation_id.is_some();
    let what = match given {
        ApiLoadBalancer { access_log: Some(_), .. } => "accessLog",
        given if given.subnets.iter().any(addressed) => "an address in subnets",
        _ => return Ok(()),
    };
    Err(Error::invalid(format!("spec.api.loadBalancer: {what} is not supported"))
        .hint("leave it out: AWS then chooses the addresses"))
}

fn certificate_listener(input: &Input<'_>, desired: &mut Desired, arn: &str, policy: Option<&str>) -> Result<()> {
    let balancer = input.names().balancer(API);
    let listener = Listener {
        cluster: input.cluster.name().to_owned(),
        load_balancer: Ref::to(Kind::LoadBalancer, &balancer),
        port: API_PORT,
        protocol: "TLS".to_owned(),
        target_group: Ref::to(Kind::TargetGroup, input.names().balancer(API_CERTIFICATE_TARGETS.prefix)),
        certificate: Some(arn.to_owned()),
        ssl_policy: Some(policy.unwrap_or(SSL_POLICY).to_owned()),
    };
    input.add(desired, &balancer::listener_name(&balancer, API_PORT), listener)
}

/// The volume of an etcd member, in the zone of the group that runs it. It outlives every machine.
fn volume(input: &Input<'_>, desired: &mut Desired, cluster: &EtcdCluster, member: &EtcdMember) -> Result<()> {
    let unknown = || {
        Error::invalid(
            format!("member {} of etcd cluster {} has no zone: ", member.name, cluster.name)
                + &format!("its group {} does not exist or has no subnet", member.instance_group),
        )
    };
    let group = input.groups.iter().find(|g| g.name() == member.instance_group).ok_or_else(unknown)?;
    let subnet = input.cluster.spec.subnets_of(&group.spec).into_iter().next().ok_or_else(unknown)?;
    let mut members: Vec<&str> = cluster.etcd_members.iter().map(|m| m.name.as_str()).collect();
    members.sort_unstable();
    let name = input.names().etcd_volume(&member.name, &cluster.name);
    let mut all = tags::owned(input, &name);
    all.extend(tags::role_tags(Role::ControlPlane));
    all.insert(format!("{ETCD_TAG}{}", cluster.name), format!("{}/{}", member.name, members.join(",")));
    let wanted = member.volume();
    let volume = Volume {
        zone: subnet.zone.clone(),
        size_gib: size(wanted.size_gib)?,
        volume_type: wanted.volume_type.as_str().to_owned(),
        iops: wanted.iops.map(size).transpose()?,
        throughput: wanted.throughput.map(size).transpose()?,
        encrypted: wanted.encrypted,
        kms_key: wanted.kms_key,
        tags: all,
    };
    input.add(desired, &name, volume)
}

fn size(amount: u32) -> Result<i32> {
    i32::try_from(amount).map_err(|_| Error::invalid(format!("{amount} is more than a volume can have")))
}
