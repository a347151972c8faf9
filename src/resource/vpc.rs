//! VPC, with its address ranges and DNS attributes.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use aws_sdk_ec2::operation::associate_vpc_cidr_block::builders::AssociateVpcCidrBlockFluentBuilder;
use aws_sdk_ec2::types::{AttributeBooleanValue, Filter, ResourceType, Vpc as AwsVpc, VpcAttributeName, VpcCidrBlockStateCode};
use serde::{Deserialize, Serialize};

use super::{Aws, Changed, Created, Found, Kind, Model, Ref, ReplaceOrder, Rules, Tags, tags};
use crate::cloud::aws::{AwsCloud, AwsError, Call, ec2_cluster_filter, ec2_tag_spec, from_ec2_tags, no_retry, once};
use crate::cloud::{Attrs, Scope};
use crate::error::{Error, Result};

/// The cluster's network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Vpc {
    /// The primary IPv4 range.
    pub cidr: String,
    /// Further IPv4 ranges.
    pub additional_cidrs: BTreeSet<String>,
    /// Whether it has a /56 of Amazon's IPv6 addresses; given up and taken again it is another one.
    pub ipv6: bool,
    /// Whether the VPC's resolver answers.
    pub dns_support: bool,
    /// Whether instances get DNS names.
    pub dns_hostnames: bool,
    /// The DHCP options set.
    pub dhcp_options: Ref,
    /// Its tags.
    pub tags: Tags,
}

impl Model for Vpc {
    const KIND: Kind = Kind::Vpc;
    const RULES: Rules = Rules {
        noun: "VPC",
        forces_replacement: &["cidr"],
        replace: ReplaceOrder::DeleteFirst,
        text: &[],
        ec2_type: Some("vpc"),
        only_grows: &[],
        loses_data: None,
    };
}

/// The attribute that holds the VPC's IPv6 range.
pub(super) const IPV6_CIDR: &str = "ipv6-cidr";

/// The VPC's IPv6 range and its association's id; one that is being taken away does not count.
fn ipv6_association(vpc: &AwsVpc) -> Option<(&str, &str)> {
    vpc.ipv6_cidr_block_association_set().iter().find_map(|a| {
        let state = a.ipv6_cidr_block_state().and_then(|s| s.state());
        if state.is_none_or(is_there) { Some((a.ipv6_cidr_block()?, a.association_id()?)) } else { None }
    })
}

fn ipv6_of(vpc: &AwsVpc) -> Option<&str> {
    ipv6_association(vpc).map(|(cidr, _)| cidr)
}

/// The IPv4 ranges with their associations' ids, the primary one among them.
fn ranges(vpc: &AwsVpc) -> impl Iterator<Item = (&str, &str)> {
    let all = vpc.cidr_block_association_set().iter();
    let there = all.filter(|a| a.cidr_block_state().and_then(|s| s.state()).is_none_or(is_there));
    there.filter_map(|a| Some((a.cidr_block()?, a.association_id()?)))
}

fn is_there(state: &VpcCidrBlockStateCode) -> bool {
    matches!(state, VpcCidrBlockStateCode::Associated | VpcCidrBlockStateCode::Associating)
}

/// The IPv6 ranges of VPCs by id, ours or shared; no VPC, no request.
pub(super) async fn ipv6_ranges(
    cloud: &AwsCloud,
    vpcs: impl IntoIterator<Item = String>,
) -> Result<BTreeMap<String, String>> {
    let ids: BTreeSet<String> = vpcs.into_iter().collect();
    if ids.is_empty() {
        return Ok(BTreeMap::new());
    }
    let filter = Filter::builder().name("vpc-id").set_values(Some(ids.into_iter().collect())).build();
    let mut pages = cloud.ec2.describe_vpcs().filters(filter).into_paginator().items().send();
    let mut ranges = BTreeMap::new();
    while let Some(vpc) = pages.next().await {
        let vpc = vpc.map_err(|e| AwsError::of("read the IPv6 ranges of VPCs", &e))?;
        if let (Some(id), Some(range)) = (vpc.vpc_id(), ipv6_of(&vpc)) {
            ranges.insert(id.to_owned(), range.to_owned());
        }
    }
    Ok(ranges)
}

async fn list(cloud: &AwsCloud, scope: &Scope) -> Result<Vec<(AwsVpc, Tags)>> {
    let mut pages = cloud.ec2.describe_vpcs().filters(ec2_cluster_filter(&scope.cluster)).into_paginator().items().send();
    let mut found = Vec::new();
    while let Some(vpc) = pages.next().await {
        let vpc = vpc.map_err(|e| AwsError::of("list VPCs", &e))?;
        let tags = from_ec2_tags(scope, vpc.tags());
        if tags::is_owned(scope, &tags) {
            found.push((vpc, tags));
        }
    }
    Ok(found)
}

