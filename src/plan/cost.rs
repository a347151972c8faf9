//! What a plan costs: plain numbers, made by whoever knows the prices.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

/// Hours of a month, as AWS's own calculator counts.
pub const HOURS_PER_MONTH: f64 = 730.0;

/// The monthly cost of a cluster as the plan leaves it, and how much of that is the plan's doing. In US dollars; what is
/// not known is absent, never 0.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Cost {
    /// If every machine were on demand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_demand_monthly: Option<f64>,
    /// With the machines that are asked to be spot at today's spot prices.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spot_monthly: Option<f64>,
    /// By how much the plan changes [`Cost::on_demand_monthly`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_demand_delta: Option<f64>,
    /// By how much the plan changes [`Cost::spot_monthly`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spot_delta: Option<f64>,
    /// How many priced things have no known price; they are in none of the sums.
    pub unknown: usize,
    /// Where the prices come from: `EC2 spot price history and AWS Price List`.
    pub source: String,
    /// Of which day they are.
    pub date: Date,
}
