use jiff::Timestamp;
use proptest::prelude::*;

use super::*;
use crate::catalogue::SpotPrice;

fn fleet(on_demand: u32, spot: u32, types: &[&str]) -> Fleet {
    let types = types.iter().map(|t| (*t).to_owned()).collect();
    Fleet { on_demand, spot, types, zones: BTreeSet::from(["us-east-1a".to_owned()]) }
}

/// m5.large costs 0.10 on demand, 0.03 as spot in one zone and 0.07 in another; m6i.large 0.12, and 0.04 as spot.
fn prices() -> Prices {
    let mut prices = Prices::none(Timestamp::UNIX_EPOCH);
    prices.on_demand = BTreeMap::from([("m5.large".to_owned(), 0.10), ("m6i.large".to_owned(), 0.12)]);
    for (name, zone, usd_per_hour) in
        [("m5.large", "us-east-1a", 0.03), ("m5.large", "us-east-1b", 0.07), ("m6i.large", "us-east-1a", 0.04)]
    {
        prices.add_spot(name, zone, SpotPrice { usd_per_hour, since: 1 });
    }
    prices
}

fn monthly(amount: f64) -> Option<f64> {
    Some(amount * HOURS_PER_MONTH)
}

/// Spot machines count with the usual price of their own zones' pools, on-demand ones with their first type's.
#[test]
fn fleets_are_added_up() {
    let after = vec![fleet(3, 0, &["m5.large"]), fleet(1, 2, &["m5.large", "m6i.large"])];
    let cost = Machines { before: vec![fleet(3, 0, &["m5.large"])], after }.cost(&prices());
    let rounded = |amount: Option<f64>| amount.map(|a| (a * 100.0).round() / 100.0);
    assert_eq!(rounded(cost.on_demand_monthly), rounded(monthly(0.6)));
    assert_eq!(rounded(cost.spot_monthly), rounded(monthly(0.4 + 2.0 * 0.04)));
    assert_eq!(rounded(cost.on_demand_delta), rounded(monthly(0.3)));
    assert_eq!(rounded(cost.spot_delta), rounded(monthly(0.1 + 2.0 * 0.04)));
    assert_eq!(cost.unknown, 0);
}

/// A machine without a price is counted and in no sum; then no difference is given, for it would be wrong.
#[test]
fn unknown_prices_are_never_zero() {
    let after = vec![fleet(2, 0, &["m5.large"]), fleet(0, 4, &["c5.large"])];
    let cost = Machines { before: Vec::new(), after }.cost(&prices());
    assert_eq!((cost.unknown, cost.on_demand_delta, cost.spot_delta), (4, None, None));
    assert_eq!(cost.spot_monthly, monthly(0.2));
    let nothing_known = Machines { before: Vec::new(), after: vec![fleet(1, 0, &[])] }.cost(&prices());
    assert_eq!((nothing_known.on_demand_monthly, nothing_known.spot_monthly), (None, None));
}

/// Groups of no machine cost nothing, whatever is known of their types.
#[test]
fn empty_groups_cost_nothing() {
    let cost = Machines { before: Vec::new(), after: vec![fleet(0, 0, &["c5.large"])] }.cost(&prices());
    assert_eq!((cost.unknown, cost.spot_monthly), (0, Some(0.0)));
}

proptest! {
    /// Auto Scaling rounds the on-demand share up, and never buys more than there are machines.
    #[test]
    fn shares_add_up(base in 0..50u32, percentage in 0..=100u32, size in 0..100u32) {
        let policy = MixedInstancesPolicy {
            overrides: Overrides::InstanceTypes(Vec::new()),
            on_demand_base: base,
            on_demand_percentage_above_base: percentage,
            on_demand_allocation_strategy: "prioritized".into(),
            spot_allocation_strategy: "price-capacity-optimized".into(),
            spot_instance_pools: None,
            spot_max_price: None,
        };
        let spot = spot_share(&policy, size);
        prop_assert!(spot <= size.saturating_sub(base));
        let on_demand_above = f64::from(size.saturating_sub(base) - spot);
        prop_assert!(on_demand_above >= f64::from(size.saturating_sub(base)) * f64::from(percentage) / 100.0 - 1e-9);
    }
}
