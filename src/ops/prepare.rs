//! From specs to plan: the facts, the model, one look at AWS, the difference.

use std::collections::BTreeMap;
use std::sync::Arc;

use aws_config::SdkConfig;

use crate::addons;
use crate::catalogue::Catalogue;
use crate::cloud::aws::{Account, AwsCloud};
use crate::cloud::{Cloud, Live, Scope};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::model;
use crate::ops::facts::{Facts, Known};
use crate::ops::manifests;
use crate::ops::specs::{Specs, open};
use crate::pki::keep::{self, Authorities};
use crate::pki::keyset;
use crate::plan::cost::{Cost, Machines};
use crate::plan::saved::{Place, SavedPlan};
use crate::plan::{Change, Plan};
use crate::resource::{Desired, Kind, Resource, Tags};
use crate::spec::validate::{self, TypeFacts, validate};
use crate::spec::{Cluster, InstanceGroup, Object};
use crate::state::applied::{Applied, Outcome};
use crate::state::cluster::ClusterStore;
use crate::state::{Location, Store};

/// Where an operation works: the run, the store, the cloud, and where facts come from.
#[derive(Clone, Debug)]
pub struct Site {
    /// The run.
    pub context: Context,
    /// The store's address.
    pub location: Location,
    /// The store.
    pub store: Arc<dyn Store>,
    /// The cloud, in the cluster's region.
    pub cloud: AwsCloud,
    /// Types, images, the agent.
    pub facts: Facts,
    /// The AWS configuration, for buckets that are not the store's.
    pub sdk: SdkConfig,
}

/// Everything that is known before a cluster is changed.
#[derive(Debug)]
pub struct Prepared {
    /// The revision of the specs.
    pub revision: u64,
    /// The cluster with every default filled in.
    pub cluster: Cluster,
    /// The groups with every default filled in.
    pub groups: Vec<InstanceGroup>,
    /// Who acts, where.
    pub account: Account,
    /// What was looked up: the types that the groups use, and the rest.
    pub known: Known,
    /// The sha256 of manifests that were fetched for the first time, by URL.
    pub new_sources: BTreeMap<String, String>,
    /// What is wanted.
    pub desired: Desired,
    /// What is there.
    pub live: Live,
    /// What was looked for.
    pub scope: Scope,
    /// The difference, limited to `only`.
    pub plan: Plan,
    /// What the plan covers.
    pub extent: Extent,
    /// How many changes the limit leaves out.
    pub left_out: usize,
    /// What is worth knowing of the groups' instance types.
    pub warnings: Vec<String>,
    /// What the plan costs; none if it changes no machine.
    pub cost: Option<Cost>,
    /// The last apply, if there was one.
    pub applied: Option<Applied>,
}

impl Prepared {
    /// The plan's stable form.
    pub fn saved(&self) -> SavedPlan {
        SavedPlan::of(&self.plan, &self.place())
    }

    /// Where the plan belongs.
    pub fn place(&self) -> Place {
        Place {
            cluster: self.cluster.name().to_owned(),
            account: self.account.id.clone(),
            region: self.account.region.clone(),
            revision: self.revision,
            groups: self.extent.only.clone(),
        }
    }

    /// The same plan for machines that trust these keys: nothing else moves, and AWS is not asked again.
    pub fn trusting(mut self, site: &Site, keys: &Authorities) -> Result<Self> {
        if !trust(&mut self.known.facts, keys) {
            return Ok(self);
        }
        self.desired = desired(site, (&self.cluster, &self.groups), &self.account, &self.known)?;
        self.plan = crate::plan::build(&self.desired, &self.live);
        self.left_out = limit(&mut self.plan, &self.extent.only);
        Ok(self)
    }

    /// Whether there is nothing to do and nothing to record.
    pub fn is_settled(&self) -> bool {
        let recorded =
            self.applied.as_ref().is_some_and(|a| a.revision == self.revision && a.outcome == Outcome::Succeeded);
        self.plan.is_empty() && !self.known.facts.authorities.is_empty() && (recorded || !self.extent.only.is_empty())
    }
}

/// Notes the public halves of the cluster's keys. Whether they are others than before.
fn trust(facts: &mut model::Facts, keys: &Authorities) -> bool {
    let (authorities, accounts) = (keys.get(keyset::Name::KubernetesCa), keys.get(keyset::Name::ServiceAccount));
    let moved = facts.authorities != authorities || facts.service_account_keys != accounts;
    authorities.clone_into(&mut facts.authorities);
    accounts.clone_into(&mut facts.service_account_keys);
    moved
}

/// The rules about instance types, which need the catalogue. The error lists every problem; the answer is what else is
/// worth knowing.
fn judge_types(cluster: &Cluster, groups: &[InstanceGroup], catalogue: &Catalogue) -> Result<Vec<String>> {
    let judge = |types: Option<&dyn TypeFacts>| validate(&validate::Specs { cluster, groups, types });
    let known = judge(None);
    let mut found = judge(Some(catalogue));
    found.0.retain(|problem| !known.0.contains(problem));
    if found.has_errors() {
        return Err(found.into());
    }
    Ok(found.warnings().map(|w| w.to_string().replacen("warning: ", "", 1)).collect())
}

/// Refuses what may not change once a cluster exists. What exists are the specs that were applied as a whole last.
async fn allow_change(store: &ClusterStore, specs: &Specs, cluster: &Cluster, applied: Option<&Applied>) -> Result<()> {
    if applied.is_none_or(|applied| applied.revision == specs.revision && applied.outcome == Outcome::Succeeded) {
        return Ok(());
    }
    let Some(before) = applied_before(store).await? else { return Ok(()) };
    let mut found = validate::change::validate_change(&before, cluster);
    if !found.has_errors() {
        return Ok(());
    }
    super::specs::locate(&mut found, &specs.texts);
    Err(Error::from(found).hint("kspot diff shows what was changed, kspot rollback takes it back"))
}

