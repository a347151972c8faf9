//! Observation: a sweep per kind, all at once, then ids into addresses.

use std::collections::{BTreeMap, BTreeSet};

use futures::future::try_join_all;

use super::{AwsCloud, AwsError};
use crate::cloud::{Live, Observed, Scope};
use crate::error::{Error, Result};
use crate::resource::{Addr, Found, Kind, Ref, Resource, record_set, reference, tags};

/// Everything of the cluster. One `DescribeTags` tells which EC2 kinds exist at all, so that the sweeps of kinds that
/// the cluster does not have cost nothing.
pub(super) async fn observe(cloud: &AwsCloud, scope: &Scope) -> Result<Live> {
    let (ec2, other): (Vec<Kind>, Vec<Kind>) = Kind::ALL.iter().partition(|k| k.rules().ec2_type.is_some());
    let tagged = async {
        let present = ec2_types(cloud, scope).await?;
        let kinds = ec2.into_iter().filter(|k| k.rules().ec2_type.is_some_and(|t| present.contains(t)));
        try_join_all(kinds.map(|k| sweep(k, cloud, scope))).await
    };
    let named = try_join_all(other.into_iter().map(|k| sweep(k, cloud, scope)));
    let (tagged, named) = futures::future::try_join(tagged, named).await?;
    address(tagged.into_iter().chain(named).flatten().collect())
}

async fn sweep(kind: Kind, cloud: &AwsCloud, scope: &Scope) -> Result<Vec<(Kind, Found<Resource>)>> {
    let found = crate::resource::observe(kind, cloud, scope).await?;
    Ok(found.into_iter().map(|f| (kind, f)).collect())
}

/// The EC2 resource types that carry the cluster's tag.
async fn ec2_types(cloud: &AwsCloud, scope: &Scope) -> Result<BTreeSet<String>> {
    let filter = |name: &str, value: &str| aws_sdk_ec2::types::Filter::builder().name(name).values(value).build();
    let mut pages = cloud
        .ec2
        .describe_tags()
        .filters(filter("key", tags::CLUSTER))
        .filters(filter("value", &scope.cluster))
        .into_paginator()
        .page_size(1000)
        .items()
        .send();
    let mut types = BTreeSet::new();
    while let Some(tag) = pages.next().await {
        let tag = tag.map_err(|e| AwsError::of(format!("list the EC2 tags of cluster {}", scope.cluster), &e))?;
        types.extend(tag.resource_type().map(|t| t.as_str().to_owned()));
    }
    Ok(types)
}

/// Gives every found resource its address and turns the ids in its references into addresses.
///
/// Of two resources with the same name (left by a lost answer, or made by hand) the one that others refer to keeps the
/// name; the other is told apart by its id and so shows up as superfluous.
fn address(found: Vec<(Kind, Found<Resource>)>) -> Result<Live> {
    let mut uses: BTreeMap<String, usize> = BTreeMap::new();
    let mut found: Vec<(Kind, Found<Resource>, serde_json::Value)> = found
        .into_iter()
        .map(|(kind, f)| {
            let value = f.resource.to_value();
            reference::visit(&value, &mut |r| {
                if let Ref::Id(id) = r {
                    *uses.entry(id).or_default() += 1;
                }
            });
            (kind, f, value)
        })
        .collect();
    found.sort_by_key(|(_, f, _)| (std::cmp::Reverse(uses.get(&f.id).copied().unwrap_or(0)), f.id.clone()));

    let mut by_id: BTreeMap<String, Addr> = BTreeMap::new();
    let mut taken: BTreeSet<Addr> = BTreeSet::new();
    let mut addressed = Vec::with_capacity(found.len());
    for (kind, f, value) in found {
        let mut addr = Addr::new(kind, &f.name);
        if taken.contains(&addr) {
            addr.name = format!("{} ({})", f.name, f.id);
        }
        by_id.insert(f.id.clone(), addr.clone());
        // A DNS alias names its load balancer by what that answers to.
        if let Some(name) = f.attrs.get(record_set::DNS_NAME) {
            by_id.insert(record_set::plain_name(name), addr.clone());
        }
        taken.insert(addr.clone());
        addressed.push((addr, f, value));
    }

    let known = |id: &str| by_id.get(id).cloned();
    let mut live = Live::new();
    for (addr, f, mut value) in addressed {
        reference::resolve(&mut value, &known);
        let resource = Resource::from_value(addr.kind, value)
            .map_err(|e| Error::failed(format!("{addr} was observed in a form that can't be read")).because(e))?;
        live.insert(addr, Observed { id: f.id, attrs: f.attrs, resource });
    }
    Ok(finish(live))
}

/// Lets each kind complete its observations from the others.
fn finish(mut live: Live) -> Live {
    let finished: Vec<_> =
        live.iter().map(|(addr, o)| (addr.clone(), o.resource.clone().finish(&o.attrs, &live))).collect();
    for (addr, resource) in finished {
        match (resource, live.get_mut(&addr)) {
            (Some(resource), Some(observed)) => observed.resource = resource,
            _ => drop(live.remove(&addr)),
        }
    }
    live
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resource::{InternetGateway, Tags};

    /// A lost answer's twin never takes the name of the one in use.
    #[test]
    fn the_used_one_keeps_the_name() {
        let gateway = |vpc: &str| InternetGateway { vpc: Ref::id(vpc), tags: Tags::new() };
        let found = |id: &str, name: &str, g: InternetGateway| Found {
            name: name.into(),
            id: id.into(),
            attrs: Default::default(),
            resource: Resource::from(g),
        };
        let live = address(vec![
            (Kind::InternetGateway, found("igw-1", "c", gateway("igw-2"))),
            (Kind::InternetGateway, found("igw-2", "c", gateway("vpc-9"))),
        ])
        .unwrap();
        let names: Vec<String> = live.iter().map(|(a, o)| format!("{a}={}", o.id)).collect();
        assert_eq!(names, ["internet-gateway/c=igw-2", "internet-gateway/c (igw-1)=igw-1"]);
    }
}
