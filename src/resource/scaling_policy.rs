//! Target-tracking scaling policy of a group.
//!
//! A policy has no tags and goes with its group, so it is looked for only where the specs name one: a cluster without
//! policies pays no request for them.

use std::collections::BTreeSet;

use async_trait::async_trait;
use aws_sdk_autoscaling::types::{
    MetricType, PredefinedMetricSpecification, ScalingPolicy as AwsPolicy, TargetTrackingConfiguration,
};
use serde::{Deserialize, Serialize};

use super::{Aws, Changed, Created, Found, Kind, Model, Ref, ReplaceOrder, Rules};
use crate::cloud::aws::{AwsCloud, AwsError, Call, once};
use crate::cloud::{Attrs, Scope};
use crate::error::{Error, Result};

/// A policy named `<group>/<policy>`. Its id is its ARN.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ScalingPolicy {
    /// The Auto Scaling group.
    pub group: Ref,
    /// The metric that is kept at the target: `ASGAverageCPUUtilization` ...
    pub metric: String,
    /// The target, in the metric's unit.
    pub target: f64,
    /// Whether the group only grows.
    pub disable_scale_in: bool,
    /// Seconds until a new instance counts; the group's default otherwise.
    pub estimated_warmup: Option<u32>,
}

impl Model for ScalingPolicy {
    const KIND: Kind = Kind::ScalingPolicy;
    const RULES: Rules = Rules {
        noun: "scaling policy",
        forces_replacement: &["group"],
        replace: ReplaceOrder::DeleteFirst,
        text: &[],
        ec2_type: None,
        only_grows: &[],
        loses_data: None,
    };
}

fn normalise(name: String, group: &str, policy: &AwsPolicy) -> Found<ScalingPolicy> {
    let tracking = policy.target_tracking_configuration();
    let metric = tracking.and_then(|t| t.predefined_metric_specification()).and_then(|m| m.predefined_metric_type());
    Found {
        name,
        id: policy.policy_arn().unwrap_or_default().to_owned(),
        attrs: Attrs::new(),
        resource: ScalingPolicy {
            group: Ref::to(Kind::AutoScalingGroup, group),
            metric: metric.map(|m| m.as_str().to_owned()).unwrap_or_default(),
            target: tracking.and_then(|t| t.target_value()).unwrap_or_default(),
            disable_scale_in: tracking.and_then(|t| t.disable_scale_in()).unwrap_or_default(),
            estimated_warmup: policy.estimated_instance_warmup().and_then(|w| u32::try_from(w).ok()),
        },
    }
}

/// The group's name and the policy's own, of an address's name.
fn parts<'a>(call: &Call<'a>) -> Result<(&'a str, &'a str)> {
    let parts = call.addr.name.rsplit_once('/');
    parts.ok_or_else(|| Error::failed(format!("{} is not named <group>/<policy>", call.addr)))
}

impl ScalingPolicy {
    /// Makes or replaces the policy: repeating it is safe.
    async fn put(&self, call: &Call<'_>) -> Result<String> {
        let (group, name) = parts(call)?;
        let metric = PredefinedMetricSpecification::builder().predefined_metric_type(MetricType::from(self.metric.as_str()));
        let tracking = TargetTrackingConfiguration::builder()
            .predefined_metric_specification(metric.build())
            .target_value(self.target)
            .disable_scale_in(self.disable_scale_in)
            .build();
        let put = call
            .cloud
            .autoscaling
            .put_scaling_policy()
            .auto_scaling_group_name(group)
            .policy_name(name)
            .policy_type("TargetTrackingScaling")
            .target_tracking_configuration(tracking)
            .set_estimated_instance_warmup(self.estimated_warmup.map(u32::cast_signed));
        let put = put.customize().send().await.map_err(|e| AwsError::of(call.doing("put"), &e))?;
        Ok(put.policy_arn.unwrap_or_default())
    }
}

#[async_trait]
impl Aws for ScalingPolicy {
    /// Nothing unless the scope names a policy; then one paged request for all groups.
    async fn observe(cloud: &AwsCloud, scope: &Scope) -> Result<Vec<Found<Self>>> {
        let wanted: BTreeSet<&str> = scope.names(Kind::ScalingPolicy).collect();
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        let list = cloud.autoscaling.describe_policies().policy_types("TargetTrackingScaling");
        let mut pages = list.into_paginator().page_size(100).items().send();
        let mut found = Vec::new();
        while let Some(policy) = pages.next().await {
            let policy = policy.map_err(|e| AwsError::of("list scaling policies", &e))?;
            let group = policy.auto_scaling_group_name().unwrap_or_default();
            let name = format!("{group}/{}", policy.policy_name().unwrap_or_default());
            if wanted.contains(name.as_str()) {
                found.push(normalise(name, group, &policy));
            }
        }
        Ok(found)
    }

    async fn create(&self, call: &Call<'_>) -> Result<Created> {
        Ok(Created { id: self.put(call).await?, attrs: Attrs::new() })
    }

    async fn update(&self, call: &Call<'_>, _live: &Found<Self>, _changed: &Changed) -> Result<Attrs> {
        self.put(call).await?;
        Ok(Attrs::new())
    }

    async fn delete(call: &Call<'_>, _live: &Found<Self>) -> Result<()> {
        let (group, name) = parts(call)?;
        once::deleted(12, || async {
            let delete = call.cloud.autoscaling.delete_policy().auto_scaling_group_name(group).policy_name(name);
            delete.customize().send().await.map_err(|e| AwsError::of(call.doing("delete"), &e))
        })
        .await
    }
}
