//! What AWS sells in one region: instance types, the zones that offer them, spot and on-demand prices, images.
//!
//! A [`Catalogue`] is a plain value. The selector, the plan's cost column and the preflight checks only read it.
//!
//! * [`instance_type`]: what a type is, as far as anybody here asks.
//! * [`prices`]: spot prices per pool (a type in a zone) and on-demand prices; an unknown price is absent, never 0.
//! * [`image`]: image specs such as `ubuntu/ubuntu-noble-*` and what they resolve to.
//! * [`fetch`]: asks AWS, in as few requests as there are pages.
//! * [`cache`]: keeps the answers on disk, and reads catalogues from files.
//! * [`load()`]: the cache first, AWS for what it lacks.

pub mod cache;
mod compact;
pub mod fetch;
pub mod image;
pub mod instance_type;
mod load;
mod pages;
pub mod prices;
mod type_facts;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use cache::{Cache, Key};
pub use fetch::Market;
pub use image::{ImageInfo, ImageSpec};
pub use instance_type::InstanceType;
pub use load::{Loaded, Need, load, resolve_image};
pub use prices::{Prices, SpotPrice};

/// The version of the catalogue's JSON form; a file of another version is not read.
pub const FORMAT_VERSION: u32 = 1;

/// Everything known about one region at one time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Catalogue {
    /// The version of this form, [`FORMAT_VERSION`].
    pub format_version: u32,
    /// The region, for example `eu-west-1`.
    pub region: String,
    /// When types, zones and offerings were fetched.
    pub fetched_at: Timestamp,
    /// A remark about where the data comes from, shown to people; fixtures say here what is synthetic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// The region's zones by name.
    pub zones: BTreeMap<String, Zone>,
    /// Every type that the region lists, by name.
    #[serde(with = "compact")]
    pub types: BTreeMap<String, InstanceType>,
    /// The types that each zone offers, by zone name.
    pub offerings: BTreeMap<String, BTreeSet<String>>,
    /// Prices, once somebody asked for them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prices: Option<Prices>,
    /// Images by the spec that was resolved, for example `099720109477/ubuntu/images/...`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub images: BTreeMap<String, ImageInfo>,
}

/// One availability zone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Zone {
    /// The account-independent id, for example `use1-az4`.
    pub id: String,
    /// `availability-zone`, `local-zone` or `wavelength-zone`.
    pub kind: String,
}

impl Catalogue {
    /// A catalogue of a region that offers nothing yet.
    pub fn empty(region: impl Into<String>, fetched_at: Timestamp) -> Self {
        Catalogue {
            format_version: FORMAT_VERSION,
            region: region.into(),
            fetched_at,
            note: None,
            zones: BTreeMap::new(),
            types: BTreeMap::new(),
            offerings: BTreeMap::new(),
            prices: None,
            images: BTreeMap::new(),
        }
    }

    /// Whether this zone (by name) offers this type.
    pub fn offers(&self, zone: &str, instance_type: &str) -> bool {
        self.offerings.get(zone).is_some_and(|types| types.contains(instance_type))
    }

    /// The zones, by name, that offer this type, in order.
    pub fn zones_of<'a>(&'a self, instance_type: &'a str) -> impl Iterator<Item = &'a str> {
        self.offerings.iter().filter(move |(_, types)| types.contains(instance_type)).map(|(zone, _)| zone.as_str())
    }

    /// The spot price now of one pool in US dollars per hour, if it is known.
    pub fn spot(&self, instance_type: &str, zone: &str) -> Option<f64> {
        self.prices.as_ref()?.spot.get(instance_type)?.get(zone).map(|p| p.usd_per_hour)
    }

    /// The on-demand price of one type in US dollars per hour, if it is known.
    pub fn on_demand(&self, instance_type: &str) -> Option<f64> {
        self.prices.as_ref()?.on_demand.get(instance_type).copied()
    }

    /// The zone's name for a name or an id; `None` if the region has no such zone.
    pub fn zone_name(&self, name_or_id: &str) -> Option<&str> {
        self.zones
            .iter()
            .find(|(name, zone)| name.as_str() == name_or_id || zone.id == name_or_id)
            .map(|(name, _)| name.as_str())
    }
}
