//! Auto Scaling groups and their scaling policies.

use std::collections::{BTreeMap, BTreeSet};

use kspot::resource::auto_scaling_group::{
    InstanceRequirements, LifecycleHook, MixedInstancesPolicy, Overrides, Range, verify_hooks,
};
use kspot::resource::{AutoScalingGroup, Kind, Ref, ScalingPolicy};

use super::{NODES, group, groups_ground, hook, names, policy_of, spot_types, subnets};
use crate::bed::{Bed, REGION};
use crate::harness::{Stage, tagged, tagged_also, thing, with};

fn requirements() -> Option<MixedInstancesPolicy> {
    policy_of(Overrides::InstanceRequirements(Box::new(InstanceRequirements {
        vcpus: Range { min: 2, max: Some(2) },
        memory_mib: Range { min: 8192, max: None },
        cpu_manufacturers: BTreeSet::from(["intel".into(), "amd".into()]),
        excluded_instance_types: BTreeSet::from(["t*".into()]),
        instance_generations: BTreeSet::from(["current".into()]),
        burstable: "excluded".into(),
        bare_metal: "excluded".into(),
        accelerators: Some(Range { min: 0, max: Some(0) }),
        ..InstanceRequirements::default()
    })))
}

/// Every shape of policy turns into every other, and a change of size loses nothing of it.
#[tokio::test]
async fn mixed_instances_policies() {
    let bed = Bed::new();
    let mut stage = Stage::on(&bed).await;
    let ground = groups_ground();
    let mixed = |m: Option<MixedInstancesPolicy>, max: u32| {
        with(&ground, [thing(NODES, AutoScalingGroup { mixed_instances_policy: m, max, ..group() })])
    };
    let priced = spot_types().map(|m| MixedInstancesPolicy { spot_max_price: Some("0.2".into()), ..m });
    let pools = spot_types().map(|m| MixedInstancesPolicy {
        spot_allocation_strategy: "lowest-price".into(),
        spot_instance_pools: Some(3),
        on_demand_base: 1,
        on_demand_percentage_above_base: 25,
        ..m
    });
    stage
        .round_trip(&[
            mixed(None, 3),
            mixed(spot_types(), 3),
            mixed(spot_types(), 5),
            mixed(priced, 5),
            mixed(spot_types(), 4),
            mixed(pools, 4),
            mixed(requirements(), 4),
            mixed(requirements(), 6),
            mixed(policy_of(Overrides::InstanceTypes(Vec::new())), 6),
            mixed(None, 6),
            mixed(requirements(), 6),
            mixed(None, 2),
        ])
        .await;
}

/// Everything else of a group changes in place, and what is taken out of the spec is cleared on AWS.
#[tokio::test]
async fn auto_scaling_group() {
    let bed = Bed::new();
    let mut stage = Stage::on(&bed).await;
    let ground = groups_ground();
    let of = |g: AutoScalingGroup| with(&ground, [thing(NODES, g)]);
    let targets = |names: &[&str]| names.iter().map(|n| Ref::to(Kind::TargetGroup, *n)).collect::<BTreeSet<_>>();
    let hooks = |all: &[(&str, u32)]| all.iter().map(|(n, t)| ((*n).to_owned(), hook(*t))).collect::<BTreeMap<_, _>>();
    let first = AutoScalingGroup {
        min: 1,
        lifecycle_hooks: hooks(&[("nodes-NTHLifecycleHook", 300)]),
        suspended_processes: names(&["AZRebalance"]),
        enabled_metrics: names(&["GroupMinSize", "GroupMaxSize"]),
        target_groups: targets(&["tcp-c"]),
        max_instance_lifetime: Some(86400),
        ..group()
    };
    let hooked = |h: BTreeMap<String, LifecycleHook>| of(AutoScalingGroup { lifecycle_hooks: h, ..group() });
    stage
        .round_trip(&[
            of(first.clone()),
            of(AutoScalingGroup { max: 5, ..first.clone() }),
            of(AutoScalingGroup { max_instance_lifetime: None, ..first.clone() }),
            of(AutoScalingGroup { suspended_processes: names(&["ReplaceUnhealthy"]), ..first.clone() }),
            of(AutoScalingGroup { enabled_metrics: names(&["GroupDesiredCapacity"]), ..first.clone() }),
            of(AutoScalingGroup { target_groups: targets(&["kc-c"]), ..first }),
            of(group()),
            of(AutoScalingGroup { subnets: subnets(&["a", "b"]), capacity_rebalance: true, ..group() }),
            of(AutoScalingGroup { health_check_type: "ELB".into(), health_check_grace_period: 60, ..group() }),
            of(AutoScalingGroup { new_instances_protected_from_scale_in: true, ..group() }),
            of(AutoScalingGroup { termination_policies: vec!["OldestInstance".into(), "Default".into()], ..group() }),
            of(AutoScalingGroup { tags: tagged(NODES), ..group() }),
            of(AutoScalingGroup { tags: tagged_also(NODES, "k8s.io/role/node", "2"), ..group() }),
            hooked(hooks(&[("a", 300), ("b", 60)])),
            hooked(hooks(&[("a", 600), ("c", 60)])),
            of(group()),
        ])
        .await;
    assert!(bed.inventory().kinds.keys().all(|kind| !kind.starts_with("autoscaling/")));
}

