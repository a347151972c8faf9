//! What a machine of the control plane does for its members of etcd: it tells of them, takes snapshots, and restores.
//!
//! None of it needs the API server. Where one is enough for all, the member that leads does it: there is one at most.

use std::path::Path;
use std::time::Duration;

use jiff::SignedDuration;
use tokio_util::sync::CancellationToken;

use crate::cloud::aws::sdk_config;
use crate::digest::sha256_of;
use crate::error::{Context, Error, Result};
use crate::node::agent::Birth;
use crate::node::configuration::Etcd;
use crate::node::etcd::client::{Client, Status};
use crate::node::etcd::restore::{Restore, Stage, journal};
use crate::node::etcd::{snapshot, volume};
use crate::spec::duration::GoDuration;
use crate::state::ClusterStore;
use crate::state::backups::{self, Backups};
use crate::state::etcd::{EtcdOrder, EtcdOutcome, EtcdReport, EtcdWork, Wanted};

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
    let mut orders = Orders::default();
    loop {
        let status = status(birth, etcd).await;
        let leads = status.as_ref().is_ok_and(|s| s.leads);
        let keeper = Keeper { birth, store, etcd };
        // None of these keeps another from being done.
        if let Err(e) = keeper.restore(&mut orders).await {
            tracing::warn!(etcd = etcd.name, error = e.line(), "restores wait");
        }
        if let Err(e) = keeper.once(&mut orders, leads).await {
            tracing::warn!(etcd = etcd.name, error = e.line(), "orders wait");
        }
        if leads && let Err(e) = keeper.snapshots().await {
            tracing::warn!(etcd = etcd.name, error = e.line(), "snapshots wait");
        }
        let report = report(birth, etcd, status, &orders);
        if told.as_ref().is_none_or(|told| is_news(told, &report)) {
            match store.report_etcd(&report).await {
                Ok(()) => told = Some(report),
                Err(e) => tracing::warn!(etcd = etcd.name, error = e.line(), "the member is not told of"),
            }
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
    }
}

/// What this process knows of orders.
#[derive(Debug, Default)]
struct Orders {
    once: Last,
    restore: Last,
}

/// The last order of a kind.
#[derive(Debug, Default)]
struct Last {
    /// The one that was there when this process looked first; empty if there was none.
    found: Option<String>,
    /// What came of the last one that was carried out.
    outcome: Option<EtcdOutcome>,
}

impl Last {
    /// Whether an order came while this process was there: who gave it waits for an answer.
    fn is_new(&mut self, order: Option<&EtcdOrder>) -> bool {
        let id = order.map(|order| order.id.clone()).unwrap_or_default();
        let found = self.found.get_or_insert_with(|| id.clone());
        *found != id
    }

    fn told(&mut self, order: &EtcdOrder, done: Result<String>) {
        let (done, error) = match done {
            Ok(done) => (Some(done), None),
            Err(e) => {
                tracing::warn!(etcd = order.etcd, error = e.line(), "an order was not carried out");
                (None, Some(e.line()))
            }
        };
        self.outcome = Some(EtcdOutcome { id: order.id.clone(), done, error });
    }
}

async fn status(birth: &Birth, etcd: &Etcd) -> Result<Status> {
    Client::of(birth.host.as_ref(), etcd).await?.status().await
}

fn report(birth: &Birth, etcd: &Etcd, status: Result<Status>, orders: &Orders) -> EtcdReport {
    let (status, error) = match status {
        Ok(status) => (serde_json::to_value(status).ok(), None),
        Err(e) => (None, Some(e.line())),
    };
    EtcdReport {
        etcd: etcd.name.clone(),
        member: etcd.member.clone(),
        instance: birth.metadata.instance.clone(),
        when: birth.context.now(),
        status,
        error,
        order: orders.once.outcome.clone(),
        restore: orders.restore.outcome.clone(),
    }
}

/// Whether there is more to tell than that time went by.
fn is_news(told: &EtcdReport, now: &EtcdReport) -> bool {
    let of = |report: &EtcdReport| {
        let said = |name| report.status.as_ref().and_then(|s| s.get(name).cloned());
        (said("leads"), said("errors"), report.error.is_some(), report.order.clone(), report.restore.clone())
    };
    of(told) != of(now) || now.when.duration_since(told.when) >= TELL
}

