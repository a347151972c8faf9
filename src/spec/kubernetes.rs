//! Settings of Kubernetes' own components; what is left out keeps kubeadm's and upstream's default.

use std::collections::BTreeMap;

use super::block::block;
use super::duration::GoDuration;
use super::quantity::Quantity;

block! {
    /// Kubelet settings.
    pub struct KubeletConfig {
        /// Whether requests without credentials are served. Only false is accepted.
        pub anonymous_auth: Option<bool>,
        /// Most pods on a node. Default 110.
        pub max_pods: Option<u32>,
        /// Verbosity of the log, 0 to 10. Default 2.
        pub log_level: Option<u32>,
        /// Thresholds that evict at once, for example `memory.available<100Mi,nodefs.available<10%`.
        pub eviction_hard: Option<String>,
        /// Thresholds that evict after a grace period.
        pub eviction_soft: Option<String>,
        /// Grace periods of evictionSoft, for example `memory.available=30s`.
        pub eviction_soft_grace_period: Option<String>,
        /// How long a node stays marked after pressure ends.
        pub eviction_pressure_transition_period: Option<GoDuration>,
        /// Longest grace period of evicted pods, seconds.
        pub eviction_max_pod_grace_period: Option<u32>,
        /// Least amounts an eviction frees, for example `imagefs.available=2Gi`.
        pub eviction_minimum_reclaim: Option<String>,
        /// Resources kept for Kubernetes' own daemons, for example `cpu: 100m`.
        pub kube_reserved: BTreeMap<String, Quantity>,
        /// Resources kept for the operating system.
        pub system_reserved: BTreeMap<String, Quantity>,
        /// What the reservations are enforced on: pods, kube-reserved, system-reserved (comma list). Default pods.
        pub enforce_node_allocatable: Option<String>,
        /// Feature gates.
        pub feature_gates: BTreeMap<String, bool>,
        /// Disk use above which images are always collected, percent.
        #[serde(rename = "imageGCHighThresholdPercent")]
        pub image_gc_high_threshold_percent: Option<u32>,
        /// Disk use below which images are never collected, percent.
        #[serde(rename = "imageGCLowThresholdPercent")]
        pub image_gc_low_threshold_percent: Option<u32>,
        /// Youngest unused image that is collected.
        #[serde(rename = "imageMinimumGCAge")]
        pub image_minimum_gc_age: Option<GoDuration>,
        /// Oldest unused image that is kept.
        #[serde(rename = "imageMaximumGCAge")]
        pub image_maximum_gc_age: Option<GoDuration>,
        /// Images pulled at once at most; when not given, as many as are wanted.
        pub max_parallel_image_pulls: Option<u32>,
        /// Whether images are pulled one by one; when not given, they are not.
        pub serialize_image_pulls: Option<bool>,
        /// Image pulls per second; 0 is no limit.
        #[serde(rename = "registryPullQPS")]
        pub registry_pull_qps: Option<u32>,
        /// Burst of image pulls.
        pub registry_burst: Option<u32>,
        /// Whether CPU limits are enforced.
        #[serde(rename = "cpuCFSQuota")]
        pub cpu_cfs_quota: Option<bool>,
        /// Period of CPU limits.
        #[serde(rename = "cpuCFSQuotaPeriod")]
        pub cpu_cfs_quota_period: Option<GoDuration>,
        /// CPU manager: none or static.
        pub cpu_manager_policy: Option<String>,
        /// Topology manager: none, best-effort, restricted or single-numa-node.
        pub topology_manager_policy: Option<String>,
        /// Whether the kubelet fails if kernel settings differ from what it wants. Default true.
        pub protect_kernel_defaults: Option<bool>,
        /// Unsafe sysctls that pods may set.
        pub allowed_unsafe_sysctls: Vec<String>,
        /// Size at which a container's log is rotated.
        pub container_log_max_size: Option<Quantity>,
        /// Files kept of a container's log.
        pub container_log_max_files: Option<u32>,
        /// Most processes in a pod.
        pub pod_pids_limit: Option<i64>,
        /// How long a node's shutdown waits for pods in all. Default 30s.
        pub shutdown_grace_period: Option<GoDuration>,
        /// The part of it that is kept for critical pods. Default 10s.
        pub shutdown_grace_period_critical_pods: Option<GoDuration>,
        /// How often the node's status is computed.
        pub node_status_update_frequency: Option<GoDuration>,
        /// Idle time after which streams are closed.
        pub streaming_connection_idle_timeout: Option<GoDuration>,
        /// The resolver configuration pods inherit.
        pub resolv_conf: Option<String>,
        /// Whether pods get the runtime's default seccomp profile.
        pub seccomp_default: Option<bool>,
        /// Whether the kubelet refuses to run with swap on.
        pub fail_swap_on: Option<bool>,
        /// How pods use swap: LimitedSwap or NoSwap.
        pub memory_swap_behavior: Option<String>,
        /// Requests per second to the API.
        #[serde(rename = "kubeAPIQPS")]
        pub kube_api_qps: Option<u32>,
        /// Burst of requests to the API.
        #[serde(rename = "kubeAPIBurst")]
        pub kube_api_burst: Option<u32>,
        /// Events per second.
        #[serde(rename = "eventQPS")]
        pub event_qps: Option<u32>,
        /// Burst of events.
        pub event_burst: Option<u32>,
    }
}

