use std::sync::atomic::{AtomicI64, Ordering};

use super::*;
use crate::error::Kind;
use crate::state::memory::Memory;
use crate::state::store::Store;

/// A clock in seconds that a test turns.
fn turning(user: &str) -> (Context, Arc<AtomicI64>) {
    let seconds = Arc::new(AtomicI64::new(1_000_000));
    let clock = seconds.clone();
    let fixed = Context::fixed(Timestamp::UNIX_EPOCH, user, "desk");
    let now = move || Timestamp::from_second(clock.load(Ordering::Relaxed)).unwrap();
    (fixed.with_clock(now).with_ids(uuid::Uuid::new_v4), seconds)
}

fn cluster() -> (Arc<Memory>, ClusterStore) {
    let memory = Arc::new(Memory::new());
    (memory.clone(), ClusterStore::new(memory, "c").unwrap())
}

/// One holds the lock; another is told who, since when, why, and how to break it; after the release it is free.
#[tokio::test]
async fn one_holder_at_a_time() {
    let (memory, cluster) = cluster();
    let (ann, _) = turning("ann");
    let (bob, _) = turning("bob");
    let guard = cluster.lock(&ann, "update cluster --yes", EXPIRY).await.unwrap();
    let e = cluster.lock(&bob, "delete ig", EXPIRY).await.unwrap_err();
    assert_eq!(e.kind(), Kind::Conflict);
    let said = "cluster c is locked by ann@desk (process 1) since 1970-01-12T13:46:40Z, for `update cluster --yes`";
    assert_eq!(e.message(), said);
    assert!(e.hints()[1].starts_with(&format!("kspot lock break {}", guard.id())), "{:?}", e.hints());
    guard.release().await.unwrap();
    assert!(memory.keys().is_empty());
    cluster.lock(&bob, "delete ig", EXPIRY).await.unwrap().release().await.unwrap();
}

/// An expired lock is taken over by exactly one of many, and its old holder can't take it back.
#[tokio::test]
async fn an_expired_lock_is_taken_over_once() {
    let (_, cluster) = cluster();
    let (ann, _) = turning("ann");
    let old = cluster.lock(&ann, "update", EXPIRY).await.unwrap();
    let (bob, clock) = turning("bob");
    clock.fetch_add(EXPIRY.as_secs() as i64, Ordering::Relaxed);
    let takers = futures::future::join_all((0..8).map(|_| cluster.lock(&bob, "update", EXPIRY))).await;
    let mut winners: Vec<LockGuard> = takers.into_iter().filter_map(Result::ok).collect();
    assert_eq!(winners.len(), 1);
    let e = old.release().await.unwrap_err();
    assert!(e.message().contains("taken over by bob@desk"), "{e}");
    assert_eq!(cluster.show_lock().await.unwrap().unwrap().holder, "bob@desk");
    winners.pop().unwrap().release().await.unwrap();
}

/// Breaking needs the id of the lock that is there.
#[tokio::test]
async fn breaking_needs_the_id() {
    let (_, cluster) = cluster();
    let (ann, _) = turning("ann");
    assert!(cluster.break_lock("x").await.unwrap_err().message().contains("is not locked"));
    let guard = cluster.lock(&ann, "update", EXPIRY).await.unwrap();
    let e = cluster.break_lock("x").await.unwrap_err();
    assert!(e.message().contains(guard.id()), "{e}");
    assert_eq!(cluster.break_lock(guard.id()).await.unwrap().holder, "ann@desk");
    assert_eq!(cluster.show_lock().await.unwrap(), None);
    guard.release().await.unwrap();
}

/// Short enough that renewals come at once; the contexts' clocks stand still, so nothing expires by itself.
const SHORT: Duration = Duration::from_millis(60);

/// Waits, for ten seconds at most, until the lock is as wanted.
async fn until(cluster: &ClusterStore, wanted: impl Fn(&Lock) -> bool) -> Lock {
    let look = async {
        loop {
            match cluster.show_lock().await.unwrap() {
                Some(lock) if wanted(&lock) => return lock,
                _ => tokio::time::sleep(Duration::from_millis(2)).await,
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(10), look).await.unwrap()
}

/// The lock is renewed while it is held, so it outlives its first expiry, and the release still finds it.
#[tokio::test]
async fn a_held_lock_is_renewed() {
    let (_, cluster) = cluster();
    let (ann, clock) = turning("ann");
    let guard = cluster.lock(&ann, "update", SHORT).await.unwrap();
    let first = cluster.show_lock().await.unwrap().unwrap().expires;
    clock.fetch_add(300, Ordering::Relaxed);
    let renewed = until(&cluster, |lock| lock.expires > first).await;
    assert_eq!(renewed.expires, first + SignedDuration::from_secs(300));
    assert_eq!(renewed.id, guard.id());
    assert!(!guard.lost().is_cancelled());
    guard.release().await.unwrap();
    assert_eq!(cluster.show_lock().await.unwrap(), None);
}

/// A holder whose lock was broken is told with the next renewal, and does not write it again.
#[tokio::test]
async fn a_broken_lock_cancels_the_work() {
    let (memory, cluster) = cluster();
    let (ann, _) = turning("ann");
    let guard = cluster.lock(&ann, "update", SHORT).await.unwrap();
    cluster.break_lock(guard.id()).await.unwrap();
    tokio::time::timeout(Duration::from_secs(10), guard.lost().cancelled()).await.unwrap();
    guard.release().await.unwrap();
    assert!(memory.keys().is_empty());
}

/// A renewal that was done although its answer got lost does not make the holder believe that the lock is lost.
#[tokio::test]
async fn a_lost_answer_is_not_a_lost_lock() {
    let (memory, cluster) = cluster();
    let (ann, clock) = turning("ann");
    let guard = cluster.lock(&ann, "update", SHORT).await.unwrap();
    let mut lock = cluster.show_lock().await.unwrap().unwrap();
    lock.expires += SignedDuration::from_secs(1);
    memory.put("c/lock", &document(&lock).unwrap(), Precondition::None).await.unwrap();
    clock.fetch_add(300, Ordering::Relaxed);
    until(&cluster, |found| found.expires > lock.expires).await;
    assert!(!guard.lost().is_cancelled());
    guard.release().await.unwrap();
}
