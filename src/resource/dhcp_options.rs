//! DHCP options: which domain name and resolver the VPC's machines get.

use async_trait::async_trait;
use aws_sdk_ec2::types::{NewDhcpConfiguration, ResourceType};
use serde::{Deserialize, Serialize};

use super::{Aws, Changed, Created, Found, Kind, Model, ReplaceOrder, Rules, Tags, tags};
use crate::cloud::aws::{AwsCloud, AwsError, Call, ec2_cluster_filter, ec2_tag_spec, from_ec2_tags, no_retry, once};
use crate::cloud::{Attrs, Scope};
use crate::error::Result;

/// The DHCP options set of the VPC.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DhcpOptions {
    /// The domain that is searched for short names: `ec2.internal` in us-east-1, else `<region>.compute.internal`.
    pub domain_name: String,
    /// The resolvers, in order; `AmazonProvidedDNS` is the VPC's own.
    pub domain_name_servers: Vec<String>,
    /// Its tags.
    pub tags: Tags,
}

impl Model for DhcpOptions {
    const KIND: Kind = Kind::DhcpOptions;
    const RULES: Rules = Rules {
        noun: "DHCP options set",
        forces_replacement: &["domainName", "domainNameServers"],
        replace: ReplaceOrder::CreateFirst,
        text: &[],
        ec2_type: Some("dhcp-options"),
        only_grows: &[],
        loses_data: None,
    };
}

async fn find(cloud: &AwsCloud, scope: &Scope) -> Result<Vec<Found<DhcpOptions>>> {
    let mut pages =
        cloud.ec2.describe_dhcp_options().filters(ec2_cluster_filter(&scope.cluster)).into_paginator().items().send();
    let mut found = Vec::new();
    while let Some(options) = pages.next().await {
        let options = options.map_err(|e| AwsError::of("list DHCP options sets", &e))?;
        let tags = from_ec2_tags(scope, options.tags());
        if !tags::is_owned(scope, &tags) {
            continue;
        }
        let values = |key: &str| -> Vec<String> {
            let config = options.dhcp_configurations().iter().find(|c| c.key() == Some(key));
            config.into_iter().flat_map(|c| c.values()).filter_map(|v| v.value().map(str::to_owned)).collect()
        };
        found.push(Found {
            name: tags.get(tags::NAME).cloned().unwrap_or_default(),
            id: options.dhcp_options_id().unwrap_or_default().to_owned(),
            attrs: Attrs::new(),
            resource: DhcpOptions {
                domain_name: values("domain-name").into_iter().next().unwrap_or_default(),
                domain_name_servers: values("domain-name-servers"),
                tags,
            },
        });
    }
    Ok(found)
}

#[async_trait]
impl Aws for DhcpOptions {
    async fn observe(cloud: &AwsCloud, scope: &Scope) -> Result<Vec<Found<Self>>> {
        find(cloud, scope).await
    }

    async fn create(&self, call: &Call<'_>) -> Result<Created> {
        let scope = tags::scope_of(&self.tags);
        let config = |key: &str, values: Vec<String>| {
            NewDhcpConfiguration::builder().key(key).set_values(Some(values)).build()
        };
        let id = once::create_once(
            || async {
                let made = call
                    .cloud
                    .ec2
                    .create_dhcp_options()
                    .dhcp_configurations(config("domain-name", vec![self.domain_name.clone()]))
                    .dhcp_configurations(config("domain-name-servers", self.domain_name_servers.clone()))
                    .tag_specifications(ec2_tag_spec(ResourceType::DhcpOptions, &self.tags))
                    .customize()
                    .config_override(no_retry())
                    .send()
                    .await
                    .map_err(|e| AwsError::of(call.doing("create"), &e))?;
                Ok(made.dhcp_options().and_then(|d| d.dhcp_options_id()).unwrap_or_default().to_owned())
            },
            || async {
                let found = find(call.cloud, &scope).await?;
                Ok(found.into_iter().find(|f| f.name == call.addr.name && f.resource == *self).map(|f| f.id))
            },
        )
        .await?;
        Ok(Created { id, attrs: Attrs::new() })
    }

    async fn update(&self, call: &Call<'_>, live: &Found<Self>, _changed: &Changed) -> Result<Attrs> {
        call.retag_ec2(&live.id, &live.resource.tags, &self.tags).await?;
        Ok(Attrs::new())
    }

    async fn delete(call: &Call<'_>, live: &Found<Self>) -> Result<()> {
        once::deleted(30, || async {
            let delete = call.cloud.ec2.delete_dhcp_options().dhcp_options_id(&live.id).customize().send().await;
            delete.map_err(|e| AwsError::of(call.doing("delete"), &e))
        })
        .await
    }
}
