//! What a machine of the control plane does for its members of etcd: it tells of them, takes snapshots, and restores.
//!
//! None of it needs the API server. Where one is enough for all, the member that leads does it: there is one at most.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use tokio_util::sync::CancellationToken;

use crate::cloud::aws::sdk_config;
use crate::digest::sha256_of;
use crate::error::{Context, Error, Result};
use crate::node::agent::Birth;
use crate::node::agent::steps::keys::PKI;
use crate::node::configuration::Etcd;
use crate::node::etcd::client::{Client, Status};
use crate::node::etcd::manifest;
use crate::node::etcd::restore::Restore;
use crate::node::etcd::snapshot;
use crate::node::https::Trust;
use crate::spec::duration::GoDuration;
use crate::state::backups::{self, Backups};
use crate::state::etcd::{EtcdOrder, EtcdOutcome, EtcdReport, EtcdWork};
use crate::state::{ClusterStore, Location};

/// How often orders are looked for.
const EVERY: Duration = Duration::from_secs(10);

/// How often a member is told of, when nothing has happened.
const TELL: SignedDuration = SignedDuration::from_secs(60);

/// How long who ordered something may still wait for it; longer than `kspot etcd` does.
const WAITED_FOR: SignedDuration = SignedDuration::from_mins(10);

/// Where a snapshot is packed.
const SCRATCH: &str = "/var/lib/kspot/snapshot";

