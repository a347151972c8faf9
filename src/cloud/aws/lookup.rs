//! Facts about things that the cluster uses and does not own: looked up, never changed.

use std::collections::BTreeMap;

use aws_sdk_ec2::types::Filter;

use super::{AwsCloud, AwsError, Class};
use crate::error::{Error, Result};
use crate::resource::iam_role::existing;

fn filter(name: &str, values: impl IntoIterator<Item = String>) -> Filter {
    Filter::builder().name(name).set_values(Some(values.into_iter().collect())).build()
}

/// A machine of a cluster, as EC2 has it.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Instance {
    /// `i-...`
    pub id: String,
    /// `pending`, `running`, `stopping` ...
    pub state: String,
    /// The instance group.
    pub group: String,
    /// `control-plane`, `node` or `bastion`.
    pub role: String,
    /// The instance type.
    pub instance_type: String,
    /// `spot` or `on-demand`.
    pub lifecycle: String,
    /// The availability zone.
    pub zone: String,
    /// The private address.
    pub internal_ip: Option<String>,
    /// The public address.
    pub external_ip: Option<String>,
    /// The launch template's version that it was started from.
    pub template_version: Option<String>,
    /// When it was started.
    pub launched: Option<jiff::Timestamp>,
}

impl AwsCloud {
    /// The machines of a cluster that are not gone, by group and id: one paged sweep.
    pub async fn instances(&self, cluster: &str) -> Result<Vec<Instance>> {
        self.instances_where(cluster, None).await
    }

    /// Those of the control plane.
    pub async fn control_plane(&self, cluster: &str) -> Result<Vec<Instance>> {
        self.instances_where(cluster, Some(filter("tag:k8s.io/role/control-plane", ["1".to_owned()]))).await
    }

    async fn instances_where(&self, cluster: &str, also: Option<Filter>) -> Result<Vec<Instance>> {
        let alive = ["pending", "running", "stopping", "stopped", "shutting-down"].map(str::to_owned);
        let filters = [filter("instance-state-name", alive)].into_iter().chain(also);
        let mut all = self.every_instance(cluster, filters, instance).await?;
        all.sort_by(|a, b| (&a.role, &a.group, &a.id).cmp(&(&b.role, &b.group, &b.id)));
        Ok(all)
    }

