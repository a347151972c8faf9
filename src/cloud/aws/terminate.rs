//! Ends single machines, through their Auto Scaling group where they have one.

use super::{AwsCloud, AwsError, Class};
use crate::error::Result;

/// The Auto Scaling group that a machine is in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership {
    /// The Auto Scaling group's name.
    pub name: String,
    /// How many machines it should have now.
    pub desired: i32,
    /// The fewest it may have.
    pub min: i32,
}

/// What came of ending a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Terminated {
    /// It is on its way out.
    Ending,
    /// It was gone already.
    Gone,
}

impl AwsCloud {
    /// The Auto Scaling group that a machine is in, if it is in one.
    pub async fn membership(&self, instance: &str) -> Result<Option<Membership>> {
        let call = self.autoscaling.describe_auto_scaling_instances().instance_ids(instance);
        let answer = call.customize().send().await;
        let answer = answer.map_err(|e| AwsError::of(format!("find the Auto Scaling group of {instance}"), &e))?;
        let Some(name) = answer.auto_scaling_instances().first().and_then(|i| i.auto_scaling_group_name()) else {
            return Ok(None);
        };
        let call = self.autoscaling.describe_auto_scaling_groups().auto_scaling_group_names(name);
        let answer = call.customize().send().await;
        let answer = answer.map_err(|e| AwsError::of(format!("read the Auto Scaling group {name}"), &e))?;
        Ok(answer.auto_scaling_groups().first().map(|group| Membership {
            name: name.to_owned(),
            desired: group.desired_capacity().unwrap_or_default(),
            min: group.min_size().unwrap_or_default(),
        }))
    }

    /// Ends a machine of an Auto Scaling group, which starts another in its place, or gets smaller by one.
    pub async fn terminate_member(&self, instance: &str, smaller: bool) -> Result<Terminated> {
        let call = self.autoscaling.terminate_instance_in_auto_scaling_group();
        let call = call.instance_id(instance).should_decrement_desired_capacity(smaller);
        ended(call.customize().send().await.map_err(|e| AwsError::of(format!("end {instance}"), &e)))
    }

    /// Ends a machine that is in no group.
    pub async fn terminate(&self, instance: &str) -> Result<Terminated> {
        let call = self.ec2.terminate_instances().instance_ids(instance);
        ended(call.customize().send().await.map_err(|e| AwsError::of(format!("end {instance}"), &e)))
    }
}

/// A machine that is gone by itself is what was wanted: on spot that happens in the middle of everything.
fn ended<T>(answer: Result<T, AwsError>) -> Result<Terminated> {
    match answer {
        Ok(_) => Ok(Terminated::Ending),
        Err(e) if e.class == Class::NotFound => Ok(Terminated::Gone),
        Err(e) => Err(e.into()),
    }
}
