//! Spot prices in force.

use std::collections::BTreeSet;

use aws_sdk_ec2::types::Filter;
use aws_smithy_types::DateTime;
use futures::future::try_join_all;
use jiff::Timestamp;

use super::{Aws, is};
use crate::catalogue::pages::{self, Page};
use crate::catalogue::prices::SpotPrice;
use crate::cloud::aws::AwsError;
use crate::error::Result;

/// What AWS calls Linux, with the name it has had since EC2-Classic ended and the one before.
const LINUX: [&str; 2] = ["Linux/UNIX", "Linux/UNIX (Amazon VPC)"];

/// A price of one type in one zone.
pub(super) type Point = (String, String, SpotPrice);

impl Aws {
    /// The prices in force now, one loop per zone, all loops at once.
    pub(super) async fn spot_prices(&self, zones: &[String], now: Timestamp) -> Result<Vec<Point>> {
        let loops = zones.iter().map(|zone| self.spot_prices_where(is("availability-zone", [zone.clone()]), now));
        Ok(try_join_all(loops).await?.into_iter().flatten().collect())
    }

    /// The prices of these types in force now, in every zone.
    pub(super) async fn spot_prices_of(&self, types: &BTreeSet<String>, now: Timestamp) -> Result<Vec<Point>> {
        self.spot_prices_where(is("instance-type", types.iter().cloned()), now).await
    }

    async fn spot_prices_where(&self, filter: Filter, now: Timestamp) -> Result<Vec<Point>> {
        let doing = "read the spot prices";
        let at = DateTime::from_secs(now.as_second());
        let points = pages::collect(doing, |token| {
            let call = self.ec2.describe_spot_price_history().start_time(at).end_time(at).max_results(1000);
            let call = call.set_product_descriptions(Some(LINUX.map(String::from).to_vec()));
            let call = call.filters(filter.clone()).set_next_token(token);
            async move {
                let answer = call.customize().send().await.map_err(|e| AwsError::of(doing, &e))?;
                Ok(Page { items: answer.spot_price_history.unwrap_or_default(), next: answer.next_token })
            }
        });
        Ok(points.await?.into_iter().filter_map(point).collect())
    }
}

/// A point of the history; `None` if it has no number.
fn point(p: aws_sdk_ec2::types::SpotPrice) -> Option<Point> {
    let usd_per_hour = p.spot_price?.parse().ok()?;
    let since = p.timestamp.map_or(0, |at| at.secs());
    Some((p.instance_type?.as_str().to_owned(), p.availability_zone?, SpotPrice { usd_per_hour, since }))
}
