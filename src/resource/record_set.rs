//! Record set: one name and type in a DNS zone. Records carry no tags: those are ours whose names the scope lists.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use aws_sdk_route53::types::{
    AliasTarget, Change, ChangeAction, ChangeBatch, ResourceRecord, ResourceRecordSet, RrType,
};
use serde::{Deserialize, Serialize};

use super::{Aws, Changed, Created, Found, Kind, Model, Ref, ReplaceOrder, Rules, hosted_zone};
use crate::cloud::aws::{AwsCloud, AwsError, Call, once};
use crate::cloud::{Attrs, Scope};
use crate::error::{Error, Result};

/// One name and type in a zone. Its address is made of [`RecordSet::address_name`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RecordSet {
    /// The zone: an owned private one, or the id of the user's.
    pub zone: Ref,
    /// The full name, without the dot at its end.
    pub name: String,
    /// `A`, `AAAA`, `TXT` ...
    pub record_type: String,
    /// What a query gets.
    pub answer: Answer,
}

/// What a query gets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Answer {
    /// Fixed values.
    Values {
        /// For how many seconds a resolver may keep them.
        ttl: i64,
        /// The values, in the form of a zone file.
        values: BTreeSet<String>,
    },
    /// The addresses that a load balancer has at the moment.
    Alias {
        /// The load balancer; it has the attributes `dns-name` and `zone-id`.
        target: Ref,
    },
}

impl Model for RecordSet {
    const KIND: Kind = Kind::RecordSet;
    const RULES: Rules = Rules {
        noun: "DNS record",
        forces_replacement: &["zone", "name", "recordType"],
        replace: ReplaceOrder::CreateFirst,
        text: &[],
        ec2_type: None,
        only_grows: &[],
        loses_data: None,
    };
}

/// The attribute of a load balancer that holds the name it answers to.
pub const DNS_NAME: &str = "dns-name";

/// The attribute of a load balancer that holds the id of the zone AWS keeps that name in.
pub const ZONE_ID: &str = "zone-id";

/// A DNS name in the form in which names are compared: lower case, no dot at the end, a plain asterisk.
pub(crate) fn plain_name(name: &str) -> String {
    name.trim_end_matches('.').replace("\\052", "*").to_lowercase()
}

/// The name under which a load balancer is known, from what an alias says: the console puts `dualstack.` before it.
fn alias_name(name: &str) -> String {
    let name = plain_name(name);
    name.strip_prefix("dualstack.").map_or(name.clone(), str::to_owned)
}

/// Where to look for a record: the scope's candidates are these, as text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Candidate {
    /// The zone's id, or the domain of an owned zone.
    zone: String,
    name: String,
    record_type: String,
}

impl Candidate {
    fn parse(text: &str) -> Result<Self> {
        match text.split('|').collect::<Vec<_>>()[..] {
            [zone, name, record_type] => {
                Ok(Candidate { zone: zone.to_owned(), name: plain_name(name), record_type: record_type.to_owned() })
            }
            _ => Err(Error::failed(format!("{text:?} does not say where to look for a record: want zone|name|type"))),
        }
    }
}

impl RecordSet {
    /// The name in the record's address: `api.c.example.com A`.
    pub fn address_name(&self) -> String {
        format!("{} {}", self.name, self.record_type)
    }

    /// What the scope must list under [`Kind::RecordSet`] so that the record is found: `zone|name|type`, the zone by
    /// id, or by domain when it is an owned one (then the scope lists that under [`Kind::HostedZone`] as well).
    pub fn candidate(&self) -> String {
        let zone = match &self.zone {
            Ref::Addr(addr) => &addr.name,
            Ref::Id(id) => id,
        };
        format!("{zone}|{}|{}", self.name, self.record_type)
    }

    fn build(&self, call: &Call<'_>) -> Result<ResourceRecordSet> {
        let record = ResourceRecordSet::builder().name(&self.name).r#type(RrType::from(self.record_type.as_str()));
        let record = match &self.answer {
            Answer::Values { ttl, values } => {
                let values: std::result::Result<Vec<_>, _> =
                    values.iter().map(|v| ResourceRecord::builder().value(v).build()).collect();
                let values = values.map_err(|e| self.malformed(e))?;
                record.ttl(*ttl).set_resource_records(Some(values))
            }
            Answer::Alias { target } => record.alias_target(
                AliasTarget::builder()
                    .dns_name(call.ids.attr(target, DNS_NAME)?)
                    .hosted_zone_id(call.ids.attr(target, ZONE_ID)?)
                    .evaluate_target_health(false)
                    .build()
                    .map_err(|e| self.malformed(e))?,
            ),
        };
        record.build().map_err(|e| self.malformed(e))
    }

