//! What Kubernetes' controllers made for a cluster on AWS: load balancers of services, their security groups, volumes of
//! claims. It is not kspot's to delete; whoever deletes the cluster should know of it.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_ec2::types::Filter;

use super::{AwsCloud, AwsError};
use crate::cloud::Live;
use crate::error::Result;
use crate::resource::{Kind, tags};

impl AwsCloud {
    /// One sentence for each thing that stays when the cluster goes.
    pub async fn leftovers(&self, cluster: &str, live: &Live) -> Result<Vec<String>> {
        let vpc = live.iter().find(|(addr, _)| addr.kind == Kind::Vpc).map(|(_, vpc)| vpc.id.as_str());
        let (tagged, balancers) =
            futures::try_join!(self.tagged_by_controllers(cluster), self.other_load_balancers(vpc, live))?;
        let tagged = tagged.into_iter().map(|(id, sort)| match sort.as_str() {
            "volume" => format!("volume {id} stays, with the data of the claim that it was made for"),
            "security-group" => {
                format!("security group {id} stays, and keeps the VPC from going: a controller made it")
            }
            sort => format!("{sort} {id} stays: a controller made it"),
        });
        let balancers = balancers.into_iter().map(|name| {
            format!("load balancer {name} stays, and keeps the VPC from going: delete the Service that it was made for")
        });
        Ok(balancers.chain(tagged).collect())
    }

    /// EC2 resources, with their types, that carry Kubernetes' mark of the cluster and not kspot's.
    async fn tagged_by_controllers(&self, cluster: &str) -> Result<BTreeMap<String, String>> {
        let mark = tags::ownership(cluster);
        let keys = Filter::builder().name("key").values(&mark).values(tags::CLUSTER).build();
        let mut pages = self.ec2.describe_tags().filters(keys).into_paginator().page_size(1000).items().send();
        let (mut theirs, mut ours) = (BTreeMap::new(), BTreeSet::new());
        while let Some(tag) = pages.next().await {
            let tag = tag.map_err(|e| AwsError::of(format!("list what carries the tag {mark}"), &e))?;
            let id = tag.resource_id().unwrap_or_default().to_owned();
            if tag.key() == Some(tags::CLUSTER) {
                ours.insert(id);
            } else if tag.value() == Some("owned") {
                let sort = tag.resource_type().map(|t| t.as_str().to_owned()).unwrap_or_default();
                theirs.insert(id, sort);
            }
        }
        theirs.retain(|id, _| !ours.contains(id));
        Ok(theirs)
    }

    /// Load balancers in the cluster's own VPC that are not the cluster's.
    async fn other_load_balancers(&self, vpc: Option<&str>, live: &Live) -> Result<Vec<String>> {
        let Some(vpc) = vpc else { return Ok(Vec::new()) };
        let ours: BTreeSet<&str> = live.values().map(|observed| observed.id.as_str()).collect();
        let mut pages = self.elb.describe_load_balancers().into_paginator().items().send();
        let mut names = Vec::new();
        while let Some(balancer) = pages.next().await {
            let balancer = balancer.map_err(|e| AwsError::of(format!("list the load balancers of {vpc}"), &e))?;
            let here =
                balancer.vpc_id() == Some(vpc) && !balancer.load_balancer_arn().is_some_and(|a| ours.contains(a));
            names.extend(balancer.load_balancer_name().filter(|_| here).map(str::to_owned));
        }
        Ok(names)
    }
}
