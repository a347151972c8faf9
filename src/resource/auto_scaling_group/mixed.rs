//! The mixed instances policy: which types, how many of them on demand, and how spot capacity is chosen.

use std::collections::BTreeSet;

use aws_sdk_autoscaling::types::{
    AcceleratorCountRequest, InstanceRequirements as AwsRequirements, InstancesDistribution, LaunchTemplate,
    LaunchTemplateOverrides, LaunchTemplateSpecification, MemoryMiBRequest, MixedInstancesPolicy as AwsPolicy,
    VCpuCountRequest,
};
use serde::{Deserialize, Serialize};

/// A mixed instances policy. Everything that AWS has a default for is explicit, so that a default can't differ.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MixedInstancesPolicy {
    /// The types to choose from.
    pub overrides: Overrides,
    /// The first so many instances are on demand.
    pub on_demand_base: u32,
    /// How many percent of the rest are on demand.
    pub on_demand_percentage_above_base: u32,
    /// `prioritized` (AWS's default for named types) or `lowest-price`.
    pub on_demand_allocation_strategy: String,
    /// `price-capacity-optimized`, `capacity-optimized`, `lowest-price` (AWS's default) ...
    pub spot_allocation_strategy: String,
    /// How many of the cheapest pools are used: of `lowest-price` alone (2 is AWS's default).
    pub spot_instance_pools: Option<u32>,
    /// USD per hour at most; the on-demand price otherwise.
    pub spot_max_price: Option<String>,
}

/// How types are named.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Overrides {
    /// By name, in order of priority; empty for the launch template's own type.
    InstanceTypes(Vec<String>),
    /// By what they must have.
    InstanceRequirements(Box<InstanceRequirements>),
}

/// What instance types must have.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InstanceRequirements {
    /// Virtual CPUs.
    pub vcpus: Range,
    /// Memory in MiB.
    pub memory_mib: Range,
    /// `intel`, `amd`, `amazon-web-services` ...; any when empty.
    pub cpu_manufacturers: BTreeSet<String>,
    /// Only these types, with wildcards; all when empty.
    pub allowed_instance_types: BTreeSet<String>,
    /// Not these types, with wildcards.
    pub excluded_instance_types: BTreeSet<String>,
    /// `current`, `previous`; any when empty.
    pub instance_generations: BTreeSet<String>,
    /// Whether burstable types are `included`, `excluded` (AWS's default) or `required`.
    pub burstable: String,
    /// Whether bare metal types are `included`, `excluded` (AWS's default) or `required`.
    pub bare_metal: String,
    /// Accelerators (GPUs, FPGAs ...); `max` 0 excludes types that have any.
    pub accelerators: Option<Range>,
    /// `nvidia`, `amd` ...; any when empty.
    pub accelerator_manufacturers: BTreeSet<String>,
    /// `a100`, `t4` ...; any when empty.
    pub accelerator_names: BTreeSet<String>,
    /// Spot prices may be so many percent of the best on-demand price.
    pub max_spot_price_percentage: Option<u32>,
}

/// From `min` to `max`, both included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Range {
    /// At least.
    pub min: u32,
    /// At most.
    pub max: Option<u32>,
}

/// The strategy that alone has a number of pools.
const LOWEST_PRICE: &str = "lowest-price";

impl MixedInstancesPolicy {
    /// The policy as create and update calls take it: complete, so that nothing of an older one stays.
    pub(super) fn request(&self, template: LaunchTemplateSpecification) -> AwsPolicy {
        let overrides = match &self.overrides {
            Overrides::InstanceTypes(types) => {
                types.iter().map(|t| LaunchTemplateOverrides::builder().instance_type(t).build()).collect()
            }
            Overrides::InstanceRequirements(r) => {
                vec![LaunchTemplateOverrides::builder().instance_requirements(r.request()).build()]
            }
        };
        let distribution = InstancesDistribution::builder()
            .on_demand_base_capacity(self.on_demand_base.cast_signed())
            .on_demand_percentage_above_base_capacity(self.on_demand_percentage_above_base.cast_signed())
            .on_demand_allocation_strategy(&self.on_demand_allocation_strategy)
            .spot_allocation_strategy(&self.spot_allocation_strategy)
            .set_spot_instance_pools(self.spot_instance_pools.map(u32::cast_signed))
            // Empty clears a price that was set before.
            .spot_max_price(self.spot_max_price.clone().unwrap_or_default());
        let template =
            LaunchTemplate::builder().launch_template_specification(template).set_overrides(Some(overrides)).build();
        AwsPolicy::builder().launch_template(template).instances_distribution(distribution.build()).build()
    }

