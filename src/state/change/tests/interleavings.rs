//! Writers that run interleaved in every order and die at any request: no recorded edit is lost, the history is one
//! line, and nobody mistakes a half-done change for an outside edit.

use std::future::Future;
use std::pin::Pin;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context as Poller, Poll, Waker};

use async_trait::async_trait;
use futures::channel::oneshot;
use proptest::prelude::*;

use super::*;
use crate::state::store::{Blob, Entry, Etag, Fetched, Level};

/// A store whose every request waits for its turn; of several sent at once any may be the first.
#[derive(Debug)]
struct InTurns {
    inner: Arc<Memory>,
    waiting: Mutex<Vec<oneshot::Sender<()>>>,
    done: AtomicUsize,
}

impl InTurns {
    async fn turn(&self) -> &Memory {
        let (go, wait) = oneshot::channel();
        self.waiting.lock().unwrap().push(go);
        wait.await.unwrap();
        self.done.fetch_add(1, Ordering::Relaxed);
        &self.inner
    }

    fn grant(&self, pick: usize) {
        let mut waiting = self.waiting.lock().unwrap();
        if !waiting.is_empty() {
            let n = pick % waiting.len();
            waiting.swap_remove(n).send(()).unwrap();
        }
    }
}

#[async_trait]
impl Store for InTurns {
    async fn get(&self, key: &str) -> Result<Option<Blob>> {
        self.turn().await.get(key).await
    }
    async fn get_if_changed(&self, key: &str, known: &Etag) -> Result<Fetched> {
        self.turn().await.get_if_changed(key, known).await
    }
    async fn put(&self, key: &str, bytes: &[u8], when: Precondition) -> Result<Etag, PutError> {
        self.turn().await.put(key, bytes, when).await
    }
    async fn delete(&self, key: &str, when: Precondition) -> Result<(), PutError> {
        self.turn().await.delete(key, when).await
    }
    async fn list(&self, prefix: &str, start_after: Option<&str>) -> Result<Vec<Entry>> {
        self.turn().await.list(prefix, start_after).await
    }
    async fn list_level(&self, prefix: &str, start_after: Option<&str>) -> Result<Level> {
        self.turn().await.list_level(prefix, start_after).await
    }
    async fn remove_tree(&self, prefix: &str) -> Result<u64> {
        self.turn().await.remove_tree(prefix).await
    }
    fn describe(&self) -> String {
        self.inner.describe()
    }
}

/// What one writer does: adds its mark to some specs, makes a group, or deletes one.
#[derive(Clone, Debug)]
enum Edit {
    Mark(Vec<SpecPath>),
    Make,
    Delete(SpecPath),
}

fn mark(writer: usize) -> String {
    format!("mark: {writer}\n")
}

fn apply(edit: &Edit, writer: usize, specs: &mut Texts) {
    match edit {
        Edit::Mark(paths) => {
            for path in paths {
                if let Some(text) = specs.get_mut(path) {
                    text.push_str(&mark(writer));
                }
            }
        }
        Edit::Make => drop(specs.insert(group(&format!("made-{writer}")), mark(writer))),
        Edit::Delete(path) => drop(specs.remove(path)),
    }
}

/// One edit of every writer, the request after which it dies (if any), and an order of turns.
#[derive(Clone, Debug)]
struct Plan {
    writers: Vec<(Edit, Option<usize>)>,
    by_hand: Option<(usize, SpecPath)>,
    turns: Vec<u8>,
    indexed: bool,
}

fn any_path() -> impl Strategy<Value = SpecPath> {
    prop_oneof![Just(SpecPath::Cluster), Just(group("a")), Just(group("b"))]
}

fn any_edit() -> impl Strategy<Value = Edit> {
    prop_oneof![
        4 => proptest::collection::vec(any_path(), 1..3).prop_map(|mut paths| {
            paths.sort();
            paths.dedup();
            Edit::Mark(paths)
        }),
        1 => Just(Edit::Make),
        1 => prop_oneof![Just(group("a")), Just(group("b"))].prop_map(Edit::Delete),
    ]
}

fn any_plan() -> impl Strategy<Value = Plan> {
    let writer = (any_edit(), proptest::option::of(0_usize..24));
    (
        proptest::collection::vec(writer, 2..5),
        proptest::option::weighted(0.3, (0_usize..60, any_path())),
        proptest::collection::vec(any::<u8>(), 40..160),
        any::<bool>(),
    )
        .prop_map(|(writers, by_hand, turns, indexed)| Plan { writers, by_hand, turns, indexed })
}

/// What each writer got (nothing if it died), and whether the edit by hand had its turn.
type Results = (Vec<Option<Result<Changed<()>>>>, bool);

type Running<'a> = Pin<Box<dyn Future<Output = Result<Changed<()>>> + 'a>>;

struct Writer<'a> {
    gate: Arc<InTurns>,
    run: Option<Running<'a>>,
    dies_after: Option<usize>,
    result: Option<Result<Changed<()>>>,
}

