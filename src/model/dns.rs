//! Names in Route 53: the API's and the bastion's, as aliases of their load balancers. A cluster without DNS has none.

use super::bastion::{self, BASTION};
use super::{Input, shared, tags};
use crate::error::{Error, Result};
use crate::resource::record_set::Answer;
use crate::resource::{Desired, HostedZone, Kind, RecordSet, Ref};
use crate::spec::networking::DnsType;

pub(super) fn build(input: &Input<'_>, desired: &mut Desired) -> Result<()> {
    if input.cluster.dns_type() == DnsType::None {
        return Ok(());
    }
    let zone = zone(input, desired)?;
    if let Some(name) = input.cluster.api_public_name().filter(|_| input.cluster.spec.api_uses_load_balancer()) {
        alias(input, desired, (&zone, &name), "api")?;
    }
    let bastion = bastion::spec(input).and_then(|b| b.bastion_public_name.as_deref());
    match bastion.filter(|_| bastion::exists(input)) {
        Some(name) => alias(input, desired, (&zone, name), BASTION),
        None => Ok(()),
    }
}

/// The zone: one that exists, by id; else, for a private cluster, one of its own.
fn zone(input: &Input<'_>, desired: &mut Desired) -> Result<Ref> {
    let given = input.cluster.spec.dns_zone.as_deref().map(|z| z.trim_end_matches('.'));
    if let Some(id) = given.filter(|z| !z.contains('.')).or(input.facts.hosted_zone.as_deref()) {
        return Ok(Ref::id(id));
    }
    let name = given.unwrap_or(input.cluster.name());
    if input.cluster.dns_type() == DnsType::Public {
        return Err(Error::failed(format!("there is no public Route 53 zone for {name}"))
            .hint("create the zone, name another one in spec.dnsZone, or use topology.dns.type None"));
    }
    let zone =
        HostedZone { vpc: shared::vpc(input), region: input.account.region.clone(), tags: tags::owned(input, name) };
    input.add(desired, name, zone)?;
    Ok(Ref::to(Kind::HostedZone, name))
}

fn alias(input: &Input<'_>, desired: &mut Desired, (zone, name): (&Ref, &str), balancer: &str) -> Result<()> {
    let balancer = Ref::to(Kind::LoadBalancer, input.names().balancer(balancer));
    // Where the load balancer has no IPv6 address the second record answers nothing.
    for record_type in ["A", "AAAA"] {
        let record = RecordSet {
            zone: zone.clone(),
            name: name.to_lowercase(),
            record_type: record_type.to_owned(),
            answer: Answer::Alias { target: balancer.clone() },
        };
        let address = record.address_name();
        input.add(desired, &address, record)?;
    }
    Ok(())
}
