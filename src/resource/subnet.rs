//! Subnet, with its place in the VPC's IPv6 range and what machines in it are called.

use std::collections::BTreeMap;

use async_trait::async_trait;
use aws_sdk_ec2::types::{
    AttributeBooleanValue, Filter, HostnameType, ResourceType, Subnet as AwsSubnet, SubnetCidrBlockStateCode,
};
use ipnet::Ipv6Net;
use serde::{Deserialize, Serialize};

use super::{Aws, Changed, Created, Found, Kind, Model, Ref, ReplaceOrder, Rules, Tags, tags, vpc};
use crate::cloud::aws::{AwsCloud, AwsError, Call, ec2_cluster_filter, ec2_tag_spec, from_ec2_tags, no_retry, once};
use crate::cloud::{Attrs, Scope};
use crate::error::{Error, Result};

/// One zone's part of the network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Subnet {
    /// The VPC it is cut from.
    pub vpc: Ref,
    /// The availability zone.
    pub zone: String,
    /// The IPv4 range.
    pub cidr: String,
    /// Which /64 of the VPC's IPv6 range it has, counted from 0; none if it has no IPv6.
    pub ipv6: Option<u16>,
    /// Whether machines are named after their instance id, and those names resolve.
    pub resource_name_dns: bool,
    /// Whether machines get an IPv6 address when they start.
    pub assign_ipv6: bool,
    /// Whether AWS's resolver gives names that have only IPv4 an IPv6 address, which NAT gateways translate (NAT64).
    pub dns64: bool,
    /// Its tags.
    pub tags: Tags,
}

impl Model for Subnet {
    const KIND: Kind = Kind::Subnet;
    const RULES: Rules = Rules {
        noun: "subnet",
        forces_replacement: &["vpc", "zone", "cidr"],
        replace: ReplaceOrder::DeleteFirst,
        text: &[],
        ec2_type: Some("subnet"),
        only_grows: &[],
        loses_data: None,
    };
}

/// The `n`th /64 of `range`.
fn nth(range: &str, n: u16) -> Result<String> {
    let bad = || Error::failed(format!("the VPC's IPv6 range {range} has no /64 number {n}"));
    let range: Ipv6Net = range.parse().map_err(|_| bad())?;
    range.subnets(64).ok().and_then(|mut s| s.nth(usize::from(n))).map(|net| net.to_string()).ok_or_else(bad)
}

/// Which /64 of `range` the subnet range `part` is.
fn number(range: &str, part: &str) -> Option<u16> {
    let (range, part) = (range.parse::<Ipv6Net>().ok()?, part.parse::<Ipv6Net>().ok()?);
    let offset = (part.network().to_bits() - range.contains(&part).then(|| range.network().to_bits())?) >> 64;
    u16::try_from(offset).ok()
}

/// The IPv6 range and its association's id.
fn ipv6_of(subnet: &AwsSubnet) -> Option<(&str, &str)> {
    subnet.ipv6_cidr_block_association_set().iter().find_map(|a| {
        let state = a.ipv6_cidr_block_state().and_then(|s| s.state());
        let gone = state.is_some_and(|s| {
            use SubnetCidrBlockStateCode as S;
            matches!(s, S::Disassociating | S::Disassociated | S::Failing | S::Failed)
        });
        if gone { None } else { Some((a.ipv6_cidr_block()?, a.association_id()?)) }
    })
}

fn normalise(subnet: &AwsSubnet, range: Option<&String>, tags: Tags) -> Found<Subnet> {
    let names = subnet.private_dns_name_options_on_launch();
    let by_name = names.and_then(|n| n.hostname_type()) == Some(&HostnameType::ResourceName);
    let resolves = names.and_then(|n| n.enable_resource_name_dns_a_record()).unwrap_or_default();
    Found {
        name: tags.get(tags::NAME).cloned().unwrap_or_default(),
        id: subnet.subnet_id().unwrap_or_default().to_owned(),
        attrs: Attrs::new(),
        resource: Subnet {
            vpc: Ref::id(subnet.vpc_id().unwrap_or_default()),
            zone: subnet.availability_zone().unwrap_or_default().to_owned(),
            cidr: subnet.cidr_block().unwrap_or_default().to_owned(),
            ipv6: ipv6_of(subnet).zip(range).and_then(|((part, _), range)| number(range, part)),
            resource_name_dns: by_name && resolves,
            assign_ipv6: subnet.assign_ipv6_address_on_creation().unwrap_or_default(),
            dns64: subnet.enable_dns64().unwrap_or_default(),
            tags,
        },
    }
}

