//! Hosted zone: the private DNS zone of the VPC. Public zones are the user's and are only referred to.

use std::collections::BTreeMap;

use async_trait::async_trait;
use aws_sdk_route53::config::retry::RetryConfig;
use aws_sdk_route53::types::{
    Change, ChangeAction, ChangeBatch, HostedZone as AwsZone, HostedZoneConfig, ResourceRecordSet, RrType, Tag,
    TagResourceType, Vpc as ZoneVpc, VpcRegion,
};
use serde::{Deserialize, Serialize};

use super::record_set::{list_from, plain_name};
use super::{Aws, Changed, Created, Found, Kind, Model, Ref, ReplaceOrder, Rules, Tags, tags};
use crate::cloud::aws::{AwsCloud, AwsError, Call, Class, once};
use crate::cloud::{Attrs, Scope};
use crate::error::Result;

/// A private zone; its domain is the name of its address. Which domains to look for is the [`Scope`]'s matter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HostedZone {
    /// The VPC in which it answers.
    pub vpc: Ref,
    /// The VPC's region.
    pub region: String,
    /// Its tags.
    pub tags: Tags,
}

impl Model for HostedZone {
    const KIND: Kind = Kind::HostedZone;
    const RULES: Rules = Rules {
        noun: "hosted zone",
        forces_replacement: &[],
        replace: ReplaceOrder::DeleteFirst,
        text: &[],
        ec2_type: None,
        only_grows: &[],
        loses_data: Some("the DNS records in it"),
    };
}

/// The tag that says which of the zone's VPCs is the cluster's: people may associate more.
const VPC_TAG: &str = "kspot.io/vpc";

/// How many zones `ListTagsForResources`, and how many tags `ChangeTagsForResource`, takes at once.
const TAGS_A_CALL: usize = 10;

/// The comment that marks a zone as a cluster's from its creation on: the create call takes no tags.
fn comment(cluster: &str) -> String {
    format!("private zone of cluster {cluster}, made by kspot")
}

/// The id as other calls take it.
fn plain_id(id: &str) -> &str {
    id.trim_start_matches("/hostedzone/")
}

/// Every zone of exactly this domain, public or private, whoever's.
async fn named(cloud: &AwsCloud, domain: &str) -> Result<Vec<AwsZone>> {
    let (mut zones, mut from) = (Vec::new(), Some((domain.to_owned(), None)));
    while let Some((name, id)) = from.take() {
        let page = cloud.route53.list_hosted_zones_by_name().dns_name(name).set_hosted_zone_id(id).customize().send().await;
        let page = page.map_err(|e| AwsError::of(format!("list hosted zones from {domain} on"), &e))?;
        let all = page.hosted_zones();
        // In order of names: after the first other name there are no more.
        let same = all.iter().take_while(|z| plain_name(&z.name) == domain);
        zones.extend(same.cloned());
        let more = page.is_truncated() && all.last().is_some_and(|z| plain_name(&z.name) == domain);
        if more {
            from = page.next_dns_name.map(|n| (n, page.next_hosted_zone_id));
        }
    }
    Ok(zones)
}

/// The tags of zones, by id.
async fn tags_of(cloud: &AwsCloud, scope: &Scope, zones: &[AwsZone]) -> Result<BTreeMap<String, Tags>> {
    let mut all = BTreeMap::new();
    for some in zones.chunks(TAGS_A_CALL) {
        let ids = some.iter().map(|z| plain_id(&z.id).to_owned()).collect();
        let ask = cloud.route53.list_tags_for_resources().resource_type(TagResourceType::Hostedzone);
        let answer = ask.set_resource_ids(Some(ids)).customize().send().await;
        let answer = answer.map_err(|e| AwsError::of("read the tags of hosted zones", &e))?;
        for set in answer.resource_tag_sets() {
            let pairs = set.tags().iter().filter_map(|t| Some((t.key()?.to_owned(), t.value()?.to_owned())));
            all.insert(set.resource_id().unwrap_or_default().to_owned(), tags::managed(scope, pairs));
        }
    }
    Ok(all)
}