    /// The instances of a cluster that pass these filters, as `read` sees them: one paged sweep.
    pub(super) async fn every_instance<T>(
        &self,
        cluster: &str,
        filters: impl IntoIterator<Item = Filter>,
        read: impl Fn(&aws_sdk_ec2::types::Instance) -> T,
    ) -> Result<Vec<T>> {
        let filters = std::iter::once(super::ec2_cluster_filter(cluster)).chain(filters).collect();
        let call = self.ec2.describe_instances().set_filters(Some(filters));
        let mut pages = call.into_paginator().page_size(1000).send();
        let mut all = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|e| AwsError::of(format!("list the instances of cluster {cluster}"), &e))?;
            all.extend(page.reservations().iter().flat_map(|r| r.instances()).map(&read));
        }
        Ok(all)
    }

    /// The region that a bucket is in, whoever's it is; S3 says it in refusals, too.
    pub async fn bucket_region(&self, bucket: &str) -> Result<String> {
        let told = match self.s3.head_bucket().bucket(bucket).customize().send().await {
            Ok(head) => head.bucket_region,
            Err(e) => {
                let header = e.raw_response().and_then(|r| r.headers().get("x-amz-bucket-region")).map(str::to_owned);
                if header.is_none() {
                    let error = AwsError::of(format!("find out which region bucket {bucket} is in"), &e);
                    return Err(match error.class {
                        Class::NotFound => Error::failed(format!("there is no bucket {bucket}"))
                            .hint("make it, or name another with spec.serviceAccountIssuerDiscovery.discoveryStore"),
                        _ => error.into(),
                    });
                }
                header
            }
        };
        Ok(told.unwrap_or_else(|| self.region.clone()))
    }

    /// Why nobody without credentials can read what is in a bucket, as far as its settings say; `None` if they say nothing
    /// against it.
    pub async fn closed_to_the_public(&self, region: &str, bucket: &str) -> Result<Option<&'static str>> {
        let s3 = self.s3_in(region);
        let doing = |what: &str| format!("read {what} of bucket {bucket}");
        let block = s3.get_public_access_block().bucket(bucket).customize().send().await;
        let block = existing(block.map_err(|e| AwsError::of(doing("the public access block"), &e)))?;
        let block = block.and_then(|b| b.public_access_block_configuration);
        if block.is_some_and(|b| b.restrict_public_buckets() == Some(true)) {
            return Ok(Some("its public access block has RestrictPublicBuckets"));
        }
        let policy = s3.get_bucket_policy().bucket(bucket).customize().send().await;
        let policy = existing(policy.map_err(|e| AwsError::of(doing("the policy"), &e)))?;
        Ok(policy.is_none().then_some("it has no policy"))
    }

    /// The id of the hosted zone that a name or id stands for; for a name the zone whose name is its longest suffix.
    pub async fn hosted_zone(&self, name_or_id: &str, private: bool) -> Result<Option<String>> {
        let wanted = name_or_id.trim_end_matches('.');
        let mut pages = self.route53.list_hosted_zones().into_paginator().items().send();
        let mut best: Option<(usize, String)> = None;
        while let Some(zone) = pages.next().await {
            let zone = zone.map_err(|e| AwsError::of("list hosted zones", &e))?;
            let id = zone.id().trim_start_matches("/hostedzone/").to_owned();
            if id == wanted {
                return Ok(Some(id));
            }
            let name = zone.name().trim_end_matches('.').to_owned();
            let is_private = zone.config().is_some_and(|c| c.private_zone());
            let fits = wanted == name || wanted.ends_with(&format!(".{name}"));
            if fits && is_private == private && best.as_ref().is_none_or(|(length, _)| name.len() > *length) {
                best = Some((name.len(), id));
            }
        }
        Ok(best.map(|(_, id)| id))
    }

    /// The DNS name of a load balancer, by its name.
    pub async fn load_balancer_address(&self, name: &str) -> Result<Option<String>> {
        let answer = self.elb.describe_load_balancers().names(name).customize().send().await;
        match answer.map_err(|e| AwsError::of(format!("find the load balancer {name}"), &e)) {
            Ok(found) => Ok(found.load_balancers().first().and_then(|b| b.dns_name()).map(str::to_owned)),
            Err(e) if e.class == super::Class::NotFound => Ok(None),
            Err(e) => Err(e.into()),
        }
    }

    /// Checks that a private hosted zone answers in a VPC.
    pub async fn check_zone_serves(&self, zone: &str, vpc: &str) -> Result<()> {
        let answer = self.route53.get_hosted_zone().id(zone).customize().send().await;
        let answer = answer.map_err(|e| AwsError::of(format!("read the hosted zone {zone}"), &e))?;
        if answer.vpcs().iter().any(|v| v.vpc_id() == Some(vpc)) {
            return Ok(());
        }
        Err(Error::failed(format!("the private hosted zone {zone} does not answer in {vpc}")).hint(format!(
            "aws route53 associate-vpc-with-hosted-zone --hosted-zone-id {zone} --vpc VPCRegion={},VPCId={vpc}",
            self.region
        )))
    }

    /// The internet gateway of somebody else's VPC.
    pub async fn internet_gateway_of(&self, vpc: &str) -> Result<Option<String>> {
        let call = self.ec2.describe_internet_gateways().filters(filter("attachment.vpc-id", [vpc.to_owned()]));
        let answer = call
            .customize()
            .send()
            .await
            .map_err(|e| AwsError::of(format!("find the internet gateway of {vpc}"), &e))?;
        Ok(answer.internet_gateways().first().and_then(|g| g.internet_gateway_id()).map(str::to_owned))
    }

    /// The allocation ids of public addresses, by address. An address that is not the account's is an error.
    pub async fn elastic_ips(&self, addresses: &[String]) -> Result<BTreeMap<String, String>> {
        if addresses.is_empty() {
            return Ok(BTreeMap::new());
        }
        let call = self.ec2.describe_addresses().filters(filter("public-ip", addresses.iter().cloned()));
        let answer =
            call.customize().send().await.map_err(|e| AwsError::of("find the elastic IP addresses of the spec", &e))?;
        let found: BTreeMap<String, String> = answer
            .addresses()
            .iter()
            .filter_map(|a| Some((a.public_ip()?.to_owned(), a.allocation_id()?.to_owned())))
            .collect();
        match addresses.iter().find(|a| !found.contains_key(*a)) {
            None => Ok(found),
            Some(missing) => {
                Err(Error::failed(format!("{missing} is no elastic IP address of this account in {}", self.region))
                    .hint("allocate it, or take publicIP out of the subnet"))
            }
        }
    }

    /// Checks that a shared VPC and shared subnets exist, and that the subnets are the VPC's.
    pub async fn check_shared(&self, vpc: &str, subnets: &[String]) -> Result<()> {
        let call = self.ec2.describe_vpcs().vpc_ids(vpc);
        call.customize().send().await.map_err(|e| AwsError::of(format!("find the shared VPC {vpc}"), &e))?;
        if subnets.is_empty() {
            return Ok(());
        }
        let call = self.ec2.describe_subnets().set_subnet_ids(Some(subnets.to_vec()));
        let answer = call.customize().send().await.map_err(|e| AwsError::of("find the shared subnets", &e))?;
        match answer.subnets().iter().find(|s| s.vpc_id() != Some(vpc)) {
            None => Ok(()),
            Some(other) => Err(Error::failed(format!(
                "subnet {} is in {}, not in the shared VPC {vpc}",
                other.subnet_id().unwrap_or_default(),
                other.vpc_id().unwrap_or_default()
            ))),
        }
    }
}

fn instance(i: &aws_sdk_ec2::types::Instance) -> Instance {
    let tag = |key: &str| i.tags().iter().find(|t| t.key() == Some(key)).and_then(|t| t.value()).map(str::to_owned);
    let role = ["control-plane", "bastion", "node"].iter().find(|r| tag(&format!("k8s.io/role/{r}")).is_some());
    let launched = i.launch_time().and_then(|t| jiff::Timestamp::from_second(t.secs()).ok());
    Instance {
        id: i.instance_id().unwrap_or_default().to_owned(),
        state: i.state().and_then(|s| s.name()).map(|n| n.as_str().to_owned()).unwrap_or_default(),
        group: tag("kspot.io/instancegroup").unwrap_or_default(),
        role: role.map(|r| (*r).to_owned()).unwrap_or_default(),
        instance_type: i.instance_type().map(|t| t.as_str().to_owned()).unwrap_or_default(),
        lifecycle: i.instance_lifecycle().map_or_else(|| "on-demand".to_owned(), |l| l.as_str().to_owned()),
        zone: i.placement().and_then(|p| p.availability_zone()).unwrap_or_default().to_owned(),
        internal_ip: i.private_ip_address().map(str::to_owned),
        external_ip: i.public_ip_address().map(str::to_owned),
        template_version: tag("aws:ec2launchtemplate:version"),
        launched,
    }
}
