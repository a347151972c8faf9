//! The addons kspot knows how to install, and their settings.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::block::block;
use super::duration::GoDuration;
use super::network::Ipv4Address;
use super::quantity::Quantity;

block! {
    /// aws-node-termination-handler: drains nodes before AWS takes them away.
    pub struct NodeTerminationHandler {
        /// Whether it runs. Default false.
        pub enabled: Option<bool>,
        /// Queue mode (an SQS queue and EventBridge rules) or, if false, the metadata service on each node. Default true.
        #[serde(rename = "enableSQSTerminationDraining")]
        pub enable_sqs_termination_draining: Option<bool>,
        /// Whether spot interruptions drain. Default true; cannot be false in queue mode.
        pub enable_spot_interruption_draining: Option<bool>,
        /// Whether scheduled maintenance drains. Default true.
        pub enable_scheduled_event_draining: Option<bool>,
        /// Whether rebalance recommendations are watched; needs enableRebalanceDraining. Default false.
        pub enable_rebalance_monitoring: Option<bool>,
        /// Whether rebalance recommendations drain. Default false.
        pub enable_rebalance_draining: Option<bool>,
        /// Whether a node gets the out-of-service taint once it is gone. Default false.
        pub enable_out_of_service_taint: Option<bool>,
        /// Whether messages about machines that are no nodes are deleted. Default false.
        #[serde(rename = "deleteSQSMsgIfNodeNotFound")]
        pub delete_sqs_msg_if_node_not_found: Option<bool>,
        /// Whether metrics are served for Prometheus. Default false.
        pub prometheus_enable: Option<bool>,
        /// Whether a draining node leaves the load balancers first. Default true.
        pub exclude_from_load_balancers: Option<bool>,
        /// Tag key of the machines it takes care of. Default aws-node-termination-handler/managed.
        #[serde(rename = "managedASGTag")]
        pub managed_asg_tag: Option<String>,
        /// Seconds pods get to stop; -1 for each pod's own. Default -1.
        pub pod_termination_grace_period: Option<i32>,
        /// Whether nodes are tainted with the reason. Default false.
        pub taint_node: Option<bool>,
        /// CPU request. Default 50m.
        pub cpu_request: Option<Quantity>,
        /// Memory request. Default 64Mi.
        pub memory_request: Option<Quantity>,
        /// Memory limit.
        pub memory_limit: Option<Quantity>,
        /// Release. Default: the one this kspot was tested with.
        pub version: Option<String>,
        /// Template of the message sent to webhookURL.
        pub webhook_template: Option<String>,
        /// URL that is told about interruptions.
        #[serde(rename = "webhookURL")]
        pub webhook_url: Option<String>,
    }
}

impl NodeTerminationHandler {
    /// Whether it runs.
    pub fn enabled(&self) -> bool {
        self.enabled.unwrap_or(false)
    }

    /// Whether it reads a queue (else each node's metadata service).
    pub fn queue_mode(&self) -> bool {
        self.enable_sqs_termination_draining.unwrap_or(true)
    }

    /// Whether rebalance recommendations drain.
    pub fn drains_on_rebalance(&self) -> bool {
        self.enable_rebalance_draining.unwrap_or(false)
    }

    /// Whether AWS's scheduled maintenance drains.
    pub fn drains_on_scheduled_events(&self) -> bool {
        self.enable_scheduled_event_draining.unwrap_or(true)
    }

    /// Tag key of the machines it takes care of.
    pub fn managed_asg_tag(&self) -> &str {
        self.managed_asg_tag.as_deref().unwrap_or("aws-node-termination-handler/managed")
    }
}

