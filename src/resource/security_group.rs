//! Security group. Its rules are resources of their own: see [`super::security_group_rule`].

use async_trait::async_trait;
use aws_sdk_ec2::types::{Filter, IpPermission, IpRange, Ipv6Range, ResourceType, SecurityGroup as AwsSecurityGroup};
use serde::{Deserialize, Serialize};

use super::{Aws, Changed, Created, Found, Kind, Model, Ref, ReplaceOrder, Rules, Tags, tags};
use crate::cloud::aws::{AwsCloud, AwsError, Call, ec2_cluster_filter, ec2_tag_spec, from_ec2_tags, no_retry, once};
use crate::cloud::{Attrs, Scope};
use crate::error::Result;

/// A security group; its name within the VPC is the name of its address.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SecurityGroup {
    /// The VPC.
    pub vpc: Ref,
    /// What it is for.
    pub description: String,
    /// Its tags.
    pub tags: Tags,
}

impl Model for SecurityGroup {
    const KIND: Kind = Kind::SecurityGroup;
    const RULES: Rules = Rules {
        noun: "security group",
        forces_replacement: &["vpc", "description"],
        replace: ReplaceOrder::DeleteFirst,
        text: &[],
        ec2_type: Some("security-group"),
        only_grows: &[],
        loses_data: None,
    };
}

/// The two rules with which AWS makes a group: everything may leave.
fn default_egress() -> [IpPermission; 2] {
    let all = || IpPermission::builder().ip_protocol("-1");
    [
        all().ip_ranges(IpRange::builder().cidr_ip("0.0.0.0/0").build()).build(),
        // In a VPC with IPv6 only.
        all().ipv6_ranges(Ipv6Range::builder().cidr_ipv6("::/0").build()).build(),
    ]
}

/// Takes the rules away that AWS put in, so that the group's rules are exactly ours.
async fn empty(call: &Call<'_>, id: &str) -> Result<()> {
    for permission in default_egress() {
        once::settled(12, || async {
            let revoke = call.cloud.ec2.revoke_security_group_egress().group_id(id).ip_permissions(permission.clone());
            match revoke.customize().send().await.map_err(|e| AwsError::of(call.doing("empty"), &e)) {
                Err(e) if e.code.as_deref() == Some("InvalidPermission.NotFound") => Ok(()),
                other => other.map(drop),
            }
        })
        .await?;
    }
    Ok(())
}

#[async_trait]
impl Aws for SecurityGroup {
    async fn observe(cloud: &AwsCloud, scope: &Scope) -> Result<Vec<Found<Self>>> {
        let filter = ec2_cluster_filter(&scope.cluster);
        let mut pages = cloud.ec2.describe_security_groups().filters(filter).into_paginator().items().send();
        let mut found = Vec::new();
        while let Some(group) = pages.next().await {
            let group = group.map_err(|e| AwsError::of("list security groups", &e))?;
            let tags = from_ec2_tags(scope, group.tags());
            if !tags::is_owned(scope, &tags) {
                continue;
            }
            found.push(Found {
                name: group.group_name().unwrap_or_default().to_owned(),
                id: group.group_id().unwrap_or_default().to_owned(),
                attrs: Attrs::new(),
                resource: SecurityGroup {
                    vpc: Ref::id(group.vpc_id().unwrap_or_default()),
                    description: group.description().unwrap_or_default().to_owned(),
                    tags,
                },
            });
        }
        Ok(found)
    }

    async fn create(&self, call: &Call<'_>) -> Result<Created> {
        let vpc = call.id(&self.vpc)?;
        let filter = |name: &str, value: &str| Filter::builder().name(name).values(value).build();
        let id = once::create_once(
            || async {
                let made = call
                    .cloud
                    .ec2
                    .create_security_group()
                    .group_name(&call.addr.name)
                    .description(&self.description)
                    .vpc_id(&vpc)
                    .tag_specifications(ec2_tag_spec(ResourceType::SecurityGroup, &self.tags))
                    .customize()
                    .config_override(no_retry())
                    .send()
                    .await
                    .map_err(|e| AwsError::of(call.doing("create"), &e))?;
                Ok(made.group_id().unwrap_or_default().to_owned())
            },
            || async {
                // Only one that carries our tags: a stranger of the same name stays a stranger.
                let same = call
                    .cloud
                    .ec2
                    .describe_security_groups()
                    .filters(filter("vpc-id", &vpc))
                    .filters(filter("group-name", &call.addr.name))
                    .filters(ec2_cluster_filter(self.tags.get(tags::CLUSTER).map_or("", String::as_str)))
                    .customize().send()
                    .await
                    .map_err(|e| AwsError::of(call.doing("look for"), &e))?;
                Ok(same.security_groups().first().and_then(AwsSecurityGroup::group_id).map(str::to_owned))
            },
        )
        .await?;
        empty(call, &id).await?;
        Ok(Created { id, attrs: Attrs::new() })
    }

    async fn update(&self, call: &Call<'_>, live: &Found<Self>, _changed: &Changed) -> Result<Attrs> {
        call.retag_ec2(&live.id, &live.resource.tags, &self.tags).await?;
        Ok(Attrs::new())
    }

    async fn delete(call: &Call<'_>, live: &Found<Self>) -> Result<()> {
        once::deleted(60, || async {
            let delete = call.cloud.ec2.delete_security_group().group_id(&live.id).customize().send().await;
            delete.map_err(|e| AwsError::of(call.doing("delete"), &e))
        })
        .await
        .map_err(|e| {
            e.hint(format!(
                "look for what is still in it: aws ec2 describe-network-interfaces --filters Name=group-id,Values={}",
                live.id
            ))
        })
    }
}
