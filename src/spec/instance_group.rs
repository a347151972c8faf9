//! A group of like machines: one Auto Scaling group, its launch template and what its nodes register with.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::block::block;
use super::duration::GoDuration;
use super::kubernetes::{ContainerdConfig, KubeletConfig};
use super::metadata::{CLUSTER_LABEL, Metadata};
use super::mixed_instances::MixedInstancesPolicy;
use super::rolling_update::{RollingUpdate, UpdatePolicy};
use super::taint::{Taint, TaintEffect};
use super::volume::{EbsVolume, Volume, VolumeMount, VolumeType, Wanted};

/// A group of like machines.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct InstanceGroup {
    /// Name and labels; the label `kspot.io/cluster` names the cluster.
    pub metadata: Metadata,
    /// What is wanted.
    pub spec: InstanceGroupSpec,
}

impl InstanceGroup {
    /// A group of this name and role in a cluster.
    pub fn new(cluster: &str, name: &str, role: Role) -> Self {
        let mut metadata = Metadata::named(name);
        metadata.labels.insert(CLUSTER_LABEL.to_owned(), cluster.to_owned());
        InstanceGroup { metadata, spec: InstanceGroupSpec { role, ..InstanceGroupSpec::default() } }
    }

    /// The group's name.
    pub fn name(&self) -> &str {
        &self.metadata.name
    }

    /// The name of its cluster, `None` if the label is missing.
    pub fn cluster(&self) -> Option<&str> {
        self.metadata.labels.get(CLUSTER_LABEL).map(String::as_str)
    }
}

/// What the machines of a group are for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Role {
    /// Runs etcd, the API server and the controllers; one machine per group.
    #[serde(alias = "Master", alias = "control-plane", alias = "master")]
    ControlPlane,
    /// Runs the workload.
    #[default]
    #[serde(alias = "node")]
    Node,
    /// A way in over SSH for private networks; not a Kubernetes node.
    #[serde(alias = "bastion")]
    Bastion,
}

impl Role {
    /// Every role.
    pub const ALL: [Role; 3] = [Role::ControlPlane, Role::Node, Role::Bastion];

    /// The name in specs.
    pub fn as_str(self) -> &'static str {
        match self {
            Role::ControlPlane => "ControlPlane",
            Role::Node => "Node",
            Role::Bastion => "Bastion",
        }
    }

    /// The name in labels, tags and keys: `control-plane`, `node`, `bastion`.
    pub fn label(self) -> &'static str {
        match self {
            Role::ControlPlane => "control-plane",
            Role::Node => "node",
            Role::Bastion => "bastion",
        }
    }
}