block! {
    /// The Kubernetes cluster autoscaler: adds machines for pods that do not fit, removes idle ones.
    pub struct ClusterAutoscaler {
        /// Whether it runs. Default false.
        pub enabled: Option<bool>,
        /// How it chooses a group to grow. Default random.
        pub expander: Option<Expander>,
        /// Whether like groups are kept equally large. Default true.
        pub balance_similar_node_groups: Option<bool>,
        /// Whether metrics are given per group. Default false.
        pub emit_per_nodegroup_metrics: Option<bool>,
        /// Whether it uses the list of instance types it was built with instead of asking AWS. Default false.
        pub aws_use_static_instance_list: Option<bool>,
        /// Whether DaemonSet pods are left out of a node's use. Default false.
        pub ignore_daemon_sets_utilization: Option<bool>,
        /// Use below which a node is removed, "0" to "1". Default "0.5".
        pub scale_down_utilization_threshold: Option<String>,
        /// Whether nodes with pods of unknown controllers stay. Default true.
        pub skip_nodes_with_custom_controller_pods: Option<bool>,
        /// Whether nodes with kube-system pods stay. Default true.
        pub skip_nodes_with_system_pods: Option<bool>,
        /// Whether nodes with pods that use local storage stay. Default true.
        pub skip_nodes_with_local_storage: Option<bool>,
        /// How old a pod must be before it makes a group grow. Default 0s.
        pub new_pod_scale_up_delay: Option<GoDuration>,
        /// How long after growing nothing is removed. Default 10m0s.
        pub scale_down_delay_after_add: Option<GoDuration>,
        /// How long a node is idle before it is removed. Default 10m0s.
        pub scale_down_unneeded_time: Option<GoDuration>,
        /// The same for a node that is not ready. Default 20m0s.
        pub scale_down_unready_time: Option<GoDuration>,
        /// Whether nodes are cordoned before they are removed. Default true.
        pub cordon_node_before_terminating: Option<bool>,
        /// Image. Default: the release of the cluster's own Kubernetes minor.
        pub image: Option<String>,
        /// CPU request. Default 100m.
        pub cpu_request: Option<Quantity>,
        /// Memory request. Default 300Mi.
        pub memory_request: Option<Quantity>,
        /// How long a machine may take to join before another group is tried. Default 15m0s, 5m0s when a group buys spot.
        pub max_node_provision_time: Option<GoDuration>,
        /// Annotations of its pods.
        pub pod_annotations: BTreeMap<String, String>,
        /// Whether the `priority` expander's ConfigMap is made from the groups' autoscalePriority. Default: with that expander.
        pub create_priority_expander_config: Option<bool>,
        /// The `priority` expander's ConfigMap in your own words: priority to patterns of group names.
        pub custom_priority_expander_config: BTreeMap<String, Vec<String>>,
    }
}

impl ClusterAutoscaler {
    /// Whether it runs.
    pub fn enabled(&self) -> bool {
        self.enabled.unwrap_or(false)
    }

    /// How it chooses a group to grow.
    pub fn expander(&self) -> Expander {
        self.expander.unwrap_or_default()
    }
}

/// How the cluster autoscaler chooses a group to grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Expander {
    /// Any that fits.
    #[default]
    Random,
    /// The one with the least idle CPU afterwards.
    LeastWaste,
    /// The one that fits most pods.
    MostPods,
    /// The one with the highest priority: spot before on-demand unless it is said otherwise.
    Priority,
}

impl Expander {
    /// The autoscaler's name of it.
    pub fn as_str(self) -> &'static str {
        match self {
            Expander::Random => "random",
            Expander::LeastWaste => "least-waste",
            Expander::MostPods => "most-pods",
            Expander::Priority => "priority",
        }
    }
}

block! {
    /// metrics-server: use of CPU and memory, for `kubectl top` and the horizontal pod autoscaler.
    pub struct MetricsServer {
        /// Whether it runs. Default false.
        pub enabled: Option<bool>,
        /// Image. Default: the release this kspot was tested with.
        pub image: Option<String>,
        /// Whether kubelets' certificates are left unchecked; kspot signs them, so only false is needed. Default false.
        pub insecure: Option<bool>,
    }
}

block! {
    /// cert-manager.
    pub struct CertManager {
        /// Whether it is there. Default false.
        pub enabled: Option<bool>,
        /// Whether kspot installs it; false says that you do. Default true.
        pub managed: Option<bool>,
    }
}

impl CertManager {
    /// Whether it is there, by kspot or by you.
    pub fn enabled(&self) -> bool {
        self.enabled.unwrap_or(false)
    }

    /// Whether kspot installs it.
    pub fn installed_by_kspot(&self) -> bool {
        self.enabled() && self.managed.unwrap_or(true)
    }
}

