//! The spot pools that a cluster's groups draw from. Pure.

use crate::catalogue::Catalogue;
use crate::cloud::aws::lookup::Instance;
use crate::ops::facts::types_of;
use crate::ops::specs::Specs;

/// One pool of one group: what AWS takes back as a unit.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Pool {
    /// The instance group.
    pub group: String,
    /// The instance type.
    pub instance_type: String,
    /// The availability zone.
    pub zone: String,
    /// Whether AWS offers the type in the zone.
    pub offered: bool,
    /// How many of the group's spot machines it runs now.
    pub machines: usize,
    /// The spot price in dollars per hour.
    pub spot: Option<f64>,
    /// The on-demand price in dollars per hour.
    pub on_demand: Option<f64>,
}

impl Pool {
    /// How much cheaper spot is, as a share of the on-demand price.
    pub fn saving(&self) -> Option<f64> {
        match (self.spot, self.on_demand) {
            (Some(spot), Some(on_demand)) if on_demand > 0.0 => Some(1.0 - spot / on_demand),
            _ => None,
        }
    }
}

/// The pools of every group that buys spot, by group, type and zone.
pub fn pools(specs: &Specs, catalogue: &Catalogue, instances: &[Instance]) -> Vec<Pool> {
    let mut all = Vec::new();
    for group in specs.groups.iter().filter(|g| g.spec.buys_spot()) {
        let mut zones: Vec<&str> = specs.cluster.spec.subnets_of(&group.spec).iter().map(|s| s.zone.as_str()).collect();
        zones.sort_unstable();
        zones.dedup();
        let mut types = types_of(group);
        types.sort_unstable();
        types.dedup();
        for instance_type in types {
            for zone in &zones {
                let here = |i: &&Instance| {
                    i.group == group.name()
                        && i.zone == *zone
                        && i.instance_type == instance_type
                        && i.lifecycle == "spot"
                };
                all.push(Pool {
                    group: group.name().to_owned(),
                    zone: (*zone).to_owned(),
                    offered: catalogue.offers(zone, &instance_type),
                    machines: instances.iter().filter(here).count(),
                    spot: catalogue.spot(&instance_type, zone),
                    on_demand: catalogue.on_demand(&instance_type),
                    instance_type: instance_type.clone(),
                });
            }
        }
    }
    all
}
