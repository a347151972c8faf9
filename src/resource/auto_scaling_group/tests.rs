use super::*;
use crate::cloud::Observed;
use crate::resource::launch_template::{VERSION, example};
use crate::resource::{Addr, tags};

fn group() -> AutoScalingGroup {
    AutoScalingGroup {
        launch_template: Ref::to(Kind::LaunchTemplate, "nodes.c"),
        launch_template_content: String::new(),
        min: 1,
        max: 3,
        subnets: BTreeSet::new(),
        mixed_instances_policy: None,
        capacity_rebalance: true,
        max_instance_lifetime: None,
        health_check_type: "EC2".into(),
        health_check_grace_period: 300,
        new_instances_protected_from_scale_in: false,
        suspended_processes: BTreeSet::new(),
        termination_policies: vec!["Default".into()],
        target_groups: BTreeSet::new(),
        enabled_metrics: BTreeSet::new(),
        lifecycle_hooks: BTreeMap::new(),
        tags: tags::owned("c", "nodes.c"),
    }
}

fn finished(pinned: &str, default: &str) -> AutoScalingGroup {
    let attrs = |key: &str, value: &str| Attrs::from([(key.to_owned(), value.to_owned())]);
    let template =
        Observed { id: "lt-1".into(), attrs: attrs(VERSION, default), resource: Resource::LaunchTemplate(example()) };
    let live = Live::from([(Addr::new(Kind::LaunchTemplate, "nodes.c"), template)]);
    group().finish(&attrs(PINNED, pinned), &live).unwrap()
}

/// A group that pins the default version has the template's content, one that pins another number has not.
#[test]
fn the_pinned_number_stands_for_its_content() {
    assert_eq!(finished("3", "3").launch_template_content, example().content());
    assert_eq!(finished("2", "3").launch_template_content, "version 2");
    assert_eq!(finished("$Latest", "3").launch_template_content, "version $Latest");
}
