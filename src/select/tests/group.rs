//! Groups out of selections.

use std::collections::BTreeSet;

use super::{three_zones, tutorial_1, tutorial_2, us_east_1};
use crate::select::group::{Planned, Settings, Split, plan};
use crate::select::*;

fn settings() -> Settings {
    Settings {
        name: "spot".into(),
        cluster: "c.example.com".into(),
        min_size: 1,
        max_size: 5,
        node_volume_size: Some(64),
        security_groups: Vec::new(),
        node_labels: [("team".to_owned(), "web".to_owned())].into(),
        taints: vec!["dedicated=web:NoSchedule".into(), "spot:NoExecute".into()],
        cluster_autoscaler: true,
        allocation_strategy: None,
        attribute_based: false,
    }
}

fn planned(query: &Query, settings: &Settings, split: Split) -> Vec<Planned> {
    plan(&three_zones(), query, &Options::default(), settings, split).unwrap()
}

const ONE: Split = Split { sizes: 1, per_zone: false };

/// A spot group has the settings that keep nodes: strategy, rebalance, explicit base and share, tags for an empty group.
#[test]
fn spot_groups_follow_best_practice() {
    let group = planned(&tutorial_1(), &settings(), ONE).remove(0).group;
    let policy = &group.mixed_instances_policy;
    assert_eq!(policy.spot_allocation_strategy.as_deref(), Some("price-capacity-optimized"));
    assert_eq!((policy.on_demand_base, policy.on_demand_above_base), (Some(0), Some(0)));
    assert!(group.capacity_rebalance);
    assert_eq!(policy.instances.len(), 15);
    assert_eq!(group.machine_type, policy.instances[0]);
    let tags: Vec<(&str, &str)> = group.cloud_labels.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    assert_eq!(
        tags,
        [
            ("k8s.io/cluster-autoscaler/c.example.com", "1"),
            ("k8s.io/cluster-autoscaler/enabled", "1"),
            ("k8s.io/cluster-autoscaler/node-template/label/team", "web"),
            ("k8s.io/cluster-autoscaler/node-template/resources/cpu", "4"),
            ("k8s.io/cluster-autoscaler/node-template/resources/ephemeral-storage", "64Gi"),
            ("k8s.io/cluster-autoscaler/node-template/resources/memory", "16384Mi"),
            ("k8s.io/cluster-autoscaler/node-template/taint/dedicated", "web:NoSchedule"),
            ("k8s.io/cluster-autoscaler/node-template/taint/spot", ":NoExecute"),
        ]
    );
}

/// An on-demand group has no spot settings, and no tags where the autoscaler is not wanted.
#[test]
fn on_demand_groups_have_no_spot_settings() {
    let query = Query { usage_class: Some("on-demand".into()), ..tutorial_1() };
    let group = planned(&query, &Settings { cluster_autoscaler: false, ..settings() }, ONE).remove(0).group;
    let policy = &group.mixed_instances_policy;
    assert_eq!(
        (policy.on_demand_base, &policy.spot_allocation_strategy, group.capacity_rebalance),
        (None, &None, false)
    );
    assert!(group.cloud_labels.is_empty());
}

/// A group per zone has only types that its zone offers.
#[test]
fn zone_groups_hold_what_their_zone_offers() {
    let groups = planned(&tutorial_1(), &settings(), Split { sizes: 1, per_zone: true });
    let names: Vec<&str> = groups.iter().map(|p| p.group.name.as_str()).collect();
    assert_eq!(names, ["spot-us-east-1a", "spot-us-east-1b", "spot-us-east-1c"]);
    for Planned { group, .. } in &groups {
        let [zone] = &group.zones[..] else { panic!("{:?}", group.zones) };
        assert!(group.mixed_instances_policy.instances.iter().all(|name| us_east_1().offers(zone, name)));
    }
}

/// Several groups double the memory per virtual CPU each time, from the base type's or from 1:2; a fixed memory can't.
#[test]
fn sizes_double() {
    let memory = |planned: &Planned| planned.selection.size.memory_mib / u64::from(planned.selection.size.vcpus);
    let free = Query { memory: None, vcpus: Some(Range::exactly(4)), ..tutorial_2() };
    let split = Split { sizes: 3, per_zone: false };
    let groups = planned(&free, &settings(), split);
    assert_eq!(groups.iter().map(memory).collect::<Vec<_>>(), [2048, 4096, 8192]);
    assert_eq!(groups.iter().map(|p| p.group.name.as_str()).collect::<Vec<_>>(), ["spot1", "spot2", "spot3"]);
    let like_base = planned(&tutorial_1(), &settings(), Split { sizes: 2, per_zone: false });
    assert_eq!(like_base.iter().map(memory).collect::<Vec<_>>(), [4096, 8192]);
    assert!(plan(&three_zones(), &tutorial_2(), &Options::default(), &settings(), split).is_err());
}

/// Attributes mean exactly the types that fit: every other type of the size is excluded by family.
#[test]
fn attributes_admit_only_what_fits() {
    let planned = planned(&tutorial_1(), &Settings { attribute_based: true, ..settings() }, ONE).remove(0);
    let policy = &planned.group.mixed_instances_policy;
    assert!(policy.instances.is_empty());
    let wants = policy.instance_requirements.as_ref().unwrap();
    let scope = three_zones();
    let makers: Vec<String> = wants.cpu_manufacturers.clone();
    let admitted: BTreeSet<&String> = scope
        .catalogue()
        .types
        .values()
        .filter(|t| (wants.cpu.min..=wants.cpu.max).contains(&t.vcpus) && wants.memory_mib.contains(t.memory_mib))
        .filter(|t| t.manufacturer.as_ref().is_some_and(|m| makers.contains(&m.to_lowercase())))
        .filter(|t| !wants.excluded_instance_types.contains(&format!("{}.*", t.family())))
        .filter(|t| scope.zones_offering(&t.name).next().is_some())
        .map(|t| &t.name)
        .collect();
    let selection = &planned.selection;
    assert_eq!(admitted, selection.types.iter().chain(&selection.spare).collect());
}