/// The private zones of these domains that are the cluster's, with their tags.
pub(super) async fn owned<'a>(
    cloud: &AwsCloud,
    scope: &Scope,
    domains: impl IntoIterator<Item = &'a str>,
) -> Result<Vec<(AwsZone, Tags)>> {
    let each = futures::future::try_join_all(domains.into_iter().map(|d| named(cloud, d))).await?;
    let is_private = |z: &AwsZone| z.config().is_some_and(HostedZoneConfig::private_zone);
    let zones: Vec<AwsZone> = each.into_iter().flatten().filter(is_private).collect();
    let mut tags = tags_of(cloud, scope, &zones).await?;
    let mark = comment(&scope.cluster);
    let zones = zones.into_iter().filter_map(|zone| {
        let tags = tags.remove(plain_id(&zone.id)).unwrap_or_default();
        let marked = zone.config().and_then(HostedZoneConfig::comment) == Some(mark.as_str());
        (marked || tags::is_owned(scope, &tags)).then_some((zone, tags))
    });
    Ok(zones.collect())
}

/// The id of an owned zone.
pub(super) fn id_of(zone: &AwsZone) -> String {
    plain_id(&zone.id).to_owned()
}

async fn normalise(cloud: &AwsCloud, zone: AwsZone, mut tags: Tags) -> Result<Found<HostedZone>> {
    let id = id_of(&zone);
    // The lists leave the VPCs out.
    let answer = cloud.route53.get_hosted_zone().id(&id).customize().send().await;
    let answer = answer.map_err(|e| AwsError::of(format!("read hosted zone {id}"), &e))?;
    let ours = tags.remove(VPC_TAG);
    let vpcs = answer.vpcs();
    let vpc = vpcs.iter().find(|v| v.vpc_id() == ours.as_deref()).or(vpcs.first());
    Ok(Found {
        name: plain_name(&zone.name),
        id,
        attrs: Attrs::new(),
        resource: HostedZone {
            vpc: Ref::id(vpc.and_then(|v| v.vpc_id()).unwrap_or_default()),
            region: vpc.and_then(|v| v.vpc_region()).map(|r| r.as_str().to_owned()).unwrap_or_default(),
            tags,
        },
    })
}

fn zone_vpc(id: &str, region: &str) -> ZoneVpc {
    ZoneVpc::builder().vpc_id(id).vpc_region(VpcRegion::from(region)).build()
}

impl HostedZone {
    async fn retag(&self, call: &Call<'_>, id: &str, live: &Tags) -> Result<()> {
        let mut wanted = self.tags.clone();
        wanted.insert(VPC_TAG.to_owned(), call.id(&self.vpc)?);
        let (set, remove) = tags::difference(live, &wanted);
        let set: Vec<Tag> = set.into_iter().map(|(k, v)| Tag::builder().key(k).value(v).build()).collect();
        let request = || call.cloud.route53.change_tags_for_resource().resource_type(TagResourceType::Hostedzone);
        let adds = set.chunks(TAGS_A_CALL).map(|c| request().resource_id(id).set_add_tags(Some(c.to_vec())));
        let removes = remove.chunks(TAGS_A_CALL).map(|c| request().resource_id(id).set_remove_tag_keys(Some(c.to_vec())));
        for change in adds.chain(removes) {
            change.customize().send().await.map_err(|e| AwsError::of(call.doing("tag"), &e))?;
        }
        Ok(())
    }

