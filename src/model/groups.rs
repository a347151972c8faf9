//! An Auto Scaling group per instance group, of the launch template that `launch_template` makes.

use std::collections::{BTreeMap, BTreeSet};

use super::{Input, bastion, control_plane, launch_template, naming, shared, tags};
use crate::error::{Error, Result};
use crate::resource::auto_scaling_group::LifecycleHook;
use crate::resource::{AutoScalingGroup, Desired, Kind, LaunchTemplate, Ref};
use crate::spec::{InstanceGroup, Role};

mod mixed_instances;
mod scaling;

/// What CloudWatch gets of every group.
const METRICS: [&str; 8] = [
    "GroupDesiredCapacity",
    "GroupInServiceInstances",
    "GroupMaxSize",
    "GroupMinSize",
    "GroupPendingInstances",
    "GroupStandbyInstances",
    "GroupTerminatingInstances",
    "GroupTotalInstances",
];

/// Seconds that a machine is held back while it is drained.
const DRAIN_TIMEOUT: u32 = 300;

pub(super) fn build(input: &Input<'_>, desired: &mut Desired) -> Result<()> {
    launch_template::own_key_pair(input, desired)?;
    for group in input.groups {
        let template = launch_template::build(input, group, desired)?;
        let made = auto_scaling_group(input, group, &template)?;
        input.add(desired, &input.names().instance_group(group), made)?;
        scaling::build(input, group, desired)?;
    }
    Ok(())
}

fn auto_scaling_group(input: &Input<'_>, group: &InstanceGroup, template: &LaunchTemplate) -> Result<AutoScalingGroup> {
    let spec = &group.spec;
    let subnets = input.cluster.spec.subnets_of(spec);
    if subnets.is_empty() {
        return Err(Error::invalid(format!("group {} has no subnet to live in", group.name())));
    }
    let suspended = group.suspended_processes(&input.cluster.spec);
    let lifetime = u32::try_from(spec.max_instance_lifetime_seconds()).unwrap_or(0);
    Ok(AutoScalingGroup {
        launch_template: Ref::to(Kind::LaunchTemplate, input.names().instance_group(group)),
        launch_template_content: template.content(),
        min: spec.min_size(),
        max: spec.max_size(),
        subnets: subnets.iter().map(|s| shared::subnet(input, s)).collect(),
        mixed_instances_policy: mixed_instances::of(group)?,
        capacity_rebalance: spec.capacity_rebalance(),
        max_instance_lifetime: Some(lifetime).filter(|s| *s > 0),
        health_check_type: "EC2".to_owned(),
        health_check_grace_period: 300,
        new_instances_protected_from_scale_in: spec.instance_protection.unwrap_or(false),
        suspended_processes: suspended.iter().map(|p| p.as_str().to_owned()).collect(),
        termination_policies: vec!["Default".to_owned()],
        target_groups: target_groups(input, group)?,
        enabled_metrics: METRICS.into_iter().map(str::to_owned).collect(),
        lifecycle_hooks: hooks(input, group),
        tags: tags::of_group(input, group),
    })
}

fn target_groups(input: &Input<'_>, group: &InstanceGroup) -> Result<BTreeSet<Ref>> {
    let mut all = match group.spec.role {
        Role::ControlPlane => control_plane::target_groups(input),
        Role::Node => BTreeSet::new(),
        Role::Bastion => bastion::target_groups(input),
    };
    for external in &group.spec.external_load_balancers {
        let arn = external.target_group_arn.as_ref().ok_or_else(|| {
            Error::invalid(format!("group {}: a classic load balancer is not supported", group.name()))
                .hint("give a target group by its ARN in externalLoadBalancers")
        })?;
        all.insert(Ref::id(arn));
    }
    Ok(all)
}

/// The hook that gives the termination handler time to drain a machine that goes.
fn hooks(input: &Input<'_>, group: &InstanceGroup) -> BTreeMap<String, LifecycleHook> {
    let handler = input.cluster.spec.enabled_node_termination_handler().filter(|h| h.queue_mode());
    let hook = handler.map(|_| LifecycleHook {
        transition: "autoscaling:EC2_INSTANCE_TERMINATING".to_owned(),
        heartbeat_timeout: DRAIN_TIMEOUT,
        default_result: "CONTINUE".to_owned(),
    });
    hook.map(|h| (naming::termination_hook(group.name()), h)).into_iter().collect()
}
