//! The cluster: everything that is not said per group.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::addons::{
    AddonSpec, CertManager, CloudConfig, ClusterAutoscaler, KubeDns, MetricsServer, NodeProblemDetector,
    NodeTerminationHandler, PodIdentityWebhook,
};
use super::api::ApiSpec;
use super::block::block;
use super::etcd::EtcdCluster;
use super::iam::{IamSpec, ServiceAccountIssuerDiscovery};
use super::kubernetes::{
    CloudControllerManagerConfig, ContainerdConfig, KubeApiServerConfig, KubeControllerManagerConfig, KubeProxyConfig,
    KubeSchedulerConfig, KubeletConfig,
};
use super::metadata::Metadata;
use super::network::{AccessSource, Ipv4Cidr};
use super::networking::{Networking, Subnet, Topology};
use super::rolling_update::{RollingUpdate, UpdatePolicy};
use super::version::KubernetesVersion;

/// A Kubernetes cluster on AWS.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Cluster {
    /// Name and labels; the name is a DNS name with at least one dot.
    pub metadata: Metadata,
    /// What is wanted.
    pub spec: ClusterSpec,
}

impl Cluster {
    /// A cluster of this name with nothing decided yet.
    pub fn named(name: impl Into<String>) -> Self {
        Cluster { metadata: Metadata::named(name), spec: ClusterSpec::default() }
    }

    /// The cluster's name.
    pub fn name(&self) -> &str {
        &self.metadata.name
    }
}

