//! What the selector looks at: a catalogue, the zones in question, and the spot advisor if its file was given.

use super::advisor::Advisor;
use crate::catalogue::{Catalogue, InstanceType};
use crate::error::{Error, Result, did_you_mean};

/// In how many of the zones a type must be offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offered {
    /// In at least one: a type that a zone lacks counts as fewer pools.
    Somewhere,
    /// In every one: what the plain selector does with zones that are named.
    Everywhere,
}

/// The catalogue seen from some zones.
#[derive(Clone, Debug)]
pub struct Scope<'a> {
    pub(super) catalogue: &'a Catalogue,
    pub(super) zones: Vec<String>,
    pub(super) offered: Offered,
    pub(super) advisor: Option<&'a Advisor>,
}

impl<'a> Scope<'a> {
    /// The whole region: a type counts if any zone offers it.
    pub fn region(catalogue: &'a Catalogue) -> Self {
        let zones = catalogue.offerings.keys().cloned().collect();
        Scope { catalogue, zones, offered: Offered::Somewhere, advisor: None }
    }

    /// Some zones, by name or id; the region's own name means all of its zones. An empty list is the whole region.
    pub fn zones(catalogue: &'a Catalogue, named: &[String], offered: Offered) -> Result<Self> {
        if named.is_empty() || named.contains(&catalogue.region) {
            return Ok(Scope::region(catalogue));
        }
        let mut zones = Vec::new();
        for name in named {
            let zone = catalogue.zone_name(name).ok_or_else(|| unknown_zone(catalogue, name))?;
            zones.push(zone.to_owned());
        }
        zones.sort();
        zones.dedup();
        Ok(Scope { catalogue, zones, offered, advisor: None })
    }

    /// Adds the spot advisor's interruption bands.
    #[must_use]
    pub fn with_advisor(mut self, advisor: Option<&'a Advisor>) -> Self {
        self.advisor = advisor;
        self
    }

    /// The catalogue that is looked at.
    pub fn catalogue(&self) -> &'a Catalogue {
        self.catalogue
    }

    /// The zones in question, by name, in order.
    pub fn zone_names(&self) -> &[String] {
        &self.zones
    }

    /// The zones in question that offer this type.
    pub fn zones_offering<'s>(&'s self, instance_type: &'s str) -> impl Iterator<Item = &'s str> {
        self.zones.iter().map(String::as_str).filter(move |zone| self.catalogue.offers(zone, instance_type))
    }

    /// The known spot prices of a type in the zones in question, in the zones' order.
    pub fn spot_prices<'s>(&'s self, instance_type: &'s str) -> impl Iterator<Item = f64> + 's {
        self.zones_offering(instance_type).filter_map(move |zone| self.catalogue.spot(instance_type, zone))
    }

    /// The type of this name, in any case.
    pub fn find(&self, name: &str) -> Option<&'a InstanceType> {
        let types = &self.catalogue.types;
        types.get(name).or_else(|| types.get(&name.to_ascii_lowercase()))
    }
}

fn unknown_zone(catalogue: &Catalogue, name: &str) -> Error {
    let known: Vec<&str> = catalogue.zones.keys().map(String::as_str).collect();
    let error = Error::failed(format!("region {} has no zone {name}", catalogue.region))
        .hint(format!("its zones are {}", known.join(", ")));
    match did_you_mean(name, known) {
        Some(near) => error.hint(format!("did you mean {near}?")),
        None => error,
    }
}
