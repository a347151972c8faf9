//! What the controllers on the control plane may do on AWS, each as far as the cluster runs it: cloud controller manager,
//! EBS driver, cluster autoscaler, termination handler. What changes anything is bound to the cluster's tag.

use super::Statement;
use super::control_plane::{attach_volumes, through_ec2};
use crate::model::Input;
use crate::spec::cluster::ClusterSpec;

/// A controller that calls AWS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Controller {
    Cloud,
    EbsDriver,
    Autoscaler,
    TerminationHandler,
}

impl Controller {
    const ALL: [Controller; 4] =
        [Controller::Cloud, Controller::EbsDriver, Controller::Autoscaler, Controller::TerminationHandler];

    /// Those that a cluster runs.
    pub(super) fn of(spec: &ClusterSpec) -> impl Iterator<Item = Controller> {
        Controller::ALL.into_iter().filter(|controller| match controller {
            Controller::Cloud => true,
            Controller::EbsDriver => driver(spec).is_none_or(|d| d.enabled.unwrap_or(true)),
            Controller::Autoscaler => spec.enabled_cluster_autoscaler().is_some(),
            Controller::TerminationHandler => spec.enabled_node_termination_handler().is_some_and(|h| h.queue_mode()),
        })
    }

    /// Whether it has a role of its own: then its addon brings a token for it. A driver that the user installs takes the
    /// machine's role, as its manifests say nothing of ours.
    pub(super) fn has_role(self, spec: &ClusterSpec) -> bool {
        let installed = self != Controller::EbsDriver || driver(spec).is_none_or(|d| d.managed.unwrap_or(true));
        installed && spec.uses_service_account_roles()
    }

    /// Its service account in `kube-system`.
    pub(super) fn service_account(self) -> &'static str {
        match self {
            Controller::Cloud => "aws-cloud-controller-manager",
            Controller::EbsDriver => "ebs-csi-controller",
            Controller::Autoscaler => "cluster-autoscaler",
            Controller::TerminationHandler => "aws-node-termination-handler",
        }
    }

    /// What it may do.
    pub(super) fn statements(self, input: &Input<'_>) -> Vec<Statement> {
        match self {
            Controller::Cloud => cloud_controller(input),
            Controller::EbsDriver => ebs_driver(input),
            Controller::Autoscaler => autoscaler(input),
            Controller::TerminationHandler => termination_handler(input),
        }
    }

    /// What it may do besides with a role of its own, because on the machine's it finds that right already.
    pub(super) fn shared(self, input: &Input<'_>) -> Vec<Statement> {
        match self {
            Controller::Cloud | Controller::Autoscaler => Vec::new(),
            Controller::EbsDriver => vec![
                attach_volumes(input),
                Statement::allow([
                    "ec2:DescribeAvailabilityZones",
                    "ec2:DescribeInstances",
                    "ec2:DescribeTags",
                    "ec2:DescribeVolumes",
                ]),
            ],
            Controller::TerminationHandler => vec![Statement::allow(["ec2:DescribeInstances"])],
        }
    }
}

fn driver(spec: &ClusterSpec) -> Option<&crate::spec::addons::AwsEbsCsiDriver> {
    spec.cloud_config.as_ref().and_then(|c| c.aws_ebs_csi_driver.as_ref())
}

/// What the machines of the control plane may do for those that have no role of their own.
pub(super) fn on_machines(input: &Input<'_>) -> Vec<Statement> {
    let spec = &input.cluster.spec;
    Controller::of(spec).filter(|c| !c.has_role(spec)).flat_map(|c| c.statements(input)).collect()
}

/// Nodes' addresses and zones, and the load balancers of services.
fn cloud_controller(input: &Input<'_>) -> Vec<Statement> {
    let cluster = input.cluster.name();
    let group = || [input.arn("ec2", "security-group/*")];
    let created = [
        "ec2:CreateSecurityGroup",
        "elasticloadbalancing:CreateListener",
        "elasticloadbalancing:CreateLoadBalancer",
        "elasticloadbalancing:CreateTargetGroup",
    ];
    vec![
        Statement::allow(CLOUD_CONTROLLER_READS),
        Statement::allow(["iam:CreateServiceLinkedRole"]).when(
            "StringEquals",
            "iam:AWSServiceName",
            "elasticloadbalancing.amazonaws.com",
        ),
        Statement::allow(created).tagging(cluster),
        Statement::allow(["ec2:CreateSecurityGroup"]).on([input.arn("ec2", "vpc/*")]),
        Statement::allow(["ec2:CreateTags"]).on(group()).tagging(cluster).when(
            "StringEquals",
            "ec2:CreateAction",
            "CreateSecurityGroup",
        ),
        // Later tags of such a group; the one that makes it the cluster's stays.
        Statement::allow(["ec2:CreateTags", "ec2:DeleteTags"]).on(group()).tagged(cluster).when(
            "Null",
            "aws:RequestTag/KubernetesCluster",
            "true",
        ),
        Statement::allow(CLOUD_CONTROLLER_CHANGES).tagged(cluster),
    ]
}

