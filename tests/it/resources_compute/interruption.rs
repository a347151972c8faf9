//! The queue and the rules that fill it.

use std::collections::BTreeMap;

use kspot::resource::{EventRule, Queue};

use super::{queue, rights, rule};
use crate::bed::Bed;
use crate::harness::{Stage, desired, tagged_also, thing, with};

/// The queue and its rules change in place; a rule whose target was taken by hand gets it again.
#[tokio::test]
async fn queue_and_event_rules() {
    let bed = Bed::new();
    let mut stage = Stage::on(&bed).await;
    let base = desired([
        thing("c-nth", queue()),
        thing("c.example.com-Spot", rule("aws.ec2")),
        thing("c.example.com-Scheduled", rule("aws.health")),
    ]);
    stage.apply(&base).await;
    let events = &stage.cloud.events;
    events.remove_targets().rule("c.example.com-Spot").ids("1").send().await.unwrap();
    stage
        .round_trip(&[
            base.clone(),
            with(&base, [thing("c-nth", Queue { retention: 600, ..queue() })]),
            with(&base, [thing("c-nth", Queue { policy: Some(rights("sqs:*")), ..queue() })]),
            with(&base, [thing("c-nth", Queue { managed_encryption: false, ..queue() })]),
            with(&base, [thing("c-nth", Queue { tags: tagged_also("c-nth", "kspot.io/x", "1"), ..queue() })]),
            with(&base, [thing("c.example.com-Spot", rule("aws.autoscaling"))]),
            with(&base, [thing("c.example.com-Spot", EventRule { enabled: false, ..rule("aws.ec2") })]),
        ])
        .await;
    assert_eq!(bed.inventory().kinds, BTreeMap::new());
}
