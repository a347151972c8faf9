//! The real cloud: clients, endpoint, retries, and the sweep over all kinds.

pub mod console;
pub mod content;
pub mod error;
pub mod identity;
mod issuers;
pub mod kms;
mod leftovers;
pub mod lookup;
pub mod metadata;
pub mod once;
pub mod partition;
pub mod quotas;
pub mod sizes;
pub mod sts;
mod sweep;
pub mod terminate;
mod trouble;
pub mod volumes;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};

use super::{Attrs, Cloud, Ids, Live, Observed, Scope, Update};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::resource::{Addr, Created, Kind, Ref, Resource, auto_scaling_group, tags};
use crate::state::{Precondition, Store};
pub use error::{AwsError, Class};
pub use trouble::Watch;

/// The account that commands act in.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Account {
    /// Twelve digits.
    pub id: String,
    /// `aws`, `aws-cn` or `aws-us-gov`: the second part of every ARN.
    pub partition: String,
    /// The region's name.
    pub region: String,
}

/// Clients of the services that kspot uses, for one region.
#[derive(Clone, Debug)]
pub struct AwsCloud {
    /// EC2: network, volumes, launch templates.
    pub ec2: aws_sdk_ec2::Client,
    /// Auto Scaling groups.
    pub autoscaling: aws_sdk_autoscaling::Client,
    /// Network load balancers.
    pub elb: aws_sdk_elasticloadbalancingv2::Client,
    /// Roles and instance profiles (global).
    pub iam: aws_sdk_iam::Client,
    /// The interruption queue.
    pub sqs: aws_sdk_sqs::Client,
    /// The interruption queue's rules.
    pub events: aws_sdk_eventbridge::Client,
    /// DNS (global).
    pub route53: aws_sdk_route53::Client,
    /// Keys that seal private keys.
    pub kms: aws_sdk_kms::Client,
    /// The documents of the service accounts' issuer.
    pub s3: aws_sdk_s3::Client,
    /// Who is calling.
    pub sts: aws_sdk_sts::Client,
    /// The region's name.
    pub region: String,
    /// Where the nodes' configurations are kept.
    pub store: Option<Arc<dyn Store>>,
}

/// Loads the standard configuration chain (environment, profile, SSO, instance metadata) for a region.
/// `AWS_ENDPOINT_URL` and its per-service forms are honoured by the SDK.
pub async fn sdk_config(region: Option<&str>) -> SdkConfig {
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .retry_config(RetryConfig::standard().with_max_attempts(6).with_max_backoff(Duration::from_secs(10)))
        .timeout_config(
            TimeoutConfig::builder()
                .connect_timeout(Duration::from_secs(5))
                .operation_attempt_timeout(Duration::from_secs(60))
                .build(),
        )
        .app_name(aws_config::AppName::new("kspot").unwrap_or_else(|_| unreachable!("a valid name")));
    if let Some(region) = region {
        loader = loader.region(Region::new(region.to_owned()));
    }
    loader.load().await
}

/// A service's client whose attempts are watched.
macro_rules! client {
    ($service:ident, $config:expr, $watch:expr) => {
        $service::Client::from_conf($service::config::Builder::from($config).interceptor($watch.clone()).build())
    };
}

impl AwsCloud {
    /// Clients for the configuration's region; an error when no region is set. The context's listener is told of
    /// requests that are sent again.
    pub fn new(config: &SdkConfig, context: &Context) -> Result<Self> {
        let region = config.region().map(ToString::to_string).ok_or_else(|| {
            Error::failed("no AWS region is set").hint("set AWS_REGION, or name zones: the region follows from them")
        })?;
        let watch = Watch::new(context);
        Ok(AwsCloud {
            ec2: client!(aws_sdk_ec2, config, watch),
            autoscaling: client!(aws_sdk_autoscaling, config, watch),
            elb: client!(aws_sdk_elasticloadbalancingv2, config, watch),
            iam: client!(aws_sdk_iam, config, watch),
            sqs: client!(aws_sdk_sqs, config, watch),
            events: client!(aws_sdk_eventbridge, config, watch),
            route53: client!(aws_sdk_route53, config, watch),
            kms: client!(aws_sdk_kms, config, watch),
            s3: crate::state::s3::client(config, context, None),
            sts: client!(aws_sdk_sts, config, watch),
            region,
            store: None,
        })
    }

    /// The same with a state store, in which the nodes' configurations are kept.
    #[must_use]
    pub fn with_store(mut self, store: Arc<dyn Store>) -> Self {
        self.store = Some(store);
        self
    }

    /// A client of S3 for buckets of another region.
    pub fn s3_in(&self, region: &str) -> aws_sdk_s3::Client {
        let there = self.s3.config().to_builder().region(Region::new(region.to_owned())).build();
        aws_sdk_s3::Client::from_conf(there)
    }

    /// Asks STS who is calling: proves the credentials, and gives the account for ARNs.
    pub async fn account(&self) -> Result<Account> {
        let who = self.sts.get_caller_identity().customize().send().await;
        let who = who.map_err(|e| AwsError::of("find out whose AWS credentials these are", &e))?;
        let arn = who.arn().unwrap_or_default();
        let partition = arn.split(':').nth(1).filter(|p| !p.is_empty()).unwrap_or("aws").to_owned();
        let id = who.account().unwrap_or_default().to_owned();
        Ok(Account { id, partition, region: self.region.clone() })
    }
}

