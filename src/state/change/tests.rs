use std::sync::Arc;

use super::*;
use crate::state::history::At;
use crate::state::memory::Memory;
use crate::state::store::Store;

mod interleavings;

fn context(user: &str) -> Context {
    Context::fixed("2026-01-02T03:04:05Z".parse().unwrap(), user, "desk")
}

fn group(name: &str) -> SpecPath {
    SpecPath::group(name).unwrap()
}

fn texts(groups: &[&str]) -> Texts {
    let named = groups.iter().map(|g| (group(g), format!("name: {g}\n")));
    std::iter::once((SpecPath::Cluster, "name: c\n".to_owned())).chain(named).collect()
}

struct Bed {
    memory: Arc<Memory>,
    cluster: ClusterStore,
    ctx: Context,
}

impl Bed {
    async fn new(groups: &[&str]) -> Bed {
        let memory = Arc::new(Memory::new());
        let cluster = ClusterStore::new(memory.clone(), "c").unwrap();
        let bed = Bed { memory, cluster, ctx: context("ann") };
        bed.cluster.create(&bed.intent("create cluster"), texts(groups)).await.unwrap();
        bed
    }

    fn intent<'a>(&'a self, command: &'a str) -> Intent<'a> {
        Intent { ctx: &self.ctx, command, message: "because" }
    }

    async fn set(&self, path: SpecPath, text: &str) -> Result<Changed<()>> {
        let edit = |specs: &mut Texts| {
            specs.insert(path, text.to_owned());
            Ok(())
        };
        self.cluster.change(&self.intent("set"), edit).await
    }

    /// What `aws s3 cp` does.
    async fn by_hand(&self, path: &SpecPath, text: &str) {
        self.memory.put(&self.cluster.keys().spec(path), text.as_bytes(), Precondition::None).await.unwrap();
    }

    async fn copy(&self, path: &SpecPath) -> Option<String> {
        let blob = self.memory.get(&self.cluster.keys().spec(path)).await.unwrap()?;
        Some(String::from_utf8(blob.bytes).unwrap())
    }
}

/// Everything that reads or changes specs can run as a task of its own.
#[tokio::test]
async fn futures_can_be_spawned() {
    let bed = Bed::new(&["nodes"]).await;
    let (cluster, ctx) = (bed.cluster.clone(), bed.ctx.clone());
    let all = async move {
        let intent = Intent { ctx: &ctx, command: "set", message: "" };
        cluster.change(&intent, |specs| Ok(specs.insert(group("more"), String::new()))).await?;
        cluster.rollback(&intent, 1).await?;
        cluster.diff(At::Revision(2), At::Now).await?;
        cluster.lock(&ctx, "update", crate::state::lock::EXPIRY).await?.release().await?;
        crate::state::cluster::configs(&**cluster.store()).await?;
        cluster.history(Some("more"), 10).await
    };
    let numbers: Vec<u64> = tokio::spawn(all).await.unwrap().unwrap().iter().map(|r| r.number).collect();
    assert_eq!(numbers, [3, 2]);
}

/// A change moves the working copies and leaves who, when, why and the parent in the history.
#[tokio::test]
async fn a_change_is_recorded() {
    let bed = Bed::new(&["nodes"]).await;
    let done = bed.set(group("nodes"), "size: 2\n").await.unwrap();
    let revision = done.revision.unwrap();
    assert_eq!((revision.number, revision.parent), (2, Some(1)));
    assert_eq!((revision.who.as_str(), revision.command.as_str()), ("ann@desk", "set"));
    assert_eq!(bed.copy(&group("nodes")).await.unwrap(), "size: 2\n");
    let specs = bed.cluster.read().await.unwrap();
    assert_eq!((specs.revision, specs.outside_edits.len()), (Some(2), 0));
    assert_eq!(specs.texts, done.texts);
    assert_eq!(bed.cluster.revision(2).await.unwrap(), revision);
}

/// A change that changes nothing writes no revision.
#[tokio::test]
async fn no_difference_is_no_revision() {
    let bed = Bed::new(&["nodes"]).await;
    assert_eq!(bed.set(group("nodes"), "name: nodes\n").await.unwrap().revision, None);
    assert_eq!(bed.cluster.history(None, 10).await.unwrap().len(), 1);
}

