//! What the selector drafts, as specs of instance groups.

use super::create::SpotWorkers;
use crate::catalogue::Catalogue;
use crate::error::{Error, Result};
use crate::select::choose::{Options, Selection, choose};
use crate::select::group::{GroupDraft, Requirements};
use crate::select::query::Query;
use crate::select::scope::{Offered, Scope};
use crate::select::value::Range;
use crate::spec::mixed_instances::{InstanceRequirements, MinMax, SpotAllocationStrategy};
use crate::spec::{Cluster, InstanceGroup, MixedInstancesPolicy, Quantity, Role, SubnetType};

/// The group that a draft describes, in the cluster's subnets of the draft's zones (or in `subnets`, if any are named).
pub fn group(cluster: &Cluster, draft: &GroupDraft, subnets: &[String]) -> Result<InstanceGroup> {
    let mut group = InstanceGroup::new(cluster.name(), &draft.name, Role::Node);
    let spec = &mut group.spec;
    spec.subnets = if subnets.is_empty() { subnets_of(cluster, &draft.zones) } else { subnets.to_vec() };
    spec.machine_type = Some(draft.machine_type.clone());
    spec.min_size = Some(draft.min_size);
    spec.max_size = Some(draft.max_size);
    spec.root_volume_size = draft.root_volume_size;
    spec.additional_security_groups = draft.additional_security_groups.clone();
    spec.node_labels = draft.node_labels.clone();
    spec.taints = draft
        .taints
        .iter()
        .map(|t| t.parse().map_err(|e| Error::usage(format!("taint {t}: {e}"))))
        .collect::<Result<_>>()?;
    spec.cloud_labels = draft.cloud_labels.clone();
    spec.capacity_rebalance = draft.capacity_rebalance.then_some(true);
    let policy = &draft.mixed_instances_policy;
    spec.mixed_instances_policy = Some(MixedInstancesPolicy {
        instances: policy.instances.clone(),
        instance_requirements: policy.instance_requirements.as_ref().map(requirements).transpose()?,
        on_demand_base: policy.on_demand_base,
        on_demand_above_base: policy.on_demand_above_base,
        spot_allocation_strategy: policy.spot_allocation_strategy.as_deref().map(strategy).transpose()?,
        ..MixedInstancesPolicy::default()
    });
    Ok(group)
}

/// The subnets for workers in these zones: private ones where the cluster has them.
fn subnets_of(cluster: &Cluster, zones: &[String]) -> Vec<String> {
    let all = cluster.spec.subnets.iter().filter(|s| s.subnet_type != SubnetType::Utility && zones.contains(&s.zone));
    let private = cluster.spec.subnets.iter().any(|s| s.subnet_type.is_private());
    all.filter(|s| !private || s.subnet_type.is_private()).map(|s| s.name.clone()).collect()
}

fn strategy(name: &str) -> Result<SpotAllocationStrategy> {
    serde_json::from_value(serde_json::Value::from(name)).map_err(|e| {
        Error::usage(format!("--allocation-strategy {name} is not one that Auto Scaling knows"))
            .hint("price-capacity-optimized, capacity-optimized, capacity-optimized-prioritized or lowest-price")
            .because(e)
    })
}

fn requirements(wanted: &Requirements) -> Result<InstanceRequirements> {
    let makers = wanted.cpu_manufacturers.iter().map(|m| serde_json::from_value(serde_json::Value::from(m.as_str())));
    let makers = makers.collect::<serde_json::Result<_>>();
    Ok(InstanceRequirements {
        cpu: Some(MinMax {
            min: Some(Quantity::units(i64::from(wanted.cpu.min))),
            max: Some(Quantity::units(i64::from(wanted.cpu.max))),
        }),
        memory: Some(memory(&wanted.memory_mib)),
        cpu_manufacturers: makers.map_err(|e| Error::failed("a processor maker that specs do not know").because(e))?,
        excluded_instance_types: wanted.excluded_instance_types.clone(),
        ..InstanceRequirements::default()
    })
}

fn memory(range: &Range<u64>) -> MinMax {
    let mib = |n: u64| i64::try_from(n).ok().map(Quantity::mebibytes);
    MinMax { min: mib(range.min), max: mib(range.max) }
}

/// Pools for spot workers at a cluster's birth, in these zones.
pub fn choose_workers(catalogue: &Catalogue, zones: &[String], ask: &SpotWorkers) -> Result<Selection> {
    if ask.vcpus.is_none() && ask.memory.is_none() {
        return Err(Error::usage("--node-usage-class spot does not say how large the workers are")
            .hint("add --vcpus 4 --memory 16GiB"));
    }
    let query = Query {
        usage_class: Some("spot".into()),
        cpu_architecture: Some("x86_64".into()),
        vcpus: ask.vcpus.map(|n| Range::exactly(n.into())),
        memory: ask.memory.as_deref().map(|m| Ok::<_, Error>(Range::exactly(m.parse()?))).transpose()?,
        ..Query::default()
    };
    let scope = Scope::zones(catalogue, zones, Offered::Somewhere)?;
    choose(&scope, &query.normalized()?, &Options::default())
}

/// Makes a worker group draw from these pools.
pub fn make_spot(group: &mut InstanceGroup, selection: &Selection) {
    let spec = &mut group.spec;
    spec.machine_type = selection.types.first().cloned();
    spec.mixed_instances_policy = Some(MixedInstancesPolicy {
        instances: selection.types.clone(),
        on_demand_base: Some(0),
        on_demand_above_base: Some(0),
        spot_allocation_strategy: Some(SpotAllocationStrategy::PriceCapacityOptimized),
        ..MixedInstancesPolicy::default()
    });
    spec.capacity_rebalance = Some(true);
}