/// One of the two DNS attributes; AWS answers one attribute of one VPC a call.
async fn attribute(cloud: &AwsCloud, id: &str, name: VpcAttributeName) -> Result<bool> {
    let answer = cloud.ec2.describe_vpc_attribute().vpc_id(id).attribute(name.clone()).customize().send().await;
    let answer = answer.map_err(|e| AwsError::of(format!("read {} of {id}", name.as_str()), &e))?;
    let value = match name {
        VpcAttributeName::EnableDnsSupport => answer.enable_dns_support(),
        _ => answer.enable_dns_hostnames(),
    };
    Ok(value.and_then(AttributeBooleanValue::value).unwrap_or_default())
}

async fn normalise(cloud: &AwsCloud, vpc: &AwsVpc, tags: Tags) -> Result<Found<Vpc>> {
    let id = vpc.vpc_id().unwrap_or_default();
    let (dns_support, dns_hostnames) = futures::future::try_join(
        attribute(cloud, id, VpcAttributeName::EnableDnsSupport),
        attribute(cloud, id, VpcAttributeName::EnableDnsHostnames),
    )
    .await?;
    let cidr = vpc.cidr_block().unwrap_or_default();
    let additional = ranges(vpc).map(|(c, _)| c.to_owned()).filter(|c| c != cidr).collect();
    let ipv6 = ipv6_of(vpc);
    Ok(Found {
        name: tags.get(tags::NAME).cloned().unwrap_or_default(),
        id: id.to_owned(),
        attrs: ipv6.map(|c| (IPV6_CIDR.to_owned(), c.to_owned())).into_iter().collect(),
        resource: Vpc {
            cidr: cidr.to_owned(),
            additional_cidrs: additional,
            ipv6: ipv6.is_some(),
            dns_support,
            dns_hostnames,
            dhcp_options: Ref::id(vpc.dhcp_options_id().unwrap_or_default()),
            tags,
        },
    })
}