    /// The policy as AWS answers it.
    pub(super) fn observed(policy: &AwsPolicy) -> Self {
        let overrides = policy.launch_template().map(|t| t.overrides()).unwrap_or_default();
        let shares = policy.instances_distribution();
        let requirements = overrides.iter().find_map(|o| o.instance_requirements());
        let strategy = shares.and_then(|s| s.spot_allocation_strategy()).unwrap_or(LOWEST_PRICE);
        let pools = number(shares.and_then(|s| s.spot_instance_pools())).or(Some(2));
        MixedInstancesPolicy {
            overrides: match requirements {
                Some(r) => Overrides::InstanceRequirements(Box::new(InstanceRequirements::observed(r))),
                None => Overrides::InstanceTypes(overrides.iter().map(observed_type).collect()),
            },
            on_demand_base: number(shares.and_then(|s| s.on_demand_base_capacity())).unwrap_or_default(),
            on_demand_percentage_above_base: number(shares.and_then(|s| s.on_demand_percentage_above_base_capacity()))
                .unwrap_or(100),
            on_demand_allocation_strategy: shares
                .and_then(|s| s.on_demand_allocation_strategy())
                .unwrap_or(if requirements.is_some() { LOWEST_PRICE } else { "prioritized" })
                .to_owned(),
            spot_allocation_strategy: strategy.to_owned(),
            spot_instance_pools: pools.filter(|_| strategy == LOWEST_PRICE),
            spot_max_price: shares.and_then(|s| s.spot_max_price()).filter(|p| !p.is_empty()).map(str::to_owned),
        }
    }
}

/// A type with a weight or a template of its own, which kspot never sets, is no wanted one.
fn observed_type(o: &LaunchTemplateOverrides) -> String {
    let mut text = o.instance_type().unwrap_or("any").to_owned();
    if let Some(weight) = o.weighted_capacity() {
        text.push_str(&format!(" (weight {weight})"));
    }
    if let Some(template) = o.launch_template_specification() {
        text.push_str(&format!(" (template {})", template.launch_template_id().unwrap_or_default()));
    }
    text
}

fn number(n: Option<i32>) -> Option<u32> {
    n.and_then(|n| u32::try_from(n).ok())
}

/// A set as AWS takes it: absent when empty.
fn listed<T: for<'a> From<&'a str>>(names: &BTreeSet<String>) -> Option<Vec<T>> {
    Some(names.iter().map(|n| T::from(n)).collect::<Vec<_>>()).filter(|l| !l.is_empty())
}

fn names<'a>(values: impl Iterator<Item = &'a str>) -> BTreeSet<String> {
    values.map(str::to_owned).collect()
}