block! {
    /// What is wanted of a group of machines.
    pub struct InstanceGroupSpec {
        /// What the machines are for: `ControlPlane` (also `Master`), `Node` or `Bastion`. Required.
        #[schemars(required)]
        pub role: Role,
        /// Machine image: `ami-...`, or `<owner>/<name>` where the owner is an account, `ubuntu`, `debian`, `amazon` or `self`, and of a name with `*` the newest counts. Default: the newest Ubuntu 24.04 of the machines' architecture.
        pub image: Option<String>,
        /// Instance type; with a mixedInstancesPolicy, the type of the launch template. Default: t3.medium for nodes and control plane, t3.micro for bastions.
        pub machine_type: Option<String>,
        /// Fewest machines. Default 1 for control plane and bastion, 2 for nodes.
        pub min_size: Option<u32>,
        /// Most machines. Default 1 for control plane and bastion, 2 for nodes, never less than minSize.
        pub max_size: Option<u32>,
        /// Whether the cluster autoscaler may change the size. Default true for nodes.
        pub autoscale: Option<bool>,
        /// Rank for the autoscaler's `priority` expander; higher is preferred. Default 0.
        pub autoscale_priority: Option<i16>,
        /// Names of the cluster's subnets the machines live in. Default: every subnet that fits the role.
        pub subnets: Vec<String>,
        /// Zones to use among those of `subnets`; instead of `subnets` it stands for every fitting subnet in these zones.
        pub zones: Vec<String>,
        /// Several types and purchase options; how spot machines are bought.
        pub mixed_instances_policy: Option<MixedInstancesPolicy>,
        /// Highest spot price in dollars per hour, for example "0.1". Without mixedInstancesPolicy it makes the whole group spot. Default: the on-demand price.
        pub max_price: Option<String>,
        /// Whether Auto Scaling replaces spot machines that AWS thinks will be interrupted soon. Default: true for a group that buys spot by a policy.
        pub capacity_rebalance: Option<bool>,
        /// Labels of the nodes; also told to the autoscaler so that it can scale from zero.
        pub node_labels: BTreeMap<String, String>,
        /// Taints of the nodes, `key=value:effect`; also told to the autoscaler.
        pub taints: Vec<Taint>,
        /// Tags for the group's AWS resources, on top of the cluster's cloudLabels.
        pub cloud_labels: BTreeMap<String, String>,
        /// Size of the root volume in GiB. Default 64 for the control plane, 128 for nodes, 32 for bastions.
        pub root_volume_size: Option<u32>,
        /// Type of the root volume: gp3, gp2, io1, io2 or standard. Default gp3.
        pub root_volume_type: Option<VolumeType>,
        /// I/O operations per second of the root volume. Default 3000 for gp3, 100 for io1 and io2.
        pub root_volume_iops: Option<u32>,
        /// Throughput of the root volume in MiB/s, gp3 only. Default 125.
        pub root_volume_throughput: Option<u32>,
        /// Whether the root volume is encrypted. Default true.
        pub root_volume_encryption: Option<bool>,
        /// KMS key of the root volume: ARN, id or alias. Default: the account's key for EBS.
        pub root_volume_encryption_key: Option<String>,
        /// Further EBS volumes of each machine.
        pub volumes: Vec<Volume>,
        /// Where those volumes are mounted.
        pub volume_mounts: Vec<VolumeMount>,
        /// Whether machines get a public address. Default: true in Public and Utility subnets.
        pub associate_public_ip: Option<bool>,
        /// Ids of existing security groups (`sg-...`) the machines are also in. They are shared: never changed.
        pub additional_security_groups: Vec<String>,
        /// Id of an existing security group (`sg-...`) that replaces kspot's own for this role. Shared: never changed.
        pub security_group_override: Option<String>,
        /// The instance profile.
        pub iam: Option<IamProfile>,
        /// How machines reach the metadata service.
        pub instance_metadata: Option<InstanceMetadata>,
        /// Tenancy: `default`, `dedicated` or `host`.
        pub tenancy: Option<Tenancy>,
        /// CPU credits of burstable types: `standard` or `unlimited`.
        pub cpu_credits: Option<CpuCredits>,
        /// Whether CloudWatch gets metrics each minute; costs extra. Default false.
        pub detailed_instance_monitoring: Option<bool>,
        /// What happens to a maxPrice spot machine when it is interrupted. Default `terminate`.
        pub instance_interruption_behavior: Option<InterruptionBehavior>,
        /// Whether Auto Scaling never chooses these machines when it scales in. Default false.
        pub instance_protection: Option<bool>,
        /// Longest life of a machine before Auto Scaling replaces it: 0 (never, the default) or at least 24h.
        pub max_instance_lifetime: Option<GoDuration>,
        /// Auto Scaling processes that stand still, for example `AZRebalance`. Default: AZRebalance for a spot group over several zones.
        pub suspend_processes: Vec<ScalingProcess>,
        /// Target-tracking scaling policies of the Auto Scaling group; not for a group that the cluster autoscaler manages.
        pub target_tracking: Vec<TargetTracking>,
        /// Existing load balancer target groups the machines are registered with.
        pub external_load_balancers: Vec<ExternalLoadBalancer>,
        /// Further user data, made into one MIME multipart with kspot's own.
        pub additional_user_data: Vec<UserData>,
        /// Operating-system packages installed on each machine.
        pub packages: Vec<String>,
        /// Kernel parameters, `name=value`.
        pub sysctl_parameters: Vec<String>,
        /// Kubelet settings on top of the cluster's.
        pub kubelet: Option<KubeletConfig>,
        /// Container runtime settings on top of the cluster's.
        pub containerd: Option<ContainerdConfig>,
        /// How machines are replaced when their configuration changes; on top of the cluster's.
        pub rolling_update: Option<RollingUpdate>,
        /// Whether machines patch themselves: `automatic` or `external`. Default: the cluster's.
        pub update_policy: Option<UpdatePolicy>,
    }
}

impl super::block::Unset for Role {
    fn is_unset(&self) -> bool {
        false
    }
}

block! {
    /// The instance profile of a group.
    pub struct IamProfile {
        /// ARN of an existing instance profile; kspot then makes no role for the group. Shared: never changed.
        pub profile: Option<String>,
    }
}

block! {
    /// How machines reach the EC2 metadata service.
    pub struct InstanceMetadata {
        /// Whether a session token is needed: `required` (IMDSv2, the default) or `optional`.
        pub http_tokens: Option<HttpTokens>,
        /// How many network hops the token's answer may take, 1 to 64. Default 1: pods cannot reach the machine's credentials.
        pub http_put_response_hop_limit: Option<u32>,
    }
}

/// Whether the metadata service wants a session token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum HttpTokens {
    /// IMDSv2 only.
    Required,
    /// IMDSv1 too.
    Optional,
}

/// Whether machines share hardware with other accounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Tenancy {
    /// Shared hardware.
    Default,
    /// Hardware of this account's own.
    Dedicated,
    /// A dedicated host.
    Host,
}

