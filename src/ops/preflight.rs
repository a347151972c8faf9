//! What is checked before the first thing is made: what AWS would refuse half way is refused here as a whole.

use std::collections::{BTreeMap, BTreeSet};

use super::facts::types_of;
use super::prepare::Prepared;
use crate::catalogue::Catalogue;
use crate::cloud::aws::AwsCloud;
use crate::error::{Error, Result};
use crate::plan::{Action, Plan};
use crate::resource::{Kind, Resource};
use crate::spec::{Cluster, InstanceGroup};

/// Checks what the plan makes: zones and offerings of its groups, of which nothing is asked of AWS that is not known
/// already, the account's quotas, and that AWS may read what is published. The answer is what could not be checked, one sentence each.
pub async fn check(cloud: &AwsCloud, prepared: &Prepared) -> Result<Vec<String>> {
    offered(prepared)?;
    let (mut unread, unseen) =
        futures::future::try_join(quotas(cloud, &prepared.plan), readable(cloud, &prepared.plan)).await?;
    unread.extend(unseen);
    Ok(unread)
}

/// Whether AWS will be able to read the documents that the plan publishes.
async fn readable(cloud: &AwsCloud, plan: &Plan) -> Result<Option<String>> {
    let published = plan.changes.iter().find_map(|c| match &c.desired {
        Some(Resource::DiscoveryDocument(document)) if c.action == Action::Create => Some(document),
        _ => None,
    });
    let Some(document) = published else { return Ok(None) };
    let bucket = &document.bucket;
    match cloud.closed_to_the_public(&document.region, bucket).await {
        Ok(None) => Ok(None),
        Ok(Some(why)) => Err(Error::failed(format!(
            "AWS could not read the documents of the service accounts' issuer in bucket {bucket}: {why}"
        ))
        .hint("let everybody read the two documents: docs/service-accounts.md has the policy")),
        Err(error) => {
            Ok(Some(format!("whether the public may read bucket {bucket} is not checked: {}", error.chain())))
        }
    }
}

fn offered(prepared: &Prepared) -> Result<()> {
    let makes_machines = |c: &&crate::plan::Change| c.action != Action::Delete && c.addr.kind == Kind::AutoScalingGroup;
    if prepared.plan.changes.iter().find(makes_machines).is_none() {
        return Ok(());
    }
    let missing: Vec<String> =
        prepared.groups.iter().filter_map(|g| not_offered(&prepared.cluster, g, &prepared.known.catalogue)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let error =
        Error::failed(format!("cluster {}: zones lack instance types that groups need", prepared.cluster.name()));
    let error = missing.into_iter().fold(error, Error::detail);
    Err(error.hint("choose other types or zones for these groups; `kspot instance-types --availability-zones ZONE` lists what a zone has"))
}

/// Compares what the plan creates, kind by kind, with what the account may still make.
async fn quotas(cloud: &AwsCloud, plan: &Plan) -> Result<Vec<String>> {
    let mut wanted: BTreeMap<Kind, usize> = BTreeMap::new();
    for change in plan.changes.iter().filter(|c| c.action == Action::Create) {
        *wanted.entry(change.addr.kind).or_default() += 1;
    }
    let asked = wanted.into_iter().map(async |(kind, wanted)| (kind, wanted, cloud.quota(kind).await));
    let mut unread = Vec::new();
    let mut exceeded = Vec::new();
    for (kind, wanted, quota) in futures::future::join_all(asked).await {
        match quota {
            Ok(Some(quota)) if wanted > quota.left() => exceeded.push(format!(
                "{}: {wanted} to make, but {} of {} are in use",
                kind.rules().noun,
                quota.used,
                quota.limit
            )),
            Ok(_) => {}
            Err(error) => {
                unread.push(format!("the quota of each {} is not checked: {}", kind.rules().noun, error.chain()))
            }
        }
    }
    if exceeded.is_empty() {
        return Ok(unread);
    }
    let error = Error::failed(format!("the quotas of this account in {} are too small for the plan", cloud.region));
    let error = exceeded.into_iter().fold(error, Error::detail);
    Err(error.hint("raise them: https://console.aws.amazon.com/servicequotas, or delete what is not needed"))
}

/// What is wrong with a group's zones: a zone that is unknown, a type that no zone of the group has, or, for a group of
/// one type, one that a zone lacks. A mixed group may lack a type here and there: the others serve.
fn not_offered(cluster: &Cluster, group: &InstanceGroup, catalogue: &Catalogue) -> Option<String> {
    let zones: BTreeSet<&str> = cluster.spec.subnets_of(&group.spec).iter().map(|s| s.zone.as_str()).collect();
    if let Some(unknown) =
        zones.iter().find(|z| !catalogue.offerings.contains_key(**z) && !catalogue.zones.contains_key(**z))
    {
        return Some(format!("group {}: {unknown} is no zone of {}", group.name(), catalogue.region));
    }
    let types: BTreeSet<String> = types_of(group).into_iter().collect();
    let having: BTreeMap<&String, Vec<&str>> =
        types.iter().map(|t| (t, zones.iter().copied().filter(|z| catalogue.offers(z, t)).collect())).collect();
    let elsewhere = |t: &str| {
        let zones: Vec<&str> = catalogue.zones_of(t).collect();
        if zones.is_empty() {
            "no zone of the region has it".to_owned()
        } else {
            format!("it is offered in {}", zones.join(", "))
        }
    };
    match types.len() {
        1 => having.iter().find(|(_, has)| has.len() < zones.len()).map(|(t, has)| {
            let lacking: Vec<&str> = zones.iter().copied().filter(|z| !has.contains(z)).collect();
            format!("group {}: {} does not offer {t}; {}", group.name(), lacking.join(", "), elsewhere(t))
        }),
        _ => {
            let empty = zones.iter().find(|z| !types.iter().any(|t| catalogue.offers(z, t)));
            empty.map(|z| format!("group {}: {z} offers none of its {} types", group.name(), types.len()))
        }
    }
}