impl InstanceRequirements {
    fn request(&self) -> AwsRequirements {
        let signed = |n: Option<u32>| n.map(u32::cast_signed);
        let strings = |s: &BTreeSet<String>| Some(s.iter().cloned().collect::<Vec<_>>()).filter(|l| !l.is_empty());
        let vcpus = VCpuCountRequest::builder().min(self.vcpus.min.cast_signed()).set_max(signed(self.vcpus.max));
        let memory =
            MemoryMiBRequest::builder().min(self.memory_mib.min.cast_signed()).set_max(signed(self.memory_mib.max));
        let accelerators = self.accelerators.map(|r| {
            AcceleratorCountRequest::builder().min(r.min.cast_signed()).set_max(signed(r.max)).build()
        });
        AwsRequirements::builder()
            .v_cpu_count(vcpus.build())
            .memory_mib(memory.build())
            .set_cpu_manufacturers(listed(&self.cpu_manufacturers))
            .set_allowed_instance_types(strings(&self.allowed_instance_types))
            .set_excluded_instance_types(strings(&self.excluded_instance_types))
            .set_instance_generations(listed(&self.instance_generations))
            .burstable_performance(self.burstable.as_str().into())
            .bare_metal(self.bare_metal.as_str().into())
            .set_accelerator_count(accelerators)
            .set_accelerator_manufacturers(listed(&self.accelerator_manufacturers))
            .set_accelerator_names(listed(&self.accelerator_names))
            .set_max_spot_price_as_percentage_of_optimal_on_demand_price(signed(self.max_spot_price_percentage))
            .build()
    }

    fn observed(r: &AwsRequirements) -> Self {
        let range = |min: Option<i32>, max: Option<i32>| Range { min: number(min).unwrap_or_default(), max: number(max) };
        InstanceRequirements {
            vcpus: range(r.v_cpu_count().and_then(|c| c.min()), r.v_cpu_count().and_then(|c| c.max())),
            memory_mib: range(r.memory_mib().and_then(|c| c.min()), r.memory_mib().and_then(|c| c.max())),
            cpu_manufacturers: names(r.cpu_manufacturers().iter().map(|m| m.as_str())),
            allowed_instance_types: names(r.allowed_instance_types().iter().map(String::as_str)),
            excluded_instance_types: names(r.excluded_instance_types().iter().map(String::as_str)),
            instance_generations: names(r.instance_generations().iter().map(|g| g.as_str())),
            burstable: r.burstable_performance().map_or("excluded", |b| b.as_str()).to_owned(),
            bare_metal: r.bare_metal().map_or("excluded", |b| b.as_str()).to_owned(),
            accelerators: r.accelerator_count().map(|c| range(c.min(), c.max())),
            accelerator_manufacturers: names(r.accelerator_manufacturers().iter().map(|m| m.as_str())),
            accelerator_names: names(r.accelerator_names().iter().map(|n| n.as_str())),
            max_spot_price_percentage: number(r.max_spot_price_as_percentage_of_optimal_on_demand_price()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What AWS fills in by itself is what an explicit policy says.
    #[test]
    fn defaults_are_explicit() {
        let observed = MixedInstancesPolicy::observed(&AwsPolicy::builder().build());
        assert_eq!(observed.on_demand_percentage_above_base, 100);
        assert_eq!(observed.spot_instance_pools, Some(2));
        assert_eq!(observed.on_demand_allocation_strategy, "prioritized");
    }

    /// A policy of each shape is what it was after a round trip.
    #[test]
    fn a_policy_survives_the_round_trip() {
        let types = Overrides::InstanceTypes(vec!["m5.large".into(), "m5a.large".into()]);
        let required = Overrides::InstanceRequirements(Box::new(InstanceRequirements {
            vcpus: Range { min: 2, max: Some(4) },
            memory_mib: Range { min: 4096, max: None },
            cpu_manufacturers: BTreeSet::from(["intel".into()]),
            excluded_instance_types: BTreeSet::from(["t2.*".into()]),
            burstable: "included".into(),
            bare_metal: "excluded".into(),
            accelerators: Some(Range { min: 0, max: Some(0) }),
            ..InstanceRequirements::default()
        }));
        for overrides in [types, required] {
            let policy = MixedInstancesPolicy {
                overrides,
                on_demand_base: 1,
                on_demand_percentage_above_base: 0,
                on_demand_allocation_strategy: "lowest-price".into(),
                spot_allocation_strategy: "price-capacity-optimized".into(),
                spot_instance_pools: None,
                spot_max_price: Some("0.2".into()),
            };
            let request = policy.request(LaunchTemplateSpecification::builder().build());
            assert_eq!(MixedInstancesPolicy::observed(&request), policy);
        }
    }
}