impl Tenancy {
    /// AWS's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Tenancy::Default => "default",
            Tenancy::Dedicated => "dedicated",
            Tenancy::Host => "host",
        }
    }
}

/// CPU credits of burstable types.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum CpuCredits {
    /// Slowed down when credits are used up.
    Standard,
    /// Never slowed down; surplus credits are billed.
    Unlimited,
}

impl CpuCredits {
    /// AWS's name.
    pub fn as_str(self) -> &'static str {
        match self {
            CpuCredits::Standard => "standard",
            CpuCredits::Unlimited => "unlimited",
        }
    }
}

/// What happens to a spot machine when it is interrupted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum InterruptionBehavior {
    /// Terminated: the only choice of machines in an Auto Scaling group.
    Terminate,
    /// Stopped.
    Stop,
    /// Hibernated.
    Hibernate,
}

/// A process of an Auto Scaling group that can be suspended, by AWS's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum ScalingProcess {
    /// Adds machines.
    Launch,
    /// Removes machines.
    Terminate,
    /// Registers machines with target groups.
    AddToLoadBalancer,
    /// Takes CloudWatch alarms.
    AlarmNotification,
    /// Balances machines over zones.
    AZRebalance,
    /// Checks machines' health.
    HealthCheck,
    /// Replaces machines on an instance refresh.
    InstanceRefresh,
    /// Replaces unhealthy machines.
    ReplaceUnhealthy,
    /// Takes scheduled actions.
    ScheduledActions,
}

impl ScalingProcess {
    /// AWS's name.
    pub fn as_str(self) -> &'static str {
        match self {
            ScalingProcess::Launch => "Launch",
            ScalingProcess::Terminate => "Terminate",
            ScalingProcess::AddToLoadBalancer => "AddToLoadBalancer",
            ScalingProcess::AlarmNotification => "AlarmNotification",
            ScalingProcess::AZRebalance => "AZRebalance",
            ScalingProcess::HealthCheck => "HealthCheck",
            ScalingProcess::InstanceRefresh => "InstanceRefresh",
            ScalingProcess::ReplaceUnhealthy => "ReplaceUnhealthy",
            ScalingProcess::ScheduledActions => "ScheduledActions",
        }
    }
}

/// A scaling policy that keeps a metric of the group near a target.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TargetTracking {
    /// The metric; at most one policy per metric.
    pub metric: ScalingMetric,
    /// The value to hold: percent for CPU, bytes per minute and machine for the network, requests per target for a load balancer.
    pub target: f64,
    /// For ALBRequestCountPerTarget: `app/<load balancer>/<id>/targetgroup/<target group>/<id>`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_label: Option<String>,
    /// Whether the policy only ever adds machines. Default false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disable_scale_in: Option<bool>,
    /// How long a new machine's metrics are left out. Default: the group's warm-up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance_warmup: Option<GoDuration>,
}

/// A predefined metric of Auto Scaling, by AWS's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum ScalingMetric {
    /// Average CPU use of the group, percent.
    ASGAverageCPUUtilization,
    /// Average bytes received per machine.
    ASGAverageNetworkIn,
    /// Average bytes sent per machine.
    ASGAverageNetworkOut,
    /// Requests per target of a load balancer.
    ALBRequestCountPerTarget,
}

impl ScalingMetric {
    /// AWS's name.
    pub fn as_str(self) -> &'static str {
        match self {
            ScalingMetric::ASGAverageCPUUtilization => "ASGAverageCPUUtilization",
            ScalingMetric::ASGAverageNetworkIn => "ASGAverageNetworkIn",
            ScalingMetric::ASGAverageNetworkOut => "ASGAverageNetworkOut",
            ScalingMetric::ALBRequestCountPerTarget => "ALBRequestCountPerTarget",
        }
    }
}

block! {
    /// An existing load balancer the machines of a group are registered with.
    pub struct ExternalLoadBalancer {
        /// Name of a classic load balancer, at most 32 characters. Excludes targetGroupArn.
        pub load_balancer_name: Option<String>,
        /// ARN of a target group.
        pub target_group_arn: Option<String>,
    }
}

/// A further part of the user data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UserData {
    /// File name of the part.
    pub name: String,
    /// MIME type of the part.
    #[serde(rename = "type")]
    pub mime_type: UserDataType,
    /// Its text.
    pub content: String,
}