    async fn move_vpc(&self, call: &Call<'_>, live: &Found<Self>) -> Result<()> {
        let route53 = &call.cloud.route53;
        let wanted = zone_vpc(&call.id(&self.vpc)?, &self.region);
        // A private zone is never without a VPC: the new one first.
        let add = route53.associate_vpc_with_hosted_zone().hosted_zone_id(&live.id).vpc(wanted).customize().send().await;
        match add.map_err(|e| AwsError::of(call.doing("associate"), &e)) {
            Err(e) if e.class != Class::Exists => return Err(e.into()),
            _ => {}
        }
        let Ok(old) = call.id(&live.resource.vpc) else { return Ok(()) };
        let old = zone_vpc(&old, &live.resource.region);
        once::deleted(12, || async {
            let remove = route53.disassociate_vpc_from_hosted_zone().hosted_zone_id(&live.id).vpc(old.clone());
            remove.customize().send().await.map_err(|e| AwsError::of(call.doing("disassociate"), &e))
        })
        .await
    }
}

/// Deletes every record in the zone but those it is born with: in our own zone all are the cluster's.
async fn purge(call: &Call<'_>, id: &str, domain: &str) -> Result<()> {
    let all = match list_from(call.cloud, id, None, |_| true).await {
        Ok(all) => all,
        Err(e) if e.class == Class::NotFound => return Ok(()),
        Err(e) => return Err(e.into()),
    };
    let born = |r: &ResourceRecordSet| matches!(r.r#type(), RrType::Ns | RrType::Soa) && plain_name(r.name()) == domain;
    let changes: Vec<Change> = all
        .into_iter()
        .filter(|r| !born(r))
        .filter_map(|r| Change::builder().action(ChangeAction::Delete).resource_record_set(r).build().ok())
        .collect();
    // At most 1000 records a batch.
    for batch in changes.chunks(500).filter_map(|c| ChangeBatch::builder().set_changes(Some(c.to_vec())).build().ok()) {
        let change = call.cloud.route53.change_resource_record_sets().hosted_zone_id(id).change_batch(batch);
        change.customize().send().await.map_err(|e| AwsError::of(call.doing("empty"), &e))?;
    }
    Ok(())
}

#[async_trait]
impl Aws for HostedZone {
    async fn observe(cloud: &AwsCloud, scope: &Scope) -> Result<Vec<Found<Self>>> {
        let zones = owned(cloud, scope, scope.names(Kind::HostedZone)).await?;
        futures::future::try_join_all(zones.into_iter().map(|(zone, tags)| normalise(cloud, zone, tags))).await
    }

    async fn create(&self, call: &Call<'_>) -> Result<Created> {
        let cluster = self.tags.get(tags::CLUSTER).map_or("", String::as_str);
        let request = call
            .cloud
            .route53
            .create_hosted_zone()
            .name(&call.addr.name)
            .caller_reference(call.token)
            .vpc(zone_vpc(&call.id(&self.vpc)?, &self.region))
            .hosted_zone_config(HostedZoneConfig::builder().comment(comment(cluster)).private_zone(true).build());
        let no_retry = aws_sdk_route53::config::Config::builder().retry_config(RetryConfig::disabled());
        let id = once::create_once(
            || async {
                let made = request.clone().customize().config_override(no_retry.clone()).send().await;
                let made = made.map_err(|e| AwsError::of(call.doing("create"), &e))?;
                Ok(made.hosted_zone().map(id_of).unwrap_or_default())
            },
            || async {
                let zones = named(call.cloud, &call.addr.name).await?;
                Ok(zones.iter().find(|z| z.caller_reference == call.token).map(id_of))
            },
        )
        .await?;
        self.retag(call, &id, &Tags::new()).await?;
        Ok(Created { id, attrs: Attrs::new() })
    }

    async fn update(&self, call: &Call<'_>, live: &Found<Self>, changed: &Changed) -> Result<Attrs> {
        if changed.any(&["vpc", "region"]) {
            self.move_vpc(call, live).await?;
        }
        self.retag(call, &live.id, &live.resource.tags).await?;
        Ok(Attrs::new())
    }

    async fn delete(call: &Call<'_>, live: &Found<Self>) -> Result<()> {
        purge(call, &live.id, &live.name).await?;
        once::deleted(12, || async {
            let delete = call.cloud.route53.delete_hosted_zone().id(&live.id).customize().send().await;
            delete.map_err(|e| AwsError::of(call.doing("delete"), &e))
        })
        .await
    }
}
