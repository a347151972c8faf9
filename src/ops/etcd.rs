//! etcd as operators see it: what its members tell, its snapshots, and what the machines are asked to do with it.
//!
//! Nothing here reaches a member: only its own machine does. Orders and answers go by way of the state store.

use std::sync::Arc;
use std::time::Duration;

use super::prepare::Site;
use crate::context::Context;
use crate::error::{Error, Result, did_you_mean};
use crate::spec::Cluster;
use crate::state::backups::{Backups, Snapshot};
use crate::state::cluster::ClusterStore;
use crate::state::etcd::{EtcdMember, EtcdOrder, EtcdReport, EtcdWork};
use crate::state::{Location, Store};

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

/// All members that the spec names.
pub async fn members(store: &ClusterStore, cluster: &Cluster) -> Result<Vec<Member>> {
    let reports = store.etcd_reports().await?;
    let named = cluster.spec.etcd_clusters.iter().flat_map(|e| e.etcd_members.iter().map(|m| (&e.name, &m.name)));
    let reads = named.map(|(etcd, member)| async {
        let report = reports.iter().find(|r| r.etcd == *etcd && r.member == *member).cloned();
        let seeded = store.etcd_member(etcd, member).await?;
        crate::Result::Ok(Member { etcd: etcd.clone(), member: member.clone(), seeded, report })
    });
    futures::future::try_join_all(reads).await
}

/// The snapshots of an etcd cluster, oldest first.
pub async fn snapshots(site: &Site, store: &ClusterStore, cluster: &Cluster, etcd: &str) -> Result<Vec<Snapshot>> {
    backups(site, store, cluster, etcd).await?.list().await
}

async fn backups(site: &Site, store: &ClusterStore, cluster: &Cluster, etcd: &str) -> Result<Backups> {
    let names = || cluster.spec.etcd_clusters.iter().map(|e| e.name.as_str());
    let unknown = || {
        let error = Error::usage(format!("cluster {} has no etcd cluster {etcd}", cluster.name()));
        match did_you_mean(etcd, names()) {
            Some(near) => error.hint(format!("did you mean {near}?")),
            None => error.hint(format!("it has {}", names().collect::<Vec<_>>().join(", "))),
        }
    };
    let spec = cluster.spec.etcd_clusters.iter().find(|e| e.name == etcd).ok_or_else(unknown)?;
    let Some(place) = spec.backups.as_ref().and_then(|b| b.backup_store.as_deref()) else {
        return Ok(Backups::of(store, etcd));
    };
    let location: Location = place.parse()?;
    let sdk = site.sdk.clone();
    let there: Arc<dyn Store> = crate::state::open(&location, &site.context, async { Ok(sdk) }).await?;
    Ok(Backups::at(there, etcd))
}

/// The snapshot of this name; of several beginnings the one that is meant must be clear.
pub async fn snapshot(
    site: &Site,
    store: &ClusterStore,
    cluster: &Cluster,
    (etcd, id): (&str, &str),
) -> Result<Snapshot> {
    let all = snapshots(site, store, cluster, etcd).await?;
    let found: Vec<&Snapshot> = all.iter().filter(|s| s.name == id || s.name.starts_with(id)).collect();
    match found[..] {
        [one] => Ok(one.clone()),
        [] => {
            let error =
                Error::failed(format!("there is no snapshot {id} of etcd {etcd} in cluster {}", cluster.name()));
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

/// Waits until `enough` machines have carried the order out; gives what they say. One that could not ends it.
pub async fn answers(
    store: &ClusterStore,
    order: &EtcdOrder,
    enough: usize,
    wait: Duration,
) -> Result<Vec<EtcdReport>> {
    let deadline = tokio::time::Instant::now() + wait;
    loop {
        let all = store.etcd_reports().await?;
        let of_order = |r: &&EtcdReport| r.etcd == order.etcd && r.order.as_ref().is_some_and(|o| o.id == order.id);
        let told: Vec<EtcdReport> = all.iter().filter(of_order).cloned().collect();
        let failure = told.iter().find_map(|r| Some((r, r.order.as_ref()?.error.as_ref()?)));
        if let Some((report, why)) = failure {
            return Err(Error::failed(format!(
                "{} of etcd {} on {} could not: {why}",
                report.member, report.etcd, report.instance
            )));
        }
        if told.len() >= enough {
            return Ok(told);
        }
        if tokio::time::Instant::now() + LOOK > deadline {
            let seconds = wait.as_secs();
            return Err(Error::failed(format!("{} of {enough} members have answered within {seconds} s", told.len()))
                .hint("the order stands: kspot etcd status shows what comes of it")
                .hint("a machine that does not answer: kspot validate"));
        }
        tokio::time::sleep(LOOK).await;
    }
}