async fn list(cloud: &AwsCloud, scope: &Scope) -> Result<Vec<(AwsSubnet, Tags)>> {
    let filter = ec2_cluster_filter(&scope.cluster);
    let mut pages = cloud.ec2.describe_subnets().filters(filter).into_paginator().items().send();
    let mut found = Vec::new();
    while let Some(subnet) = pages.next().await {
        let subnet = subnet.map_err(|e| AwsError::of("list subnets", &e))?;
        let tags = from_ec2_tags(scope, subnet.tags());
        if tags::is_owned(scope, &tags) {
            found.push((subnet, tags));
        }
    }
    Ok(found)
}

async fn read(call: &Call<'_>, id: &str) -> Result<AwsSubnet> {
    once::settled(12, || async {
        let seen = call.cloud.ec2.describe_subnets().subnet_ids(id).customize().send().await;
        seen.map_err(|e| AwsError::of(call.doing("read"), &e))
    })
    .await?
    .subnets
    .and_then(|s| s.into_iter().next())
    .ok_or_else(|| Error::failed(format!("{} is not there after its creation", call.addr)))
}

impl Subnet {
    async fn ipv6_cidr(&self, call: &Call<'_>) -> Result<Option<String>> {
        let Some(n) = self.ipv6 else { return Ok(None) };
        if let Ok(range) = call.ids.attr(&self.vpc, vpc::IPV6_CIDR) {
            return nth(&range, n).map(Some);
        }
        let id = call.id(&self.vpc)?;
        let range = vpc::ipv6_ranges(call.cloud, [id.clone()]).await?.remove(&id);
        let range = range.ok_or_else(|| {
            Error::failed(format!("{} is to have IPv6, but {id} has no IPv6 range", call.addr))
                .hint("give the VPC an IPv6 range, or leave IPv6 out of the subnet")
        })?;
        nth(&range, n).map(Some)
    }

    /// AWS takes one attribute a call.
    async fn set_attributes(&self, call: &Call<'_>, id: &str, live: &Subnet) -> Result<()> {
        let on = |value| AttributeBooleanValue::builder().value(value).build();
        let modify = || call.cloud.ec2.modify_subnet_attribute().subnet_id(id);
        let mut calls = Vec::new();
        if live.resource_name_dns != self.resource_name_dns {
            let names = if self.resource_name_dns { HostnameType::ResourceName } else { HostnameType::IpName };
            calls.push(modify().private_dns_hostname_type_on_launch(names));
            calls.push(modify().enable_resource_name_dns_a_record_on_launch(on(self.resource_name_dns)));
        }
        if live.assign_ipv6 != self.assign_ipv6 {
            calls.push(modify().assign_ipv6_address_on_creation(on(self.assign_ipv6)));
        }
        if live.dns64 != self.dns64 {
            calls.push(modify().enable_dns64(on(self.dns64)));
        }
        for modify in calls {
            once::settled(12, || async {
                let done = modify.clone().customize().send().await;
                done.map_err(|e| AwsError::of(call.doing("set attributes of"), &e))
            })
            .await?;
        }
        Ok(())
    }

    async fn set_ipv6(&self, call: &Call<'_>, id: &str) -> Result<()> {
        let ec2 = &call.cloud.ec2;
        let wanted = self.ipv6_cidr(call).await?;
        let subnet = read(call, id).await?;
        if let Some((cidr, association)) = ipv6_of(&subnet) {
            if wanted.as_deref() == Some(cidr) {
                return Ok(());
            }
            once::deleted(12, || async {
                let remove = ec2.disassociate_subnet_cidr_block().association_id(association).customize().send().await;
                remove.map_err(|e| AwsError::of(call.doing("take the IPv6 range from"), &e))
            })
            .await?;
        }
        let Some(cidr) = wanted else { return Ok(()) };
        once::create_once(
            || async {
                let add = ec2.associate_subnet_cidr_block().subnet_id(id).ipv6_cidr_block(&cidr);
                let done = add.customize().config_override(no_retry()).send().await;
                done.map(drop).map_err(|e| AwsError::of(call.doing(&format!("add {cidr} to")), &e))
            },
            || async {
                let subnet = read(call, id).await?;
                Ok(ipv6_of(&subnet).filter(|(there, _)| *there == cidr).map(drop))
            },
        )
        .await
    }
}

