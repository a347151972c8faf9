//! Target group: the control plane's machines behind one port of the load balancer.

use std::collections::BTreeSet;

use async_trait::async_trait;
use aws_sdk_elasticloadbalancingv2::types::{
    ProtocolEnum, TargetGroup as AwsTargetGroup, TargetGroupAttribute, TargetTypeEnum,
};
use futures::future::try_join_all;
use serde::{Deserialize, Serialize};

use super::{Aws, Changed, Created, Found, Kind, Model, Ref, ReplaceOrder, Rules, Tags, tags};
use super::elb::{self, no_retry};
use crate::cloud::aws::{AwsCloud, AwsError, Call, Class, once};
use crate::cloud::{Attrs, Scope};
use crate::error::Result;

/// A target group of instances. Its id is its ARN.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TargetGroup {
    /// `TCP`, `TLS`, `UDP` ...
    pub protocol: String,
    /// The port on the instances.
    pub port: u16,
    /// The VPC of the instances.
    pub vpc: Ref,
    /// How AWS finds out which instances are fit.
    pub health_check: HealthCheck,
    /// Seconds during which an instance that leaves still serves its connections.
    pub deregistration_delay: u32,
    /// Whether connections are cut when that time is over.
    pub connection_termination: bool,
    /// Whether instances see the caller's address.
    pub preserve_client_ip: bool,
    /// Its tags.
    pub tags: Tags,
}

/// A health check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HealthCheck {
    /// `TCP`, `HTTP` or `HTTPS`.
    pub protocol: String,
    /// A port number, or `traffic-port`.
    pub port: String,
    /// The path, of HTTP and HTTPS.
    pub path: Option<String>,
    /// Seconds between two checks.
    pub interval: u32,
    /// So many successes make an instance healthy.
    pub healthy_threshold: u32,
    /// So many failures make it unhealthy.
    pub unhealthy_threshold: u32,
}

impl Model for TargetGroup {
    const KIND: Kind = Kind::TargetGroup;
    const RULES: Rules = Rules {
        noun: "target group",
        forces_replacement: &["protocol", "port", "vpc"],
        replace: ReplaceOrder::DeleteFirst,
        text: &[],
        ec2_type: None,
        only_grows: &[],
        loses_data: None,
    };
}

const DELAY: &str = "deregistration_delay.timeout_seconds";
const TERMINATION: &str = "deregistration_delay.connection_termination.enabled";
const CLIENT_IP: &str = "preserve_client_ip.enabled";

/// Those of the scope's names that exist, whoever's they are. AWS fails a list of names as a whole when one is missing,
/// so of several names all target groups are listed, 400 a page.
async fn named(cloud: &AwsCloud, scope: &Scope) -> Result<Vec<AwsTargetGroup>> {
    let names: BTreeSet<&str> = scope.names(Kind::TargetGroup).collect();
    let only = match names.first() {
        None => return Ok(Vec::new()),
        Some(name) if names.len() == 1 => Some(vec![(*name).to_owned()]),
        Some(_) => None,
    };
    let list = cloud.elb.describe_target_groups().set_names(only.clone()).set_page_size(only.is_none().then_some(400));
    let mut pages = list.into_paginator().items().send();
    let mut found = Vec::new();
    while let Some(one) = pages.next().await {
        match one.map_err(|e| AwsError::of("list target groups", &e)) {
            Ok(one) if one.target_group_name().is_some_and(|n| names.contains(n)) => found.push(one),
            Ok(_) => {}
            Err(e) if e.class == Class::NotFound && only.is_some() => break,
            Err(e) => return Err(e.into()),
        }
    }
    Ok(found)
}

async fn find(cloud: &AwsCloud, scope: &Scope) -> Result<Vec<Found<TargetGroup>>> {
    let groups = named(cloud, scope).await?;
    let arns: Vec<String> = groups.iter().filter_map(|g| g.target_group_arn().map(str::to_owned)).collect();
    let mut tags = elb::tags_of(cloud, scope, &arns).await?;
    tags.retain(|_, t| tags::is_owned(scope, t));
    let ours = groups.iter().filter_map(|g| Some((g, tags.get(g.target_group_arn()?)?)));
    try_join_all(ours.map(|(group, tags)| normalise(cloud, group, tags.clone()))).await
}