block! {
    /// What is wanted of a cluster.
    pub struct ClusterSpec {
        /// Release of Kubernetes. Default 1.36.4.
        pub kubernetes_version: Option<KubernetesVersion>,
        /// Whether `delete cluster` refuses. Default false.
        pub deletion_protection: Option<bool>,
        /// IPv4 range of the VPC, /16 to /28. Default 172.20.0.0/16.
        #[serde(rename = "networkCIDR")]
        pub network_cidr: Option<Ipv4Cidr>,
        /// Further IPv4 ranges of the VPC.
        #[serde(rename = "additionalNetworkCIDRs")]
        pub additional_network_cidrs: Vec<Ipv4Cidr>,
        /// Id of an existing VPC (`vpc-...`). Shared: never changed or deleted.
        #[serde(rename = "networkID")]
        pub network_id: Option<String>,
        /// The subnets; at least one.
        pub subnets: Vec<Subnet>,
        /// DNS, NAT and bastion.
        pub topology: Option<Topology>,
        /// The pod network. Default flannel.
        pub networking: Option<Networking>,
        /// Range that service addresses and, unless given, podCIDR and serviceClusterIPRange are taken from. Default 100.64.0.0/10.
        #[serde(rename = "nonMasqueradeCIDR")]
        pub non_masquerade_cidr: Option<AccessSource>,
        /// Range of pod addresses. Default 100.96.0.0/11, the upper half of nonMasqueradeCIDR.
        #[serde(rename = "podCIDR")]
        pub pod_cidr: Option<Ipv4Cidr>,
        /// Range of service addresses. Default 100.64.0.0/13, the first eighth of nonMasqueradeCIDR.
        #[serde(rename = "serviceClusterIPRange")]
        pub service_cluster_ip_range: Option<Ipv4Cidr>,
        /// Domain of service names. Default cluster.local.
        #[serde(rename = "clusterDNSDomain")]
        pub cluster_dns_domain: Option<String>,
        /// Route 53 zone, by name or id. Default: the zone with the longest matching name.
        pub dns_zone: Option<String>,
        /// How the Kubernetes API is reached.
        pub api: Option<ApiSpec>,
        /// Who may reach the Kubernetes API: CIDRs and prefix lists. Empty: nobody outside the network.
        pub kubernetes_api_access: Vec<AccessSource>,
        /// Who may connect over SSH. Empty: nobody.
        pub ssh_access: Vec<AccessSource>,
        /// Who may reach NodePort services. Empty: nobody outside the network.
        pub node_port_access: Vec<AccessSource>,
        /// Further names and addresses in the API server's certificate.
        pub additional_sans: Vec<String>,
        /// Name of an existing EC2 key pair. Shared: never changed. Default: the key pair made of sshPublicKey, if any.
        pub ssh_key_name: Option<String>,
        /// Public SSH key (OpenSSH format) of the machines' default user; kspot makes an EC2 key pair of it. Excludes sshKeyName.
        pub ssh_public_key: Option<String>,
        /// etcd's clusters, a member per control-plane group. Default: main and events.
        pub etcd_clusters: Vec<EtcdCluster>,
        /// Rights.
        pub iam: Option<IamSpec>,
        /// ARNs of existing policies by role (`control-plane`, `node`, `bastion`).
        pub external_policies: BTreeMap<String, Vec<String>>,
        /// Further IAM statements by role (`control-plane`, `node`, `bastion`), each a JSON list.
        pub additional_policies: BTreeMap<String, String>,
        /// Publishes what AWS needs to check service-account tokens.
        pub service_account_issuer_discovery: Option<ServiceAccountIssuerDiscovery>,
        /// KMS key (ARN, id or alias) that seals private keys in the state store. Default: the bucket's encryption only.
        #[serde(rename = "keyStoreKMSKey")]
        pub key_store_kms_key: Option<String>,
        /// Tags for every AWS resource of the cluster.
        pub cloud_labels: BTreeMap<String, String>,
        /// Whether kspot leaves shared subnets untagged. Default false.
        #[serde(rename = "disableSubnetTags")]
        pub disable_subnet_tags: Option<bool>,
        /// API server settings.
        #[serde(rename = "kubeAPIServer")]
        pub kube_api_server: Option<KubeApiServerConfig>,
        /// Controller manager settings.
        pub kube_controller_manager: Option<KubeControllerManagerConfig>,
        /// Scheduler settings.
        pub kube_scheduler: Option<KubeSchedulerConfig>,
        /// kube-proxy settings.
        pub kube_proxy: Option<KubeProxyConfig>,
        /// Kubelet settings of every machine.
        pub kubelet: Option<KubeletConfig>,
        /// Kubelet settings of control-plane machines (kOps: masterKubelet), on top of `kubelet`.
        pub control_plane_kubelet: Option<KubeletConfig>,
        /// Container runtime settings.
        pub containerd: Option<ContainerdConfig>,
        /// DNS of services and pods.
        #[serde(rename = "kubeDNS")]
        pub kube_dns: Option<KubeDns>,
        /// AWS cloud controller manager.
        pub cloud_controller_manager: Option<CloudControllerManagerConfig>,
        /// AWS integration: storage classes, EBS driver.
        pub cloud_config: Option<CloudConfig>,
        /// Drains nodes before AWS takes them away.
        pub node_termination_handler: Option<NodeTerminationHandler>,
        /// Adds machines for pods that do not fit, removes idle ones.
        pub cluster_autoscaler: Option<ClusterAutoscaler>,
        /// Use of CPU and memory.
        pub metrics_server: Option<MetricsServer>,
        /// Certificates for workloads.
        pub cert_manager: Option<CertManager>,
        /// Turns kernel and runtime trouble into node conditions.
        pub node_problem_detector: Option<NodeProblemDetector>,
        /// Gives pods the role of their service account; not there yet.
        pub pod_identity_webhook: Option<PodIdentityWebhook>,
        /// Manifests of yours, applied like kspot's own addons.
        pub addons: Vec<AddonSpec>,
        /// Where images and files come from instead of the internet.
        pub assets: Option<AssetsSpec>,
        /// Time synchronisation.
        pub ntp: Option<NtpConfig>,
        /// Operating-system packages installed on every machine.
        pub packages: Vec<String>,
        /// Kernel parameters of every machine, `name=value`.
        pub sysctl_parameters: Vec<String>,
        /// Whether machines patch themselves: `automatic` (the default) or `external`.
        pub update_policy: Option<UpdatePolicy>,
        /// How machines are replaced when their configuration changes.
        pub rolling_update: Option<RollingUpdate>,
    }
}

block! {
    /// Where images and files come from instead of the internet.
    pub struct AssetsSpec {
        /// Registry that holds copies of every image. Excludes containerProxy.
        pub container_registry: Option<String>,
        /// Registry that fetches images from where they come from.
        pub container_proxy: Option<String>,
        /// URL (`https://` or `s3://`) below which copies of every file lie.
        pub file_repository: Option<String>,
        /// SHA-256 of files that are not what their projects released, by the path of their URL: builds of one's own, for
        /// example `/release/v1.36.3/bin/linux/amd64/kubelet`.
        pub checksums: BTreeMap<String, String>,
    }
}

block! {
    /// Time synchronisation.
    pub struct NtpConfig {
        /// Whether kspot sets it up with the VPC's time server. Default true.
        pub managed: Option<bool>,
    }
}