block! {
    /// API server settings.
    pub struct KubeApiServerConfig {
        /// Feature gates.
        pub feature_gates: BTreeMap<String, bool>,
        /// API groups and versions switched on or off, for example `api/all: "true"`.
        pub runtime_config: BTreeMap<String, String>,
        /// Verbosity of the log, 0 to 10. Default 2.
        pub log_level: Option<u32>,
        /// Admission plugins on top of the default ones.
        pub append_admission_plugins: Vec<String>,
        /// Admission plugins switched off.
        pub disable_admission_plugins: Vec<String>,
        /// Ports of NodePort services. Default 30000-32767.
        pub service_node_port_range: Option<String>,
        /// URL of the OpenID Connect issuer whose tokens are accepted.
        #[serde(rename = "oidcIssuerURL")]
        pub oidc_issuer_url: Option<String>,
        /// Client id tokens must be issued for.
        #[serde(rename = "oidcClientID")]
        pub oidc_client_id: Option<String>,
        /// Claim that names the user.
        pub oidc_username_claim: Option<String>,
        /// Prefix of user names.
        pub oidc_username_prefix: Option<String>,
        /// Claim that names the groups.
        pub oidc_groups_claim: Option<String>,
        /// Prefix of group names.
        pub oidc_groups_prefix: Option<String>,
        /// Claims a token must have, `key=value`.
        pub oidc_required_claim: Vec<String>,
        /// File of the audit policy on the control-plane machines.
        pub audit_policy_file: Option<String>,
        /// Path of the audit log; `-` is the standard output.
        pub audit_log_path: Option<String>,
        /// Days audit logs are kept.
        pub audit_log_max_age: Option<u32>,
        /// Audit logs kept.
        pub audit_log_max_backups: Option<u32>,
        /// Size in MB at which the audit log is rotated.
        pub audit_log_max_size: Option<u32>,
        /// How long events are kept. Default 1h0m0s.
        #[serde(rename = "eventTTL")]
        pub event_ttl: Option<GoDuration>,
        /// Most requests in flight that change nothing.
        pub max_requests_inflight: Option<u32>,
        /// Most requests in flight that change something.
        pub max_mutating_requests_inflight: Option<u32>,
        /// How long a request may take.
        pub request_timeout: Option<GoDuration>,
        /// Chance that a connection is told to reconnect elsewhere, "0" to "0.02".
        pub goaway_chance: Option<String>,
        /// Seconds pods tolerate a node that is not ready.
        pub default_not_ready_toleration_seconds: Option<i64>,
        /// Seconds pods tolerate a node that is unreachable.
        pub default_unreachable_toleration_seconds: Option<i64>,
        /// CPU request. Default 150m.
        pub cpu_request: Option<Quantity>,
        /// Memory request.
        pub memory_request: Option<Quantity>,
        /// Memory limit.
        pub memory_limit: Option<Quantity>,
    }
}

