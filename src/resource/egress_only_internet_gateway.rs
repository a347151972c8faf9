//! Egress-only internet gateway: the way out, and only out, for IPv6.

use async_trait::async_trait;
use aws_sdk_ec2::types::ResourceType;
use serde::{Deserialize, Serialize};

use super::{Aws, Changed, Created, Found, Kind, Model, Ref, ReplaceOrder, Rules, Tags, tags};
use crate::cloud::aws::{AwsCloud, AwsError, Call, ec2_cluster_filter, ec2_tag_spec, from_ec2_tags, once};
use crate::cloud::{Attrs, Scope};
use crate::error::Result;

/// How private subnets with IPv6 reach the internet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EgressOnlyInternetGateway {
    /// The VPC it is attached to for life.
    pub vpc: Ref,
    /// Its tags.
    pub tags: Tags,
}

impl Model for EgressOnlyInternetGateway {
    const KIND: Kind = Kind::EgressOnlyInternetGateway;
    const RULES: Rules = Rules {
        noun: "egress-only internet gateway",
        forces_replacement: &["vpc"],
        replace: ReplaceOrder::DeleteFirst,
        text: &[],
        ec2_type: Some("egress-only-internet-gateway"),
        only_grows: &[],
        loses_data: None,
    };
}

#[async_trait]
impl Aws for EgressOnlyInternetGateway {
    async fn observe(cloud: &AwsCloud, scope: &Scope) -> Result<Vec<Found<Self>>> {
        let filter = ec2_cluster_filter(&scope.cluster);
        let mut pages =
            cloud.ec2.describe_egress_only_internet_gateways().filters(filter).into_paginator().items().send();
        let mut found = Vec::new();
        while let Some(gateway) = pages.next().await {
            let gateway = gateway.map_err(|e| AwsError::of("list egress-only internet gateways", &e))?;
            let tags = from_ec2_tags(scope, gateway.tags());
            if !tags::is_owned(scope, &tags) {
                continue;
            }
            let vpc = gateway.attachments().first().and_then(|a| a.vpc_id()).unwrap_or_default();
            found.push(Found {
                name: tags.get(tags::NAME).cloned().unwrap_or_default(),
                id: gateway.egress_only_internet_gateway_id().unwrap_or_default().to_owned(),
                attrs: Attrs::new(),
                resource: EgressOnlyInternetGateway { vpc: Ref::id(vpc), tags },
            });
        }
        Ok(found)
    }

    async fn create(&self, call: &Call<'_>) -> Result<Created> {
        let request = call
            .cloud
            .ec2
            .create_egress_only_internet_gateway()
            .client_token(call.token)
            .vpc_id(call.id(&self.vpc)?)
            .tag_specifications(ec2_tag_spec(ResourceType::EgressOnlyInternetGateway, &self.tags));
        let made = once::settled(12, || async {
            request.clone().customize().send().await.map_err(|e| AwsError::of(call.doing("create"), &e))
        })
        .await?;
        let gateway = made.egress_only_internet_gateway();
        let id = gateway.and_then(|g| g.egress_only_internet_gateway_id()).unwrap_or_default().to_owned();
        Ok(Created { id, attrs: Attrs::new() })
    }

    async fn update(&self, call: &Call<'_>, live: &Found<Self>, _changed: &Changed) -> Result<Attrs> {
        call.retag_ec2(&live.id, &live.resource.tags, &self.tags).await?;
        Ok(Attrs::new())
    }

    async fn delete(call: &Call<'_>, live: &Found<Self>) -> Result<()> {
        once::deleted(30, || async {
            let delete =
                call.cloud.ec2.delete_egress_only_internet_gateway().egress_only_internet_gateway_id(&live.id);
            delete.customize().send().await.map_err(|e| AwsError::of(call.doing("delete"), &e))
        })
        .await
    }
}
