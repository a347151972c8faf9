//! What templates know of the cluster.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use crate::cloud::aws::Account;
use crate::cloud::aws::partition::dns_suffix;
use crate::model::iam::addon_roles;
use crate::model::naming::Names;
use crate::node::keep;
use crate::spec::addons::AddonSpec;
use crate::spec::cluster::AssetsSpec;
use crate::spec::{Cluster, InstanceGroup, Object, Role, print};

/// The context of every template.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Context {
    /// The cluster's facts.
    pub cluster: Facts,
    /// The cluster's spec with its defaults, as people write it.
    pub spec: Value,
    /// The instance groups.
    pub groups: Vec<Group>,
    /// The termination handler's queue; empty without one.
    #[serde(rename = "queueURL")]
    pub queue_url: String,
    /// The manifests that the spec lists.
    #[serde(skip)]
    pub own: Vec<AddonSpec>,
    /// The ARNs of the roles of addons, by service account in `kube-system`; without an entry the machine's role counts.
    pub roles: BTreeMap<String, String>,
    /// Where images come from, if not from their own registries.
    #[serde(skip)]
    pub assets: Option<AssetsSpec>,
}

/// What a cluster is.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Facts {
    /// Its name.
    pub name: String,
    /// The AWS region.
    pub region: String,
    /// The AWS account.
    pub account: String,
    /// `aws`, `aws-cn` ...
    pub partition: String,
    /// `1.36.4`
    pub kubernetes_version: String,
    /// `1.36`
    pub kubernetes_minor: String,
    /// The range of pods.
    #[serde(rename = "podCIDR")]
    pub pod_cidr: String,
    /// The range of services.
    #[serde(rename = "serviceCIDR")]
    pub service_cidr: String,
    /// `cluster.local`
    pub dns_domain: String,
    /// The address of the cluster's DNS service.
    pub dns_server: String,
    /// Whether pods have IPv6 addresses.
    pub ipv6: bool,
    /// The API's name inside the network.
    pub internal_api: String,
    /// The port of the API server on every machine's loopback.
    #[serde(rename = "machineAPIPort")]
    pub machine_api_port: u16,
    /// How many control planes there are.
    pub control_plane_count: usize,
    /// The tags of everything on AWS.
    pub cloud_labels: BTreeMap<String, String>,
}

/// What an instance group is.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Group {
    /// Its name.
    pub name: String,
    /// Its Auto Scaling group.
    pub asg: String,
    /// `ControlPlane`, `Node` or `Bastion`.
    pub role: Role,
    /// Fewest machines.
    pub min: u32,
    /// Most machines.
    pub max: u32,
    /// Whether the autoscaler may change its size.
    pub autoscale: bool,
    /// Its rank for the autoscaler.
    pub priority: i64,
    /// Whether it may buy spot machines.
    pub spot: bool,
    /// The nodes' labels.
    pub labels: BTreeMap<String, String>,
    /// The nodes' taints.
    pub taints: Vec<String>,
}

impl Context {
    /// Of completed specs.
    pub fn of(cluster: &Cluster, groups: &[InstanceGroup], account: &Account) -> Self {
        let names = Names::of(cluster.name());
        // The order in which groups are written is no difference.
        let by_name: BTreeMap<&str, Group> = groups.iter().map(|g| (g.name(), Group::of(g, names))).collect();
        let spec = &cluster.spec;
        let version = spec.kubernetes_version();
        let suffix = dns_suffix(&account.partition);
        let dns = spec.kube_dns.as_ref().and_then(|dns| dns.server_ip);
        let queue = spec.enabled_node_termination_handler().filter(|h| h.queue_mode());
        let queue = queue.map(|_| names.termination_queue());
        Context {
            cluster: Facts {
                name: cluster.name().to_owned(),
                region: account.region.clone(),
                account: account.id.clone(),
                partition: account.partition.clone(),
                kubernetes_version: version.to_string(),
                kubernetes_minor: format!("{}.{}", version.major, version.minor),
                pod_cidr: spec.pod_cidr().to_string(),
                service_cidr: spec.service_cluster_ip_range().to_string(),
                dns_domain: spec.cluster_dns_domain().to_owned(),
                dns_server: dns.map_or_else(String::new, |address| address.to_string()),
                ipv6: spec.is_ipv6(),
                internal_api: names.internal_api(),
                machine_api_port: keep::PORT,
                control_plane_count: groups.iter().filter(|g| g.spec.role == Role::ControlPlane).count(),
                cloud_labels: spec.cloud_labels.clone(),
            },
            spec: print::to_value(&Object::Cluster(Box::new(cluster.clone())))["spec"].clone(),
            groups: by_name.into_values().collect(),
            queue_url: queue.map_or_else(String::new, |queue| {
                format!("https://sqs.{}.{suffix}/{}/{queue}", account.region, account.id)
            }),
            own: spec.addons.clone(),
            roles: addon_roles(cluster, account),
            assets: spec.assets.clone(),
        }
    }
}

impl Group {
    fn of(group: &InstanceGroup, names: Names<'_>) -> Self {
        let spec = &group.spec;
        Group {
            name: group.name().to_owned(),
            asg: names.instance_group(group),
            role: spec.role,
            min: spec.min_size(),
            max: spec.max_size(),
            autoscale: spec.autoscale(),
            priority: spec.autoscale_priority.unwrap_or_default().into(),
            spot: spec.buys_spot(),
            labels: spec.node_labels.clone(),
            taints: spec.effective_taints().iter().map(ToString::to_string).collect(),
        }
    }
}