    fn malformed(&self, e: aws_smithy_types::error::operation::BuildError) -> Error {
        Error::failed(format!("the record {} is incomplete", self.address_name())).because(e)
    }

    async fn upsert(&self, call: &Call<'_>) -> Result<()> {
        let zone = call.id(&self.zone)?;
        let batch = batch(ChangeAction::Upsert, self.build(call)?).map_err(|e| self.malformed(e))?;
        once::settled(12, || async {
            let change = call.cloud.route53.change_resource_record_sets().hosted_zone_id(&zone);
            let done = change.change_batch(batch.clone()).customize().send().await;
            done.map_err(|e| AwsError::of(call.doing("write"), &e))
        })
        .await?;
        Ok(())
    }
}

fn batch(
    action: ChangeAction,
    record: ResourceRecordSet,
) -> std::result::Result<ChangeBatch, aws_smithy_types::error::operation::BuildError> {
    ChangeBatch::builder().changes(Change::builder().action(action).resource_record_set(record).build()?).build()
}

/// The records of a zone from a name on, in Route 53's order, as long as `wanted` holds for their plain names.
pub(super) async fn list_from(
    cloud: &AwsCloud,
    zone: &str,
    start: Option<String>,
    wanted: impl Fn(&str) -> bool,
) -> std::result::Result<Vec<ResourceRecordSet>, AwsError> {
    let mut request = cloud.route53.list_resource_record_sets().hosted_zone_id(zone).set_start_record_name(start);
    let mut records = Vec::new();
    loop {
        let page = request.customize().send().await.map_err(|e| AwsError::of(format!("list the records of zone {zone}"), &e))?;
        let before = records.len();
        let all = page.resource_record_sets.len();
        records.extend(page.resource_record_sets.into_iter().take_while(|r| wanted(&plain_name(r.name()))));
        if !page.is_truncated || records.len() - before < all {
            return Ok(records);
        }
        request = cloud
            .route53
            .list_resource_record_sets()
            .hosted_zone_id(zone)
            .set_start_record_name(page.next_record_name)
            .set_start_record_type(page.next_record_type)
            .set_start_record_identifier(page.next_record_identifier);
    }
}

/// The longest domain that all names lie in or are.
fn common_domain<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let labels = |name: &'a str| name.rsplit('.').collect::<Vec<&str>>();
    let common = names.into_iter().map(labels).reduce(|a, b| {
        let same = a.iter().zip(&b).take_while(|(x, y)| x == y).count();
        a[..same].to_vec()
    });
    common.unwrap_or_default().into_iter().rev().collect::<Vec<_>>().join(".")
}

fn is_within(name: &str, domain: &str) -> bool {
    domain.is_empty() || name == domain || name.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'))
}

fn normalise(zone: &str, record: &ResourceRecordSet) -> Found<RecordSet> {
    let answer = match record.alias_target() {
        // The load balancer is found by the name it answers to: an alias does not say the ARN.
        Some(alias) => Answer::Alias { target: Ref::id(alias_name(alias.dns_name())) },
        None => Answer::Values {
            ttl: record.ttl().unwrap_or_default(),
            values: record.resource_records().iter().map(|r| r.value().to_owned()).collect(),
        },
    };
    let resource = RecordSet {
        zone: Ref::id(zone),
        name: plain_name(record.name()),
        record_type: record.r#type().as_str().to_owned(),
        answer,
    };
    Found {
        name: resource.address_name(),
        id: format!("{zone}|{}|{}", resource.name, resource.record_type),
        attrs: Attrs::new(),
        resource,
    }
}

/// The candidates by the id of their zone; those in owned zones that do not exist are left out.
async fn by_zone(cloud: &AwsCloud, scope: &Scope) -> Result<BTreeMap<String, BTreeSet<Candidate>>> {
    let all = scope.names(Kind::RecordSet).map(Candidate::parse).collect::<Result<Vec<_>>>()?;
    let domains: BTreeSet<&str> = all.iter().map(|c| c.zone.as_str()).filter(|z| z.contains('.')).collect();
    let owned = hosted_zone::owned(cloud, scope, domains).await?;
    let owned: BTreeMap<String, String> =
        owned.iter().map(|(z, _)| (plain_name(&z.name), hosted_zone::id_of(z))).collect();
    let mut zones: BTreeMap<String, BTreeSet<Candidate>> = BTreeMap::new();
    for candidate in all {
        let id = if candidate.zone.contains('.') { owned.get(&candidate.zone).cloned() } else { Some(candidate.zone.clone()) };
        if let Some(id) = id {
            zones.entry(id).or_default().insert(candidate);
        }
    }
    Ok(zones)
}

