//! Where a catalogue comes from: EC2 and the Pricing service. SDK types stop here.
//!
//! Requests grow with pages, never with types: a whole region is about 14 pages of types, 7 of offerings, one spot
//! history per zone, 30 pages of on-demand prices. They run at the same time where they do not depend on each other.

mod convert;
mod images;
mod on_demand;
mod spot;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use aws_config::retry::RetryConfig;
use aws_config::{Region, SdkConfig};
use aws_sdk_ec2::types::{Filter, LocationType};
use futures::future::try_join_all;
use jiff::Timestamp;

use super::image::{ImageInfo, ImageSpec};
use super::pages::{self, Page};
use super::prices::Prices;
use super::{Catalogue, InstanceType, Zone};
use crate::cloud::aws::{AwsError, Watch};
use crate::context::Context;
use crate::error::{Error, Result};

/// Who can be asked for a catalogue: AWS, or a stand-in in tests.
#[async_trait]
pub trait Market: Send + Sync {
    /// Zones, types and offerings of the region. With names, only those types: then it takes three requests.
    async fn inventory(&self, only: Option<&BTreeSet<String>>, now: Timestamp) -> Result<Catalogue>;
    /// Spot prices in force in these zones, and on-demand prices. What can't be had is said in [`Prices::missing`].
    async fn prices(&self, zones: &[String], now: Timestamp) -> Prices;
    /// The same of these types alone, in every zone: two requests, a page each.
    async fn prices_of(&self, types: &BTreeSet<String>, now: Timestamp) -> Prices;
    /// The image that a spec means now; for a pattern the newest of this architecture.
    async fn image(&self, spec: &ImageSpec, architecture: Option<&str>) -> Result<ImageInfo>;
}

/// AWS, for one region.
#[derive(Clone, Debug)]
pub struct Aws {
    ec2: aws_sdk_ec2::Client,
    pricing: aws_sdk_pricing::Client,
    region: String,
}

/// How likely spot capacity for a set of types is, from 1 to 10, as AWS says.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PlacementScore {
    /// The zone's id; `None` for the region as a whole.
    pub zone_id: Option<String>,
    /// 1 (unlikely) to 10 (very likely).
    pub score: i32,
}

impl Aws {
    /// Clients for the configuration's region; an error when no region is set.
    pub fn new(config: &SdkConfig, context: &Context) -> Result<Self> {
        let region = config
            .region()
            .map(ToString::to_string)
            .ok_or_else(|| Error::failed("no AWS region is set").hint("set AWS_REGION or give --region"))?;
        // Prices are worth little waiting: where the service is missing, it should be missing soon.
        let pricing = aws_sdk_pricing::config::Builder::from(config)
            .region(Region::new(pricing_region(&region)))
            .retry_config(RetryConfig::standard().with_max_attempts(2))
            .build();
        let ec2 = aws_sdk_ec2::config::Builder::from(config).interceptor(Watch::new(context)).build();
        Ok(Aws {
            ec2: aws_sdk_ec2::Client::from_conf(ec2),
            pricing: aws_sdk_pricing::Client::from_conf(pricing),
            region,
        })
    }

    async fn zones(&self) -> Result<BTreeMap<String, Zone>> {
        let answer = self.ec2.describe_availability_zones().customize().send().await;
        let answer = answer.map_err(|e| AwsError::of("list the availability zones", &e))?;
        let zones = answer.availability_zones.unwrap_or_default().into_iter();
        Ok(zones.filter_map(convert::zone).collect())
    }

    /// One loop over the types that all these filters match.
    async fn types_where(&self, filters: Vec<Filter>) -> Result<Vec<InstanceType>> {
        let doing = "list the instance types";
        let all = pages::collect(doing, |token| {
            let call = self.ec2.describe_instance_types().max_results(100).set_next_token(token);
            let call = call.set_filters(Some(filters.clone()));
            async move {
                let answer = call.customize().send().await.map_err(|e| AwsError::of(doing, &e))?;
                Ok(Page { items: answer.instance_types.unwrap_or_default(), next: answer.next_token })
            }
        });
        Ok(all.await?.into_iter().filter_map(convert::instance_type).collect())
    }

    /// All types, in four loops at once: the halves of two yes/no facts share nothing and miss nothing.
    async fn all_types(&self) -> Result<Vec<InstanceType>> {
        let quarters = [("true", "true"), ("true", "false"), ("false", "true"), ("false", "false")];
        let loops = quarters.map(|(current, disks)| {
            self.types_where(vec![
                is("current-generation", [current.to_owned()]),
                is("instance-storage-supported", [disks.to_owned()]),
            ])
        });
        Ok(try_join_all(loops).await?.into_iter().flatten().collect())
    }

