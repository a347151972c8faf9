//! Network load balancer: the address of the Kubernetes API.

use std::collections::BTreeSet;

use async_trait::async_trait;
use aws_sdk_elasticloadbalancingv2::types::{
    LoadBalancer as AwsLoadBalancer, LoadBalancerAttribute, LoadBalancerTypeEnum, SubnetMapping,
};
use futures::future::try_join_all;
use serde::{Deserialize, Serialize};

use super::{Aws, Changed, Created, Found, Kind, Model, Ref, ReplaceOrder, Rules, Tags, tags};
use super::elb::{self, no_retry};
use crate::cloud::aws::{AwsCloud, AwsError, Call, Class, once};
use crate::cloud::{Attrs, Scope};
use crate::error::Result;

/// A network load balancer. Its id is its ARN; attributes: `dns-name`, `zone-id` (of Route 53, for aliases).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LoadBalancer {
    /// `internet-facing` or `internal`.
    pub scheme: String,
    /// One subnet per zone.
    pub subnets: BTreeSet<Ref>,
    /// Its security groups. One that was made with none can't get any.
    pub security_groups: BTreeSet<Ref>,
    /// Whether each of its addresses serves the targets of all zones.
    pub cross_zone: bool,
    /// `ipv4` or `dualstack`.
    pub ip_address_type: String,
    /// Its tags.
    pub tags: Tags,
}

impl Model for LoadBalancer {
    const KIND: Kind = Kind::LoadBalancer;
    const RULES: Rules = Rules {
        noun: "network load balancer",
        forces_replacement: &["scheme"],
        replace: ReplaceOrder::DeleteFirst,
        text: &[],
        ec2_type: None,
        only_grows: &[],
        loses_data: None,
    };
}

const CROSS_ZONE: &str = "load_balancing.cross_zone.enabled";

/// Those of the scope's names that exist, whoever's they are. AWS fails a list of names as a whole when one is missing,
/// so of several names all load balancers are listed, 400 a page.
pub(super) async fn named(cloud: &AwsCloud, scope: &Scope) -> Result<Vec<AwsLoadBalancer>> {
    let names: BTreeSet<&str> = scope.names(Kind::LoadBalancer).collect();
    let only = match names.first() {
        None => return Ok(Vec::new()),
        Some(name) if names.len() == 1 => Some(vec![(*name).to_owned()]),
        Some(_) => None,
    };
    let list = cloud.elb.describe_load_balancers().set_names(only.clone()).set_page_size(only.is_none().then_some(400));
    let mut pages = list.into_paginator().items().send();
    let mut found = Vec::new();
    while let Some(one) = pages.next().await {
        match one.map_err(|e| AwsError::of("list load balancers", &e)) {
            Ok(one) if one.load_balancer_name().is_some_and(|n| names.contains(n)) => found.push(one),
            Ok(_) => {}
            Err(e) if e.class == Class::NotFound && only.is_some() => break,
            Err(e) => return Err(e.into()),
        }
    }
    Ok(found)
}

fn attrs(balancer: &AwsLoadBalancer) -> Attrs {
    let value = |v: Option<&str>| v.unwrap_or_default().to_owned();
    Attrs::from([
        ("dns-name".to_owned(), value(balancer.dns_name())),
        ("zone-id".to_owned(), value(balancer.canonical_hosted_zone_id())),
    ])
}

async fn find(cloud: &AwsCloud, scope: &Scope) -> Result<Vec<Found<LoadBalancer>>> {
    let balancers = named(cloud, scope).await?;
    let arns: Vec<String> = balancers.iter().filter_map(|b| b.load_balancer_arn().map(str::to_owned)).collect();
    let mut tags = elb::tags_of(cloud, scope, &arns).await?;
    tags.retain(|_, t| tags::is_owned(scope, t));
    let ours = balancers.iter().filter_map(|b| Some((b, tags.get(b.load_balancer_arn()?)?)));
    try_join_all(ours.map(|(balancer, tags)| normalise(cloud, balancer, tags.clone()))).await
}

