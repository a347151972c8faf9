//! Auto Scaling group: the machines of one instance group.

mod aws;
pub mod hooks;
pub mod mixed;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{Kind, Model, Ref, ReplaceOrder, Resource, Rules, Tags, launch_template};
use crate::cloud::{Attrs, Live};
pub use hooks::{LifecycleHook, verify_hooks};
pub use mixed::{InstanceRequirements, MixedInstancesPolicy, Overrides, Range};

/// The attribute that holds the launch template version which the group pins.
pub const PINNED: &str = "launch-template-version";

/// An Auto Scaling group. Its id is its name. The desired capacity is not managed: it starts at `min`, then it is the
/// autoscaler's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AutoScalingGroup {
    /// The launch template; the group pins the number of its default version.
    pub launch_template: Ref,
    /// [`launch_template::LaunchTemplate::content`] of that template.
    pub launch_template_content: String,
    /// Fewest instances.
    pub min: u32,
    /// Most instances.
    pub max: u32,
    /// The subnets it launches into.
    pub subnets: BTreeSet<Ref>,
    /// Which types, spot or on-demand; without it, on-demand instances (or spot ones) of the template's type.
    pub mixed_instances_policy: Option<MixedInstancesPolicy>,
    /// Whether a spot instance at risk is replaced before it is interrupted.
    pub capacity_rebalance: bool,
    /// Seconds after which an instance is replaced, 86400 to 31536000; never otherwise.
    pub max_instance_lifetime: Option<u32>,
    /// `EC2` (AWS's default) or `ELB`.
    pub health_check_type: String,
    /// Seconds that a new instance has before its health counts.
    pub health_check_grace_period: u32,
    /// Whether new instances are protected from scale-in.
    pub new_instances_protected_from_scale_in: bool,
    /// Processes that do not run: `AZRebalance` ...
    pub suspended_processes: BTreeSet<String>,
    /// Which instance goes first, in order: `Default` (AWS's default) ...
    pub termination_policies: Vec<String>,
    /// The target groups its instances are registered with.
    pub target_groups: BTreeSet<Ref>,
    /// The group metrics that are collected every minute.
    pub enabled_metrics: BTreeSet<String>,
    /// Lifecycle hooks by name.
    pub lifecycle_hooks: BTreeMap<String, LifecycleHook>,
    /// Its tags; instances get them too.
    pub tags: Tags,
}

impl Model for AutoScalingGroup {
    const KIND: Kind = Kind::AutoScalingGroup;
    const RULES: Rules = Rules {
        noun: "Auto Scaling group",
        forces_replacement: &[],
        replace: ReplaceOrder::DeleteFirst,
        text: &[],
        ec2_type: None,
        only_grows: &[],
        loses_data: None,
    };

    /// The pinned number stands for the content of the template's default version, which was observed. Any other one
    /// is named by its number and so differs from what is wanted.
    fn finish(mut self, attrs: &Attrs, live: &Live) -> Option<Self> {
        let pinned = attrs.get(PINNED).map(String::as_str).unwrap_or_default();
        let template = self.launch_template.addr().and_then(|addr| live.get(addr));
        self.launch_template_content = match template.map(|t| (&t.resource, t.attrs.get(launch_template::VERSION))) {
            Some((Resource::LaunchTemplate(t), Some(default))) if default == pinned => t.content(),
            _ => format!("version {pinned}"),
        };
        Some(self)
    }
}

#[cfg(test)]
mod tests;
