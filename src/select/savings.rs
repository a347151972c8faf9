//! Prices of types and of a set. What is not known stays unknown.

use serde::Serialize;

use super::scope::Scope;
use crate::catalogue::InstanceType;

/// Prices of one type over the zones in question, in US dollars per hour.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TypePrice {
    /// The type.
    pub name: String,
    /// The lowest spot price of its pools.
    pub spot_min: Option<f64>,
    /// The middle one; of an even number the mean of the two in the middle.
    pub spot_median: Option<f64>,
    /// The highest one.
    pub spot_max: Option<f64>,
    /// The on-demand price.
    pub on_demand: Option<f64>,
    /// What the median spot price saves against on-demand, in percent.
    pub saving_percent: Option<f64>,
    /// The median spot price (for on-demand: that price) per virtual CPU.
    pub per_vcpu: Option<f64>,
    /// The same per GiB of memory.
    pub per_gib: Option<f64>,
}

/// What a node of a set is expected to cost.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SetPrice {
    /// US dollars per node and hour on spot: the mean over the pools that have a price. The strategy
    /// price-capacity-optimized leans to the cheaper pools, so this is rather too high.
    pub spot_per_node: Option<f64>,
    /// US dollars per node and hour on-demand: the mean over the types that have a price.
    pub on_demand_per_node: Option<f64>,
    /// What spot saves, in percent.
    pub saving_percent: Option<f64>,
    /// Pools of the set without a spot price.
    pub pools_without_price: usize,
}

impl SetPrice {
    /// The expected cost of so many nodes per hour on spot.
    pub fn hourly(&self, nodes: u32) -> Option<f64> {
        self.spot_per_node.map(|each| each * f64::from(nodes))
    }
}

/// The prices of one type. `spot` says whether the per-unit prices are spot's or on-demand's.
pub fn type_price(scope: &Scope<'_>, t: &InstanceType, spot: bool) -> TypePrice {
    let mut prices: Vec<f64> = scope.spot_prices(&t.name).collect();
    prices.sort_by(f64::total_cmp);
    let spot_median = median(&prices);
    let on_demand = scope.catalogue.on_demand(&t.name);
    let usual = if spot { spot_median } else { on_demand };
    TypePrice {
        name: t.name.clone(),
        spot_min: prices.first().copied(),
        spot_median,
        spot_max: prices.last().copied(),
        on_demand,
        saving_percent: saving(spot_median, on_demand),
        per_vcpu: usual.map(|usd| usd / f64::from(t.vcpus)),
        per_gib: usual.map(|usd| usd / (t.memory_mib as f64 / 1024.0)),
    }
}

/// What a set of types is expected to cost per node.
pub fn set_price(scope: &Scope<'_>, names: &[String]) -> SetPrice {
    let offered: usize = names.iter().map(|name| scope.zones_offering(name).count()).sum();
    let spot: Vec<f64> = names.iter().flat_map(|name| scope.spot_prices(name)).collect();
    let on_demand: Vec<f64> = names.iter().filter_map(|name| scope.catalogue.on_demand(name)).collect();
    let (spot_per_node, on_demand_per_node) = (mean(&spot), mean(&on_demand));
    SetPrice {
        spot_per_node,
        on_demand_per_node,
        saving_percent: saving(spot_per_node, on_demand_per_node),
        pools_without_price: offered - spot.len(),
    }
}

fn saving(spot: Option<f64>, on_demand: Option<f64>) -> Option<f64> {
    Some((1.0 - spot? / on_demand?) * 100.0)
}

/// The median of sorted numbers.
pub(super) fn median(sorted: &[f64]) -> Option<f64> {
    let middle = sorted.len() / 2;
    match sorted {
        [] => None,
        _ if sorted.len() % 2 == 1 => Some(sorted[middle]),
        _ => Some(f64::midpoint(sorted[middle - 1], sorted[middle])),
    }
}

fn mean(numbers: &[f64]) -> Option<f64> {
    (!numbers.is_empty()).then(|| numbers.iter().sum::<f64>() / numbers.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::{Catalogue, Prices};
    use crate::select::tests::us_east_1;

    /// Minimum, median and maximum come from the pools; the saving from median and on-demand.
    #[test]
    fn prices_of_a_type() {
        let catalogue = us_east_1();
        let scope = Scope::region(catalogue);
        let t = &catalogue.types["m5.xlarge"];
        let price = type_price(&scope, t, true);
        let pools: Vec<f64> = scope.spot_prices("m5.xlarge").collect();
        assert!(pools.len() > 2);
        assert_eq!(price.spot_min, pools.iter().copied().min_by(f64::total_cmp));
        assert!(price.spot_min < price.spot_median && price.spot_median < price.spot_max);
        let expected = (1.0 - price.spot_median.unwrap() / price.on_demand.unwrap()) * 100.0;
        assert_eq!(price.saving_percent, Some(expected));
        assert_eq!(price.per_vcpu, price.spot_median.map(|usd| usd / 4.0));
    }

    /// Without prices every figure is unknown, and the pools without a price are counted.
    #[test]
    fn unknown_prices_stay_unknown() {
        let fetched = us_east_1().fetched_at;
        let blind = Catalogue { prices: Some(Prices::none(fetched)), ..us_east_1().clone() };
        let scope = Scope::region(&blind);
        let price = type_price(&scope, &blind.types["m5.xlarge"], true);
        assert_eq!(
            (price.spot_median, price.on_demand, price.saving_percent, price.per_vcpu),
            (None, None, None, None)
        );
        let set = set_price(&scope, &["m5.xlarge".to_owned()]);
        assert_eq!((set.spot_per_node, set.saving_percent, set.hourly(3)), (None, None, None));
        assert_eq!(set.pools_without_price, scope.zones_offering("m5.xlarge").count());
    }

    /// The median of an even number of prices is the mean of the two in the middle.
    #[test]
    fn median_of_even_and_odd() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[1.0, 2.0, 9.0]), Some(2.0));
        assert_eq!(median(&[1.0, 2.0, 4.0, 9.0]), Some(3.0));
    }
}
