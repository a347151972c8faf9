//! What a worker may do: find the control plane, pull images. It reads no state store: its configuration comes from the
//! control plane, once it has proved who it is.

use super::{Policy, Statement};
use crate::model::Input;

/// What pulling an image from ECR takes.
pub(super) const ECR_PULL: [&str; 4] =
    ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetAuthorizationToken", "ecr:GetDownloadUrlForLayer"];

pub(super) fn policy(input: &Input<'_>) -> Policy {
    let find = Statement::allow(["ec2:DescribeInstances"]);
    let pull = input.cluster.spec.allows_container_registry().then(|| Statement::allow(ECR_PULL));
    Policy::of([find].into_iter().chain(pull))
}
