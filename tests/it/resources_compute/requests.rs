//! What an observation costs, and what a lost answer leaves.

use std::collections::BTreeMap;

use kspot::resource::{AutoScalingGroup, Desired, Kind, LaunchTemplate, Ref};
use serde_json::json;

use super::{
    NODES, ground, group, groups_ground, hook, listener, load_balancer, names, queue, rule, said, spot_types, template,
};
use crate::bed::Bed;
use crate::harness::{Stage, tagged, thing, with};

/// Looking at everything costs requests by kind, not by object: twelve groups cost what one costs.
#[tokio::test]
async fn observation_does_not_grow_with_groups() {
    let bed = Bed::new();
    let mut stage = Stage::on(&bed).await;
    let mut counts = Vec::new();
    for groups in [1, 12] {
        let mut all = ground();
        for n in 0..groups {
            let name = format!("g{n}.c.example.com");
            let template = LaunchTemplate { tags: tagged(&name), ..template(said(&n.to_string())) };
            let group = AutoScalingGroup {
                launch_template: Ref::to(Kind::LaunchTemplate, name.clone()),
                launch_template_content: template.content(),
                lifecycle_hooks: BTreeMap::from([("drain".to_owned(), hook(300))]),
                mixed_instances_policy: spot_types(),
                tags: tagged(&name),
                ..group()
            };
            all.extend([thing(&name, template), thing(&name, group)]);
        }
        stage.apply(&all).await;
        let before = bed.requests().len();
        stage.observe().await;
        let asked: Vec<String> =
            bed.requests()[before..].iter().map(|r| format!("{}:{}", r.service, r.action)).collect();
        let compute = asked.iter().filter(|a| a.starts_with("autoscaling") || a.contains("LaunchTemplate")).count();
        assert_eq!(compute, 3, "{asked:#?}");
        counts.push(asked.len());
    }
    assert_eq!(counts[0], counts[1]);
}

/// A create whose answer was lost makes one thing, and the plan after it is empty.
#[tokio::test]
async fn lost_answers_make_nothing_twice() {
    let bed = Bed::with_faults();
    let mut stage = Stage::on(&bed).await;
    let lost = |action: &str| json!({"action": action, "times": 1, "do": "drop_after"});
    let creates = [
        "CreateRole",
        "CreateInstanceProfile",
        "AddRoleToInstanceProfile",
        "CreateTargetGroup",
        "CreateLoadBalancer",
        "CreateListener",
        "CreateLaunchTemplate",
        "CreateAutoScalingGroup",
        "CreateQueue",
        "PutRule",
    ];
    bed.faults(creates.iter().map(|a| lost(a)).collect());
    let suspended = AutoScalingGroup { suspended_processes: names(&["AZRebalance"]), ..group() };
    let all = with(
        &groups_ground(),
        [
            thing(NODES, suspended),
            thing("api-c", load_balancer()),
            thing("api-c:443", listener("tcp-c")),
            thing("c-nth", queue()),
            thing("c-Spot", rule("aws.ec2")),
        ],
    );
    stage.apply(&all).await;
    let kinds = bed.inventory().kinds;
    for (kind, count) in [
        ("iam/role", 1),
        ("iam/instance-profile", 1),
        ("elbv2/target-group", 2),
        ("elbv2/load-balancer", 1),
        ("elbv2/listener", 1),
        ("ec2/launch-template", 1),
        ("autoscaling/group", 1),
        ("sqs/queue", 1),
        ("events/rule", 1),
    ] {
        assert_eq!(kinds.get(kind).map_or(0, Vec::len), count, "{kind}: {kinds:#?}");
    }
    stage.apply(&Desired::new()).await;
}
