//! Nodes and critical pods, listed once and then kept up to date by watches.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::StreamExt;
use kube::api::Api;
use kube::runtime::WatchStreamExt;
use kube::runtime::utils::Backoff;
use kube::runtime::watcher::{Config, Error as WatchError, Event, watcher};
use kube::{Client, ResourceExt};
use tokio::sync::Notify;
use tokio::task::JoinSet;

use super::seen::{Object, Watched};
use crate::validate::view::{Node, Pod};

/// The first pause after a failure; the longest is sixteen times that.
const FIRST: Duration = Duration::from_millis(300);

/// Nodes and critical pods as they are now. The watches end with this value.
#[derive(Debug)]
pub struct Watch {
    nodes: Mirror<Node>,
    pods: Mirror<Pod>,
    changed: Arc<Notify>,
    _tasks: JoinSet<()>,
}

impl Watch {
    /// Begins to list and to watch.
    pub fn start(client: &Client) -> Self {
        let changed = Arc::new(Notify::new());
        let (nodes, pods) = (Mirror::default(), Mirror::default());
        let mut tasks = JoinSet::new();
        tasks.spawn(follow::<Node>(client.clone(), nodes.clone(), Arc::clone(&changed)));
        tasks.spawn(follow::<Pod>(client.clone(), pods.clone(), Arc::clone(&changed)));
        Watch { nodes, pods, changed, _tasks: tasks }
    }

    /// Returns when something changed since the last call.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }

    /// The nodes and the critical pods; waits until both are listed. An error is what keeps them from being listed.
    pub async fn seen(&self) -> Result<(Vec<Node>, Vec<Pod>), Arc<kube::Error>> {
        tokio::try_join!(self.nodes.all(), self.pods.all())
    }
}

/// The objects of one kind.
#[derive(Debug)]
struct Mirror<T>(Arc<Inner<T>>);

#[derive(Debug)]
struct Inner<T> {
    state: Mutex<State<T>>,
    news: Notify,
}

#[derive(Debug)]
struct State<T> {
    objects: BTreeMap<Key, T>,
    /// The objects of a listing that is under way.
    listing: BTreeMap<Key, T>,
    listed: bool,
    error: Option<Arc<kube::Error>>,
}

type Key = (String, String);

impl<T> Clone for Mirror<T> {
    fn clone(&self) -> Self {
        Mirror(Arc::clone(&self.0))
    }
}

impl<T> Default for Mirror<T> {
    fn default() -> Self {
        let state = State { objects: BTreeMap::new(), listing: BTreeMap::new(), listed: false, error: None };
        Mirror(Arc::new(Inner { state: Mutex::new(state), news: Notify::new() }))
    }
}

/// What the watch of a kind tells.
type Told<T> = Result<Event<Object<<T as Watched>::Spec, <T as Watched>::Status>>, WatchError>;

impl<T: Watched> Mirror<T> {
    fn state(&self) -> MutexGuard<'_, State<T>> {
        // Every statement leaves the state whole: a panic elsewhere can't have left it half changed.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes an event in. True if somebody may want to look again.
    fn take(&self, event: Told<T>) -> bool {
        let mut state = self.state();
        let key = |object: &Object<T::Spec, T::Status>| (object.namespace().unwrap_or_default(), object.name_any());
        let event = match event {
            Ok(event) => event,
            Err(WatchError::InitialListFailed(e) | WatchError::WatchStartFailed(e)) => {
                state.error = Some(Arc::new(e));
                return true;
            }
            // A watch that ends is begun again; what it told stays true until it, or a new listing, says otherwise.
            Err(_) => return false,
        };
        state.error = None;
        match event {
            Event::Init => state.listing.clear(),
            Event::InitApply(object) => {
                if let Some(kept) = T::keep(&object) {
                    state.listing.insert(key(&object), kept);
                }
            }
            Event::InitDone => {
                state.objects = std::mem::take(&mut state.listing);
                state.listed = true;
                return true;
            }
            Event::Apply(object) => match T::keep(&object) {
                Some(kept) => return state.objects.insert(key(&object), kept.clone()) != Some(kept),
                None => return state.objects.remove(&key(&object)).is_some(),
            },
            Event::Delete(object) => return state.objects.remove(&key(&object)).is_some(),
        }
        false
    }

    /// All objects, once they are listed; or what keeps them from being.
    async fn all(&self) -> Result<Vec<T>, Arc<kube::Error>> {
        loop {
            {
                let state = self.state();
                if let Some(e) = &state.error {
                    return Err(Arc::clone(e));
                }
                if state.listed {
                    return Ok(state.objects.values().cloned().collect());
                }
            }
            // One that came since is kept for whoever asks next, and only one asks at a time.
            self.0.news.notified().await;
        }
    }
}

/// Lists and watches until it is stopped.
async fn follow<T: Watched>(client: Client, mirror: Mirror<T>, changed: Arc<Notify>) {
    let api = Api::<Object<T::Spec, T::Status>>::all_with(client, &T::resource());
    let mut events = watcher(api, Config::default().page_size(T::PAGE)).backoff(Pauses::default()).boxed();
    while let Some(event) = events.next().await {
        if mirror.take(event) {
            mirror.0.news.notify_one();
            changed.notify_one();
        }
    }
}

/// Pauses between attempts: short ones, since somebody waits for the API to come up.
#[derive(Default)]
struct Pauses(u32);

impl Iterator for Pauses {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let pause = FIRST * 2u32.pow(self.0.min(4));
        self.0 += 1;
        Some(pause)
    }
}

impl Backoff for Pauses {
    fn reset(&mut self) {
        self.0 = 0;
    }
}
