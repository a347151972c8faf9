//! Deletes a cluster: everything it owns on AWS, then its part of the store.

use tokio_util::sync::CancellationToken;

use super::prepare::Site;
use super::specs::open;
use crate::apply::{self, Outcome, Reporter};
use crate::cloud::{Cloud, Live, Scope};
use crate::error::{Error, Result};
use crate::model;
use crate::pki::{Name, keep};
use crate::plan::Plan;
use crate::resource::Desired;
use crate::spec::Object;
use crate::state::applied::Applied;
use crate::state::lock;

/// What a deletion would take away.
#[derive(Debug)]
pub struct Doomed {
    /// Whether the spec forbids it.
    pub protected: bool,
    /// Whether the store has specs of the cluster.
    pub registered: bool,
    /// The deletions.
    pub plan: Plan,
    /// What is there.
    pub live: Live,
    /// Things that stay, and why, one sentence each.
    pub left_behind: Vec<String>,
    /// The certificates of the authority that signed the API's, PEM; empty if there are none.
    pub authorities: String,
    /// The last apply when this was looked at.
    applied: Option<Applied>,
}

/// Looks for everything that the cluster owns, by its specs if there are any, by its tags and names in any case.
pub async fn look(site: &Site, cluster: &str) -> Result<Doomed> {
    let store = open(&site.store, cluster)?;
    let (specs, applied, authorities) =
        futures::try_join!(store.read_if_exists(), store.applied(), keep::authorities(&store))?;
    let registered = specs.cluster().is_some();
    // A spec that can't be read must not keep anybody from deleting what it made, but it may forbid it.
    let protected = specs.cluster().is_some_and(protects);
    let mut scope = model::scope_of_name(cluster);
    if let Some(applied) = &applied {
        scope = scope.union(serde_json::from_value::<Scope>(applied.scope.clone()).unwrap_or_default());
        // Every node configuration goes with the cluster, the current ones as well.
        scope.candidates.remove(crate::resource::Kind::NodeConfig.as_str());
    } else {
        scope = scope.union(site.cloud.issuers(cluster).await?);
    }
    let live = site.cloud.observe(&scope).await?;
    let left_behind = site.cloud.leftovers(cluster, &live).await?;
    let plan = crate::plan::build(&Desired::new(), &live);
    if !registered && plan.is_empty() {
        return Err(Error::failed(format!(
            "there is no cluster {cluster}: no specs in {}, nothing on AWS in {}",
            site.store.describe(),
            site.cloud.region
        ))
        .hint("`kspot get clusters` lists the clusters of the store; --region looks elsewhere"));
    }
    let authorities = authorities.unwrap_or_default().get(Name::KubernetesCa).to_owned();
    Ok(Doomed { protected, registered, plan, live, left_behind, authorities, applied })
}

fn protects(text: &str) -> bool {
    match crate::spec::parse::parse(text, "config") {
        Ok(objects) => objects.iter().filter_map(Object::as_cluster).any(|c| c.spec.is_protected()),
        // Unreadable: the words alone decide, on the safe side.
        Err(_) => text.lines().any(|l| l.trim() == "deletionProtection: true"),
    }
}

/// Deletes what [`look`] found, then the cluster's part of the store. Gives the outcome and how many objects and old
/// versions the store lost; the store keeps everything unless AWS is clean.
pub async fn delete(
    site: &Site,
    cluster: &str,
    doomed: Doomed,
    reporter: &dyn Reporter,
    stop: &CancellationToken,
) -> Result<(Outcome, u64)> {
    let store = open(&site.store, cluster)?;
    let guard = store.lock(&site.context, "delete cluster", lock::EXPIRY).await?;
    if store.applied().await? != doomed.applied {
        guard.release().await?;
        return Err(Error::conflict(format!(
            "cluster {cluster} was updated since it was looked at: nothing is deleted"
        ))
        .hint("run the same command again"));
    }
    let outcome = apply::run(&doomed.plan, &doomed.live, &site.cloud, reporter, stop).await;
    let clean = outcome.as_ref().is_ok_and(Outcome::is_complete);
    let removed = if clean { store.delete().await } else { Ok(0) };
    // The lock goes with the rest of the cluster's objects; releasing one that is gone is fine.
    guard.release().await?;
    Ok((outcome?, removed?))
}