async fn observe_zone(cloud: &AwsCloud, zone: &str, wanted: &BTreeSet<Candidate>) -> Result<Vec<Found<RecordSet>>> {
    // Route 53 sorts by labels from the right: all of one domain stand together.
    let domain = common_domain(wanted.iter().map(|c| c.name.as_str()));
    let start = Some(domain.clone()).filter(|d| !d.is_empty());
    let records = match list_from(cloud, zone, start, |name| is_within(name, &domain)).await {
        Ok(records) => records,
        Err(e) if e.class == crate::cloud::aws::Class::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(e.into()),
    };
    let ours = |f: &Found<RecordSet>| {
        let r = &f.resource;
        wanted.iter().any(|c| c.name == r.name && c.record_type == r.record_type)
    };
    Ok(records.iter().map(|r| normalise(zone, r)).filter(ours).collect())
}

#[async_trait]
impl Aws for RecordSet {
    async fn observe(cloud: &AwsCloud, scope: &Scope) -> Result<Vec<Found<Self>>> {
        let zones = by_zone(cloud, scope).await?;
        let found = zones.iter().map(|(zone, wanted)| observe_zone(cloud, zone, wanted));
        Ok(futures::future::try_join_all(found).await?.into_iter().flatten().collect())
    }

    async fn create(&self, call: &Call<'_>) -> Result<Created> {
        self.upsert(call).await?;
        let id = format!("{}|{}|{}", call.id(&self.zone)?, self.name, self.record_type);
        Ok(Created { id, attrs: Attrs::new() })
    }

    async fn update(&self, call: &Call<'_>, _live: &Found<Self>, _changed: &Changed) -> Result<Attrs> {
        self.upsert(call).await?;
        Ok(Attrs::new())
    }

    async fn delete(call: &Call<'_>, live: &Found<Self>) -> Result<()> {
        let record = &live.resource;
        // From the id: the zone's address may stand for a newer zone by now.
        let zone = live.id.split('|').next().unwrap_or_default().to_owned();
        once::deleted(12, || async {
            // A delete must name the record as it is now, to the letter.
            let same = list_from(call.cloud, &zone, Some(record.name.clone()), |name| name == record.name).await?;
            let same = same.into_iter().find(|r| r.r#type().as_str() == record.record_type);
            let Some(Ok(batch)) = same.map(|r| batch(ChangeAction::Delete, r)) else { return Ok(()) };
            let change = call.cloud.route53.change_resource_record_sets().hosted_zone_id(&zone);
            let done = change.change_batch(batch).customize().send().await;
            done.map(drop).map_err(|e| AwsError::of(call.doing("delete"), &e))
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A listing starts at the one domain that holds every wanted name and ends with it.
    #[test]
    fn names_share_a_domain() {
        assert_eq!(common_domain(["api.c.example.com", "api.internal.c.example.com"]), "c.example.com");
        assert_eq!(common_domain(["api.c.example.com"]), "api.c.example.com");
        assert_eq!(common_domain(["a.example.com", "b.example.org"]), "");
        assert!(is_within("api.c.example.com", "c.example.com") && is_within("c.example.com", "c.example.com"));
        assert!(!is_within("api.abc.example.com", "c.example.com"));
    }

    /// What an alias says and what the load balancer says of its name is compared in one form.
    #[test]
    fn alias_names_are_normalised() {
        assert_eq!(alias_name("dualstack.Api-C-1.elb.us-east-1.amazonaws.com."), "api-c-1.elb.us-east-1.amazonaws.com");
        assert_eq!(plain_name("\\052.c.example.com."), "*.c.example.com");
    }

    /// A record says itself where it must be looked for.
    #[test]
    fn a_candidate_is_read_back() {
        let record = RecordSet {
            zone: Ref::to(Kind::HostedZone, "example.com"),
            name: "api.c.example.com".into(),
            record_type: "A".into(),
            answer: Answer::Values { ttl: 60, values: BTreeSet::from(["203.0.113.1".to_owned()]) },
        };
        let candidate = Candidate::parse(&record.candidate()).unwrap();
        assert_eq!((candidate.zone.as_str(), candidate.name.as_str()), ("example.com", "api.c.example.com"));
        assert!(Candidate::parse("api.c.example.com").is_err());
    }
}
