//! Makes a plan true: under the lock, recorded at start and end, the same for saved plans.

use tokio_util::sync::CancellationToken;

use super::prepare::{Extent, Prepared, Site, prepare};
use super::specs::{self, open};
use super::{agent, manifests};
use crate::apply::{self, Outcome, Reporter};
use crate::cloud::aws::kms::Kms;
use crate::error::{Error, Result};
use crate::model;
use crate::pki::keep;
use crate::pki::seal::DataKeys;
use crate::plan::saved::SavedPlan;
use crate::spec::{Cluster, Object};
use crate::state::Precondition;
use crate::state::applied::{Applied, Outcome as Recorded};
use crate::state::cluster::ClusterStore;
use crate::state::lock::EXPIRY;

/// Applies `prepared`. The lock is held from before the last look at the specs until the end; whatever moved since
/// `prepared` was made leads to a new look at AWS before anything is changed.
pub async fn update(
    site: &Site,
    prepared: Prepared,
    expected: Option<&SavedPlan>,
    reporter: &dyn Reporter,
    stop: &CancellationToken,
) -> Result<(Prepared, Outcome)> {
    let cluster = prepared.cluster.name().to_owned();
    let store = open(&site.store, &cluster)?;
    let guard = store.lock(&site.context, "update cluster", EXPIRY).await?;
    let stop = &either(stop, guard.lost());
    let watch = Watch { reporter, stop };
    let result = locked(site, &store, prepared, expected, watch).await;
    let released = guard.release().await;
    let done = result?;
    released?;
    Ok(done)
}

/// Who is told of an apply, and who may stop it.
#[derive(Clone, Copy)]
struct Watch<'a> {
    reporter: &'a dyn Reporter,
    stop: &'a CancellationToken,
}

async fn locked(
    site: &Site,
    store: &ClusterStore,
    prepared: Prepared,
    expected: Option<&SavedPlan>,
    watch: Watch<'_>,
) -> Result<(Prepared, Outcome)> {
    let specs = specs::read(&site.store, prepared.cluster.name()).await?;
    let moved = specs.revision != prepared.revision || store.applied().await? != prepared.applied;
    let extent = Extent { fresh: false, ..prepared.extent.clone() };
    let prepared = if moved { prepare(site, &specs, &extent).await? } else { prepared };
    if let Some(expected) = expected {
        require_same(expected, &prepared)?;
    }
    let prepared = with_keys(site, store, prepared).await?;
    manifests::record(store, &prepared.new_sources, false).await?;
    agent::publish(&site.context, site.store.as_ref(), &prepared.known.facts.agent, &prepared.desired).await?;
    let mut applied = record(site, &prepared, Recorded::Running);
    store.set_applied(&applied).await?;
    let outcome = apply::run(&prepared.plan, &prepared.live, &site.cloud, watch.reporter, watch.stop).await?;
    applied.outcome = recorded(&outcome);
    applied.when = site.context.now();
    if outcome.is_complete() && prepared.extent.only.is_empty() {
        // Nothing else is left: the next look need not search for what may have been there before.
        let scope = model::scope_of_desired(prepared.cluster.name(), &prepared.desired);
        applied.scope = serde_json::to_value(scope).unwrap_or_default();
    }
    if outcome.is_complete() {
        let key = store.keys().completed();
        let written = site.store.put(&key, completed(&prepared).as_bytes(), Precondition::None).await;
        written.map_err(|e| e.or_conflict(|| Error::conflict(format!("{key} was written by somebody else"))))?;
    }
    store.set_applied(&applied).await?;
    Ok((prepared, outcome))
}

/// The plan once the cluster has its keys: the first update makes them, and machines know the control plane by them.
async fn with_keys(site: &Site, store: &ClusterStore, prepared: Prepared) -> Result<Prepared> {
    if !prepared.known.facts.authorities.is_empty() {
        return Ok(prepared);
    }
    let kms = data_keys(site, &prepared.cluster);
    let made = keep::ensure(store, site.context.now(), kms.as_ref().map(|k| k as &dyn DataKeys)).await?;
    prepared.trusting(site, &made)
}

/// What private keys are sealed with, if the spec says so.
pub fn data_keys(site: &Site, cluster: &Cluster) -> Option<Kms> {
    cluster.spec.key_store_kms_key.as_deref().map(|key| site.cloud.data_keys(key, cluster.name()))
}

fn record(site: &Site, prepared: &Prepared, outcome: Recorded) -> Applied {
    Applied {
        revision: prepared.revision,
        when: site.context.now(),
        who: site.context.who(),
        outcome,
        account: prepared.account.id.clone(),
        region: prepared.account.region.clone(),
        scope: serde_json::to_value(&prepared.scope).unwrap_or_default(),
    }
}

/// How an apply is recorded.
fn recorded(outcome: &Outcome) -> Recorded {
    let cause = match outcome.failed.first() {
        None if outcome.is_complete() => return Recorded::Succeeded,
        None => "interrupted".to_owned(),
        Some((addr, _, error)) => format!("{addr}: {error}"),
    };
    let left = outcome.failed.len() + outcome.skipped.len() + outcome.stopped.len();
    Recorded::Failed { cause, done: outcome.done.len(), left }
}

/// Cancelled as soon as either of the two is.
fn either(a: &CancellationToken, b: CancellationToken) -> CancellationToken {
    let both = a.child_token();
    let linked = both.clone();
    tokio::spawn(async move {
        tokio::select! {
            () = b.cancelled() => linked.cancel(),
            () = linked.cancelled() => {}
        }
    });
    both
}

/// The specs with every default filled in, as one text.
fn completed(prepared: &Prepared) -> String {
    let groups = prepared.groups.iter().cloned().map(|g| Object::InstanceGroup(Box::new(g)));
    let objects: Vec<Object> =
        std::iter::once(Object::Cluster(Box::new(prepared.cluster.clone()))).chain(groups).collect();
    crate::spec::print::to_yaml_stream(&objects)
}

/// A saved plan is applied exactly as it is, or not at all: a conflict (exit 5) that names what has moved.
pub fn require_same(expected: &SavedPlan, prepared: &Prepared) -> Result<()> {
    let now = prepared.saved();
    if *expected == now {
        return Ok(());
    }
    let error = Error::conflict(format!("the saved plan for cluster {} is out of date", now.cluster));
    let error = if expected.cluster != now.cluster || expected.account != now.account || expected.region != now.region {
        error.detail(format!(
            "it is for cluster {} in account {}, region {}",
            expected.cluster, expected.account, expected.region
        ))
    } else if expected.revision != now.revision {
        error.detail(format!("it is for revision {} of the specs, the head is {}", expected.revision, now.revision))
    } else {
        let moved = expected.moved(&now).into_iter().take(10);
        moved.fold(error, |e, addr| e.detail(format!("{addr} has moved since it was saved")))
    };
    Err(error.hint("make a new plan: kspot update cluster --out plan.json"))
}
