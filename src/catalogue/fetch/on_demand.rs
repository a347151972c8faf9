//! On-demand prices out of the Pricing service.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_pricing::types::{Filter, FilterType};
use futures::future::try_join_all;
use serde::Deserialize;

use super::Aws;
use crate::catalogue::pages::{self, Page};
use crate::cloud::aws::AwsError;
use crate::error::{Error, Result};

/// The longest value of a filter that the Pricing service takes.
const FILTER_VALUE: usize = 1024;

/// The on-demand prices of a region.
#[derive(Debug, PartialEq)]
pub(super) struct PriceList {
    /// US dollars per hour by type.
    pub(super) usd_per_hour: BTreeMap<String, f64>,
    /// The latest date on which AWS published one of them, as it writes it.
    pub(super) published: Option<String>,
}

/// The parts of a product's JSON that are read.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    product: Product,
    #[serde(default)]
    terms: Terms,
    publication_date: Option<String>,
}

#[derive(Deserialize)]
struct Product {
    attributes: Attributes,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Attributes {
    instance_type: Option<String>,
}

#[derive(Default, Deserialize)]
struct Terms {
    #[serde(rename = "OnDemand", default)]
    on_demand: BTreeMap<String, Term>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Term {
    price_dimensions: BTreeMap<String, Dimension>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Dimension {
    price_per_unit: BTreeMap<String, String>,
}

impl Aws {
    /// On-demand prices for Linux on shared hardware, of every type or of these alone.
    pub(super) async fn on_demand_prices(&self, only: Option<&BTreeSet<String>>) -> Result<PriceList> {
        let types: Vec<Option<String>> = match only {
            Some(names) => lists(names).into_iter().map(Some).collect(),
            None => vec![None],
        };
        let entries = try_join_all(types.into_iter().map(|types| self.products(types))).await?;
        price_list(&entries.concat())
    }

    async fn products(&self, types: Option<String>) -> Result<Vec<String>> {
        let doing = "read the on-demand prices";
        let exact = [
            ("operatingSystem", "Linux"),
            ("regionCode", self.region.as_str()),
            ("capacitystatus", "Used"),
            ("preInstalledSw", "NA"),
            ("tenancy", "Shared"),
        ];
        let exact = exact.map(|(field, value)| (FilterType::TermMatch, field, value.to_owned()));
        let filters: Vec<Filter> = exact
            .into_iter()
            .chain(types.map(|types| (FilterType::AnyOf, "instanceType", types)))
            .map(|(sort, field, value)| Filter::builder().r#type(sort).field(field).value(value).build())
            .collect::<Result<_, _>>()
            .map_err(|e| Error::failed(doing).because(e))?;
        let entries = pages::collect(doing, |token| {
            let call = self.pricing.get_products().service_code("AmazonEC2").format_version("aws_v1");
            let call = call.set_filters(Some(filters.clone())).max_results(100).set_next_token(token);
            async move {
                let answer = call.customize().send().await.map_err(|e| AwsError::of(doing, &e))?;
                Ok(Page { items: answer.price_list.unwrap_or_default(), next: answer.next_token })
            }
        });
        entries.await
    }
}

/// Names as the filter `ANY_OF` takes them: with commas between, at most [`FILTER_VALUE`] bytes each.
fn lists(names: &BTreeSet<String>) -> Vec<String> {
    let mut lists: Vec<String> = Vec::new();
    for name in names {
        match lists.last_mut() {
            Some(list) if list.len() + 1 + name.len() <= FILTER_VALUE => {
                list.push(',');
                list.push_str(name);
            }
            _ => lists.push(name.clone()),
        }
    }
    lists
}

/// Reads the products' JSON. An hour that costs nothing is no price; of several prices of a type the lowest counts.
fn price_list(entries: &[String]) -> Result<PriceList> {
    let mut list = PriceList { usd_per_hour: BTreeMap::new(), published: None };
    for text in entries {
        let entry: Entry = serde_json::from_str(text)
            .map_err(|e| Error::failed("the AWS price list has a form that can't be read").because(e))?;
        let Some(name) = entry.product.attributes.instance_type else { continue };
        list.published = list.published.max(entry.publication_date);
        let dimensions = entry.terms.on_demand.into_values().flat_map(|term| term.price_dimensions.into_values());
        let prices = dimensions.filter_map(|d| d.price_per_unit.get("USD").and_then(|usd| usd.parse::<f64>().ok()));
        if let Some(usd) = prices.filter(|usd| *usd > 0.0).min_by(f64::total_cmp) {
            let known = list.usd_per_hour.entry(name).or_insert(usd);
            *known = known.min(usd);
        }
    }
    Ok(list)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn product(name: &str, usd: &str) -> String {
        serde_json::json!({
            "product": {"productFamily": "Compute Instance", "attributes": {"instanceType": name}},
            "publicationDate": "2026-03-01T00:00:00Z",
            "terms": {"OnDemand": {"A.B": {"priceDimensions": {"A.B.C": {"unit": "Hrs", "pricePerUnit": {"USD": usd}}}}}},
        })
        .to_string()
    }

    /// Every name is in exactly one list, and no list is longer than a filter's value may be.
    #[test]
    fn names_are_cut_into_lists() {
        let names: BTreeSet<String> = (0..300).map(|n| format!("m{n}.2xlarge")).collect();
        let lists = lists(&names);
        assert!(lists.iter().all(|list| list.len() <= FILTER_VALUE) && lists.len() < 5);
        let again: Vec<&str> = lists.iter().flat_map(|list| list.split(',')).collect();
        assert!(again.into_iter().eq(names.iter().map(String::as_str)));
        assert!(super::lists(&BTreeSet::new()).is_empty());
    }

    /// Prices come out of the nested form; free hours and products without terms are unknown; rubbish is an error.
    #[test]
    fn price_list_is_read() {
        let bare = r#"{"product":{"attributes":{"instanceType":"m5.xlarge"}}}"#.to_owned();
        let list =
            price_list(&[product("m5.large", "0.0960000000"), product("c5.large", "0.0000000000"), bare]).unwrap();
        assert_eq!(list.usd_per_hour, BTreeMap::from([("m5.large".to_owned(), 0.096)]));
        assert_eq!(list.published.as_deref(), Some("2026-03-01T00:00:00Z"));
        assert!(price_list(&["{".to_owned()]).is_err());
    }
}
