//! How much of what AWS limits an account may still make, as far as the services themselves tell: the Service Quotas
//! service is not asked, so limits on virtual CPUs and VPCs are found out by AWS's refusal only.

use aws_sdk_ec2::types::AccountAttributeName;

use super::{AwsCloud, AwsError};
use crate::error::Result;
use crate::resource::Kind;

/// What an account may make of one kind of resource in one region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// So many may be there at once.
    pub limit: usize,
    /// So many are there.
    pub used: usize,
}

impl Quota {
    /// How many more may be made.
    pub fn left(self) -> usize {
        self.limit.saturating_sub(self.used)
    }
}

impl AwsCloud {
    /// The quota of a kind; `None` where the service does not tell.
    pub async fn quota(&self, kind: Kind) -> Result<Option<Quota>> {
        match kind {
            Kind::AutoScalingGroup => self.auto_scaling_groups().await,
            Kind::ElasticIp => self.addresses().await,
            Kind::LoadBalancer => self.load_balancers().await,
            _ => Ok(None),
        }
    }

    async fn auto_scaling_groups(&self) -> Result<Option<Quota>> {
        let answer = self.autoscaling.describe_account_limits().customize().send().await;
        let answer = answer.map_err(|e| AwsError::of("read the limits of Auto Scaling", &e))?;
        let (limit, used) = (answer.max_number_of_auto_scaling_groups(), answer.number_of_auto_scaling_groups());
        Ok(count(limit).zip(count(used)).map(|(limit, used)| Quota { limit, used }))
    }

    async fn addresses(&self) -> Result<Option<Quota>> {
        let doing = "read the limit of elastic IP addresses";
        let limit =
            self.ec2.describe_account_attributes().attribute_names(AccountAttributeName::from("vpc-max-elastic-ips"));
        let limit = async { limit.customize().send().await.map_err(|e| AwsError::of(doing, &e)) };
        let all = async { self.ec2.describe_addresses().customize().send().await.map_err(|e| AwsError::of(doing, &e)) };
        let (limit, all) = futures::try_join!(limit, all)?;
        let values = limit.account_attributes().iter().flat_map(|a| a.attribute_values());
        let limit = values.filter_map(|v| v.attribute_value()?.parse().ok()).next();
        Ok(limit.map(|limit| Quota { limit, used: all.addresses().len() }))
    }

    async fn load_balancers(&self) -> Result<Option<Quota>> {
        let doing = "read the limit of network load balancers";
        let limits =
            async { self.elb.describe_account_limits().customize().send().await.map_err(|e| AwsError::of(doing, &e)) };
        let used = async {
            let mut pages = self.elb.describe_load_balancers().into_paginator().items().send();
            let mut used = 0;
            while let Some(balancer) = pages.next().await {
                let balancer = balancer.map_err(|e| AwsError::of(doing, &e))?;
                used += usize::from(balancer.r#type().is_some_and(|t| t.as_str() == "network"));
            }
            Ok::<_, AwsError>(used)
        };
        let (limits, used) = futures::try_join!(limits, used)?;
        let network = limits.limits().iter().find(|limit| limit.name() == Some("network-load-balancers"));
        let limit = network.and_then(|limit| limit.max()?.parse().ok());
        Ok(limit.map(|limit| Quota { limit, used }))
    }
}

fn count(n: Option<i32>) -> Option<usize> {
    n.and_then(|n| usize::try_from(n).ok())
}
