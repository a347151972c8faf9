//! Elastic IP: a public IPv4 address that stays the same.

use async_trait::async_trait;
use aws_sdk_ec2::types::{DomainType, ResourceType};
use serde::{Deserialize, Serialize};

use super::{Aws, Changed, Created, Found, Kind, Model, ReplaceOrder, Rules, Tags, tags};
use crate::cloud::aws::{AwsCloud, AwsError, Call, ec2_cluster_filter, ec2_tag_spec, from_ec2_tags, no_retry, once};
use crate::cloud::{Attrs, Scope};
use crate::error::Result;

/// The public address of a NAT gateway; AWS picks it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ElasticIp {
    /// Its tags.
    pub tags: Tags,
}

impl Model for ElasticIp {
    const KIND: Kind = Kind::ElasticIp;
    const RULES: Rules = Rules {
        noun: "elastic IP",
        forces_replacement: &[],
        replace: ReplaceOrder::CreateFirst,
        text: &[],
        ec2_type: Some("elastic-ip"),
        only_grows: &[],
        loses_data: None,
    };
}

/// The attribute that holds the address itself.
pub const PUBLIC_IP: &str = "public-ip";

fn attrs(public_ip: Option<&str>) -> Attrs {
    public_ip.map(|ip| (PUBLIC_IP.to_owned(), ip.to_owned())).into_iter().collect()
}

/// `DescribeAddresses` has no pages: an account has few addresses.
async fn find(cloud: &AwsCloud, scope: &Scope) -> Result<Vec<Found<ElasticIp>>> {
    let all = cloud.ec2.describe_addresses().filters(ec2_cluster_filter(&scope.cluster)).customize().send().await;
    let all = all.map_err(|e| AwsError::of("list elastic IPs", &e))?;
    let found = all.addresses().iter().filter_map(|address| {
        let tags = from_ec2_tags(scope, address.tags());
        tags::is_owned(scope, &tags).then(|| Found {
            name: tags.get(tags::NAME).cloned().unwrap_or_default(),
            id: address.allocation_id().unwrap_or_default().to_owned(),
            attrs: attrs(address.public_ip()),
            resource: ElasticIp { tags },
        })
    });
    Ok(found.collect())
}

#[async_trait]
impl Aws for ElasticIp {
    async fn observe(cloud: &AwsCloud, scope: &Scope) -> Result<Vec<Found<Self>>> {
        find(cloud, scope).await
    }

    async fn create(&self, call: &Call<'_>) -> Result<Created> {
        let scope = tags::scope_of(&self.tags);
        once::create_once(
            || async {
                let made = call
                    .cloud
                    .ec2
                    .allocate_address()
                    .domain(DomainType::Vpc)
                    .tag_specifications(ec2_tag_spec(ResourceType::ElasticIp, &self.tags))
                    .customize()
                    .config_override(no_retry())
                    .send()
                    .await
                    .map_err(|e| AwsError::of(call.doing("create"), &e))?;
                let id = made.allocation_id().unwrap_or_default().to_owned();
                Ok(Created { id, attrs: attrs(made.public_ip()) })
            },
            || async {
                let found = find(call.cloud, &scope).await?.into_iter().find(|f| f.name == call.addr.name);
                Ok(found.map(|f| Created { id: f.id, attrs: f.attrs }))
            },
        )
        .await
    }

    async fn update(&self, call: &Call<'_>, live: &Found<Self>, _changed: &Changed) -> Result<Attrs> {
        call.retag_ec2(&live.id, &live.resource.tags, &self.tags).await?;
        Ok(Attrs::new())
    }

    async fn delete(call: &Call<'_>, live: &Found<Self>) -> Result<()> {
        once::deleted(60, || async {
            let release = call.cloud.ec2.release_address().allocation_id(&live.id).customize().send().await;
            release.map_err(|e| AwsError::of(call.doing("release"), &e))
        })
        .await
    }
}
