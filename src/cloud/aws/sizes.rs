//! How many machines groups should have and have, and why some do not get theirs.

use aws_sdk_autoscaling::types::{Activity, Filter, ScalingActivityStatusCode as Status};
use jiff::Timestamp;

use super::{AwsCloud, AwsError};
use crate::error::Result;
use crate::resource::tags;

/// An Auto Scaling group as far as its size goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Size {
    /// The group's name on AWS.
    pub name: String,
    /// The instance group.
    pub group: String,
    /// How many machines it should have now.
    pub desired: u32,
    /// Whether somebody forbade it to launch machines.
    pub launches_suspended: bool,
    /// Its machines: id, and whether the group ends them.
    pub machines: Vec<(String, bool)>,
}

/// Launches of a group since the last one that succeeded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Launches {
    /// When the first of them began.
    pub since: Timestamp,
    /// Why the newest that failed did so, in AWS's words.
    pub cause: Option<String>,
}

/// How many activities are looked at: a group that gets no machine tries about once a minute.
const ACTIVITIES: i32 = 50;

impl AwsCloud {
    /// The sizes of a cluster's Auto Scaling groups: one paged sweep.
    pub async fn sizes(&self, cluster: &str, group_tag: &str) -> Result<Vec<Size>> {
        let filter = Filter::builder().name(format!("tag:{}", tags::CLUSTER)).values(cluster).build();
        let list = self.autoscaling.describe_auto_scaling_groups().filters(filter).into_paginator().page_size(100);
        let mut pages = list.items().send();
        let mut sizes = Vec::new();
        while let Some(group) = pages.next().await {
            let group = group.map_err(|e| AwsError::of("list Auto Scaling groups", &e))?;
            let tag = group.tags().iter().find(|t| t.key() == Some(group_tag)).and_then(|t| t.value());
            let machines = group.instances().iter().filter_map(|i| {
                let state = i.lifecycle_state().map(|s| s.as_str()).unwrap_or_default();
                Some((i.instance_id()?.to_owned(), state.starts_with("Terminat") || state.starts_with("Detach")))
            });
            sizes.push(Size {
                name: group.auto_scaling_group_name().unwrap_or_default().to_owned(),
                group: tag.unwrap_or_default().to_owned(),
                desired: group.desired_capacity().and_then(|n| u32::try_from(n).ok()).unwrap_or_default(),
                launches_suspended: group.suspended_processes().iter().any(|p| p.process_name() == Some("Launch")),
                machines: machines.collect(),
            });
        }
        Ok(sizes)
    }

    /// The launches of a group since the last one that succeeded; none if that was the last.
    pub async fn failing_launches(&self, name: &str) -> Result<Option<Launches>> {
        let call = self.autoscaling.describe_scaling_activities().auto_scaling_group_name(name);
        let answer = call.max_records(ACTIVITIES).customize().send().await;
        let answer =
            answer.map_err(|e| AwsError::of(format!("read the activities of Auto Scaling group {name}"), &e))?;
        Ok(since_success(answer.activities()))
    }
}

/// Of activities, newest first.
fn since_success(activities: &[Activity]) -> Option<Launches> {
    let is_launch = |a: &&Activity| a.description().unwrap_or_default().starts_with("Launching");
    let failing = activities.iter().filter(is_launch).take_while(|a| a.status_code() != Some(&Status::Successful));
    let mut launches: Option<Launches> = None;
    for activity in failing {
        let Some(since) = activity.start_time().and_then(|t| Timestamp::from_second(t.secs()).ok()) else { continue };
        let failed = matches!(activity.status_code(), Some(Status::Failed | Status::Cancelled));
        let cause = failed.then(|| activity.status_message()).flatten().map(|m| m.trim_end_matches('.').to_owned());
        let newer = launches.take().and_then(|l| l.cause);
        launches = Some(Launches { since, cause: newer.or(cause) });
    }
    launches
}

#[cfg(test)]
mod tests {
    use aws_sdk_autoscaling::primitives::DateTime;

    use super::*;

    fn activity(at: i64, what: &str, status: Status, message: &str) -> Activity {
        Activity::builder()
            .activity_id(at.to_string())
            .auto_scaling_group_name("g")
            .cause("")
            .description(format!("{what} a new EC2 instance"))
            .start_time(DateTime::from_secs(at))
            .status_code(status)
            .status_message(message)
            .build()
    }

    /// What counts is the newest failure, and when the row of them began; ends of machines and earlier successes do not.
    #[test]
    fn a_row_of_failures() {
        let at = |s| Timestamp::from_second(s).unwrap();
        let all = [
            activity(60, "Launching", Status::InProgress, ""),
            activity(50, "Launching", Status::Failed, "no Spot capacity."),
            activity(45, "Terminating", Status::Successful, ""),
            activity(40, "Launching", Status::Failed, "an older reason."),
            activity(30, "Launching", Status::Successful, ""),
            activity(20, "Launching", Status::Failed, "long ago."),
        ];
        assert_eq!(since_success(&all), Some(Launches { since: at(40), cause: Some("no Spot capacity".into()) }));
        assert_eq!(since_success(&all[4..]), None);
        assert_eq!(since_success(&all[..1]), Some(Launches { since: at(60), cause: None }));
    }
}
