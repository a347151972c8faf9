//! The termination handler's queue and the rules that fill it. The hooks, which hold a machine back until it is drained,
//! belong to the groups.

use serde_json::{Value, json};

use super::iam::{Policy, Statement};
use super::{Input, tags};
use crate::error::Result;
use crate::resource::policy::canonical;
use crate::resource::{Desired, EventRule, Kind, Queue, Ref};

/// Seconds that a message waits: an interruption that is older is history.
const RETENTION: u32 = 300;

/// The rule for rebalance recommendations, which is made on request only.
const REBALANCE: &str = "RebalanceRecommendation";

/// The rule for AWS's own maintenance, which can be turned off.
const SCHEDULED: &str = "InstanceScheduledChange";

/// Every rule that a cluster can have.
pub(super) const RULES: [&str; 5] = ["ASGLifecycle", "SpotInterruption", "InstanceStateChange", SCHEDULED, REBALANCE];

pub(super) fn build(input: &Input<'_>, desired: &mut Desired) -> Result<()> {
    let Some(handler) = input.cluster.spec.enabled_node_termination_handler().filter(|h| h.queue_mode()) else {
        return Ok(());
    };
    let queue = input.names().termination_queue();
    let wanted = |rule: &&str| match *rule {
        REBALANCE => handler.drains_on_rebalance(),
        SCHEDULED => handler.drains_on_scheduled_events(),
        _ => true,
    };
    let rules: Vec<&str> = RULES.into_iter().filter(wanted).collect();
    let made = Queue {
        retention: RETENTION,
        policy: Some(policy(input, &queue, &rules)),
        managed_encryption: true,
        tags: tags::owned(input, &queue),
    };
    input.add(desired, &queue, made)?;
    for rule in rules {
        let made = EventRule {
            cluster: input.cluster.name().to_owned(),
            pattern: canonical(&pattern(rule)),
            enabled: true,
            target: Ref::to(Kind::Queue, &queue),
        };
        input.add(desired, &input.names().event_rule(rule), made)?;
    }
    Ok(())
}

/// Only these rules of this account may send.
fn policy(input: &Input<'_>, queue: &str, rules: &[&str]) -> String {
    let arns: Vec<String> =
        rules.iter().map(|r| input.arn("events", &format!("rule/{}", input.names().event_rule(r)))).collect();
    let send = Statement::allow(["sqs:SendMessage"])
        .by_service("events.amazonaws.com")
        .on([input.arn("sqs", queue)])
        .when("ArnEquals", "aws:SourceArn", arns);
    Policy::of([send]).to_json()
}

/// The events of a rule. They are the whole account's: the handler looks only at machines with its tag.
fn pattern(rule: &str) -> Value {
    let of = |source: &str, what: &str| json!({ "source": [source], "detail-type": [what] });
    match rule {
        "ASGLifecycle" => of("aws.autoscaling", "EC2 Instance-terminate Lifecycle Action"),
        "SpotInterruption" => of("aws.ec2", "EC2 Spot Instance Interruption Warning"),
        "InstanceStateChange" => of("aws.ec2", "EC2 Instance State-change Notification"),
        REBALANCE => of("aws.ec2", "EC2 Instance Rebalance Recommendation"),
        _ => json!({
            "source": ["aws.health"],
            "detail-type": ["AWS Health Event"],
            "detail": { "service": ["EC2"], "eventTypeCategory": ["scheduledChange"] },
        }),
    }
}
