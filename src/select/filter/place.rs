//! Zones, prices and interruptions: what depends on where and when.

use super::Filter;
use crate::error::{Error, Result};
use crate::select::query::Query;
use crate::select::scope::{Offered, Scope};

/// A type must be offered in the zones in question.
pub(super) fn offered<'a>(scope: &'a Scope<'_>) -> Vec<Filter<'a>> {
    let (want, needed) = match scope.offered {
        Offered::Somewhere => (format!("offered in one of {}", scope.zones.join(", ")), 1),
        Offered::Everywhere => (format!("offered in all of {}", scope.zones.join(", ")), scope.zones.len()),
    };
    let judge = move |t: &crate::catalogue::InstanceType| {
        let zones: Vec<&str> = scope.zones_offering(&t.name).collect();
        match zones.len() {
            enough if enough >= needed => Ok(()),
            0 => Err("not offered".to_owned()),
            _ => Err(format!("offered in {}", zones.join(", "))),
        }
    };
    vec![Filter::new("availability-zones", want, judge)]
}

pub(super) fn filters<'a>(scope: &'a Scope<'_>, q: &Query) -> Result<Vec<Filter<'a>>> {
    Ok([price(scope, q), interruption(scope, q)?].into_iter().flatten().collect())
}

/// Every known spot price lies in the range (for spot; where no pool has a price, the on-demand price, which is its
/// ceiling), else the on-demand price does. A type without any price is left out: unknown is not cheap.
fn price<'a>(scope: &'a Scope<'_>, q: &Query) -> Option<Filter<'a>> {
    let range = q.price_per_hour?;
    let spot = q.wants_spot();
    Some(Filter::new("price-per-hour", format!("{range} USD"), move |t| {
        let mut prices: Vec<f64> = if spot { scope.spot_prices(&t.name).collect() } else { Vec::new() };
        if prices.is_empty() {
            prices.extend(scope.catalogue.on_demand(&t.name));
        }
        if prices.is_empty() {
            return Err("price unknown".to_owned());
        }
        match prices.into_iter().find(|price| !range.contains(*price)) {
            Some(outside) => Err(format!("{outside} USD")),
            None => Ok(()),
        }
    }))
}

/// The advisor's band for the type ends at or below the percentage asked for. A type it does not list is left out.
fn interruption<'a>(scope: &'a Scope<'_>, q: &Query) -> Result<Option<Filter<'a>>> {
    let Some(most) = q.max_interruption else { return Ok(None) };
    let advisor = scope.advisor.ok_or_else(|| {
        Error::usage("--max-interruption needs the spot advisor's data").hint("give its file with --advisor FILE")
    })?;
    let region = &scope.catalogue.region;
    Ok(Some(Filter::new("max-interruption", format!("at most {most} %"), move |t| {
        match advisor.band(region, &t.name) {
            Some(band) if band.ceiling_percent() <= most => Ok(()),
            Some(band) => Err(band.to_string()),
            None => Err("not in the advisor's file".to_owned()),
        }
    })))
}