/// The cluster as it was applied last as a whole, from the record of complete specs.
async fn applied_before(store: &ClusterStore) -> Result<Option<Cluster>> {
    let key = store.keys().completed();
    let Some(blob) = store.store().get(&key).await? else { return Ok(None) };
    let objects = crate::spec::parse::parse(&blob.text(&key)?, &key).map_err(Error::from)?;
    Ok(objects.into_iter().find_map(Object::into_cluster))
}

/// The store as the machines see it; its bucket need not be in the cluster's region.
fn machines_store(site: &Site) -> model::Store {
    match &site.location {
        Location::S3 { bucket, prefix } => model::Store::S3 {
            bucket: bucket.clone(),
            prefix: prefix.clone(),
            region: site.store.region().unwrap_or_else(|| site.cloud.region.clone()),
            kms_key: site.store.kms_key(),
        },
        Location::Directory(path) => model::Store::Directory(path.clone()),
    }
}

/// What a plan covers.
#[derive(Clone, Debug, Default)]
pub struct Extent {
    /// Only what belongs to these groups; everything when empty.
    pub only: Vec<String>,
    /// Also what AWS tells only by a call per object: lifecycle hooks. Otherwise their group's tag is believed.
    pub deep: bool,
    /// The cluster's first specs were written a moment ago: the store has no record of an apply, and no keys.
    pub fresh: bool,
}

/// Plans the specs' cluster.
pub async fn prepare(site: &Site, specs: &Specs, extent: &Extent) -> Result<Prepared> {
    let only = &extent.only[..];
    for name in only {
        specs.group(name)?;
    }
    let (cluster, groups) = crate::spec::complete::complete(&specs.cluster, &specs.groups)?;
    let store = open(&site.store, cluster.name())?;
    let known = site.facts.of(&site.cloud, &cluster, &groups);
    let records = async {
        match extent.fresh {
            true => Ok((None, None)),
            false => futures::future::try_join(store.applied(), keep::authorities(&store)).await,
        }
    };
    let (account, mut known, (applied, authorities)) =
        futures::future::try_join3(site.cloud.account(), known, records).await?;
    trust(&mut known.facts, &authorities.unwrap_or_default());
    let context = addons::context::Context::of(&cluster, &groups, &account);
    let manifests = manifests::fetch(site, &store, &context).await?;
    known.facts.manifests = manifests.texts;
    let mut warnings = judge_types(&cluster, &groups, &known.catalogue)?;
    allow_change(&store, specs, &cluster, applied.as_ref()).await?;
    let desired = desired(site, (&cluster, &groups), &account, &known)?;
    let scope = match &applied {
        Some(applied) => model::scope_of_desired(cluster.name(), &desired).union(past(applied, cluster.name())),
        None => model::scope(cluster.name(), &desired),
    };
    let mut live = site.cloud.observe(&scope).await?;
    if extent.deep {
        site.cloud.look_closer(&mut live).await?;
    }
    let mut plan = crate::plan::build(&desired, &live);
    let left_out = limit(&mut plan, only);
    let cost = match Machines::of(&plan, &live) {
        Some(machines) => {
            let prices = site.facts.prices(&machines.types()).await;
            warnings.extend(prices.missing.iter().cloned());
            Some(machines.cost(&prices))
        }
        None => None,
    };
    Ok(Prepared {
        revision: specs.revision,
        cluster,
        groups,
        account,
        known,
        new_sources: manifests.new,
        desired,
        live,
        scope,
        plan,
        extent: extent.clone(),
        left_out,
        warnings,
        cost,
        applied,
    })
}

/// What completed specs ask for.
pub(super) fn desired(
    site: &Site,
    specs: (&Cluster, &[InstanceGroup]),
    account: &Account,
    known: &Known,
) -> Result<Desired> {
    model::build(&model::Input {
        cluster: specs.0,
        groups: specs.1,
        account,
        store: &machines_store(site),
        types: &known.catalogue.types,
        facts: &known.facts,
    })
}

/// Where the last apply left things that today's specs may no longer name.
fn past(applied: &Applied, cluster: &str) -> Scope {
    let stored: Option<Scope> = serde_json::from_value(applied.scope.clone()).ok();
    let mut scope = stored.unwrap_or_else(|| model::scope_of_name(cluster));
    // Older node configurations of groups that stay are history: only today's names say which are current.
    scope.candidates.remove(Kind::NodeConfig.as_str());
    scope
}

/// Leaves only the changes that belong to these groups, and says how many went.
fn limit(plan: &mut Plan, only: &[String]) -> usize {
    if only.is_empty() {
        return 0;
    }
    let before = plan.changes.len();
    plan.changes.retain(|c| group_of(c).is_some_and(|g| only.contains(&g)));
    before - plan.changes.len()
}

/// The instance group that a change belongs to, if it belongs to one.
fn group_of(change: &Change) -> Option<String> {
    let resource = change.desired.as_ref().or(change.live.as_ref().map(|o| &o.resource))?;
    match resource {
        Resource::NodeConfig(config) => Some(config.group.clone()),
        other => {
            let tags: Tags = serde_json::from_value(other.field("tags")).ok()?;
            tags.get(model::tags::INSTANCE_GROUP).cloned()
        }
    }
}
