//! Existing groups against today's best set.

use super::{three_zones, tutorial_1};
use crate::select::group::PRICE_CAPACITY_OPTIMIZED;
use crate::select::lint::{ExistingGroup, Report, Severity, lint};
use crate::select::*;

fn group(instances: &[&str]) -> ExistingGroup {
    ExistingGroup {
        name: "spot".into(),
        machine_type: instances[0].into(),
        instances: instances.iter().map(|name| (*name).to_owned()).collect(),
        on_demand_base: Some(0),
        on_demand_above_base: Some(0),
        spot_allocation_strategy: Some(PRICE_CAPACITY_OPTIMIZED.into()),
        capacity_rebalance: Some(true),
        ..ExistingGroup::default()
    }
}

fn report(group: &ExistingGroup) -> Report {
    lint(&three_zones(), group, &Options::default()).unwrap()
}

fn says(report: &Report, severity: Severity, words: &str) -> bool {
    report.problems.iter().any(|p| p.severity == severity && p.message.contains(words))
}

/// Today's best set has nothing that needs a patch.
#[test]
fn the_best_set_needs_no_patch() {
    let best = choose(&three_zones(), &tutorial_1(), &Options::default()).unwrap();
    let names: Vec<&str> = best.types.iter().map(String::as_str).collect();
    let report = report(&group(&names));
    assert_eq!((report.patch, report.added.len(), report.removed.len()), (lint::Patch::default(), 0, 0));
    assert!(report.problems.iter().all(|p| p.severity == Severity::Advice), "{:?}", report.problems);
}

/// A group as kOps writes it by its alphabet is told what is wrong with it, and the patch is today's set.
#[test]
fn a_poor_group_gets_a_patch() {
    let poor = ExistingGroup {
        spot_allocation_strategy: Some("lowest-price".into()),
        capacity_rebalance: None,
        on_demand_base: None,
        ..group(&["m5.xlarge", "m5.2xlarge", "g6f.xlarge", "m6g.xlarge", "m99.xlarge"])
    };
    let report = report(&poor);
    assert!(says(&report, Severity::Error, "m99.xlarge is unknown"));
    assert!(says(&report, Severity::Error, "virtual CPUs range from 4 to 8"));
    assert!(says(&report, Severity::Error, "m6g.xlarge is arm64"));
    assert!(says(&report, Severity::Warning, "g6f.xlarge is of the sort gpu"));
    assert!(says(&report, Severity::Warning, "5 types are few"));
    assert!(says(&report, Severity::Warning, "lowest-price"));
    assert!(says(&report, Severity::Warning, "capacity rebalance is off"));
    assert!(report.problems.windows(2).all(|pair| pair[0].severity <= pair[1].severity));
    let patch = &report.patch;
    assert_eq!(patch.instances.as_ref().unwrap().len(), 15);
    assert_eq!(patch.spot_allocation_strategy.as_deref(), Some(PRICE_CAPACITY_OPTIMIZED));
    assert_eq!((patch.capacity_rebalance, patch.on_demand_base), (Some(true), Some(0)));
    assert!(report.removed.contains(&"g6f.xlarge".to_owned()));
}

/// On-demand groups are not told how to buy spot, and a group of unknown types only is an error.
#[test]
fn on_demand_groups_are_left_alone() {
    let single = ExistingGroup { name: "nodes".into(), machine_type: "m5.xlarge".into(), ..ExistingGroup::default() };
    let report = report(&single);
    assert_eq!(report.patch.capacity_rebalance, None);
    assert!(report.problems.iter().all(|p| p.severity == Severity::Advice), "{:?}", report.problems);
    let unknown = ExistingGroup { machine_type: "m99.xlarge".into(), ..single };
    assert!(lint(&three_zones(), &unknown, &Options::default()).is_err());
}
