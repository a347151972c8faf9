//! How a group buys its machines: which types, how many on demand, which spot pools.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::block::block;
use super::quantity::Quantity;

block! {
    /// Several instance types and purchase options in one Auto Scaling group.
    pub struct MixedInstancesPolicy {
        /// The instance types, in order: the cluster autoscaler sizes the group by the first, `prioritized` strategies prefer earlier ones. 1 to 40.
        pub instances: Vec<String>,
        /// Instead of a list of types: what a type must offer (attribute-based selection). Excludes `instances`.
        pub instance_requirements: Option<InstanceRequirements>,
        /// How on-demand machines are chosen among the types: `prioritized` (AWS's default for a list) or `lowest-price`.
        pub on_demand_allocation_strategy: Option<OnDemandAllocationStrategy>,
        /// How many machines are on demand before any spot machine is bought. Default 0.
        pub on_demand_base: Option<u32>,
        /// Percentage of on-demand machines above the base, 0 (all spot) to 100. Default 100 as on AWS: no spot unless it is asked for.
        pub on_demand_above_base: Option<u32>,
        /// How spot pools are chosen. Default `price-capacity-optimized`.
        pub spot_allocation_strategy: Option<SpotAllocationStrategy>,
        /// Number of spot pools, 1 to 20; only with `lowest-price`. Default 2.
        pub spot_instance_pools: Option<u32>,
    }
}

/// How on-demand machines are chosen among the types of a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OnDemandAllocationStrategy {
    /// The first type of the list that has capacity.
    Prioritized,
    /// The cheapest type.
    LowestPrice,
}

impl OnDemandAllocationStrategy {
    /// AWS's name of the strategy.
    pub fn as_str(self) -> &'static str {
        match self {
            OnDemandAllocationStrategy::Prioritized => "prioritized",
            OnDemandAllocationStrategy::LowestPrice => "lowest-price",
        }
    }
}

/// How spot pools are chosen among the types of a policy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SpotAllocationStrategy {
    /// The pools least likely to be interrupted among the cheap ones.
    #[default]
    PriceCapacityOptimized,
    /// The pools with the most spare capacity, whatever they cost.
    CapacityOptimized,
    /// As `capacity-optimized`, the order of the list breaking ties.
    CapacityOptimizedPrioritized,
    /// The cheapest pools; interrupted most.
    LowestPrice,
}

impl SpotAllocationStrategy {
    /// AWS's name of the strategy.
    pub fn as_str(self) -> &'static str {
        match self {
            SpotAllocationStrategy::PriceCapacityOptimized => "price-capacity-optimized",
            SpotAllocationStrategy::CapacityOptimized => "capacity-optimized",
            SpotAllocationStrategy::CapacityOptimizedPrioritized => "capacity-optimized-prioritized",
            SpotAllocationStrategy::LowestPrice => "lowest-price",
        }
    }
}

block! {
    /// What an instance type must offer to be used; AWS picks every type that fits, new ones included.
    pub struct InstanceRequirements {
        /// Number of vCPUs.
        pub cpu: Option<MinMax>,
        /// Memory, for example `min: 8Gi`; handed to AWS in MiB.
        pub memory: Option<MinMax>,
        /// Types that are used only if they are in this list; `*` is a wildcard (`m5.*`). Excludes `excludedInstanceTypes`.
        pub allowed_instance_types: Vec<String>,
        /// Types that are never used; `*` is a wildcard (`t*`).
        pub excluded_instance_types: Vec<String>,
        /// Whether burstable types (t3 ...) are used. Default `excluded`.
        pub burstable_performance: Option<Inclusion>,
        /// Whether bare-metal types are used. Default `excluded`.
        pub bare_metal: Option<Inclusion>,
        /// Whether types with instance-store disks are used. Default `included`.
        pub local_storage: Option<Inclusion>,
        /// Processor makers: `intel`, `amd`, `amazon-web-services`. Default: any of the image's architecture.
        pub cpu_manufacturers: Vec<CpuManufacturer>,
        /// `current`, `previous` or both. Default both.
        pub instance_generations: Vec<InstanceGeneration>,
        /// Number of GPUs and other accelerators. Default: none.
        pub accelerator_count: Option<MinMax>,
        /// Highest spot price, in percent of the cheapest fitting type's on-demand price.
        pub max_spot_price_as_percentage_of_optimal_on_demand_price: Option<u32>,
        /// How much more than the cheapest fitting on-demand type an on-demand machine may cost, in percent. AWS's default is 20.
        pub on_demand_max_price_percentage_over_lowest_price: Option<u32>,
    }
}

block! {
    /// A range; a bound that is left out does not bind.
    pub struct MinMax {
        /// Smallest accepted amount.
        pub min: Option<Quantity>,
        /// Largest accepted amount.
        pub max: Option<Quantity>,
    }
}

/// Whether a class of instance types is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Inclusion {
    /// May be used.
    Included,
    /// Is never used.
    Excluded,
    /// Nothing else is used.
    Required,
}

/// A maker of processors, by AWS's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CpuManufacturer {
    /// Intel.
    Intel,
    /// AMD.
    Amd,
    /// AWS (Graviton).
    AmazonWebServices,
}

/// A generation of instance types, by AWS's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum InstanceGeneration {
    /// Types AWS recommends for new work.
    Current,
    /// Older types that are still sold.
    Previous,
}

impl MixedInstancesPolicy {
    /// Machines bought on demand before any spot machine.
    pub fn on_demand_base(&self) -> u32 {
        self.on_demand_base.unwrap_or(0)
    }

    /// Percentage of on-demand machines above the base.
    pub fn on_demand_above_base(&self) -> u32 {
        self.on_demand_above_base.unwrap_or(100)
    }

    /// How spot pools are chosen.
    pub fn spot_allocation_strategy(&self) -> SpotAllocationStrategy {
        self.spot_allocation_strategy.unwrap_or_default()
    }

    /// Whether any machine of the group can be a spot machine.
    pub fn buys_spot(&self) -> bool {
        self.on_demand_above_base() < 100
    }
}