/// What the tag says of hooks is what AWS has, from the create call on.
#[tokio::test]
async fn hooks_are_what_the_tag_says() {
    let bed = Bed::new();
    let mut stage = Stage::on(&bed).await;
    let wanted = BTreeMap::from([("drain".to_owned(), hook(300)), ("second".to_owned(), hook(60))]);
    let hooked =
        |lifecycle_hooks| with(&groups_ground(), [thing(NODES, AutoScalingGroup { lifecycle_hooks, ..group() })]);
    for hooks in [wanted.clone(), BTreeMap::from([("drain".to_owned(), hook(120))])] {
        stage.apply(&hooked(hooks.clone())).await;
        let real = verify_hooks(&stage.cloud, &[NODES.to_owned()]).await.unwrap();
        assert_eq!(real, BTreeMap::from([(NODES.to_owned(), hooks)]));
    }
}

/// A group of our name that is not ours stops the apply and stays as it is.
#[tokio::test]
async fn foreign_group_is_not_touched() {
    let bed = Bed::new();
    let mut stage = Stage::on(&bed).await;
    stage.apply(&groups_ground()).await;
    let autoscaling = stage.cloud.autoscaling.clone();
    let spec = aws_sdk_autoscaling::types::LaunchTemplateSpecification::builder().launch_template_name(NODES);
    let create = autoscaling.create_auto_scaling_group().auto_scaling_group_name(NODES).min_size(0).max_size(7);
    let create = create.launch_template(spec.version("1").build()).availability_zones(format!("{REGION}a"));
    create.send().await.unwrap();
    let (_, outcome) = stage.try_apply(&with(&groups_ground(), [thing(NODES, group())])).await;
    assert!(outcome.failed[0].2.to_string().contains("not this cluster's"));
    let answer = autoscaling.describe_auto_scaling_groups().auto_scaling_group_names(NODES).send().await.unwrap();
    assert_eq!(answer.auto_scaling_groups()[0].max_size(), Some(7));
}

/// A policy of two groups under one name is two policies; its target changes in place.
#[tokio::test]
async fn scaling_policy() {
    let bed = Bed::new();
    let mut stage = Stage::on(&bed).await;
    let other = "spot.c.example.com";
    let ground = with(
        &groups_ground(),
        [thing(NODES, group()), thing(other, AutoScalingGroup { tags: tagged(other), ..group() })],
    );
    let policy = |group: &str, target: f64| ScalingPolicy {
        group: Ref::to(Kind::AutoScalingGroup, group),
        metric: "ASGAverageCPUUtilization".into(),
        target,
        disable_scale_in: false,
        estimated_warmup: Some(60),
    };
    let named = |group: &str| format!("{group}/cpu");
    let both = with(&ground, [thing(&named(NODES), policy(NODES, 50.0)), thing(&named(other), policy(other, 50.0))]);
    let quiet = ScalingPolicy { disable_scale_in: true, estimated_warmup: None, ..policy(NODES, 70.0) };
    stage.round_trip(&[both.clone(), with(&both, [thing(&named(NODES), quiet)]), ground]).await;
}