block! {
    /// Controller manager settings.
    pub struct KubeControllerManagerConfig {
        /// Feature gates.
        pub feature_gates: BTreeMap<String, bool>,
        /// Verbosity of the log, 0 to 10. Default 2.
        pub log_level: Option<u32>,
        /// How often nodes' health is looked at.
        pub node_monitor_period: Option<GoDuration>,
        /// How long a node may be silent before it counts as not ready.
        pub node_monitor_grace_period: Option<GoDuration>,
        /// Size of each node's pod range, a prefix length. Default 24.
        #[serde(rename = "nodeCIDRMaskSize")]
        pub node_cidr_mask_size: Option<u8>,
        /// Terminated pods kept before the oldest are removed.
        #[serde(rename = "terminatedPodGCThreshold")]
        pub terminated_pod_gc_threshold: Option<u32>,
        /// How often the horizontal pod autoscaler looks.
        pub horizontal_pod_autoscaler_sync_period: Option<GoDuration>,
        /// How long it waits before it scales in.
        pub horizontal_pod_autoscaler_downscale_stabilization: Option<GoDuration>,
        /// How long the CPU use of a new pod is left out.
        pub horizontal_pod_autoscaler_cpu_initialization_period: Option<GoDuration>,
        /// Requests per second to the API.
        #[serde(rename = "kubeAPIQPS")]
        pub kube_api_qps: Option<u32>,
        /// Burst of requests to the API.
        #[serde(rename = "kubeAPIBurst")]
        pub kube_api_burst: Option<u32>,
        /// CPU request. Default 100m.
        pub cpu_request: Option<Quantity>,
        /// Memory request.
        pub memory_request: Option<Quantity>,
    }
}

block! {
    /// Scheduler settings.
    pub struct KubeSchedulerConfig {
        /// Feature gates.
        pub feature_gates: BTreeMap<String, bool>,
        /// Verbosity of the log, 0 to 10. Default 2.
        pub log_level: Option<u32>,
        /// Requests per second to the API.
        #[serde(rename = "kubeAPIQPS")]
        pub kube_api_qps: Option<u32>,
        /// Burst of requests to the API.
        #[serde(rename = "kubeAPIBurst")]
        pub kube_api_burst: Option<u32>,
        /// CPU request. Default 100m.
        pub cpu_request: Option<Quantity>,
        /// Memory request.
        pub memory_request: Option<Quantity>,
    }
}

block! {
    /// kube-proxy settings.
    pub struct KubeProxyConfig {
        /// Whether kube-proxy runs. Default true.
        pub enabled: Option<bool>,
        /// iptables, ipvs or nftables. Default iptables.
        pub proxy_mode: Option<String>,
        /// Feature gates.
        pub feature_gates: BTreeMap<String, bool>,
        /// Verbosity of the log, 0 to 10. Default 2.
        pub log_level: Option<u32>,
        /// Where metrics are served.
        pub metrics_bind_address: Option<String>,
        /// Connections tracked per core.
        pub conntrack_max_per_core: Option<u32>,
        /// Least connections tracked.
        pub conntrack_min: Option<u32>,
        /// CPU request. Default 100m.
        pub cpu_request: Option<Quantity>,
        /// Memory request.
        pub memory_request: Option<Quantity>,
    }
}

block! {
    /// Container runtime settings.
    pub struct ContainerdConfig {
        /// Release of containerd, 2.1.0 or newer. Default: the one this kspot was tested with.
        pub version: Option<String>,
        /// Log level: trace, debug, info, warn, error, fatal or panic. Default info.
        pub log_level: Option<String>,
        /// Mirrors by registry host, in order.
        pub registry_mirrors: BTreeMap<String, Vec<String>>,
        /// Image of the pause container.
        pub sandbox_image: Option<String>,
        /// The release of runc.
        pub runc: Option<RuncConfig>,
        /// Where containerd is fetched from instead of its own release.
        pub packages: Option<PackagesConfig>,
    }
}

block! {
    /// The release of runc.
    pub struct RuncConfig {
        /// Release. Default: the one this kspot was tested with.
        pub version: Option<String>,
    }
}

block! {
    /// Where a package is fetched from; the URL and the hash of an architecture go together.
    pub struct PackagesConfig {
        /// URL for amd64.
        pub url_amd64: Option<String>,
        /// SHA-256 for amd64.
        pub hash_amd64: Option<String>,
        /// URL for arm64.
        pub url_arm64: Option<String>,
        /// SHA-256 for arm64.
        pub hash_arm64: Option<String>,
    }
}

block! {
    /// The AWS cloud controller manager.
    pub struct CloudControllerManagerConfig {
        /// Image. Default: the release for the cluster's Kubernetes.
        pub image: Option<String>,
        /// Verbosity of the log, 0 to 10. Default 2.
        pub log_level: Option<u32>,
        /// CPU request. Default 200m.
        pub cpu_request: Option<Quantity>,
        /// How often nodes' addresses are looked at.
        pub node_status_update_frequency: Option<GoDuration>,
        /// Nodes looked at at once.
        pub concurrent_node_syncs: Option<u32>,
    }
}
