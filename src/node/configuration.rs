//! A machine's configuration: everything that it needs to become a node. It holds no secret.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::spec::Taint;
use crate::spec::kubernetes::{KubeApiServerConfig, KubeControllerManagerConfig, KubeProxyConfig, KubeSchedulerConfig};
use crate::spec::rolling_update::UpdatePolicy;
use crate::spec::volume::VolumeMount;

/// The document.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Configuration {
    /// `kspot.io/v1alpha1`
    pub api_version: String,
    /// `NodeConfiguration`
    pub kind: String,
    /// The cluster's name.
    pub cluster: String,
    /// The instance group's name.
    pub group: String,
    /// `control-plane` or `node`.
    pub role: String,
    /// Where the machine is.
    pub cloud: Cloud,
    /// The release of Kubernetes, without the `v`.
    pub kubernetes_version: String,
    /// The labels that the node gets; those that a kubelet may not set for itself are set by the controller.
    pub labels: BTreeMap<String, String>,
    /// The taints that it registers with.
    pub taints: Vec<Taint>,
    /// How the control plane is called.
    pub api: Api,
    /// Addresses inside the cluster.
    pub network: Network,
    /// The settings of the spec, the group's on top of the role's on top of the cluster's.
    pub kubelet: Value,
    /// containerd's and runc's.
    pub container_runtime: Value,
    /// kube-proxy's.
    pub kube_proxy: KubeProxyConfig,
    /// What it downloads.
    pub assets: Vec<Asset>,
    /// The machine below Kubernetes.
    pub host: Host,
    /// What only the control plane needs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub control_plane: Option<ControlPlane>,
}

/// Where the machines are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cloud {
    /// The account's id.
    pub account: String,
    /// `aws`, `aws-cn` ...
    pub partition: String,
    /// The region.
    pub region: String,
}

/// By what names the control plane is called; what addresses these have is found by the machines' tags.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Api {
    /// The API server's name inside the cluster.
    pub internal_name: String,
    /// Its port.
    pub port: u16,
    /// The controller's name.
    pub controller_name: String,
    /// Its port.
    pub controller_port: u16,
}

/// Addresses inside the cluster.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Network {
    /// Whether pods and services have IPv6 addresses.
    pub ipv6: bool,
    /// The VPC's ranges.
    pub vpc_cidrs: Vec<String>,
    /// The range of pods; with IPv6 each machine has its own from AWS.
    #[serde(rename = "podCIDR", default, skip_serializing_if = "Option::is_none")]
    pub pod_cidr: Option<String>,
    /// The range of services.
    #[serde(rename = "serviceCIDR")]
    pub service_cidr: String,
    /// The DNS service's address.
    pub dns_address: String,
    /// The domain of services.
    pub dns_domain: String,
    /// What flannel carries packets in, where it is the network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flannel_backend: Option<Value>,
}

/// The machine below Kubernetes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Host {
    /// Packages of the distribution, on top of what Kubernetes needs.
    pub packages: Vec<String>,
    /// Kernel settings, `name=value`, on top of what Kubernetes needs.
    pub sysctls: Vec<String>,
    /// Extra volumes.
    pub volume_mounts: Vec<VolumeMount>,
    /// Whether it installs security updates by itself.
    pub update_policy: UpdatePolicy,
    /// Whether its clock follows AWS's.
    pub manage_time: bool,
}

/// A file that machines download.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asset {
    /// What it is: `kubelet`, `containerd` ...
    pub name: String,
    /// Where it is.
    pub url: String,
    /// How it is known to be right.
    #[serde(flatten)]
    pub checksum: Checksum,
}

/// How a download is known to be right.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Checksum {
    /// By its sha256, in hex.
    Sha256(String),
    /// By the sha256 that is published at this URL: alone, or on the line that ends with the file's name.
    Sha256Url(String),
}

/// The part that only control-plane machines read: etcd, the API server, who may join.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ControlPlane {
    /// The etcd clusters: `main`, `events` ...
    pub etcd: Vec<Etcd>,
    /// Names and addresses in the API server's certificate. That of its load balancer is looked up by the machine.
    pub certificate_names: BTreeSet<String>,
    /// The name of the API's load balancer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load_balancer: Option<String>,
    /// The record that follows the machines when there is no load balancer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub published_name: Option<String>,
    /// The zone of that record, if it existed before the cluster; else the zone that is called like the cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub published_zone: Option<String>,
    /// The instance profiles (ARNs) of machines that may join as workers.
    pub worker_profiles: BTreeSet<String>,
    /// The API server's settings.
    pub api_server: KubeApiServerConfig,
    /// Absent: the API server issues tokens under kubeadm's default name, for nobody outside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_accounts: Option<ServiceAccounts>,
    /// The controller manager's settings.
    pub controller_manager: KubeControllerManagerConfig,
    /// The scheduler's settings.
    pub scheduler: KubeSchedulerConfig,
    /// The key of KMS that the private keys in the store are sealed with.
    #[serde(rename = "keyStoreKMSKey", default, skip_serializing_if = "Option::is_none")]
    pub key_store_kms_key: Option<String>,
}

/// One etcd cluster, and which member of it this machine is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Etcd {
    /// `main`, `events` ...
    pub name: String,
    /// This machine's member.
    pub member: String,
    /// All members.
    pub members: Vec<Member>,
    /// The image that it runs from.
    pub image: String,
    /// The port of the API server's requests.
    pub client_port: u16,
    /// The port that members talk to each other on.
    pub peer_port: u16,
    /// What it requests of the CPU.
    pub cpu_request: String,
    /// What it requests of memory.
    pub memory_request: String,
    /// Where its snapshots go, and when.
    pub backups: Backups,
}

/// A member of an etcd cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Member {
    /// Its name.
    pub name: String,
    /// Its host name, the same on whichever machine it is.
    pub peer_name: String,
}

/// Snapshots of an etcd cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Backups {
    /// Absent: `backups/etcd/<name>` below the cluster in the state store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store: Option<String>,
    /// How often.
    pub interval: String,
    /// How long daily ones are kept.
    pub retention_days: u32,
}

/// Under which name the API server issues tokens, and for whom.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServiceAccounts {
    /// `--service-account-issuer`, in this order: the first one is in new tokens, the others are accepted.
    pub issuers: Vec<String>,
    /// `--service-account-jwks-uri`
    #[serde(rename = "jwksURI")]
    pub jwks_uri: String,
    /// `--api-audiences`
    pub audiences: Vec<String>,
}
