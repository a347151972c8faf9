//! Internet gateway, attached to the VPC.

use async_trait::async_trait;
use aws_sdk_ec2::types::ResourceType;
use serde::{Deserialize, Serialize};

use super::{Aws, Changed, Created, Found, Kind, Model, Ref, ReplaceOrder, Rules, Tags, tags};
use crate::cloud::aws::{AwsCloud, AwsError, Call, Class, ec2_cluster_filter, ec2_tag_spec, from_ec2_tags, no_retry, once};
use crate::cloud::{Attrs, Scope};
use crate::error::Result;

/// The VPC's way to the internet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InternetGateway {
    /// The VPC it is attached to.
    pub vpc: Ref,
    /// Its tags.
    pub tags: Tags,
}

impl Model for InternetGateway {
    const KIND: Kind = Kind::InternetGateway;
    const RULES: Rules = Rules {
        noun: "internet gateway",
        forces_replacement: &[],
        replace: ReplaceOrder::DeleteFirst,
        text: &[],
        ec2_type: Some("internet-gateway"),
        only_grows: &[],
        loses_data: None,
    };
}

async fn find(cloud: &AwsCloud, scope: &Scope) -> Result<Vec<Found<InternetGateway>>> {
    let mut pages = cloud
        .ec2
        .describe_internet_gateways()
        .filters(ec2_cluster_filter(&scope.cluster))
        .into_paginator()
        .items()
        .send();
    let mut found = Vec::new();
    while let Some(gateway) = pages.next().await {
        let gateway = gateway.map_err(|e| AwsError::of("list internet gateways", &e))?;
        let tags = from_ec2_tags(scope, gateway.tags());
        if !tags::is_owned(scope, &tags) {
            continue;
        }
        // Between create and attach a gateway has no VPC; an empty id is never equal to a wanted one.
        let vpc = gateway.attachments().first().and_then(|a| a.vpc_id()).unwrap_or_default();
        found.push(Found {
            name: tags.get(tags::NAME).cloned().unwrap_or_default(),
            id: gateway.internet_gateway_id().unwrap_or_default().to_owned(),
            attrs: Attrs::new(),
            resource: InternetGateway { vpc: Ref::id(vpc), tags },
        });
    }
    Ok(found)
}

impl InternetGateway {
    async fn attach(&self, call: &Call<'_>, id: &str) -> Result<()> {
        let vpc = call.id(&self.vpc)?;
        once::settled(12, || async {
            let attach = call.cloud.ec2.attach_internet_gateway().internet_gateway_id(id).vpc_id(&vpc);
            match attach.customize().send().await.map_err(|e| AwsError::of(call.doing("attach"), &e)) {
                // After a lost answer.
                Err(e) if e.class == Class::Exists => Ok(()),
                other => other.map(drop),
            }
        })
        .await
    }
}

async fn detach(call: &Call<'_>, live: &Found<InternetGateway>) -> Result<()> {
    let vpc = match &live.resource.vpc {
        Ref::Id(id) if id.is_empty() => return Ok(()),
        vpc => call.id(vpc)?,
    };
    once::deleted(30, || async {
        let detach = call.cloud.ec2.detach_internet_gateway().internet_gateway_id(&live.id).vpc_id(&vpc);
        match detach.customize().send().await.map_err(|e| AwsError::of(call.doing("detach"), &e)) {
            Err(e) if e.code.as_deref() == Some("Gateway.NotAttached") => Ok(()),
            other => other.map(drop),
        }
    })
    .await
}

#[async_trait]
impl Aws for InternetGateway {
    async fn observe(cloud: &AwsCloud, scope: &Scope) -> Result<Vec<Found<Self>>> {
        find(cloud, scope).await
    }

    async fn create(&self, call: &Call<'_>) -> Result<Created> {
        let scope = tags::scope_of(&self.tags);
        let id = once::create_once(
            || async {
                let made = call
                    .cloud
                    .ec2
                    .create_internet_gateway()
                    .tag_specifications(ec2_tag_spec(ResourceType::InternetGateway, &self.tags))
                    .customize()
                    .config_override(no_retry())
                    .send()
                    .await
                    .map_err(|e| AwsError::of(call.doing("create"), &e))?;
                Ok(made.internet_gateway().and_then(|g| g.internet_gateway_id()).unwrap_or_default().to_owned())
            },
            || async {
                let found = find(call.cloud, &scope).await?;
                Ok(found.into_iter().find(|f| f.name == call.addr.name).map(|f| f.id))
            },
        )
        .await?;
        self.attach(call, &id).await?;
        Ok(Created { id, attrs: Attrs::new() })
    }

    async fn update(&self, call: &Call<'_>, live: &Found<Self>, changed: &Changed) -> Result<Attrs> {
        if changed.has("vpc") {
            detach(call, live).await?;
            self.attach(call, &live.id).await?;
        }
        call.retag_ec2(&live.id, &live.resource.tags, &self.tags).await?;
        Ok(Attrs::new())
    }

    async fn delete(call: &Call<'_>, live: &Found<Self>) -> Result<()> {
        detach(call, live).await?;
        once::deleted(30, || async {
            let delete = call.cloud.ec2.delete_internet_gateway().internet_gateway_id(&live.id).customize().send().await;
            delete.map_err(|e| AwsError::of(call.doing("delete"), &e))
        })
        .await
    }
}