async fn normalise(cloud: &AwsCloud, balancer: &AwsLoadBalancer, tags: Tags) -> Result<Found<LoadBalancer>> {
    let arn = balancer.load_balancer_arn().unwrap_or_default();
    let answer = cloud.elb.describe_load_balancer_attributes().load_balancer_arn(arn).customize().send().await;
    let answer = answer.map_err(|e| AwsError::of(format!("read the attributes of {arn}"), &e))?;
    let cross_zone = answer.attributes().iter().find(|a| a.key() == Some(CROSS_ZONE)).and_then(|a| a.value());
    Ok(Found {
        name: balancer.load_balancer_name().unwrap_or_default().to_owned(),
        id: arn.to_owned(),
        attrs: attrs(balancer),
        resource: LoadBalancer {
            scheme: balancer.scheme().map(|s| s.as_str().to_owned()).unwrap_or_default(),
            subnets: balancer.availability_zones().iter().filter_map(|z| z.subnet_id()).map(Ref::id).collect(),
            security_groups: balancer.security_groups().iter().map(Ref::id).collect(),
            cross_zone: cross_zone == Some("true"),
            ip_address_type: balancer.ip_address_type().map_or("ipv4", |t| t.as_str()).to_owned(),
            tags,
        },
    })
}

impl LoadBalancer {
    async fn set_cross_zone(&self, call: &Call<'_>, arn: &str) -> Result<()> {
        let attribute = LoadBalancerAttribute::builder().key(CROSS_ZONE).value(self.cross_zone.to_string()).build();
        let modify = call.cloud.elb.modify_load_balancer_attributes().load_balancer_arn(arn).attributes(attribute);
        modify.customize().send().await.map_err(|e| AwsError::of(call.doing("set the attributes of"), &e))?;
        Ok(())
    }

    fn mappings(&self, call: &Call<'_>) -> Result<Vec<SubnetMapping>> {
        let subnets = call.all(&self.subnets)?;
        Ok(subnets.into_iter().map(|s| SubnetMapping::builder().subnet_id(s).build()).collect())
    }
}

#[async_trait]
impl Aws for LoadBalancer {
    async fn observe(cloud: &AwsCloud, scope: &Scope) -> Result<Vec<Found<Self>>> {
        find(cloud, scope).await
    }

    /// Its DNS name is known at once; nothing that is made later needs it to be `active`.
    async fn create(&self, call: &Call<'_>) -> Result<Created> {
        let mut scope = tags::scope_of(&self.tags);
        scope.add(Kind::LoadBalancer, [call.addr.name.clone()]);
        let (mappings, groups) = (self.mappings(call)?, call.all(&self.security_groups)?);
        let created = once::create_once(
            || async {
                let made = call
                    .cloud
                    .elb
                    .create_load_balancer()
                    .name(&call.addr.name)
                    .r#type(LoadBalancerTypeEnum::Network)
                    .scheme(self.scheme.as_str().into())
                    .ip_address_type(self.ip_address_type.as_str().into())
                    .set_subnet_mappings(Some(mappings.clone()))
                    .set_security_groups(Some(groups.clone()).filter(|g| !g.is_empty()))
                    .set_tags(Some(elb::to_tags(&self.tags)))
                    .customize()
                    .config_override(no_retry())
                    .send()
                    .await
                    .map_err(|e| AwsError::of(call.doing("create"), &e))?;
                let made = made.load_balancers().first();
                let id = made.and_then(AwsLoadBalancer::load_balancer_arn).unwrap_or_default().to_owned();
                Ok(Created { id, attrs: made.map(attrs).unwrap_or_default() })
            },
            || async {
                let found = find(call.cloud, &scope).await?.pop();
                Ok(found.map(|f| Created { id: f.id, attrs: f.attrs }))
            },
        )
        .await?;
        self.set_cross_zone(call, &created.id).await?;
        Ok(created)
    }

    async fn update(&self, call: &Call<'_>, live: &Found<Self>, changed: &Changed) -> Result<Attrs> {
        let elb = &call.cloud.elb;
        if changed.any(&["subnets", "ipAddressType"]) {
            let set = elb.set_subnets().load_balancer_arn(&live.id).set_subnet_mappings(Some(self.mappings(call)?));
            let set = set.ip_address_type(self.ip_address_type.as_str().into());
            set.customize().send().await.map_err(|e| AwsError::of(call.doing("set the subnets of"), &e))?;
        }
        if changed.has("securityGroups") {
            let groups = call.all(&self.security_groups)?;
            let set = elb.set_security_groups().load_balancer_arn(&live.id).set_security_groups(Some(groups));
            set.customize().send().await.map_err(|e| AwsError::of(call.doing("set the security groups of"), &e))?;
        }
        if changed.has("crossZone") {
            self.set_cross_zone(call, &live.id).await?;
        }
        elb::retag(call, &live.id, &live.resource.tags, &self.tags).await?;
        Ok(Attrs::new())
    }

    async fn delete(call: &Call<'_>, live: &Found<Self>) -> Result<()> {
        once::deleted(40, || async {
            let delete = call.cloud.elb.delete_load_balancer().load_balancer_arn(&live.id).customize().send().await;
            delete.map_err(|e| AwsError::of(call.doing("delete"), &e))
        })
        .await
    }
}