    async fn offerings(&self, only: Option<&BTreeSet<String>>) -> Result<BTreeMap<String, BTreeSet<String>>> {
        let doing = "list which zones offer which instance types";
        let filters = only.map(|names| vec![is("instance-type", names.iter().cloned())]);
        let offers = pages::collect(doing, |token| {
            let call = self.ec2.describe_instance_type_offerings().location_type(LocationType::AvailabilityZone);
            let call = call.set_filters(filters.clone()).max_results(1000).set_next_token(token);
            async move {
                let answer = call.customize().send().await.map_err(|e| AwsError::of(doing, &e))?;
                Ok(Page { items: answer.instance_type_offerings.unwrap_or_default(), next: answer.next_token })
            }
        });
        let mut by_zone: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for offer in offers.await? {
            if let (Some(zone), Some(name)) = (offer.location, offer.instance_type) {
                by_zone.entry(zone).or_default().insert(name.as_str().to_owned());
            }
        }
        Ok(by_zone)
    }

    /// How likely AWS thinks spot capacity of so many instances is for this set of types, in one call. AWS limits how
    /// many different sets may be asked about within a day.
    pub async fn placement_scores(
        &self,
        types: &[String],
        capacity: i32,
        by_zone: bool,
    ) -> Result<Vec<PlacementScore>> {
        let doing = "ask for the spot placement score";
        let scores = pages::collect(doing, |token| {
            let call = self.ec2.get_spot_placement_scores().set_instance_types(Some(types.to_vec()));
            let call = call.target_capacity(capacity).single_availability_zone(by_zone);
            let call = call.region_names(&self.region).set_next_token(token);
            async move {
                let answer = call.customize().send().await.map_err(|e| AwsError::of(doing, &e))?;
                Ok(Page { items: answer.spot_placement_scores.unwrap_or_default(), next: answer.next_token })
            }
        });
        let scores = scores.await?.into_iter();
        Ok(scores.filter_map(|s| Some(PlacementScore { zone_id: s.availability_zone_id, score: s.score? })).collect())
    }
}

#[async_trait]
impl Market for Aws {
    async fn inventory(&self, only: Option<&BTreeSet<String>>, now: Timestamp) -> Result<Catalogue> {
        let types = async {
            match only {
                Some(names) => self.types_where(vec![is("instance-type", names.iter().cloned())]).await,
                None => self.all_types().await,
            }
        };
        let (zones, types, offerings) = futures::try_join!(self.zones(), types, self.offerings(only))?;
        let mut catalogue = Catalogue::empty(&self.region, now);
        catalogue.zones = zones;
        catalogue.types = types.into_iter().map(|t| (t.name.clone(), t)).collect();
        catalogue.offerings = offerings;
        Ok(catalogue)
    }

    async fn prices(&self, zones: &[String], now: Timestamp) -> Prices {
        let (spot, on_demand) = futures::join!(self.spot_prices(zones, now), self.on_demand_prices(None));
        both(spot, on_demand, now)
    }

    async fn prices_of(&self, types: &BTreeSet<String>, now: Timestamp) -> Prices {
        let (spot, on_demand) = futures::join!(self.spot_prices_of(types, now), self.on_demand_prices(Some(types)));
        both(spot, on_demand, now)
    }

    async fn image(&self, spec: &ImageSpec, architecture: Option<&str>) -> Result<ImageInfo> {
        self.find_image(spec, architecture).await
    }
}

/// Prices of both sorts; what could not be had is said.
fn both(spot: Result<Vec<spot::Point>>, on_demand: Result<on_demand::PriceList>, now: Timestamp) -> Prices {
    let mut prices = Prices::none(now);
    let mut sources = Vec::new();
    match spot {
        Ok(points) => {
            sources.push("EC2 spot price history".to_owned());
            points.into_iter().for_each(|(name, zone, price)| prices.add_spot(&name, &zone, price));
        }
        Err(error) => prices.missing.push(format!("spot prices are unknown: {}", error.chain())),
    }
    match on_demand {
        Ok(list) => {
            let published = list.published.as_deref().and_then(|at| at.split('T').next());
            sources.push(format!("AWS price list of {}", published.unwrap_or("an unknown date")));
            prices.on_demand = list.usd_per_hour;
        }
        Err(error) => prices.missing.push(format!("on-demand prices are unknown: {}", error.chain())),
    }
    if !sources.is_empty() {
        prices.source = sources.join(", ");
    }
    prices
}

/// The region whose Pricing endpoint knows this region's prices.
fn pricing_region(region: &str) -> &'static str {
    if region.starts_with("cn-") { "cn-northwest-1" } else { "us-east-1" }
}

fn is(name: &str, values: impl IntoIterator<Item = String>) -> Filter {
    Filter::builder().name(name).set_values(Some(values.into_iter().collect())).build()
}
