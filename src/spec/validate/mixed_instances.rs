//! The rules of mixed instances policies that need no catalogue.

use std::collections::BTreeSet;

use super::{GroupRule, Report, Specs};
use crate::spec::instance_group::InstanceGroup;
use crate::spec::mixed_instances::{MinMax, MixedInstancesPolicy, SpotAllocationStrategy};

pub(super) const GROUP_RULES: &[GroupRule] =
    &[types_or_requirements, on_demand_share, strategies, requirements_are_in_order, spot_is_bought_by_policy];

/// Most overrides of an Auto Scaling group.
const MOST_TYPES: usize = 40;

const PATH: &str = "spec.mixedInstancesPolicy";

fn policy(group: &InstanceGroup) -> Option<&MixedInstancesPolicy> {
    group.spec.mixed_instances_policy.as_ref()
}

fn types_or_requirements(_: &Specs, group: &InstanceGroup, report: &mut Report) {
    let Some(policy) = policy(group) else { return };
    let path = format!("{PATH}.instances");
    let (types, by_attribute) = (policy.instances.len(), policy.instance_requirements.is_some());
    report.require(types > 0 || by_attribute, path.clone(), || {
        "give the instance types, or instanceRequirements".to_owned()
    });
    report.require(types == 0 || !by_attribute, format!("{PATH}.instanceRequirements"), || {
        "instances are given too: AWS takes one of them".to_owned()
    });
    report.require(types <= MOST_TYPES, path.clone(), || {
        format!("{types} types, an Auto Scaling group takes {MOST_TYPES}")
    });
    let mut seen = BTreeSet::new();
    for (i, name) in policy.instances.iter().enumerate() {
        report.require(seen.insert(name), format!("{path}[{i}]"), || format!("{name} stands here twice"));
    }
}

fn on_demand_share(_: &Specs, group: &InstanceGroup, report: &mut Report) {
    let Some(policy) = policy(group) else { return };
    let (share, base, max) = (policy.on_demand_above_base(), policy.on_demand_base(), group.spec.max_size());
    report.require(share <= 100, format!("{PATH}.onDemandAboveBase"), || format!("{share} percent is above 100"));
    report.require(base <= max, format!("{PATH}.onDemandBase"), || format!("{base} is more than maxSize {max}"));
    let silent = policy.on_demand_above_base.is_none();
    if silent && (policy.spot_allocation_strategy.is_some() || policy.spot_instance_pools.is_some()) {
        let message = "spot settings are given, but every machine is on demand: AWS takes 100 when nothing is said";
        report.warning(format!("{PATH}.onDemandAboveBase"), message);
    }
}

fn strategies(_: &Specs, group: &InstanceGroup, report: &mut Report) {
    let Some(policy) = policy(group) else { return };
    let strategy = policy.spot_allocation_strategy();
    if let Some(pools) = policy.spot_instance_pools {
        let path = format!("{PATH}.spotInstancePools");
        report.require(strategy == SpotAllocationStrategy::LowestPrice, path.clone(), || {
            format!("only lowest-price counts pools, the strategy is {}", strategy.as_str())
        });
        report.require((1..=20).contains(&pools), path, || format!("{pools} is not between 1 and 20"));
    }
    let ordered = policy.on_demand_allocation_strategy
        == Some(crate::spec::mixed_instances::OnDemandAllocationStrategy::Prioritized);
    report.require(
        !ordered || policy.instance_requirements.is_none(),
        format!("{PATH}.onDemandAllocationStrategy"),
        || "prioritized needs a list of instances, write lowest-price".to_owned(),
    );
}

fn requirements_are_in_order(_: &Specs, group: &InstanceGroup, report: &mut Report) {
    let Some(needs) = policy(group).and_then(|p| p.instance_requirements.as_ref()) else { return };
    let path = format!("{PATH}.instanceRequirements");
    let ordered = |range: &Option<MinMax>| !matches!(range, Some(MinMax { min: Some(min), max: Some(max) }) if min.value() > max.value());
    for (field, range) in
        [("cpu", &needs.cpu), ("memory", &needs.memory), ("acceleratorCount", &needs.accelerator_count)]
    {
        report.require(ordered(range), format!("{path}.{field}.min"), || "it is more than max".to_owned());
    }
    let smallest = |range: &Option<MinMax>| range.as_ref().is_some_and(|r| r.min.is_some());
    report.require(smallest(&needs.cpu), format!("{path}.cpu"), || "AWS needs cpu.min".to_owned());
    report.require(smallest(&needs.memory), format!("{path}.memory"), || "AWS needs memory.min".to_owned());
    let both = !needs.allowed_instance_types.is_empty() && !needs.excluded_instance_types.is_empty();
    report.require(!both, format!("{path}.allowedInstanceTypes"), || {
        "excludedInstanceTypes are given too: AWS takes one of them".to_owned()
    });
}

fn spot_is_bought_by_policy(_: &Specs, group: &InstanceGroup, report: &mut Report) {
    if group.spec.capacity_rebalance == Some(true) && !group.spec.buys_spot() {
        report.warning("spec.capacityRebalance", "the group buys no spot machines, so nothing is rebalanced");
    }
    let one_pool = policy(group).is_some_and(|p| p.buys_spot() && p.instances.len() == 1);
    if one_pool {
        report.warning(format!("{PATH}.instances"), "one type is one spot pool per zone: add types of the same size");
    }
}
