//! Spot and on-demand prices. A price that is not known is absent: it is never 0.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Prices of one region, in US dollars per hour, Linux, shared tenancy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Prices {
    /// When they were fetched.
    pub fetched_at: Timestamp,
    /// Where they come from, for people: `EC2 spot price history, Pricing list of 2026-03-01`.
    pub source: String,
    /// What could not be had and why, one sentence each, for example that the Pricing service did not answer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<String>,
    /// Spot prices in force, by type, then by zone.
    pub spot: BTreeMap<String, BTreeMap<String, SpotPrice>>,
    /// On-demand prices by type.
    pub on_demand: BTreeMap<String, f64>,
}

/// The spot price of one pool, in force since `at`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "(f64, i64)", into = "(f64, i64)")]
pub struct SpotPrice {
    /// US dollars per hour.
    pub usd_per_hour: f64,
    /// Since when, in seconds since 1970.
    pub since: i64,
}

impl From<(f64, i64)> for SpotPrice {
    fn from((usd_per_hour, since): (f64, i64)) -> Self {
        SpotPrice { usd_per_hour, since }
    }
}

impl From<SpotPrice> for (f64, i64) {
    fn from(p: SpotPrice) -> Self {
        (p.usd_per_hour, p.since)
    }
}

impl Prices {
    /// No price at all.
    pub fn none(fetched_at: Timestamp) -> Self {
        Prices {
            fetched_at,
            source: "no source".to_owned(),
            missing: Vec::new(),
            spot: BTreeMap::new(),
            on_demand: BTreeMap::new(),
        }
    }

    /// Notes a spot price; of several for one pool the latest stays. A price that is not above 0 is no price.
    pub fn add_spot(&mut self, instance_type: &str, zone: &str, price: SpotPrice) {
        if !(price.usd_per_hour.is_finite() && price.usd_per_hour > 0.0) {
            return;
        }
        let pools = self.spot.entry(instance_type.to_owned()).or_default();
        if pools.get(zone).is_none_or(|known| known.since < price.since) {
            pools.insert(zone.to_owned(), price);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of several history points of one pool the newest counts, in whatever order they come; 0 counts as unknown.
    #[test]
    fn newest_spot_price_wins_and_zero_is_no_price() {
        let mut prices = Prices::none(Timestamp::UNIX_EPOCH);
        for (usd_per_hour, since) in [(0.05, 20), (0.09, 30), (0.01, 10), (0.0, 40)] {
            prices.add_spot("m5.large", "eu-west-1a", SpotPrice { usd_per_hour, since });
        }
        assert_eq!(prices.spot["m5.large"]["eu-west-1a"].usd_per_hour, 0.09);
        prices.add_spot("m5.large", "eu-west-1b", SpotPrice { usd_per_hour: 0.0, since: 1 });
        assert!(!prices.spot["m5.large"].contains_key("eu-west-1b"));
    }
}