impl Writer<'_> {
    /// Lets one request through. A writer that has used up its life is dropped, as by `kill -9`.
    fn turn(&mut self, pick: usize) {
        let Some(run) = &mut self.run else { return };
        if self.dies_after.is_some_and(|life| self.gate.done.load(Ordering::Relaxed) >= life) {
            self.run = None;
            return;
        }
        self.gate.grant(pick);
        if let Poll::Ready(result) = run.as_mut().poll(&mut Poller::from_waker(Waker::noop())) {
            self.result = Some(result);
            self.run = None;
        }
    }
}

/// Runs the writers in the plan's order, later round robin to the end.
fn run(plan: &Plan, bed: &Bed) -> Results {
    let contexts: Vec<Context> = (0..plan.writers.len()).map(|n| context(&format!("writer-{n}"))).collect();
    let mut writers: Vec<Writer<'_>> = plan
        .writers
        .iter()
        .zip(&contexts)
        .enumerate()
        .map(|(n, ((edit, dies_after), ctx))| {
            let gate = Arc::new(InTurns {
                inner: bed.memory.clone(),
                waiting: Mutex::new(Vec::new()),
                done: AtomicUsize::new(0),
            });
            let cluster = ClusterStore::new(gate.clone(), "c").unwrap();
            let run: Running<'_> = Box::pin(async move {
                let intent = Intent { ctx, command: "set", message: "" };
                let edit = |specs: &mut Texts| {
                    apply(edit, n, specs);
                    Ok(())
                };
                cluster.change(&intent, edit).await
            });
            Writer { gate, run: Some(run), dies_after: *dies_after, result: None }
        })
        .collect();
    let mut turns = plan.turns.iter().map(|t| usize::from(*t)).chain(0..);
    let (mut taken, mut edited) = (0, false);
    while writers.iter().any(|w| w.run.is_some()) {
        if let Some((at, path)) = &plan.by_hand
            && *at == taken
        {
            futures::executor::block_on(bed.by_hand(path, "by hand\n"));
            edited = true;
        }
        let turn = turns.next().unwrap();
        let (n, pick) = (turn % writers.len(), turn / writers.len());
        writers[n].turn(pick);
        taken += 1;
        assert!(taken < 20_000, "a writer never ends");
    }
    (writers.into_iter().map(|w| w.result).collect(), edited)
}

async fn check(plan: &Plan, bed: &Bed, (results, edited): Results) {
    // The next writer puts everything in order.
    let settled = bed.set(group("last"), "last\n").await.unwrap();
    let mut history = bed.cluster.history(None, 100).await.unwrap();
    history.reverse();
    let numbers: Vec<u64> = history.iter().map(|r| r.number).collect();
    assert_eq!(numbers, (1..=history.len() as u64).collect::<Vec<_>>(), "one line");
    for (n, result) in results.iter().enumerate() {
        let recorded = history.iter().filter(|r| r.who == format!("writer-{n}@desk")).count();
        match result {
            Some(Ok(done)) => assert_eq!(recorded, usize::from(done.revision.is_some()), "writer {n}"),
            Some(Err(e)) if plan.by_hand.is_none() => {
                assert_eq!(e.kind(), Kind::Conflict, "{e}");
                assert_eq!(recorded, 0, "writer {n} was told it lost");
            }
            Some(Err(e)) => assert_eq!(e.kind(), Kind::Conflict, "{e}"),
            None => assert!(recorded <= 1, "writer {n}"),
        }
    }
    let mut by_hand_seen = false;
    for pair in history.windows(2) {
        assert_eq!(pair[1].parent, Some(pair[0].number));
        let old = bed.cluster.texts(&pair[0]).await.unwrap();
        let new = bed.cluster.texts(&pair[1]).await.unwrap();
        if pair[1].is_outside_edit() {
            let (_, path) = plan.by_hand.as_ref().expect("nobody edited by hand");
            assert_eq!(new[path], "by hand\n");
            let others =
                |t: &Texts| t.iter().filter(|(p, _)| *p != path).map(|(p, t)| (p.clone(), t.clone())).collect();
            let (old, new): (Texts, Texts) = (others(&old), others(&new));
            assert_eq!(old, new, "an outside edit takes nothing else with it");
            by_hand_seen = true;
        } else if let Some(n) = (0..plan.writers.len()).find(|n| pair[1].who == format!("writer-{n}@desk")) {
            let mut wanted = old.clone();
            apply(&plan.writers[n].0, n, &mut wanted);
            assert_eq!(new, wanted, "revision {} is its parent and writer {n}'s edit", pair[1].number);
        }
    }
    let head = bed.cluster.texts(history.last().unwrap()).await.unwrap();
    assert_eq!(settled.texts, head);
    for (path, text) in &head {
        assert_eq!(bed.copy(path).await.as_ref(), Some(text), "{path} is in place");
    }
    assert_eq!(by_hand_seen, edited, "an outside edit is recorded");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    /// Whatever the order of requests and whoever dies when: see the module.
    #[test]
    fn no_recorded_edit_is_lost(plan in any_plan()) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let bed = Bed::new(&["a", "b"]).await;
            if !plan.indexed {
                bed.memory.delete(&bed.cluster.keys().index(), Precondition::None).await.unwrap();
            }
            let results = run(&plan, &bed);
            check(&plan, &bed, results).await;
        });
    }
}