#[async_trait]
impl Aws for Subnet {
    async fn observe(cloud: &AwsCloud, scope: &Scope) -> Result<Vec<Found<Self>>> {
        let all = list(cloud, scope).await?;
        let vpcs = all.iter().filter(|(s, _)| ipv6_of(s).is_some()).filter_map(|(s, _)| s.vpc_id().map(str::to_owned));
        let ranges: BTreeMap<String, String> = vpc::ipv6_ranges(cloud, vpcs).await?;
        let range = |s: &AwsSubnet| s.vpc_id().and_then(|id| ranges.get(id));
        Ok(all.iter().map(|(subnet, tags)| normalise(subnet, range(subnet), tags.clone())).collect())
    }

    async fn create(&self, call: &Call<'_>) -> Result<Created> {
        let vpc = call.id(&self.vpc)?;
        let ipv6 = self.ipv6_cidr(call).await?;
        let request = call
            .cloud
            .ec2
            .create_subnet()
            .vpc_id(&vpc)
            .availability_zone(&self.zone)
            .cidr_block(&self.cidr)
            .set_ipv6_cidr_block(ipv6)
            .tag_specifications(ec2_tag_spec(ResourceType::Subnet, &self.tags));
        let id = once::create_once(
            || async {
                let made = request.clone().customize().config_override(no_retry()).send().await;
                let made = made.map_err(|e| AwsError::of(call.doing("create"), &e))?;
                Ok(made.subnet().and_then(AwsSubnet::subnet_id).unwrap_or_default().to_owned())
            },
            || async {
                let filter = |name: &str, value: &str| Filter::builder().name(name).values(value).build();
                let same = call
                    .cloud
                    .ec2
                    .describe_subnets()
                    .filters(filter("vpc-id", &vpc))
                    .filters(filter("cidr-block", &self.cidr))
                    .filters(filter("tag:Name", &call.addr.name))
                    .customize().send()
                    .await
                    .map_err(|e| AwsError::of(call.doing("look for"), &e))?;
                Ok(same.subnets().first().and_then(AwsSubnet::subnet_id).map(str::to_owned))
            },
        )
        .await?;
        // What a new subnet of AWS starts with.
        let fresh = Subnet { resource_name_dns: false, assign_ipv6: false, dns64: false, ..self.clone() };
        self.set_attributes(call, &id, &fresh).await?;
        Ok(Created { id, attrs: Attrs::new() })
    }

    async fn update(&self, call: &Call<'_>, live: &Found<Self>, changed: &Changed) -> Result<Attrs> {
        let mut now = live.resource.clone();
        if changed.has("ipv6") {
            // A subnet that assigns IPv6 addresses can't be without a range: off before the range goes, on after it came.
            let quiet = Subnet { assign_ipv6: false, dns64: false, ..now.clone() };
            quiet.set_attributes(call, &live.id, &now).await?;
            self.set_ipv6(call, &live.id).await?;
            now = quiet;
        }
        self.set_attributes(call, &live.id, &now).await?;
        call.retag_ec2(&live.id, &live.resource.tags, &self.tags).await?;
        Ok(Attrs::new())
    }

    async fn delete(call: &Call<'_>, live: &Found<Self>) -> Result<()> {
        once::deleted(60, || async {
            let delete = call.cloud.ec2.delete_subnet().subnet_id(&live.id).customize().send().await;
            delete.map_err(|e| AwsError::of(call.doing("delete"), &e))
        })
        .await
        .map_err(|e| {
            e.hint(format!(
                "look for what is still in it: aws ec2 describe-network-interfaces --filters Name=subnet-id,Values={}",
                live.id
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The number of a /64 and the /64 of a number are inverse, and a foreign range has no number.
    #[test]
    fn numbers_of_ipv6_ranges() {
        let range = "2600:1f18:1234:ab00::/56";
        assert_eq!(nth(range, 0).unwrap(), "2600:1f18:1234:ab00::/64");
        assert_eq!(nth(range, 255).unwrap(), "2600:1f18:1234:abff::/64");
        assert!(nth(range, 256).is_err());
        for n in [0, 1, 16, 255] {
            assert_eq!(number(range, &nth(range, n).unwrap()), Some(n));
        }
        assert_eq!(number(range, "2600:1f18:1234:ac00::/64"), None);
        assert_eq!(number(range, "fd00::/64"), None);
    }
}