/// One member, and what it takes to look after it.
struct Keeper<'a> {
    birth: &'a Birth,
    store: &'a ClusterStore,
    etcd: &'a Etcd,
}

impl Keeper<'_> {
    /// Brings the member back to the snapshot that the standing order names, unless it was; what fails is tried again.
    async fn restore(&self, orders: &mut Orders) -> Result<()> {
        let (host, etcd) = (self.birth.host.as_ref(), self.etcd);
        // Before the boot has mounted the volume, nothing on it can be judged.
        let note = volume::note(host, &etcd.name).await?;
        if note.is_none_or(|n| n.cluster != self.store.name() || n.etcd != etcd.name || n.member != etcd.member) {
            return Ok(());
        }
        let order = self.store.etcd_order(&etcd.name, Wanted::Restore).await?;
        let is_new = orders.restore.is_new(order.as_ref());
        let backups = self.backups().await?;
        let Some((order, snapshot)) = order.as_ref().and_then(|order| match &order.what {
            EtcdWork::Restore { snapshot } => Some((order, snapshot)),
            EtcdWork::Backup | EtcdWork::Drill { .. } => None,
        }) else {
            return self.end_restore(&backups).await;
        };
        let seeded = self.store.etcd_member(&etcd.name, &etcd.member).await?;
        if seeded.is_some_and(|seeded| order.when < seeded.when) {
            // One of another life of the cluster; or somebody's clock is late.
            if is_new {
                let why = "by the clock of who ordered it, that was before the member was seeded: order it again";
                orders.restore.told(order, Err(Error::failed(why)));
            }
            return Ok(());
        }
        let restore = Restore { etcd, backups: &backups, snapshot, id: &order.id };
        if !restore.is_done(host).await? {
            tracing::warn!(etcd = etcd.name, snapshot, "the member begins again with a snapshot");
            let done = restore.run(host).await;
            orders.restore.told(order, done.map(|()| format!("began again with {snapshot}")));
        } else if orders.restore.outcome.as_ref().is_none_or(|last| last.id != order.id) {
            orders.restore.told(order, Ok(format!("began again with {snapshot}")));
        }
        Ok(())
    }

    /// Ends what was begun by an order that is no more.
    async fn end_restore(&self, backups: &Backups) -> Result<()> {
        let host = self.birth.host.as_ref();
        let Some(journal) = journal(host, &self.etcd.name).await? else { return Ok(()) };
        let restore = Restore { etcd: self.etcd, backups, snapshot: &journal.snapshot, id: &journal.id };
        if journal.stage == Stage::Preparing || restore.is_done(host).await? {
            return Ok(());
        }
        restore.run(host).await
    }

    /// Carries out what the member that leads does for all, once.
    async fn once(&self, orders: &mut Orders, leads: bool) -> Result<()> {
        let order = self.store.etcd_order(&self.etcd.name, Wanted::Once).await?;
        let is_new = orders.once.is_new(order.as_ref());
        let Some(order) = order else { return Ok(()) };
        if !leads || orders.once.outcome.as_ref().is_some_and(|last| last.id == order.id) {
            return Ok(());
        }
        let age = self.birth.context.now().duration_since(order.when);
        if age > WAITED_FOR {
            if is_new {
                let why =
                    format!("by this machine's clock it was ordered {} minutes ago: order it again", age.as_mins());
                orders.once.told(&order, Err(Error::failed(why)));
            }
            return Ok(());
        }
        let backups = self.backups().await?;
        let done = match &order.what {
            EtcdWork::Backup => self.back_up(&backups).await,
            EtcdWork::Drill { snapshot } | EtcdWork::Restore { snapshot } => {
                let restore = Restore { etcd: self.etcd, backups: &backups, snapshot, id: &order.id };
                let found = restore.drill(self.birth.host.as_ref()).await;
                found.map(|c| format!("{snapshot} can be restored: {} keys at revision {}", c.keys, c.revision))
            }
        };
        orders.once.told(&order, done);
        Ok(())
    }

    /// Takes the snapshot that is due, and lets go of those that need not be kept.
    async fn snapshots(&self) -> Result<()> {
        let (now, backups) = (self.birth.context.now(), self.backups().await?);
        let interval: GoDuration = self.etcd.backups.interval.parse().map_err(Error::failed)?;
        let all = backups.list().await?;
        let age = all.last().map(|newest| now.duration_since(newest.when));
        if age.is_some_and(|age| age.unsigned_abs() < interval.to_std()) {
            return Ok(());
        }
        self.back_up(&backups).await?;
        let expired = backups::expired(&all, now, self.etcd.backups.retention_days);
        let mut kept = Vec::new();
        for old in expired {
            // One that can't go, since it is locked perhaps, must not keep the others.
            if let Err(e) = backups.remove(&old.name).await {
                kept.push(e.context(format!("snapshot {} stays", old.name)));
            }
        }
        match kept.split_first() {
            None => Ok(()),
            Some((first, rest)) => {
                Err(Error::failed(format!("{} old snapshots stay", rest.len() + 1)).detail(first.chain()))
            }
        }
    }

    /// Takes a snapshot and keeps it; its name.
    async fn back_up(&self, backups: &Backups) -> Result<String> {
        let (host, etcd) = (self.birth.host.as_ref(), self.etcd);
        let name = backups::name(self.birth.context.now(), &etcd.member);
        let file = Path::new(SCRATCH).with_extension(&etcd.name);
        let size = snapshot::take(&Client::of(host, etcd).await?, &file).await?;
        let summed = file.clone();
        let sum = tokio::task::spawn_blocking(move || sha256_of(&summed)).await;
        let sum = sum.map_err(|e| Error::failed("summing a snapshot was interrupted").because(e))?;
        let kept = backups.keep(&name, &file, &sum.context(|| format!("can't read {}", file.display()))?).await;
        // It holds every Secret of the cluster: it does not stay here.
        host.remove(&file).await?;
        kept?;
        tracing::info!(etcd = etcd.name, name, size, "a snapshot was taken");
        Ok(name)
    }

    /// Where the snapshots are: below the cluster, or where the spec says.
    async fn backups(&self) -> Result<Backups> {
        let sdk = async { Ok(sdk_config(Some(&self.birth.boot.region)).await) };
        Backups::open(self.store, &self.etcd.name, self.etcd.backups.store.as_deref(), &self.birth.context, sdk).await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::node::agent::tests::birth;
    use crate::node::configuration::Configuration;
    use crate::node::etcd::seed::{NOTE, Note};
    use crate::node::host::Host;
    use crate::node::host::fake::Fake;
    use crate::state::etcd::EtcdMember;
    use crate::state::memory::Memory;

    const NOW: &str = "2026-11-21T12:00:00Z";
    const LATER: &str = "2026-11-21T12:11:00Z";

    fn etcd() -> Etcd {
        let text = include_str!("../../../tests/fixtures/node/control-plane.yaml");
        let configuration: Configuration = serde_yaml::from_str(text).unwrap();
        let mut etcd = configuration.control_plane.unwrap().etcd.remove(0);
        etcd.backups.store = None;
        etcd
    }

    /// A machine whose member's volume is mounted, and the store.
    struct Stage {
        host: Arc<Fake>,
        store: ClusterStore,
        etcd: Etcd,
    }

    impl Stage {
        fn new() -> Self {
            let (host, etcd) = (Arc::new(Fake::default()), etcd());
            let note = Note {
                cluster: "ha.example.com".into(),
                etcd: "main".into(),
                member: etcd.member.clone(),
                token: "t".into(),
            };
            host.put(volume::mount_point("main").join(NOTE), serde_json::to_string(&note).unwrap());
            let store = ClusterStore::new(Arc::new(Memory::default()), "ha.example.com").unwrap();
            Stage { host, store, etcd }
        }

        async fn order(&self, what: EtcdWork) {
            let when = NOW.parse().unwrap();
            let order = EtcdOrder { id: "new".into(), etcd: "main".into(), what, when, who: "me".into() };
            self.store.order_etcd(&order).await.unwrap();
        }

        /// What comes of an order for the member that leads, or of one for each.
        async fn looked(&self, orders: &mut Orders, now: &str, leads: bool) {
            let birth = birth(Arc::clone(&self.host) as Arc<dyn Host>, now);
            let keeper = Keeper { birth: &birth, store: &self.store, etcd: &self.etcd };
            keeper.once(orders, leads).await.unwrap();
            keeper.restore(orders).await.unwrap();
        }
    }

    fn snapshot() -> String {
        "20261121T100000Z-a.db.gz".to_owned()
    }

    fn why(last: &Last) -> &str {
        last.outcome.as_ref().unwrap().error.as_deref().unwrap()
    }

    /// A snapshot or a drill is the leader's alone, once. One that is too old by the machine's clock is refused, unless it
    /// was there before the machine looked: then nobody waits.
    #[tokio::test]
    async fn one_member_is_enough_for_a_snapshot() {
        for what in [EtcdWork::Backup, EtcdWork::Drill { snapshot: snapshot() }] {
            let stage = Stage::new();
            let (mut early, mut late) = (Orders::default(), Orders::default());
            stage.looked(&mut early, NOW, true).await;
            stage.order(what).await;
            stage.looked(&mut early, NOW, false).await;
            stage.looked(&mut late, LATER, true).await;
            assert_eq!((&early.once.outcome, &late.once.outcome), (&None, &None));
            stage.looked(&mut early, NOW, true).await;
            let outcome = early.once.outcome.clone().unwrap();
            assert!(outcome.id == "new" && outcome.error.is_some(), "there is neither etcd nor a snapshot");
            let mut skewed = Orders { once: Last { found: Some(String::new()), outcome: None }, ..Orders::default() };
            stage.looked(&mut skewed, LATER, true).await;
            assert!(why(&skewed.once).contains("it was ordered 11 minutes ago"), "{}", why(&skewed.once));
            assert_eq!(skewed.restore.outcome, None);
        }
    }

    /// Every member restores, whether it leads or not and however long ago that was asked for; what fails is told, and
    /// tried again.
    #[tokio::test]
    async fn every_member_restores() {
        let (stage, mut orders) = (Stage::new(), Orders::default());
        stage.order(EtcdWork::Restore { snapshot: snapshot() }).await;
        for _ in 0..2 {
            stage.looked(&mut orders, LATER, false).await;
            let why = why(&orders.restore);
            assert!(why.contains("there is no snapshot 20261121T100000Z-a.db.gz of etcd main"), "{why}");
            assert!(stage.host.ran().iter().any(|line| line.starts_with("sync")), "it was begun");
        }
    }

    /// A machine that has restored already, before it started anew, does nothing and says so; one whose volume is not
    /// mounted yet says nothing.
    #[tokio::test]
    async fn a_restore_is_not_repeated() {
        let (stage, mut orders) = (Stage::new(), Orders::default());
        stage.order(EtcdWork::Restore { snapshot: snapshot() }).await;
        let note = volume::mount_point("main").join(NOTE);
        let text = stage.host.get(&note).unwrap();
        stage.host.take(&note);
        stage.looked(&mut orders, LATER, true).await;
        assert_eq!((&orders.restore.outcome, stage.host.ran()), (&None, vec![]));
        stage.host.put(&note, text);
        let journal = r#"{"id": "new", "snapshot": "20261121T100000Z-a.db.gz", "stage": "done"}"#;
        stage.host.put(volume::mount_point("main").join("restore.json"), journal);
        stage.looked(&mut orders, LATER, true).await;
        let done = orders.restore.outcome.unwrap().done;
        assert_eq!(done.as_deref(), Some("began again with 20261121T100000Z-a.db.gz"));
        assert_eq!(stage.host.ran(), [""; 0]);
    }

    /// An order of the life before, when the member was not yet seeded, is not this member's; who gives one with a late
    /// clock is told.
    #[tokio::test]
    async fn orders_of_another_life_are_left() {
        let (stage, mut orders) = (Stage::new(), Orders::default());
        let seeded = EtcdMember { when: LATER.parse().unwrap(), volume: "vol-1".into(), token: "t".into() };
        stage.store.mark_etcd_member("main", &stage.etcd.member, &seeded).await.unwrap();
        stage.order(EtcdWork::Restore { snapshot: snapshot() }).await;
        stage.looked(&mut orders, LATER, true).await;
        assert_eq!((&orders.restore.outcome, stage.host.ran()), (&None, vec![]));
        orders.restore.found = Some(String::new());
        stage.looked(&mut orders, LATER, true).await;
        assert!(why(&orders.restore).contains("before the member was seeded"), "{}", why(&orders.restore));
        assert_eq!(stage.host.ran(), [""; 0]);
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