impl AwsCloud {
    /// Replaces what was taken from a tag by what AWS says, where that takes a call per object: lifecycle hooks.
    pub async fn look_closer(&self, live: &mut Live) -> Result<()> {
        let is_group = |addr: &&Addr| addr.kind == Kind::AutoScalingGroup;
        let names: Vec<String> = live.keys().filter(is_group).map(|addr| addr.name.clone()).collect();
        let mut hooks = auto_scaling_group::verify_hooks(self, &names).await?;
        for (addr, observed) in live.iter_mut() {
            if let Resource::AutoScalingGroup(group) = &mut observed.resource {
                group.lifecycle_hooks = hooks.remove(&addr.name).unwrap_or_default();
            }
        }
        Ok(())
    }
}

/// The EC2 configuration override for calls that [`once::create_once`] repeats itself.
pub fn no_retry() -> aws_sdk_ec2::config::Builder {
    aws_sdk_ec2::config::Config::builder().retry_config(RetryConfig::disabled())
}

/// What a kind's create, update and delete get: the clients, the address, and the ids of everything else.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// The clients.
    pub cloud: &'a AwsCloud,
    /// Which resource this is about.
    pub addr: &'a Addr,
    /// Ids and attributes of what exists.
    pub ids: &'a Ids,
    /// A client token, unique to this change and the same for its retries.
    pub token: &'a str,
}

impl Call<'_> {
    /// The id that a reference stands for.
    pub fn id(&self, reference: &Ref) -> Result<String> {
        self.ids.id(reference)
    }

    /// The ids that references stand for, in order.
    pub fn all<'r>(&self, references: impl IntoIterator<Item = &'r Ref>) -> Result<Vec<String>> {
        references.into_iter().map(|r| self.ids.id(r)).collect()
    }

    /// What an error says was being done: `create subnet/a`.
    pub fn doing(&self, verb: &str) -> String {
        format!("{verb} {}", self.addr)
    }

    /// Writes an object of the state store.
    pub async fn put_object(&self, key: &str, text: &str) -> Result<()> {
        let store = self.cloud.store.as_ref();
        let store = store.ok_or_else(|| Error::failed(format!("no state store for {}", self.addr)))?;
        let written = store.put(key, text.as_bytes(), Precondition::None).await.map(drop);
        written.map_err(|e| e.or_conflict(|| Error::conflict(format!("{key} was written by somebody else"))))
    }

    /// Deletes an object of the state store.
    pub async fn delete_object(&self, key: &str) -> Result<()> {
        let Some(store) = &self.cloud.store else { return Ok(()) };
        let deleted = store.delete(key, Precondition::None).await;
        deleted.map_err(|e| e.or_conflict(|| Error::conflict(format!("{key} was changed by somebody else"))))
    }

    /// Writes and removes EC2 tags to get from `live` to `wanted`.
    pub async fn retag_ec2(&self, id: &str, live: &tags::Tags, wanted: &tags::Tags) -> Result<()> {
        let (set, remove) = tags::difference(live, wanted);
        let ec2 = &self.cloud.ec2;
        if !set.is_empty() {
            let call = ec2.create_tags().resources(id).set_tags(Some(ec2_tags(&set)));
            call.customize().send().await.map_err(|e| AwsError::of(self.doing("tag"), &e))?;
        }
        if !remove.is_empty() {
            let keys = remove.into_iter().map(|k| aws_sdk_ec2::types::Tag::builder().key(k).build());
            let call = ec2.delete_tags().resources(id).set_tags(Some(keys.collect()));
            call.customize().send().await.map_err(|e| AwsError::of(self.doing("untag"), &e))?;
        }
        Ok(())
    }
}

/// Tags in EC2's type.
pub fn ec2_tags(tags: &tags::Tags) -> Vec<aws_sdk_ec2::types::Tag> {
    tags.iter().map(|(k, v)| aws_sdk_ec2::types::Tag::builder().key(k).value(v).build()).collect()
}

/// The tags of a create call, for one EC2 resource type.
pub fn ec2_tag_spec(kind: aws_sdk_ec2::types::ResourceType, tags: &tags::Tags) -> aws_sdk_ec2::types::TagSpecification {
    aws_sdk_ec2::types::TagSpecification::builder().resource_type(kind).set_tags(Some(ec2_tags(tags))).build()
}

/// Tags out of EC2's type, as far as kspot manages them.
pub fn from_ec2_tags(scope: &Scope, tags: &[aws_sdk_ec2::types::Tag]) -> tags::Tags {
    let pairs = tags.iter().filter_map(|t| Some((t.key()?.to_owned(), t.value().unwrap_or_default().to_owned())));
    tags::managed(scope, pairs)
}

/// The filter for everything that carries the cluster's tag.
pub fn ec2_cluster_filter(cluster: &str) -> aws_sdk_ec2::types::Filter {
    aws_sdk_ec2::types::Filter::builder().name(format!("tag:{}", tags::CLUSTER)).values(cluster).build()
}

#[async_trait]
impl Cloud for AwsCloud {
    async fn observe(&self, scope: &Scope) -> Result<Live> {
        sweep::observe(self, scope).await
    }

    async fn create(&self, addr: &Addr, desired: &Resource, ids: &Ids) -> Result<Created> {
        let token = uuid::Uuid::new_v4().to_string();
        desired.create(&Call { cloud: self, addr, ids, token: &token }).await
    }

    async fn update(&self, addr: &Addr, change: Update<'_>, ids: &Ids) -> Result<Attrs> {
        let token = uuid::Uuid::new_v4().to_string();
        change.desired.update(&Call { cloud: self, addr, ids, token: &token }, change.live, change.changed).await
    }

    async fn delete(&self, addr: &Addr, live: &Observed, ids: &Ids) -> Result<()> {
        let token = uuid::Uuid::new_v4().to_string();
        Resource::delete(&Call { cloud: self, addr, ids, token: &token }, live).await
    }
}