async fn normalise(cloud: &AwsCloud, group: &AwsTargetGroup, tags: Tags) -> Result<Found<TargetGroup>> {
    let arn = group.target_group_arn().unwrap_or_default();
    let answer = cloud.elb.describe_target_group_attributes().target_group_arn(arn).customize().send().await;
    let answer = answer.map_err(|e| AwsError::of(format!("read the attributes of {arn}"), &e))?;
    let attribute = |key: &str| answer.attributes().iter().find(|a| a.key() == Some(key)).and_then(|a| a.value());
    let number = |n: Option<i32>| n.and_then(|n| u32::try_from(n).ok()).unwrap_or_default();
    let text = |p: Option<&ProtocolEnum>| p.map(|p| p.as_str().to_owned()).unwrap_or_default();
    let checks_path = matches!(group.health_check_protocol(), Some(ProtocolEnum::Http | ProtocolEnum::Https));
    Ok(Found {
        name: group.target_group_name().unwrap_or_default().to_owned(),
        id: arn.to_owned(),
        attrs: Attrs::new(),
        resource: TargetGroup {
            protocol: text(group.protocol()),
            port: group.port().and_then(|p| u16::try_from(p).ok()).unwrap_or_default(),
            vpc: Ref::id(group.vpc_id().unwrap_or_default()),
            health_check: HealthCheck {
                protocol: text(group.health_check_protocol()),
                port: group.health_check_port().unwrap_or("traffic-port").to_owned(),
                path: group.health_check_path().filter(|_| checks_path).map(str::to_owned),
                interval: number(group.health_check_interval_seconds()),
                healthy_threshold: number(group.healthy_threshold_count()),
                unhealthy_threshold: number(group.unhealthy_threshold_count()),
            },
            deregistration_delay: attribute(DELAY).and_then(|v| v.parse().ok()).unwrap_or(300),
            connection_termination: attribute(TERMINATION) == Some("true"),
            // AWS's default for instances.
            preserve_client_ip: attribute(CLIENT_IP) != Some("false"),
            tags,
        },
    })
}

impl TargetGroup {
    async fn set_attributes(&self, call: &Call<'_>, arn: &str) -> Result<()> {
        let attribute = |key: &str, value: String| TargetGroupAttribute::builder().key(key).value(value).build();
        let modify = call
            .cloud
            .elb
            .modify_target_group_attributes()
            .target_group_arn(arn)
            .attributes(attribute(DELAY, self.deregistration_delay.to_string()))
            .attributes(attribute(TERMINATION, self.connection_termination.to_string()))
            .attributes(attribute(CLIENT_IP, self.preserve_client_ip.to_string()));
        modify.customize().send().await.map_err(|e| AwsError::of(call.doing("set the attributes of"), &e))?;
        Ok(())
    }

    async fn set_health_check(&self, call: &Call<'_>, arn: &str) -> Result<()> {
        let check = &self.health_check;
        let modify = call
            .cloud
            .elb
            .modify_target_group()
            .target_group_arn(arn)
            .health_check_protocol(check.protocol.as_str().into())
            .health_check_port(&check.port)
            .set_health_check_path(check.path.clone())
            .health_check_interval_seconds(check.interval.cast_signed())
            .healthy_threshold_count(check.healthy_threshold.cast_signed())
            .unhealthy_threshold_count(check.unhealthy_threshold.cast_signed());
        modify.customize().send().await.map_err(|e| AwsError::of(call.doing("set the health check of"), &e))?;
        Ok(())
    }
}

#[async_trait]
impl Aws for TargetGroup {
    async fn observe(cloud: &AwsCloud, scope: &Scope) -> Result<Vec<Found<Self>>> {
        find(cloud, scope).await
    }

    async fn create(&self, call: &Call<'_>) -> Result<Created> {
        let mut scope = tags::scope_of(&self.tags);
        scope.add(Kind::TargetGroup, [call.addr.name.clone()]);
        let (vpc, check) = (call.id(&self.vpc)?, &self.health_check);
        let id = once::create_once(
            || async {
                let made = call
                    .cloud
                    .elb
                    .create_target_group()
                    .name(&call.addr.name)
                    .protocol(self.protocol.as_str().into())
                    .port(self.port.into())
                    .vpc_id(&vpc)
                    .target_type(TargetTypeEnum::Instance)
                    .health_check_protocol(check.protocol.as_str().into())
                    .health_check_port(&check.port)
                    .set_health_check_path(check.path.clone())
                    .health_check_interval_seconds(check.interval.cast_signed())
                    .healthy_threshold_count(check.healthy_threshold.cast_signed())
                    .unhealthy_threshold_count(check.unhealthy_threshold.cast_signed())
                    .set_tags(Some(elb::to_tags(&self.tags)))
                    .customize()
                    .config_override(no_retry())
                    .send()
                    .await
                    .map_err(|e| AwsError::of(call.doing("create"), &e))?;
                let arn = made.target_groups().first().and_then(AwsTargetGroup::target_group_arn);
                Ok(arn.unwrap_or_default().to_owned())
            },
            || async { Ok(find(call.cloud, &scope).await?.pop().map(|f| f.id)) },
        )
        .await?;
        self.set_attributes(call, &id).await?;
        Ok(Created { id, attrs: Attrs::new() })
    }

    async fn update(&self, call: &Call<'_>, live: &Found<Self>, changed: &Changed) -> Result<Attrs> {
        if changed.has("healthCheck") {
            self.set_health_check(call, &live.id).await?;
        }
        if changed.any(&["deregistrationDelay", "connectionTermination", "preserveClientIp"]) {
            self.set_attributes(call, &live.id).await?;
        }
        elb::retag(call, &live.id, &live.resource.tags, &self.tags).await?;
        Ok(Attrs::new())
    }

    async fn delete(call: &Call<'_>, live: &Found<Self>) -> Result<()> {
        once::deleted(40, || async {
            let delete = call.cloud.elb.delete_target_group().target_group_arn(&live.id).customize().send().await;
            delete.map_err(|e| AwsError::of(call.doing("delete"), &e))
        })
        .await
    }
}
