//! NAT gateway: how private subnets reach the internet.

use async_trait::async_trait;
use aws_sdk_ec2::types::{ConnectivityType, Filter, NatGateway as AwsNatGateway, NatGatewayState, ResourceType};
use serde::{Deserialize, Serialize};

use super::{Aws, Changed, Created, Found, Kind, Model, Ref, ReplaceOrder, Rules, Tags, tags};
use crate::cloud::aws::{AwsCloud, AwsError, Call, Class, ec2_cluster_filter, ec2_tag_spec, from_ec2_tags, once};
use crate::cloud::{Attrs, Scope};
use crate::error::{Error, Result};

/// A public NAT gateway.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NatGateway {
    /// The public or utility subnet it stands in.
    pub subnet: Ref,
    /// The elastic IP that it speaks from.
    pub address: Ref,
    /// Its tags.
    pub tags: Tags,
}

impl Model for NatGateway {
    const KIND: Kind = Kind::NatGateway;
    const RULES: Rules = Rules {
        noun: "NAT gateway",
        forces_replacement: &["subnet", "address"],
        // An address belongs to one gateway at a time.
        replace: ReplaceOrder::DeleteFirst,
        text: &[],
        ec2_type: Some("natgateway"),
        only_grows: &[],
        loses_data: None,
    };
}

/// AWS takes one to three minutes for a gateway to come or go: this many waits of up to 5 s.
const WAITS: usize = 90;

fn normalise(gateway: &AwsNatGateway, tags: Tags) -> Found<NatGateway> {
    let addresses = gateway.nat_gateway_addresses();
    let primary = addresses.iter().find(|a| a.is_primary() == Some(true)).or(addresses.first());
    Found {
        name: tags.get(tags::NAME).cloned().unwrap_or_default(),
        id: gateway.nat_gateway_id().unwrap_or_default().to_owned(),
        attrs: Attrs::new(),
        resource: NatGateway {
            subnet: Ref::id(gateway.subnet_id().unwrap_or_default()),
            address: Ref::id(primary.and_then(|a| a.allocation_id()).unwrap_or_default()),
            tags,
        },
    }
}

/// The gateway, or none once AWS has forgotten it.
async fn read(call: &Call<'_>, id: &str) -> Result<Option<AwsNatGateway>> {
    match call.cloud.ec2.describe_nat_gateways().nat_gateway_ids(id).customize().send().await {
        Ok(answer) => Ok(answer.nat_gateways.and_then(|g| g.into_iter().next())),
        Err(e) => match AwsError::of(call.doing("read"), &e) {
            e if e.class == Class::NotFound => Ok(None),
            e => Err(e.into()),
        },
    }
}

async fn available(call: &Call<'_>, id: &str) -> Result<()> {
    once::until(&format!("the start of {}", call.addr), WAITS, || async {
        let Some(gateway) = read(call, id).await? else { return Ok(None) };
        match gateway.state() {
            Some(NatGatewayState::Available) => Ok(Some(())),
            Some(NatGatewayState::Pending) | None => Ok(None),
            Some(state) => {
                let why = gateway.failure_message().unwrap_or("AWS gives no reason");
                Err(Error::failed(format!("{} is {} instead of available: {why}", call.addr, state.as_str())))
            }
        }
    })
    .await
}

#[async_trait]
impl Aws for NatGateway {
    async fn observe(cloud: &AwsCloud, scope: &Scope) -> Result<Vec<Found<Self>>> {
        // A deleted or failed gateway stays visible for an hour.
        let states = Filter::builder().name("state").values("pending").values("available").build();
        let mut pages = cloud
            .ec2
            .describe_nat_gateways()
            .filter(ec2_cluster_filter(&scope.cluster))
            .filter(states)
            .into_paginator()
            .items()
            .send();
        let mut found = Vec::new();
        while let Some(gateway) = pages.next().await {
            let gateway = gateway.map_err(|e| AwsError::of("list NAT gateways", &e))?;
            let tags = from_ec2_tags(scope, gateway.tags());
            let stands = matches!(gateway.state(), Some(NatGatewayState::Pending | NatGatewayState::Available));
            if stands && tags::is_owned(scope, &tags) {
                found.push(normalise(&gateway, tags));
            }
        }
        Ok(found)
    }

    async fn create(&self, call: &Call<'_>) -> Result<Created> {
        let request = call
            .cloud
            .ec2
            .create_nat_gateway()
            .client_token(call.token)
            .connectivity_type(ConnectivityType::Public)
            .subnet_id(call.id(&self.subnet)?)
            .allocation_id(call.id(&self.address)?)
            .tag_specifications(ec2_tag_spec(ResourceType::Natgateway, &self.tags));
        let made = once::settled(12, || async {
            request.clone().customize().send().await.map_err(|e| AwsError::of(call.doing("create"), &e))
        })
        .await?;
        let id = made.nat_gateway().and_then(|g| g.nat_gateway_id()).unwrap_or_default().to_owned();
        available(call, &id).await?;
        Ok(Created { id, attrs: Attrs::new() })
    }

    async fn update(&self, call: &Call<'_>, live: &Found<Self>, _changed: &Changed) -> Result<Attrs> {
        call.retag_ec2(&live.id, &live.resource.tags, &self.tags).await?;
        Ok(Attrs::new())
    }

    async fn delete(call: &Call<'_>, live: &Found<Self>) -> Result<()> {
        // AWS refuses to delete one that is gone; so does it, for a while, one that is just starting.
        let standing = read(call, &live.id).await?.filter(|g| g.state() != Some(&NatGatewayState::Deleted));
        if standing.is_none() {
            return Ok(());
        }
        once::deleted(30, || async {
            let delete = call.cloud.ec2.delete_nat_gateway().nat_gateway_id(&live.id).customize().send().await;
            delete.map_err(|e| AwsError::of(call.doing("delete"), &e))
        })
        .await?;
        once::until(&format!("the end of {}", call.addr), WAITS, || async {
            let gateway = read(call, &live.id).await?;
            let gone = gateway.is_none_or(|g| g.state() == Some(&NatGatewayState::Deleted));
            Ok(gone.then_some(()))
        })
        .await
    }
}