/// Reading 300 unchanged groups takes at most five requests, and setting one field of one spec at most eight.
#[tokio::test]
async fn requests_do_not_grow_with_groups() {
    let names: Vec<String> = (0..300).map(|n| format!("nodes-{n}")).collect();
    let bed = Bed::new(&names.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let total = || bed.memory.counts().values().sum::<u64>();
    bed.memory.reset_counts();
    assert_eq!(bed.cluster.read().await.unwrap().groups().count(), 300);
    assert!(total() <= 5, "read: {:?}", bed.memory.counts());
    bed.memory.reset_counts();
    bed.set(group("nodes-7"), "size: 2\n").await.unwrap();
    assert!(total() <= 8, "set: {:?}", bed.memory.counts());
    bed.memory.reset_counts();
    bed.by_hand(&group("nodes-8"), "size: 3\n").await;
    bed.cluster.read().await.unwrap();
    assert!(total() <= 12, "read after one outside edit: {:?}", bed.memory.counts());
}

/// An edit made behind kspot's back is in effect at once for readers, who only report it; the next writer records it
/// as a revision of its own and builds on it.
#[tokio::test]
async fn outside_edits_are_honoured_and_recorded() {
    let bed = Bed::new(&["nodes", "spare"]).await;
    bed.by_hand(&group("nodes"), "size: 9\n").await;
    bed.memory.delete(&bed.cluster.keys().spec(&group("spare")), Precondition::None).await.unwrap();
    let before = bed.memory.keys();
    let specs = bed.cluster.read().await.unwrap();
    assert_eq!(specs.outside_edits, [group("nodes"), group("spare")]);
    assert_eq!(specs.groups().collect::<Vec<_>>(), [("nodes", "size: 9\n")]);
    assert_eq!((specs.revision, bed.memory.keys()), (Some(1), before));
    let done = bed.set(SpecPath::Cluster, "name: c\nx: y\n").await.unwrap();
    let outside = done.outside_edit.unwrap();
    assert_eq!((outside.number, outside.who.as_str()), (2, OUTSIDE_EDIT));
    assert_eq!(outside.found_by.as_deref(), Some("ann@desk"));
    assert_eq!(outside.message, "changed without kspot: instancegroup/nodes, instancegroup/spare");
    assert_eq!(done.revision.unwrap().number, 3);
    assert_eq!(bed.copy(&group("nodes")).await.unwrap(), "size: 9\n");
    assert_eq!(bed.cluster.read().await.unwrap().outside_edits, []);
}

/// Putting the text of the parent revision back by hand is an edit like any other, not a move to be finished.
#[tokio::test]
async fn a_revert_by_hand_is_kept() {
    let bed = Bed::new(&["nodes"]).await;
    bed.set(group("nodes"), "size: 2\n").await.unwrap();
    bed.by_hand(&group("nodes"), "name: nodes\n").await;
    assert_eq!(bed.cluster.read().await.unwrap().outside_edits, [group("nodes")]);
    bed.set(SpecPath::Cluster, "x: y\n").await.unwrap();
    assert_eq!(bed.copy(&group("nodes")).await.unwrap(), "name: nodes\n");
}

/// A cluster whose specs were uploaded by hand gets its history with the first change.
#[tokio::test]
async fn a_handmade_cluster_is_adopted() {
    let bed = Bed::new(&[]).await;
    bed.cluster.delete().await.unwrap();
    bed.by_hand(&SpecPath::Cluster, "name: c\n").await;
    assert_eq!(bed.cluster.read().await.unwrap().revision, None);
    let done = bed.set(group("nodes"), "size: 1\n").await.unwrap();
    assert_eq!((done.outside_edit.unwrap().number, done.revision.unwrap().number), (1, 2));
}

/// A damaged or missing index costs requests, not correctness, and the next writer mends it.
#[tokio::test]
async fn the_index_is_only_a_cache() {
    let bed = Bed::new(&["nodes"]).await;
    let wanted = bed.cluster.read().await.unwrap();
    for damage in [b"{\"schema\":1".as_slice(), b"", b"[]"] {
        bed.memory.put(&bed.cluster.keys().index(), damage, Precondition::None).await.unwrap();
        assert_eq!(bed.cluster.read().await.unwrap(), wanted);
    }
    bed.set(group("nodes"), "name: nodes\n").await.unwrap();
    bed.memory.reset_counts();
    bed.cluster.read().await.unwrap();
    assert_eq!(bed.memory.counts().values().sum::<u64>(), 4);
}

/// Going back is a new revision with the old texts; groups made since are gone, groups deleted since are back.
#[tokio::test]
async fn rollback_is_a_new_revision() {
    let bed = Bed::new(&["a", "b"]).await;
    let edit = |specs: &mut Texts| {
        specs.remove(&group("a"));
        specs.insert(group("new"), "n\n".into());
        specs.insert(group("b"), "changed\n".into());
        Ok(())
    };
    bed.cluster.change(&bed.intent("edit"), edit).await.unwrap();
    let diff = bed.cluster.diff(At::Revision(1), At::Now).await.unwrap();
    let shown: Vec<_> = diff.iter().map(|d| (d.path.to_string(), d.old.is_some(), d.new.is_some())).collect();
    let path = |name: &str| format!("instancegroup/{name}");
    assert_eq!(shown, [(path("a"), true, false), (path("b"), true, true), (path("new"), false, true)]);
    let done = bed.cluster.rollback(&bed.intent("rollback 1"), 1).await.unwrap();
    assert_eq!((done.revision.unwrap().number, &done.texts), (3, &texts(&["a", "b"])));
    assert_eq!(bed.cluster.read().await.unwrap().texts, texts(&["a", "b"]));
    assert!(bed.cluster.diff(At::Revision(1), At::Revision(3)).await.unwrap().is_empty());
}

/// The history of a group has only the revisions in which it changed, newest first, and stops at the limit.
#[tokio::test]
async fn history_of_one_group() {
    let bed = Bed::new(&["a", "b"]).await;
    bed.set(group("a"), "2\n").await.unwrap();
    bed.set(group("b"), "3\n").await.unwrap();
    bed.set(group("a"), "4\n").await.unwrap();
    let numbers = async |group: Option<&str>, limit: usize| -> Vec<u64> {
        bed.cluster.history(group, limit).await.unwrap().iter().map(|r| r.number).collect()
    };
    assert_eq!(numbers(None, 10).await, [4, 3, 2, 1]);
    assert_eq!(numbers(None, 2).await, [4, 3]);
    assert_eq!(numbers(Some("a"), 10).await, [4, 2, 1]);
    assert_eq!(numbers(Some("b"), 1).await, [3]);
}

/// A name that is slightly wrong is answered with the right one; a cluster can't be created twice.
#[tokio::test]
async fn wrong_names_are_told() {
    let bed = Bed::new(&[]).await;
    let other = ClusterStore::new(bed.memory.clone(), "cc").unwrap();
    let e = other.read().await.unwrap_err();
    assert_eq!(e.message(), "cluster cc does not exist in memory");
    assert_eq!(e.hints(), ["did you mean c?"]);
    assert!(other.change(&bed.intent("set"), |_| Ok(())).await.unwrap_err().message().contains("does not exist"));
    let e = bed.cluster.create(&bed.intent("create cluster"), texts(&[])).await.unwrap_err();
    assert!(e.message().contains("already exists"), "{e}");
}

/// A history written by a newer kspot can be read, and nothing is written beside it.
#[tokio::test]
async fn a_newer_schema_is_read_only() {
    let bed = Bed::new(&["nodes"]).await;
    let newer = br#"{"schema": 2, "number": "two"}"#;
    bed.memory.put(&bed.cluster.keys().revision(2), newer, Precondition::None).await.unwrap();
    let specs = bed.cluster.read().await.unwrap();
    assert_eq!((specs.texts, specs.revision), (texts(&["nodes"]), Some(2)));
    let before = bed.memory.keys();
    let e = bed.set(group("nodes"), "x\n").await.unwrap_err();
    assert!(e.message().contains("newer kspot"), "{e}");
    assert_eq!(bed.memory.keys(), before);
}

/// The loser of a race writes nothing and learns who won, when and with which command.
#[tokio::test]
async fn the_loser_learns_who_won() {
    let bed = Bed::new(&["nodes"]).await;
    let draft = bed.cluster.draft(&bed.intent("set"), bed.cluster.snapshot().await.unwrap().head.as_ref(), [].into());
    let bob = context("bob");
    let intent = Intent { ctx: &bob, command: "edit ig nodes", message: "" };
    let edit = |specs: &mut Texts| {
        specs.insert(group("nodes"), "bob\n".into());
        Ok(())
    };
    bed.cluster.change(&intent, edit).await.unwrap();
    let e = bed.cluster.commit(draft, None, &Texts::new()).await.unwrap_err();
    assert_eq!(e.kind(), Kind::Conflict);
    let said = "changed by bob@desk at 2026-01-02T03:04:05Z while this command ran (revision 2, `edit ig nodes`)";
    assert!(e.message().contains(said), "{e}");
}
