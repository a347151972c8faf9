//! Removes what machines told of their boots, once they are gone: a cluster of spot machines would gather thousands, and
//! every look at a machine that boots lists them all.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::addresses::{Fleet, Seen};
use super::home::Home;
use super::leader;
use crate::error::{Error, Result};
use crate::node::identity::machine::is_id;
use crate::state::{ClusterStore, Precondition};

/// How often it looks.
const EVERY: Duration = Duration::from_secs(1800);

/// Tidies up until it is stopped.
pub async fn follow(home: Arc<Home>, seen: Seen, leading: watch::Receiver<bool>, stop: CancellationToken) {
    leader::while_leading(leading, stop, || keep(&home.store, &seen)).await;
}

async fn keep(store: &ClusterStore, seen: &Seen) {
    let mut gone = BTreeSet::new();
    loop {
        let fleet = seen.borrow().clone();
        match round(store, &fleet, &gone).await {
            Ok(now) => gone = now,
            Err(e) => tracing::warn!(error = e.line(), "the statuses of machines that are gone stay for now"),
        }
        tokio::time::sleep(EVERY).await;
    }
}

/// Removes what those machines told that were gone before and still are; gives those that are gone now. A machine may
/// tell of its boot before EC2 is asked again: nobody is gone at the first look.
async fn round(store: &ClusterStore, fleet: &Fleet, gone: &BTreeSet<String>) -> Result<BTreeSet<String>> {
    // Before the first look at EC2 nobody is known to be gone.
    if fleet.machines.is_empty() {
        return Ok(BTreeSet::new());
    }
    let prefix = store.keys().status();
    let listed = store.store().list(&prefix, None).await?;
    let names = listed.iter().filter_map(|entry| entry.key.strip_prefix(&prefix)?.strip_suffix(".json"));
    let now: BTreeSet<String> =
        names.filter(|name| is_id(name) && !fleet.machines.contains_key(*name)).map(str::to_owned).collect();
    for name in now.intersection(gone) {
        let key = store.keys().boot_status(name);
        let removed = store.store().delete(&key, Precondition::None).await;
        removed.map_err(|e| e.or_conflict(|| Error::conflict(format!("{key} was written by somebody else"))))?;
    }
    Ok(now.difference(gone).cloned().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::identity::Machine;
    use crate::state::memory::Memory;

    /// At the second look the statuses of machines that are gone are removed; those of machines that are there stay, and so
    /// does everything else.
    #[tokio::test]
    async fn who_is_gone_is_forgotten() {
        let store = ClusterStore::new(Arc::new(Memory::new()), "c.example.com").unwrap();
        let (here, away) = ("i-00000000000000001", "i-00000000000000002");
        let keys = [store.keys().boot_status(here), store.keys().boot_status(away)];
        let others = ["status/etcd/main/a.json", "status/notes.json", "etcd/created"];
        let all = keys.iter().cloned().chain(others.map(|key| format!("c.example.com/{key}")));
        for key in all.clone() {
            store.store().put(&key, b"{}", Precondition::None).await.unwrap();
        }
        let fleet = Fleet { machines: [(here.to_owned(), Machine::default())].into(), ..Fleet::default() };
        assert!(round(&store, &Fleet::default(), &BTreeSet::from([away.to_owned()])).await.unwrap().is_empty());
        let gone = round(&store, &fleet, &BTreeSet::new()).await.unwrap();
        assert_eq!(gone, BTreeSet::from([away.to_owned()]));
        assert_eq!(store.store().list("", None).await.unwrap().len(), 5);
        assert!(round(&store, &fleet, &gone).await.unwrap().is_empty());
        let left: BTreeSet<String> = store.store().list("", None).await.unwrap().into_iter().map(|e| e.key).collect();
        assert_eq!(left, all.filter(|key| *key != keys[1]).collect());
    }
}
