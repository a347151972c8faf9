//! What a plan costs: the machines before and after it, at given prices.
//!
//! A group counts with its smallest size: what runs above that is the autoscaler's doing, not the plan's. Volumes, load
//! balancers, NAT gateways and traffic are not in it.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::Plan;
use crate::catalogue::Prices;
use crate::cloud::Live;
use crate::resource::auto_scaling_group::{MixedInstancesPolicy, Overrides};
use crate::resource::{Addr, AutoScalingGroup, Kind, Ref, Resource};

/// Hours of a month, as AWS's own calculator counts.
pub const HOURS_PER_MONTH: f64 = 730.0;

/// The monthly cost of a cluster's machines as the plan leaves them, and how much of that is the plan's doing. In US
/// dollars; what is not known is absent, never 0.
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
    /// How many machines have no known price; they are in none of the sums.
    pub unknown: u32,
    /// Where the prices come from: `EC2 spot price history, AWS price list of 2026-03-01`.
    pub source: String,
    /// Of which day they are.
    pub date: Date,
}

/// The machines before and after a plan.
#[derive(Clone, Debug, PartialEq)]
pub struct Machines {
    before: Vec<Fleet>,
    after: Vec<Fleet>,
}

/// The machines of one Auto Scaling group, as far as their price goes.
#[derive(Clone, Debug, PartialEq)]
struct Fleet {
    on_demand: u32,
    spot: u32,
    /// In order of priority; empty where AWS picks them by their attributes.
    types: Vec<String>,
    /// Empty where the zones are not known: then every zone counts.
    zones: BTreeSet<String>,
}

/// What a fleet costs per hour: as asked, and if all of it were on demand.
#[derive(Clone, Copy)]
struct Hourly {
    as_asked: f64,
    on_demand: f64,
}

impl Machines {
    /// The machines that `plan` starts from and leads to. `None` if it changes no machine.
    pub fn of(plan: &Plan, live: &Live) -> Option<Machines> {
        let kinds = [Kind::AutoScalingGroup, Kind::LaunchTemplate];
        plan.changes.iter().find(|c| kinds.contains(&c.addr.kind))?;
        let before: BTreeMap<&Addr, &Resource> = live.iter().map(|(addr, o)| (addr, &o.resource)).collect();
        let mut after = before.clone();
        for change in &plan.changes {
            match &change.desired {
                Some(desired) => after.insert(&change.addr, desired),
                None => after.remove(&change.addr),
            };
        }
        let (before, after) = (fleets(&before), fleets(&after));
        (before != after).then_some(Machines { before, after })
    }

    /// The instance types whose prices are needed.
    pub fn types(&self) -> BTreeSet<String> {
        self.before.iter().chain(&self.after).flat_map(|fleet| fleet.types.iter().cloned()).collect()
    }

    /// What they cost at these prices.
    pub fn cost(&self, prices: &Prices) -> Cost {
        let (before, unknown_before) = sum(&self.before, prices);
        let (after, unknown) = sum(&self.after, prices);
        let known = |total: f64, unknown| (unknown == 0 || total > 0.0).then_some(total * HOURS_PER_MONTH);
        // A difference of sums of which only one lacks something would be wrong.
        let complete = unknown == 0 && unknown_before == 0;
        let delta = |after: f64, before: f64| complete.then_some((after - before) * HOURS_PER_MONTH);
        Cost {
            on_demand_monthly: known(after.on_demand, unknown),
            spot_monthly: known(after.as_asked, unknown),
            on_demand_delta: delta(after.on_demand, before.on_demand),
            spot_delta: delta(after.as_asked, before.as_asked),
            unknown,
            source: prices.source.clone(),
            date: prices.fetched_at.to_zoned(jiff::tz::TimeZone::UTC).date(),
        }
    }
}

/// The sum of what is known per hour, and how many machines are not in it.
fn sum(fleets: &[Fleet], prices: &Prices) -> (Hourly, u32) {
    let mut total = Hourly { as_asked: 0.0, on_demand: 0.0 };
    let mut unknown = 0;
    for fleet in fleets {
        match fleet.hourly(prices) {
            Some(hourly) => {
                total.as_asked += hourly.as_asked;
                total.on_demand += hourly.on_demand;
            }
            None => unknown += fleet.on_demand + fleet.spot,
        }
    }
    (total, unknown)
}

fn fleets(all: &BTreeMap<&Addr, &Resource>) -> Vec<Fleet> {
    let groups = all.values().filter_map(|resource| match resource {
        Resource::AutoScalingGroup(group) => Some(group),
        _ => None,
    });
    groups.map(|group| Fleet::of(group, all)).collect()
}

impl Fleet {
    fn of(group: &AutoScalingGroup, all: &BTreeMap<&Addr, &Resource>) -> Fleet {
        let find = |reference: &Ref| reference.addr().and_then(|addr| all.get(addr)).copied();
        let template = match find(&group.launch_template) {
            Some(Resource::LaunchTemplate(template)) => Some(&template.data),
            _ => None,
        };
        let spot = match &group.mixed_instances_policy {
            Some(policy) => spot_share(policy, group.min),
            None if template.is_some_and(|t| t.spot.is_some()) => group.min,
            None => 0,
        };
        let types = match group.mixed_instances_policy.as_ref().map(|p| &p.overrides) {
            Some(Overrides::InstanceRequirements(_)) => Vec::new(),
            Some(Overrides::InstanceTypes(types)) if !types.is_empty() => types.clone(),
            _ => template.map(|t| t.instance_type.clone()).into_iter().collect(),
        };
        let zones = group.subnets.iter().filter_map(|subnet| match find(subnet) {
            Some(Resource::Subnet(subnet)) => Some(subnet.zone.clone()),
            _ => None,
        });
        Fleet { on_demand: group.min - spot, spot, types, zones: zones.collect() }
    }

    /// `None` if a price that counts is not known.
    fn hourly(&self, prices: &Prices) -> Option<Hourly> {
        let all = f64::from(self.on_demand + self.spot);
        if all == 0.0 {
            return Some(Hourly { as_asked: 0.0, on_demand: 0.0 });
        }
        let on_demand = *prices.on_demand.get(self.types.first()?)?;
        let spot = if self.spot == 0 { 0.0 } else { self.usual_spot_price(prices)? };
        Some(Hourly {
            as_asked: f64::from(self.on_demand) * on_demand + f64::from(self.spot) * spot,
            on_demand: all * on_demand,
        })
    }

    /// The median over the pools: which of them AWS will choose is not known beforehand.
    fn usual_spot_price(&self, prices: &Prices) -> Option<f64> {
        let pools = self.types.iter().filter_map(|t| prices.spot.get(t)).flatten();
        let here = pools.filter(|(zone, _)| self.zones.is_empty() || self.zones.contains(*zone));
        let mut known: Vec<f64> = here.map(|(_, price)| price.usd_per_hour).collect();
        known.sort_by(f64::total_cmp);
        known.get(known.len() / 2).copied()
    }
}

/// How many of `size` machines are spot.
fn spot_share(policy: &MixedInstancesPolicy, size: u32) -> u32 {
    let above = size.saturating_sub(policy.on_demand_base);
    // AWS rounds the on-demand share up.
    above - (above * policy.on_demand_percentage_above_base).div_ceil(100).min(above)
}

#[cfg(test)]
mod tests;