block! {
    /// node-problem-detector: turns kernel and runtime trouble into node conditions.
    pub struct NodeProblemDetector {
        /// Whether it runs. Default false.
        pub enabled: Option<bool>,
        /// Image. Default: the release this kspot was tested with.
        pub image: Option<String>,
        /// CPU request. Default 20m.
        pub cpu_request: Option<Quantity>,
        /// Memory request. Default 100Mi.
        pub memory_request: Option<Quantity>,
        /// CPU limit.
        pub cpu_limit: Option<Quantity>,
        /// Memory limit.
        pub memory_limit: Option<Quantity>,
    }
}

block! {
    /// The webhook that gives pods the role of their service account. There is none yet.
    pub struct PodIdentityWebhook {
        /// Whether it runs. Only false is accepted.
        pub enabled: Option<bool>,
        /// Number of pods. Default 2.
        pub replicas: Option<u32>,
    }
}

block! {
    /// DNS of services and pods.
    pub struct KubeDns {
        /// Only CoreDNS exists.
        pub provider: Option<DnsProvider>,
        /// Address of the DNS service. Default: the tenth address of serviceClusterIPRange.
        #[serde(rename = "serverIP")]
        pub server_ip: Option<Ipv4Address>,
        /// Name servers outside, instead of the machine's.
        pub upstream_nameservers: Vec<String>,
        /// Name servers by domain.
        pub stub_domains: BTreeMap<String, Vec<String>>,
        /// CPU request. Default 100m.
        pub cpu_request: Option<Quantity>,
        /// Memory request. Default 70Mi.
        pub memory_request: Option<Quantity>,
        /// Memory limit. Default 170Mi.
        pub memory_limit: Option<Quantity>,
        /// Answers cached. Default 1000.
        pub cache_max_size: Option<u32>,
        /// Queries forwarded at once. Default 150.
        pub cache_max_concurrent: Option<u32>,
        /// A cache on each node.
        #[serde(rename = "nodeLocalDNS")]
        pub node_local_dns: Option<NodeLocalDns>,
    }
}

/// The DNS server of services and pods.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DnsProvider {
    /// CoreDNS.
    #[default]
    CoreDNS,
}

block! {
    /// A DNS cache on each node.
    pub struct NodeLocalDns {
        /// Whether it runs. Default false.
        pub enabled: Option<bool>,
        /// Address it listens on. Default 169.254.20.10.
        #[serde(rename = "localIP")]
        pub local_ip: Option<Ipv4Address>,
        /// Image. Default: the release this kspot was tested with.
        pub image: Option<String>,
        /// Whether names outside the cluster are asked of CoreDNS instead of the machine's name servers. Default false.
        #[serde(rename = "forwardToKubeDNS")]
        pub forward_to_kube_dns: Option<bool>,
        /// CPU request. Default 25m.
        pub cpu_request: Option<Quantity>,
        /// Memory request. Default 5Mi.
        pub memory_request: Option<Quantity>,
    }
}

block! {
    /// Settings of the AWS integration.
    pub struct CloudConfig {
        /// Whether kspot keeps the default storage class. Default true.
        pub manage_storage_classes: Option<bool>,
        /// Whether services of type LoadBalancer leave security groups alone. Default false.
        pub disable_security_group_ingress: Option<bool>,
        /// Existing security group for load balancers of services.
        pub elb_security_group: Option<String>,
        /// The EBS volume driver.
        #[serde(rename = "awsEBSCSIDriver")]
        pub aws_ebs_csi_driver: Option<AwsEbsCsiDriver>,
    }
}

block! {
    /// The EBS volume driver.
    pub struct AwsEbsCsiDriver {
        /// Whether it is there; only true is accepted, `managed: false` leaves it to you. Default true.
        pub enabled: Option<bool>,
        /// Whether kspot installs it. Default true.
        pub managed: Option<bool>,
        /// Release. Default: the one this kspot was tested with.
        pub version: Option<String>,
        /// Most volumes on a node. Default: AWS's limit.
        pub volume_attach_limit: Option<u32>,
        /// Annotations of its pods.
        pub pod_annotations: BTreeMap<String, String>,
    }
}

/// Manifests of yours that kspot applies like its own addons.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AddonSpec {
    /// Where the manifest is: `s3://...`, `https://...`, or a path below the cluster in the state store.
    pub manifest: String,
}