/// A MIME type cloud-init understands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum UserDataType {
    /// A script.
    #[serde(rename = "text/x-shellscript")]
    ShellScript,
    /// A cloud-config document.
    #[serde(rename = "text/cloud-config")]
    CloudConfig,
    /// An archive of cloud-config documents.
    #[serde(rename = "text/cloud-config-archive")]
    CloudConfigArchive,
    /// A script run early at every boot.
    #[serde(rename = "text/cloud-boothook")]
    CloudBoothook,
    /// URLs to include.
    #[serde(rename = "text/x-include-url")]
    IncludeUrl,
    /// URLs to include once.
    #[serde(rename = "text/x-include-once-url")]
    IncludeOnceUrl,
    /// A handler of parts, in Python.
    #[serde(rename = "text/part-handler")]
    PartHandler,
    /// An upstart job.
    #[serde(rename = "text/upstart-job")]
    UpstartJob,
}

impl UserDataType {
    /// The MIME type.
    pub fn as_str(self) -> &'static str {
        match self {
            UserDataType::ShellScript => "text/x-shellscript",
            UserDataType::CloudConfig => "text/cloud-config",
            UserDataType::CloudConfigArchive => "text/cloud-config-archive",
            UserDataType::CloudBoothook => "text/cloud-boothook",
            UserDataType::IncludeUrl => "text/x-include-url",
            UserDataType::IncludeOnceUrl => "text/x-include-once-url",
            UserDataType::PartHandler => "text/part-handler",
            UserDataType::UpstartJob => "text/upstart-job",
        }
    }
}

impl InstanceGroupSpec {
    /// Fewest machines.
    pub fn min_size(&self) -> u32 {
        self.min_size.unwrap_or(match self.role {
            Role::Node => 2.min(self.max_size.unwrap_or(2)),
            Role::ControlPlane | Role::Bastion => 1,
        })
    }

    /// Most machines.
    pub fn max_size(&self) -> u32 {
        self.max_size.unwrap_or(match self.role {
            Role::Node => 2.max(self.min_size()),
            Role::ControlPlane | Role::Bastion => 1.max(self.min_size()),
        })
    }

    /// The instance type of the launch template: as given, else the first of the policy, else the role's default.
    pub fn machine_type(&self) -> &str {
        let first = || self.mixed_instances_policy.as_ref().and_then(|p| p.instances.first());
        self.machine_type.as_ref().or_else(first).map_or(self.default_machine_type(), String::as_str)
    }

    fn default_machine_type(&self) -> &'static str {
        match self.role {
            Role::ControlPlane | Role::Node => "t3.medium",
            Role::Bastion => "t3.micro",
        }
    }

    /// Whether the cluster autoscaler may change the size of this group, if the cluster runs it.
    pub fn autoscale(&self) -> bool {
        self.role == Role::Node && self.autoscale.unwrap_or(true)
    }

    /// Rank for the autoscaler's `priority` expander.
    pub fn autoscale_priority(&self) -> i16 {
        self.autoscale_priority.unwrap_or(0)
    }

    /// Taints of the nodes: as given; a control plane without any keeps the workload away.
    pub fn effective_taints(&self) -> Vec<Taint> {
        if self.role != Role::ControlPlane || !self.taints.is_empty() {
            return self.taints.clone();
        }
        let key = "node-role.kubernetes.io/control-plane".to_owned();
        vec![Taint { key, value: String::new(), effect: TaintEffect::NoSchedule }]
    }

    /// Whether any machine of the group can be a spot machine.
    pub fn buys_spot(&self) -> bool {
        match &self.mixed_instances_policy {
            Some(policy) => policy.buys_spot(),
            None => self.max_price.is_some(),
        }
    }

    /// Whether Auto Scaling replaces spot machines at risk before they are interrupted.
    pub fn capacity_rebalance(&self) -> bool {
        self.capacity_rebalance.unwrap_or_else(|| self.buys_spot())
    }

    /// The root volume with every default filled in.
    pub fn root_volume(&self) -> EbsVolume {
        let size = match self.role {
            Role::ControlPlane => 64,
            Role::Node => 128,
            Role::Bastion => 32,
        };
        let wanted = Wanted {
            size_gib: self.root_volume_size.unwrap_or(size),
            volume_type: self.root_volume_type,
            iops: self.root_volume_iops,
            throughput: self.root_volume_throughput,
            encrypted: self.root_volume_encryption,
            kms_key: self.root_volume_encryption_key.as_deref(),
        };
        wanted.complete()
    }

    /// Whether the metadata service wants a session token.
    pub fn http_tokens(&self) -> HttpTokens {
        self.instance_metadata.as_ref().and_then(|m| m.http_tokens).unwrap_or(HttpTokens::Required)
    }

    /// Network hops the metadata token's answer may take.
    pub fn http_put_response_hop_limit(&self) -> u32 {
        self.instance_metadata.as_ref().and_then(|m| m.http_put_response_hop_limit).unwrap_or(1)
    }

    /// Longest life of a machine, in seconds; 0 is for ever.
    pub fn max_instance_lifetime_seconds(&self) -> i64 {
        self.max_instance_lifetime.map_or(0, GoDuration::as_seconds)
    }
}