impl Vpc {
    /// Sets the attributes that differ from those of `live`.
    async fn set_attributes(&self, call: &Call<'_>, id: &str, live: &Vpc) -> Result<()> {
        let on = |value| AttributeBooleanValue::builder().value(value).build();
        let modify = || call.cloud.ec2.modify_vpc_attribute().vpc_id(id);
        let mut calls = Vec::new();
        // Names need the resolver: it is switched on first.
        if live.dns_support != self.dns_support {
            calls.push(modify().enable_dns_support(on(self.dns_support)));
        }
        if live.dns_hostnames != self.dns_hostnames {
            calls.push(modify().enable_dns_hostnames(on(self.dns_hostnames)));
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

    async fn set_dhcp_options(&self, call: &Call<'_>, id: &str) -> Result<()> {
        let options = call.id(&self.dhcp_options)?;
        once::settled(12, || async {
            let associate = call.cloud.ec2.associate_dhcp_options().vpc_id(id).dhcp_options_id(&options);
            associate.customize().send().await.map_err(|e| AwsError::of(call.doing("set the DHCP options of"), &e))
        })
        .await?;
        Ok(())
    }

    /// Adds the address ranges that are missing and takes away those that are too many, one change at a time.
    async fn set_ranges(&self, call: &Call<'_>, id: &str) -> Result<()> {
        let vpc = read(call, id).await?;
        for (cidr, association) in ranges(&vpc) {
            if cidr != self.cidr && !self.additional_cidrs.contains(cidr) {
                disassociate(call, association).await?;
            }
        }
        if let Some((_, association)) = ipv6_association(&vpc).filter(|_| !self.ipv6) {
            disassociate(call, association).await?;
        }
        let add = call.cloud.ec2.associate_vpc_cidr_block().vpc_id(id);
        for cidr in &self.additional_cidrs {
            if !ranges(&vpc).any(|(there, _)| there == cidr) {
                associate(call, id, add.clone().cidr_block(cidr), |v| ranges(v).any(|(there, _)| there == cidr)).await?;
            }
        }
        if self.ipv6 && ipv6_of(&vpc).is_none() {
            let add = add.amazon_provided_ipv6_cidr_block(true);
            associate(call, id, add, |v| ipv6_of(v).is_some()).await?;
        }
        Ok(())
    }

    /// The IPv6 range, once AWS has given it.
    async fn ipv6_attrs(&self, call: &Call<'_>, id: &str) -> Result<Attrs> {
        if !self.ipv6 {
            return Ok(Attrs::new());
        }
        once::until(&format!("the IPv6 range of {}", call.addr), 20, || async {
            let vpc = read(call, id).await?;
            Ok(ipv6_of(&vpc).map(|c| Attrs::from([(IPV6_CIDR.to_owned(), c.to_owned())])))
        })
        .await
    }
}

/// The VPC, waiting until a new one is visible.
async fn read(call: &Call<'_>, id: &str) -> Result<AwsVpc> {
    let seen = once::settled(12, || async {
        let seen = call.cloud.ec2.describe_vpcs().vpc_ids(id).customize().send().await;
        seen.map_err(|e| AwsError::of(call.doing("read"), &e))
    });
    let vpc = seen.await?.vpcs.and_then(|v| v.into_iter().next());
    vpc.ok_or_else(|| Error::failed(format!("AWS knows no VPC {id} for {}", call.addr)))
}

/// Adds an address range exactly once: AWS would add a second IPv6 range when asked again after a lost answer.
async fn associate(
    call: &Call<'_>,
    id: &str,
    add: AssociateVpcCidrBlockFluentBuilder,
    is_there: impl Fn(&AwsVpc) -> bool + Send + Sync,
) -> Result<()> {
    once::create_once(
        || async {
            let done = add.clone().customize().config_override(no_retry()).send().await;
            done.map(drop).map_err(|e| AwsError::of(call.doing("add an address range to"), &e))
        },
        || async { Ok(is_there(&read(call, id).await?).then_some(())) },
    )
    .await
}

async fn disassociate(call: &Call<'_>, association: &str) -> Result<()> {
    once::deleted(12, || async {
        let remove = call.cloud.ec2.disassociate_vpc_cidr_block().association_id(association).customize().send().await;
        remove.map_err(|e| AwsError::of(call.doing("take an address range from"), &e))
    })
    .await
}

#[async_trait]
impl Aws for Vpc {
    async fn observe(cloud: &AwsCloud, scope: &Scope) -> Result<Vec<Found<Self>>> {
        let all = list(cloud, scope).await?;
        futures::future::try_join_all(all.iter().map(|(vpc, tags)| normalise(cloud, vpc, tags.clone()))).await
    }

    async fn create(&self, call: &Call<'_>) -> Result<Created> {
        let scope = tags::scope_of(&self.tags);
        let request = call
            .cloud
            .ec2
            .create_vpc()
            .cidr_block(&self.cidr)
            .amazon_provided_ipv6_cidr_block(self.ipv6)
            .tag_specifications(ec2_tag_spec(ResourceType::Vpc, &self.tags));
        let id = once::create_once(
            || async {
                let made = request.clone().customize().config_override(no_retry()).send().await;
                let made = made.map_err(|e| AwsError::of(call.doing("create"), &e))?;
                Ok(made.vpc().and_then(AwsVpc::vpc_id).unwrap_or_default().to_owned())
            },
            || async {
                let all = list(call.cloud, &scope).await?;
                Ok(all.iter().find_map(|(v, t)| {
                    let ours = t.get(tags::NAME) == Some(&call.addr.name) && v.cidr_block() == Some(self.cidr.as_str());
                    if ours { v.vpc_id().map(str::to_owned) } else { None }
                }))
            },
        )
        .await?;
        let attrs = self.ipv6_attrs(call, &id).await?;
        // What a new VPC of AWS starts with.
        let fresh = Vpc { dns_support: true, dns_hostnames: false, ..self.clone() };
        self.set_attributes(call, &id, &fresh).await?;
        self.set_dhcp_options(call, &id).await?;
        if !self.additional_cidrs.is_empty() {
            self.set_ranges(call, &id).await?;
        }
        Ok(Created { id, attrs })
    }

    async fn update(&self, call: &Call<'_>, live: &Found<Self>, changed: &Changed) -> Result<Attrs> {
        self.set_attributes(call, &live.id, &live.resource).await?;
        if changed.has("dhcpOptions") {
            self.set_dhcp_options(call, &live.id).await?;
        }
        if changed.any(&["additionalCidrs", "ipv6"]) {
            self.set_ranges(call, &live.id).await?;
        }
        call.retag_ec2(&live.id, &live.resource.tags, &self.tags).await?;
        if changed.has("ipv6") { self.ipv6_attrs(call, &live.id).await } else { Ok(Attrs::new()) }
    }

    async fn delete(call: &Call<'_>, live: &Found<Self>) -> Result<()> {
        once::deleted(40, || async {
            let delete = call.cloud.ec2.delete_vpc().vpc_id(&live.id).customize().send().await;
            delete.map_err(|e| AwsError::of(call.doing("delete"), &e))
        })
        .await
        .map_err(|e| {
            e.hint(format!(
                "look for what else lives in it: aws ec2 describe-network-interfaces --filters Name=vpc-id,Values={}",
                live.id
            ))
        })
    }
}
