//! The closed set of AWS things that kspot owns: one file per kind, holding its type and its AWS calls.
//!
//! *Observed and desired are the same type*: `observe` normalises AWS's answer into the type that `model` builds, with
//! ids turned into references by address. A kind's file has two halves: the type with its [`Rules`] (pure), and the
//! implementation of [`Aws`] (I/O). Adding a kind is one file here and one line in `kinds!` below; the diff, the
//! views, JSON, ordering, deletion, the in-memory cloud and the tests pick it up.

mod addr;
mod elb;
pub mod policy;
pub mod reference;
mod registry;
pub mod tags;

use std::collections::BTreeMap;

use async_trait::async_trait;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

pub use addr::Addr;
pub use reference::Ref;
pub use tags::Tags;

use crate::cloud::aws::{AwsCloud, Call};
use crate::cloud::{Attrs, Live, Scope};
use crate::error::Result;

registry::kinds! {
    "dhcp-options" => DhcpOptions in dhcp_options,
    "vpc" => Vpc in vpc,
    "internet-gateway" => InternetGateway in internet_gateway,
    "node-config" => NodeConfig in node_config,
    "addon" => Addon in addon,
    "discovery-document" => DiscoveryDocument in discovery_document,
    "subnet" => Subnet in subnet,
    "elastic-ip" => ElasticIp in elastic_ip,
    "nat-gateway" => NatGateway in nat_gateway,
    "egress-only-internet-gateway" => EgressOnlyInternetGateway in egress_only_internet_gateway,
    "route-table" => RouteTable in route_table,
    "security-group" => SecurityGroup in security_group,
    "security-group-rule" => SecurityGroupRule in security_group_rule,
    "hosted-zone" => HostedZone in hosted_zone,
    "record-set" => RecordSet in record_set,
    "key-pair" => KeyPair in key_pair,
    "volume" => Volume in volume,
    "oidc-provider" => OidcProvider in oidc_provider,
    "iam-role" => IamRole in iam_role,
    "instance-profile" => InstanceProfile in instance_profile,
    "target-group" => TargetGroup in target_group,
    "load-balancer" => LoadBalancer in load_balancer,
    "listener" => Listener in listener,
    "launch-template" => LaunchTemplate in launch_template,
    "auto-scaling-group" => AutoScalingGroup in auto_scaling_group,
    "scaling-policy" => ScalingPolicy in scaling_policy,
    "queue" => Queue in queue,
    "event-rule" => EventRule in event_rule,
}

/// In which order a replacement's two halves happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReplaceOrder {
    /// The old one goes first: its name is unique, two can't stand beside each other.
    DeleteFirst,
    /// The new one comes first: nothing is without it for a moment.
    CreateFirst,
}

/// What the generic parts (diff, views, ordering) must know of a kind.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// What people call it, as AWS writes it: `VPC`, `Auto Scaling group`.
    pub noun: &'static str,
    /// Fields that can't be changed in place; a change below any of them forces a replacement.
    /// Paths are of the serialised form, dots between names: `cidr`, `network.interfaces`.
    pub forces_replacement: &'static [&'static str],
    /// In which order a replacement happens.
    pub replace: ReplaceOrder,
    /// Fields whose value is text of many lines (policies, user data): shown as a line diff.
    pub text: &'static [&'static str],
    /// The EC2 resource type (as in `DescribeTags`), if tags tell whether any exist; the sweep of a kind that no tag
    /// mentions is skipped.
    pub ec2_type: Option<&'static str>,
    /// Numeric fields that can be raised in place, while lowering one forces a replacement.
    pub only_grows: &'static [&'static str],
    /// What is lost for good when one is deleted, in words: `the etcd data on it`.
    pub loses_data: Option<&'static str>,
}

/// The pure half of a kind.
pub trait Model:
    Serialize + DeserializeOwned + Clone + std::fmt::Debug + PartialEq + Send + Sync + Sized + 'static
{
    /// The kind's place in the registry.
    const KIND: Kind;
    /// What generic code must know of it.
    const RULES: Rules;

    /// Completes an observation from everything else that was observed, once references are addresses. `None`: what it
    /// refers to shows that it is not the cluster's.
    fn finish(self, _attrs: &Attrs, _live: &Live) -> Option<Self> {
        Some(self)
    }
}

/// One resource as AWS has it.
#[derive(Clone, Debug)]
pub struct Found<R> {
    /// The name within kind and cluster; the address is made of it.
    pub name: String,
    /// What other AWS calls refer to it by (an id, an ARN, or a name where AWS uses names).
    pub id: String,
    /// Facts that AWS assigned and others need (`dns-name`, `version`).
    pub attrs: Attrs,
    /// The normalised value.
    pub resource: R,
}

/// What a create call gave.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Created {
    /// As in [`Found::id`].
    pub id: String,
    /// As in [`Found::attrs`].
    pub attrs: Attrs,
}

/// The AWS half of a kind: the only place where its SDK calls are made.
#[async_trait]
pub trait Aws: Model {
    /// Everything of this kind that is the cluster's, in as few requests as AWS allows: a paged sweep, never a call per
    /// object. References are by id ([`Ref::Id`]); the caller resolves those that are the cluster's own.
    async fn observe(cloud: &AwsCloud, scope: &Scope) -> Result<Vec<Found<Self>>>;

    /// Makes it, tagged from the create call itself. Must be safe to repeat after a lost answer.
    async fn create(&self, call: &Call<'_>) -> Result<Created>;

    /// Changes the `live` one in place into `self`; `changed` says which top-level fields differ.
    /// The answer holds the attributes that are new.
    async fn update(&self, call: &Call<'_>, live: &Found<Self>, changed: &Changed) -> Result<Attrs>;

    /// Deletes the `live` one and waits until it no longer stands in the way of what it used. One that is gone is fine.
    async fn delete(call: &Call<'_>, live: &Found<Self>) -> Result<()>;
}

/// The top-level fields that an update must change.
#[derive(Clone, Debug, Default)]
pub struct Changed(std::collections::BTreeSet<String>);

impl Changed {
    /// From serialised field paths such as `tags.Name`; only the part before the first dot counts.
    pub fn from_paths<'a>(paths: impl IntoIterator<Item = &'a str>) -> Self {
        Changed(paths.into_iter().map(|p| p.split(['.', '[']).next().unwrap_or(p).to_owned()).collect())
    }

    /// Whether the field differs.
    pub fn has(&self, field: &str) -> bool {
        self.0.contains(field)
    }

    /// Whether any of the fields differs.
    pub fn any(&self, fields: &[&str]) -> bool {
        fields.iter().any(|f| self.has(f))
    }
}

/// The desired state of a whole cluster.
pub type Desired = BTreeMap<Addr, Resource>;

impl Resource {
    /// The owned resources that this one refers to.
    pub fn references(&self) -> std::collections::BTreeSet<Addr> {
        reference::addresses_in(&self.to_value())
    }

    /// The value of a top-level field of the serialised form.
    pub fn field(&self, name: &str) -> Value {
        self.to_value().get(name).cloned().unwrap_or(Value::Null)
    }
}
