//! etcd as operators see it: what its members tell, its snapshots, and what the machines are asked to do with it.
//!
//! Nothing here reaches a member: only its own machine does. Orders and answers go by way of the state store.

use std::time::Duration;

use super::prepare::Site;
use super::specs::Specs;
use crate::context::Context;
use crate::error::{Error, Result, did_you_mean};
use crate::spec::etcd::EtcdCluster;
use crate::state::backups::{Backups, Snapshot};
use crate::state::cluster::ClusterStore;
use crate::state::etcd::{EtcdMember, EtcdOrder, EtcdOutcome, EtcdReport, EtcdWork, Wanted};

/// How often an answer is looked for.
const LOOK: Duration = Duration::from_secs(2);

/// One member.
#[derive(Clone, Debug, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Member {
    /// The etcd cluster.
    pub etcd: String,
    /// The member.
    pub member: String,
    /// When it was seeded, and on which volume; none if it never was.
    pub seeded: Option<EtcdMember>,
    /// What its machine told last.
    pub report: Option<EtcdReport>,
}

/// The etcd clusters of a spec, also those that it leaves to the default.
pub fn clusters(specs: &Specs) -> Vec<EtcdCluster> {
    crate::spec::complete::etcd_clusters(&specs.cluster, &specs.groups)
}

/// All members.
pub async fn members(store: &ClusterStore, clusters: &[EtcdCluster]) -> Result<Vec<Member>> {
    let reports = store.etcd_reports().await?;
    let named = clusters.iter().flat_map(|e| e.etcd_members.iter().map(|m| (&e.name, &m.name)));
    let reads = named.map(|(etcd, member)| async {
        let report = reports.iter().find(|r| r.etcd == *etcd && r.member == *member).cloned();
        let seeded = store.etcd_member(etcd, member).await?;
        crate::Result::Ok(Member { etcd: etcd.clone(), member: member.clone(), seeded, report })
    });
    futures::future::try_join_all(reads).await
}

/// The etcd cluster of this name.
pub fn named<'a>(store: &ClusterStore, clusters: &'a [EtcdCluster], etcd: &str) -> Result<&'a EtcdCluster> {
    let names = || clusters.iter().map(|e| e.name.as_str());
    let unknown = || {
        let error = Error::usage(format!("cluster {} has no etcd cluster {etcd}", store.name()));
        match did_you_mean(etcd, names()) {
            Some(near) => error.hint(format!("did you mean {near}?")),
            None => error.hint(format!("it has {}", names().collect::<Vec<_>>().join(", "))),
        }
    };
    clusters.iter().find(|e| e.name == etcd).ok_or_else(unknown)
}

/// The snapshots of an etcd cluster, oldest first.
pub async fn snapshots(site: &Site, store: &ClusterStore, etcd: &EtcdCluster) -> Result<Vec<Snapshot>> {
    let place = etcd.backups.as_ref().and_then(|b| b.backup_store.as_deref());
    let sdk = async { Ok(site.sdk.clone()) };
    Backups::open(store, &etcd.name, place, &site.context, sdk).await?.list().await
}

/// The snapshot of this name; of several beginnings the one that is meant must be clear.
pub async fn snapshot(site: &Site, store: &ClusterStore, etcd: &EtcdCluster, id: &str) -> Result<Snapshot> {
    let all = snapshots(site, store, etcd).await?;
    let found: Vec<&Snapshot> = all.iter().filter(|s| s.name == id || s.name.starts_with(id)).collect();
    match found[..] {
        [one] => Ok(one.clone()),
        [] => {
            let error =
                Error::failed(format!("there is no snapshot {id} of etcd {} in cluster {}", etcd.name, store.name()));
            Err(match did_you_mean(id, all.iter().map(|s| s.name.as_str())) {
                Some(near) => error.hint(format!("did you mean {near}?")),
                None => error.hint("kspot etcd list"),
            })
        }
        _ => Err(Error::usage(format!("{} snapshots begin with {id}", found.len())).hint("kspot etcd list")),
    }
}

/// Asks the machines to do something.
pub async fn order(context: &Context, store: &ClusterStore, etcd: &str, what: EtcdWork) -> Result<EtcdOrder> {
    if store.etcd_created().await?.is_none() {
        return Err(Error::failed(format!("etcd of cluster {} was never seeded", store.name()))
            .hint("its control plane has not come up yet: kspot validate"));
    }
    let order = EtcdOrder {
        id: context.id().simple().to_string(),
        etcd: etcd.to_owned(),
        what,
        when: context.now(),
        who: context.who(),
    };
    store.order_etcd(&order).await?;
    Ok(order)
}

/// Waits until `enough` machines have carried the order out; gives what they say. One that could not ends it, unless it
/// tries again.
pub async fn answers(
    store: &ClusterStore,
    order: &EtcdOrder,
    enough: usize,
    wait: Duration,
) -> Result<Vec<EtcdOutcome>> {
    let deadline = tokio::time::Instant::now() + wait;
    let stands = order.what.wanted() == Wanted::Restore;
    loop {
        let reports = store.etcd_reports().await?;
        let told: Vec<_> = reports.iter().filter_map(|r| Some((r, r.outcome(order)?))).collect();
        let failures = told.iter().filter_map(|(r, outcome)| {
            let why = outcome.error.as_ref()?;
            Some(format!("{} of etcd {} on {} could not: {why}", r.member, r.etcd, r.instance))
        });
        let failures: Vec<String> = failures.collect();
        if let (Some(failure), false) = (failures.first(), stands) {
            return Err(Error::failed(failure));
        }
        let done = told.len() - failures.len();
        if done >= enough {
            return Ok(told.into_iter().map(|(_, outcome)| outcome.clone()).collect());
        }
        if tokio::time::Instant::now() + LOOK > deadline {
            let late = Error::failed(format!("{done} of {enough} members have done it within {} s", wait.as_secs()));
            return Err(failures
                .into_iter()
                .fold(late, Error::detail)
                .hint(if stands {
                    "the order stands, and is tried again: kspot etcd status"
                } else {
                    "kspot etcd status"
                })
                .hint("a machine that does not answer: kspot validate"));
        }
        tokio::time::sleep(LOOK).await;
    }
}