/// Watches over one member until it is stopped.
pub async fn follow(birth: &Birth, store: &ClusterStore, etcd: &Etcd, stop: CancellationToken) {
    let mut told: Option<EtcdReport> = None;
    let mut outcome: Option<EtcdOutcome> = None;
    loop {
        let status = status(birth, etcd).await;
        match carry_out(birth, store, etcd, status.as_ref().ok(), outcome.as_ref()).await {
            Ok(Some(done)) => outcome = Some(done),
            Ok(None) => {}
            Err(e) => tracing::warn!(etcd = etcd.name, error = e.chain(), "etcd's orders and snapshots wait"),
        }
        let report = report(birth, etcd, status, outcome.clone());
        if told.as_ref().is_none_or(|told| is_news(told, &report)) {
            match store.report_etcd(&report).await {
                Ok(()) => told = Some(report),
                Err(e) => tracing::warn!(etcd = etcd.name, error = e.chain(), "the member is not told of"),
            }
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
    }
}

async fn status(birth: &Birth, etcd: &Etcd) -> Result<Status> {
    client(birth, etcd).await?.status().await
}

/// A client with the API server's certificate for etcd.
async fn client(birth: &Birth, etcd: &Etcd) -> Result<Client> {
    let text = async |path: String| -> Result<String> {
        birth.host.text(&path).await?.ok_or_else(|| Error::failed(format!("{path} is not there")))
    };
    let authorities = text(format!("{}/ca.crt", manifest::PKI)).await?;
    let certificate = text(format!("{PKI}/apiserver-etcd-client.crt")).await?;
    let key = text(format!("{PKI}/apiserver-etcd-client.key")).await?;
    Ok(Client::new(etcd, Trust::new(&authorities, Some((&certificate, &key)))?))
}

fn report(birth: &Birth, etcd: &Etcd, status: Result<Status>, order: Option<EtcdOutcome>) -> EtcdReport {
    let (status, error) = match status {
        Ok(status) => (serde_json::to_value(status).ok(), None),
        Err(e) => (None, Some(e.chain())),
    };
    EtcdReport {
        etcd: etcd.name.clone(),
        member: etcd.member.clone(),
        instance: birth.metadata.instance.clone(),
        when: birth.context.now(),
        status,
        error,
        order,
    }
}

/// Whether there is more to tell than that time went by.
fn is_news(told: &EtcdReport, now: &EtcdReport) -> bool {
    let leads = |report: &EtcdReport| report.status.as_ref().and_then(|s| s.get("leads").cloned());
    let changed = told.error.is_some() != now.error.is_some() || told.order != now.order || leads(told) != leads(now);
    changed || now.when.duration_since(told.when) >= TELL
}

/// The order that is open, and the snapshot that is due.
async fn carry_out(
    birth: &Birth,
    store: &ClusterStore,
    etcd: &Etcd,
    status: Option<&Status>,
    last: Option<&EtcdOutcome>,
) -> Result<Option<EtcdOutcome>> {
    let leads = status.is_some_and(|s| s.leads);
    let backups = backups(birth, store, etcd).await?;
    let order = store.etcd_order().await?.filter(|order| order.etcd == etcd.name);
    if let Some(order) = order.filter(|order| last.is_none_or(|last| last.id != order.id))
        && let Some(outcome) = obey(birth, etcd, &backups, &order, leads).await
    {
        return Ok(Some(outcome));
    }
    if leads {
        let days = etcd.backups.retention_days;
        let interval: GoDuration = etcd.backups.interval.parse().map_err(Error::failed)?;
        let all = backups.list().await?;
        let age = all.last().map(|newest| birth.context.now().duration_since(newest.when));
        if age.is_none_or(|age| age.unsigned_abs() >= interval.to_std()) {
            back_up(birth, etcd, &backups).await?;
            for old in backups::expired(&all, birth.context.now(), days) {
                backups.remove(&old.name).await?;
            }
        }
    }
    Ok(None)
}

/// Carries an order out, if it is for this machine; what came of it.
async fn obey(birth: &Birth, etcd: &Etcd, backups: &Backups, order: &EtcdOrder, leads: bool) -> Option<EtcdOutcome> {
    let restore = |snapshot| Restore { etcd, backups, snapshot, id: &order.id };
    let host = birth.host.as_ref();
    // One member does what concerns the data alone; nobody waits any more for what was ordered long ago.
    let is_old = birth.context.now().duration_since(order.when) > WAITED_FOR;
    if !matches!(order.what, EtcdWork::Restore { .. }) && (!leads || is_old) {
        return None;
    }
    let done: Result<String> = match &order.what {
        EtcdWork::Backup => back_up(birth, etcd, backups).await,
        EtcdWork::Drill { snapshot } => {
            let found = restore(snapshot).drill(host).await;
            found.map(|c| format!("{snapshot} can be restored: {} keys at revision {}", c.keys, c.revision))
        }
        EtcdWork::Restore { snapshot } => {
            let restore = restore(snapshot);
            async {
                if !restore.is_done(host).await? {
                    tracing::warn!(etcd = etcd.name, snapshot, "the member begins again with a snapshot");
                    restore.run(host).await?;
                }
                Ok(format!("began again with {snapshot}"))
            }
            .await
        }
    };
    Some(match done {
        Ok(done) => EtcdOutcome { id: order.id.clone(), done: Some(done), error: None },
        Err(e) => {
            tracing::warn!(etcd = etcd.name, error = e.chain(), "an order was not carried out");
            EtcdOutcome { id: order.id.clone(), done: None, error: Some(e.chain()) }
        }
    })
}

/// Takes a snapshot and keeps it; its name.
async fn back_up(birth: &Birth, etcd: &Etcd, backups: &Backups) -> Result<String> {
    let name = backups::name(birth.context.now(), &etcd.member);
    let file = Path::new(SCRATCH).with_extension(&etcd.name);
    let size = snapshot::take(&client(birth, etcd).await?, &file).await?;
    let sum = sha256_of(&file).context(|| format!("can't read {}", file.display()))?;
    backups.keep(&name, &file, &sum).await?;
    birth.host.remove(&file).await?;
    tracing::info!(etcd = etcd.name, name, size, "a snapshot was taken");
    Ok(name)
}

/// Where the snapshots are: below the cluster, or where the spec says.
async fn backups(birth: &Birth, store: &ClusterStore, etcd: &Etcd) -> Result<Backups> {
    let Some(place) = &etcd.backups.store else { return Ok(Backups::of(store, &etcd.name)) };
    let location: Location = place.parse()?;
    let aws = async { Ok(sdk_config(Some(&birth.boot.region)).await) };
    let there: Arc<dyn crate::state::Store> = crate::state::open(&location, &birth.context, aws).await?;
    Ok(Backups::at(there, &etcd.name))
}
