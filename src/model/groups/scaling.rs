//! Target-tracking scaling policies of a group.

use crate::error::{Error, Result};
use crate::model::Input;
use crate::resource::{Desired, Kind, Ref, ScalingPolicy};
use crate::spec::InstanceGroup;

pub(super) fn build(input: &Input<'_>, group: &InstanceGroup, desired: &mut Desired) -> Result<()> {
    let owner = input.names().instance_group(group);
    for tracking in &group.spec.target_tracking {
        let metric = tracking.metric.as_str();
        if tracking.resource_label.is_some() {
            return Err(Error::invalid(format!("group {}: targetTracking by {metric} is not supported", group.name()))
                .hint("track ASGAverageCPUUtilization, ASGAverageNetworkIn or ASGAverageNetworkOut"));
        }
        let policy = ScalingPolicy {
            group: Ref::to(Kind::AutoScalingGroup, &owner),
            metric: metric.to_owned(),
            target: tracking.target,
            disable_scale_in: tracking.disable_scale_in.unwrap_or(false),
            estimated_warmup: tracking.instance_warmup.and_then(|d| u32::try_from(d.as_seconds()).ok()),
        };
        input.add(desired, &format!("{owner}/{metric}"), policy)?;
    }
    Ok(())
}
