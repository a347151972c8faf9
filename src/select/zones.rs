//! Types by zones: where a type is offered, and at what price.

use std::collections::BTreeMap;

use serde::Serialize;

use super::scope::Scope;

/// One type in one zone.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", tag = "state", content = "usdPerHour")]
pub enum Pool {
    /// The zone does not have the type.
    NotOffered,
    /// The zone has it, but no spot price is known, or prices were not asked for.
    NoPrice,
    /// The zone has it at this spot price in US dollars per hour.
    Priced(f64),
}

/// One type in every zone in question, by zone name.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// The type.
    pub name: String,
    /// Its pools.
    pub zones: BTreeMap<String, Pool>,
}

/// The state of one pool.
pub fn pool(scope: &Scope<'_>, name: &str, zone: &str) -> Pool {
    if !scope.catalogue.offers(zone, name) {
        return Pool::NotOffered;
    }
    scope.catalogue.spot(name, zone).map_or(Pool::NoPrice, Pool::Priced)
}

/// The matrix of these types and the zones in question, in the order of the types.
pub fn matrix(scope: &Scope<'_>, names: &[String]) -> Vec<Row> {
    let row = |name: &String| {
        let zones = scope.zones.iter().map(|zone| (zone.clone(), pool(scope, name, zone)));
        Row { name: name.clone(), zones: zones.collect() }
    };
    names.iter().map(row).collect()
}

/// The zones in which a type counts as a pool: those that offer it and, for spot where any spot price is known at all,
/// have a price for it. A pool that spot has no price for has no spot capacity.
pub fn pools<'s>(scope: &'s Scope<'_>, name: &'s str, spot: bool) -> impl Iterator<Item = &'s str> {
    let priced = spot && scope.catalogue.prices.as_ref().is_some_and(|prices| !prices.spot.is_empty());
    scope.zones_offering(name).filter(move |zone| !priced || scope.catalogue.spot(name, zone).is_some())
}
