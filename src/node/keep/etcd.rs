//! What a machine of the control plane does for its members of etcd: it tells of them, takes snapshots, and restores.
//!
//! None of it needs the API server. Where one is enough for all, the member that leads does it: there is one at most.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use tokio_util::sync::CancellationToken;

use crate::cloud::aws::sdk_config;
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
    let done: Result<String> = match &order.what {
        // An order of long ago, before this process began: its snapshot is among the others.
        EtcdWork::Backup
            if !leads || birth.context.now().duration_since(order.when) > SignedDuration::from_mins(10) =>
        {
            return None;
        }
        EtcdWork::Backup => back_up(birth, etcd, backups).await,
        EtcdWork::Drill { .. }
            if !leads || birth.context.now().duration_since(order.when) > SignedDuration::from_mins(10) =>
        {
            return None;
        }
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
    let sum =
        crate::node::agent::steps::downloads::sum_of(&file).context(|| format!("can't read {}", file.display()))?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::agent::tests::birth;
    use crate::node::configuration::Configuration;
    use crate::node::host::Host;
    use crate::node::host::fake::Fake;
    use crate::state::memory::Memory;

    const NOW: &str = "2026-11-21T12:00:00Z";
    const LATER: &str = "2026-11-21T12:11:00Z";

    fn etcd() -> Etcd {
        let text = include_str!("../../../tests/fixtures/node/control-plane.yaml");
        let configuration: Configuration = serde_yaml::from_str(text).unwrap();
        configuration.control_plane.unwrap().etcd.remove(0)
    }

    fn order(what: EtcdWork) -> EtcdOrder {
        EtcdOrder { id: "new".into(), etcd: "main".into(), what, when: NOW.parse().unwrap(), who: "me".into() }
    }

    /// What comes of an order on a machine at this time.
    async fn obeyed(host: &Arc<Fake>, now: &str, what: EtcdWork, leads: bool) -> Option<EtcdOutcome> {
        let birth = birth(Arc::clone(host) as Arc<dyn Host>, now);
        let backups = Backups::at(Arc::new(Memory::default()), "main");
        obey(&birth, &etcd(), &backups, &order(what), leads).await
    }

    fn snapshot() -> String {
        "20261121T100000Z-a.db.gz".to_owned()
    }

    /// A snapshot or a drill is the leader's alone, and only of an order that somebody still waits for.
    #[tokio::test]
    async fn one_member_is_enough_for_a_snapshot() {
        for what in [EtcdWork::Backup, EtcdWork::Drill { snapshot: snapshot() }] {
            let host = Arc::new(Fake::default());
            assert_eq!(obeyed(&host, NOW, what.clone(), false).await, None);
            assert_eq!(obeyed(&host, LATER, what.clone(), true).await, None);
            assert!(obeyed(&host, NOW, what, true).await.is_some());
        }
    }

    /// Every member restores, whether it leads or not and however long ago that was asked for, and tells why it can't.
    #[tokio::test]
    async fn every_member_restores() {
        let host = Arc::new(Fake::default());
        let what = EtcdWork::Restore { snapshot: snapshot() };
        let outcome = obeyed(&host, LATER, what, false).await.unwrap();
        assert_eq!((outcome.id.as_str(), &outcome.done), ("new", &None));
        assert!(outcome.error.unwrap().contains("there is no snapshot 20261121T100000Z-a.db.gz of etcd main"));
    }

    /// A machine that has restored already, before it started anew, does nothing and says so.
    #[tokio::test]
    async fn a_restore_is_not_repeated() {
        let host = Arc::new(Fake::default());
        host.put("/var/lib/kspot/etcd/main/restored", "new");
        let outcome = obeyed(&host, LATER, EtcdWork::Restore { snapshot: snapshot() }, true).await.unwrap();
        assert_eq!(outcome.done.as_deref(), Some("began again with 20261121T100000Z-a.db.gz"));
        assert_eq!(host.ran(), [""; 0]);
    }

    /// A member is told of when something happened to it, and otherwise every minute.
    #[test]
    fn what_is_news() {
        let told = EtcdReport {
            when: NOW.parse().unwrap(),
            status: Some(serde_json::json!({"leads": false, "revision": 1})),
            ..EtcdReport::default()
        };
        let later = |seconds: i64| EtcdReport { when: told.when + SignedDuration::from_secs(seconds), ..told.clone() };
        assert!(!is_news(&told, &later(59)) && is_news(&told, &later(60)));
        let status = |status| EtcdReport { status: Some(status), ..later(10) };
        assert!(!is_news(&told, &status(serde_json::json!({"leads": false, "revision": 2}))));
        assert!(is_news(&told, &status(serde_json::json!({"leads": true, "revision": 1}))));
        assert!(is_news(&told, &EtcdReport { error: Some("it is down".into()), ..later(10) }));
        let outcome = EtcdOutcome { id: "new".into(), done: Some("done".into()), error: None };
        assert!(is_news(&told, &EtcdReport { order: Some(outcome), ..later(10) }));
    }
}