const CLOUD_CONTROLLER_READS: [&str; 17] = [
    "autoscaling:DescribeAutoScalingGroups",
    "autoscaling:DescribeTags",
    "ec2:DescribeAvailabilityZones",
    "ec2:DescribeInstanceTopology",
    "ec2:DescribeInstances",
    "ec2:DescribeRegions",
    "ec2:DescribeRouteTables",
    "ec2:DescribeSecurityGroups",
    "ec2:DescribeSubnets",
    "ec2:DescribeVpcs",
    "elasticloadbalancing:DescribeListeners",
    "elasticloadbalancing:DescribeLoadBalancerAttributes",
    "elasticloadbalancing:DescribeLoadBalancerPolicies",
    "elasticloadbalancing:DescribeLoadBalancers",
    "elasticloadbalancing:DescribeTargetGroupAttributes",
    "elasticloadbalancing:DescribeTargetGroups",
    "elasticloadbalancing:DescribeTargetHealth",
];

const CLOUD_CONTROLLER_CHANGES: [&str; 25] = [
    "ec2:AuthorizeSecurityGroupIngress",
    "ec2:DeleteSecurityGroup",
    "ec2:ModifyInstanceAttribute",
    "ec2:RevokeSecurityGroupIngress",
    "elasticloadbalancing:AddTags",
    "elasticloadbalancing:ApplySecurityGroupsToLoadBalancer",
    "elasticloadbalancing:AttachLoadBalancerToSubnets",
    "elasticloadbalancing:ConfigureHealthCheck",
    "elasticloadbalancing:CreateLoadBalancerListeners",
    "elasticloadbalancing:CreateLoadBalancerPolicy",
    "elasticloadbalancing:DeleteListener",
    "elasticloadbalancing:DeleteLoadBalancer",
    "elasticloadbalancing:DeleteLoadBalancerListeners",
    "elasticloadbalancing:DeleteTargetGroup",
    "elasticloadbalancing:DeregisterInstancesFromLoadBalancer",
    "elasticloadbalancing:DeregisterTargets",
    "elasticloadbalancing:DetachLoadBalancerFromSubnets",
    "elasticloadbalancing:ModifyListener",
    "elasticloadbalancing:ModifyLoadBalancerAttributes",
    "elasticloadbalancing:ModifyTargetGroup",
    "elasticloadbalancing:ModifyTargetGroupAttributes",
    "elasticloadbalancing:RegisterInstancesWithLoadBalancer",
    "elasticloadbalancing:RegisterTargets",
    "elasticloadbalancing:SetLoadBalancerPoliciesForBackendServer",
    "elasticloadbalancing:SetLoadBalancerPoliciesOfListener",
];

fn ebs_driver(input: &Input<'_>) -> Vec<Statement> {
    let cluster = input.cluster.name();
    let made = || [input.arn("ec2", "snapshot/*"), input.arn("ec2", "volume/*")];
    let reads = [
        "ec2:DescribeInstanceTypes",
        "ec2:DescribeSnapshots",
        "ec2:DescribeVolumeStatus",
        "ec2:DescribeVolumesModifications",
    ];
    let changes = ["ec2:DeleteSnapshot", "ec2:DeleteVolume", "ec2:EnableFastSnapshotRestores", "ec2:ModifyVolume"];
    let mut all = vec![
        Statement::allow(reads),
        Statement::allow(["ec2:CopyVolumes", "ec2:CreateSnapshot", "ec2:CreateVolume"]).tagging(cluster),
        // What is copied is not tagged by the request: it has its tags.
        Statement::allow(["ec2:CopyVolumes", "ec2:CreateSnapshot"]).on([input.arn("ec2", "volume/*")]).tagged(cluster),
        Statement::allow(["ec2:CreateVolume"]).on([input.arn("ec2", "snapshot/*")]).tagged(cluster),
        Statement::allow(["ec2:CreateTags"]).on(made()).tagging(cluster).when(
            "StringEquals",
            "ec2:CreateAction",
            vec!["CopyVolumes", "CreateSnapshot", "CreateVolume"],
        ),
        Statement::allow(["ec2:CreateTags", "ec2:DeleteTags"]).on(made()).tagged(cluster).when(
            "Null",
            "aws:RequestTag/KubernetesCluster",
            "true",
        ),
        Statement::allow(changes).tagged(cluster),
    ];
    // A storage class may name any key that the account lets EC2 use.
    all.extend(through_ec2(input));
    all
}

fn autoscaler(input: &Input<'_>) -> Vec<Statement> {
    let reads = [
        "autoscaling:DescribeAutoScalingGroups",
        "autoscaling:DescribeAutoScalingInstances",
        "autoscaling:DescribeScalingActivities",
        "autoscaling:DescribeTags",
        "ec2:DescribeImages",
        "ec2:DescribeInstanceTypes",
        "ec2:DescribeLaunchTemplateVersions",
        "ec2:GetInstanceTypesFromInstanceRequirements",
    ];
    let changes = ["autoscaling:SetDesiredCapacity", "autoscaling:TerminateInstanceInAutoScalingGroup"];
    vec![Statement::allow(reads), Statement::allow(changes).tagged(input.cluster.name())]
}

fn termination_handler(input: &Input<'_>) -> Vec<Statement> {
    let queue = input.arn("sqs", &input.names().termination_queue());
    let hook = ["autoscaling:CompleteLifecycleAction", "autoscaling:RecordLifecycleActionHeartbeat"];
    vec![
        Statement::allow([
            "autoscaling:DescribeAutoScalingInstances",
            "autoscaling:DescribeLifecycleHooks",
            "autoscaling:DescribeTags",
        ]),
        Statement::allow(["sqs:DeleteMessage", "sqs:ReceiveMessage"]).on([queue]),
        Statement::allow(hook).tagged(input.cluster.name()),
    ]
}
