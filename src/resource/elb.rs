//! What load balancers, listeners and target groups have in common: their tags, which no describe call answers.

use std::collections::BTreeMap;

use aws_config::retry::RetryConfig;
use aws_sdk_elasticloadbalancingv2::types::Tag;
use futures::future::try_join_all;

use super::{Tags, tags};
use crate::cloud::Scope;
use crate::cloud::aws::{AwsCloud, AwsError, Call};
use crate::error::Result;

/// How many ARNs one `DescribeTags` takes.
const BATCH: usize = 20;

/// The configuration override for calls that [`crate::cloud::aws::once::create_once`] repeats itself.
pub(super) fn no_retry() -> aws_sdk_elasticloadbalancingv2::config::Builder {
    aws_sdk_elasticloadbalancingv2::config::Config::builder().retry_config(RetryConfig::disabled())
}

/// Tags in the service's type.
pub(super) fn to_tags(tags: &Tags) -> Vec<Tag> {
    tags.iter().map(|(k, v)| Tag::builder().key(k).value(v).build()).collect()
}

/// The tags of each ARN, as far as kspot manages them: one request for 20.
pub(super) async fn tags_of(cloud: &AwsCloud, scope: &Scope, arns: &[String]) -> Result<BTreeMap<String, Tags>> {
    let batches = arns.chunks(BATCH).map(|batch| async move {
        let answer = cloud.elb.describe_tags().set_resource_arns(Some(batch.to_vec())).customize().send().await;
        answer.map_err(|e| AwsError::of("read the tags of load balancers", &e))
    });
    let answers = try_join_all(batches).await?;
    let described = answers.iter().flat_map(|a| a.tag_descriptions()).map(|d| {
        let pairs =
            d.tags().iter().filter_map(|t| Some((t.key()?.to_owned(), t.value().unwrap_or_default().to_owned())));
        (d.resource_arn().unwrap_or_default().to_owned(), tags::managed(scope, pairs))
    });
    Ok(described.collect())
}

/// Writes and removes tags to get from `live` to `wanted`.
pub(super) async fn retag(call: &Call<'_>, arn: &str, live: &Tags, wanted: &Tags) -> Result<()> {
    let (set, remove) = tags::difference(live, wanted);
    if !set.is_empty() {
        let add = call.cloud.elb.add_tags().resource_arns(arn).set_tags(Some(to_tags(&set)));
        add.customize().send().await.map_err(|e| AwsError::of(call.doing("tag"), &e))?;
    }
    if !remove.is_empty() {
        let untag = call.cloud.elb.remove_tags().resource_arns(arn).set_tag_keys(Some(remove));
        untag.customize().send().await.map_err(|e| AwsError::of(call.doing("untag"), &e))?;
    }
    Ok(())
}
