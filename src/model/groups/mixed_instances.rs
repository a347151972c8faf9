//! How a group buys its machines: which types, what share on demand, which spot pools.

use crate::error::{Error, Result};
use crate::resource::auto_scaling_group::{InstanceRequirements, MixedInstancesPolicy, Overrides, Range};
use crate::spec::mixed_instances::{
    self, CpuManufacturer, Inclusion, InstanceGeneration, OnDemandAllocationStrategy, SpotAllocationStrategy,
};
use crate::spec::{InstanceGroup, Quantity};

/// AWS's own number of pools for `lowest-price`.
const LOWEST_PRICE_POOLS: u32 = 2;

/// The group's policy; without one its machines are of the launch template's type, and bought as that says.
pub(super) fn of(group: &InstanceGroup) -> Result<Option<MixedInstancesPolicy>> {
    let Some(policy) = &group.spec.mixed_instances_policy else { return Ok(None) };
    let (overrides, on_demand) = match &policy.instance_requirements {
        Some(wanted) => {
            let wanted = requirements(group, wanted)?;
            (Overrides::InstanceRequirements(Box::new(wanted)), OnDemandAllocationStrategy::LowestPrice)
        }
        None => (Overrides::InstanceTypes(types(group, policy)), OnDemandAllocationStrategy::Prioritized),
    };
    let spot = policy.spot_allocation_strategy();
    let lowest_price = spot == SpotAllocationStrategy::LowestPrice;
    Ok(Some(MixedInstancesPolicy {
        overrides,
        on_demand_base: policy.on_demand_base(),
        on_demand_percentage_above_base: policy.on_demand_above_base(),
        on_demand_allocation_strategy: policy.on_demand_allocation_strategy.unwrap_or(on_demand).as_str().to_owned(),
        spot_allocation_strategy: spot.as_str().to_owned(),
        spot_instance_pools: lowest_price.then(|| policy.spot_instance_pools.unwrap_or(LOWEST_PRICE_POOLS)),
        spot_max_price: group.spec.max_price.clone(),
    }))
}

/// The types in the spec's order, which the autoscaler and prioritising strategies go by.
fn types(group: &InstanceGroup, policy: &mixed_instances::MixedInstancesPolicy) -> Vec<String> {
    if policy.instances.is_empty() { vec![group.spec.machine_type().to_owned()] } else { policy.instances.clone() }
}

fn requirements(group: &InstanceGroup, wanted: &mixed_instances::InstanceRequirements) -> Result<InstanceRequirements> {
    let unsupported = [
        (wanted.local_storage.is_some_and(|l| l != Inclusion::Included), "localStorage"),
        (
            wanted.on_demand_max_price_percentage_over_lowest_price.is_some(),
            "onDemandMaxPricePercentageOverLowestPrice",
        ),
    ];
    if let Some((_, field)) = unsupported.iter().find(|(given, _)| *given) {
        return Err(Error::invalid(format!("group {}: instanceRequirements.{field} is not supported", group.name()))
            .hint("leave it out, or name the types in mixedInstancesPolicy.instances"));
    }
    let count = |q: Quantity| q.value();
    let accelerators = match &wanted.accelerator_count {
        Some(range) => of_range(group, Some(range), count)?,
        None => Range { min: 0, max: Some(0) },
    };
    Ok(InstanceRequirements {
        vcpus: of_range(group, wanted.cpu.as_ref(), count)?,
        memory_mib: of_range(group, wanted.memory.as_ref(), Quantity::mebibytes_value)?,
        cpu_manufacturers: wanted.cpu_manufacturers.iter().map(|m| manufacturer(*m).to_owned()).collect(),
        allowed_instance_types: wanted.allowed_instance_types.iter().cloned().collect(),
        excluded_instance_types: wanted.excluded_instance_types.iter().cloned().collect(),
        instance_generations: wanted.instance_generations.iter().map(|g| generation(*g).to_owned()).collect(),
        burstable: inclusion(wanted.burstable_performance).to_owned(),
        bare_metal: inclusion(wanted.bare_metal).to_owned(),
        accelerators: Some(accelerators),
        max_spot_price_percentage: wanted.max_spot_price_as_percentage_of_optimal_on_demand_price,
        ..InstanceRequirements::default()
    })
}

fn of_range(
    group: &InstanceGroup,
    range: Option<&mixed_instances::MinMax>,
    unit: impl Fn(Quantity) -> i128,
) -> Result<Range> {
    let bound = |q: Quantity| {
        u32::try_from(unit(q))
            .map_err(|_| Error::invalid(format!("group {}: instanceRequirements has no bound {q}", group.name())))
    };
    let min = range.and_then(|r| r.min).map(&bound).transpose()?.unwrap_or(0);
    let max = range.and_then(|r| r.max).map(&bound).transpose()?;
    Ok(Range { min, max })
}

fn inclusion(given: Option<Inclusion>) -> &'static str {
    match given.unwrap_or(Inclusion::Excluded) {
        Inclusion::Included => "included",
        Inclusion::Excluded => "excluded",
        Inclusion::Required => "required",
    }
}

fn manufacturer(maker: CpuManufacturer) -> &'static str {
    match maker {
        CpuManufacturer::Intel => "intel",
        CpuManufacturer::Amd => "amd",
        CpuManufacturer::AmazonWebServices => "amazon-web-services",
    }
}

fn generation(generation: InstanceGeneration) -> &'static str {
    match generation {
        InstanceGeneration::Current => "current",
        InstanceGeneration::Previous => "previous",
    }
}
