//! A cloud in memory: keeps the rules that order matters by (nothing can refer to what does not exist, nothing that is
//! referred to can go), and fails where a test tells it to. What it proves is the logic of plan and apply, not AWS.

use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;

use super::{Attrs, Cloud, Ids, Live, Observed, Scope, Update};
use crate::error::{Error, Result};
use crate::resource::{Addr, Created, Ref, ReplaceOrder, Resource, reference};

/// What happens to the n-th mutating call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The call is refused and has no effect.
    Refuse,
    /// The call takes effect, but the caller gets an error.
    LoseAnswer,
}

/// The in-memory cloud.
#[derive(Debug, Default)]
pub struct MemoryCloud {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    live: Live,
    next_id: u64,
    calls: usize,
    faults: Vec<(usize, Fault)>,
    log: Vec<String>,
}

impl MemoryCloud {
    /// An empty cloud.
    pub fn new() -> Self {
        MemoryCloud::default()
    }

    /// Makes the `n`-th mutating call from now on (the first is 0) fail.
    #[must_use]
    pub fn failing(self, n: usize, fault: Fault) -> Self {
        {
            let mut s = self.lock();
            let at = s.calls + n;
            s.faults.push((at, fault));
        }
        self
    }

    /// Forgets the faults that are still to come.
    pub fn heal(&self) {
        self.lock().faults.clear();
    }

    /// Everything that exists.
    pub fn live(&self) -> Live {
        self.lock().live.clone()
    }

    /// The mutating calls so far, each as `verb address`.
    pub fn log(&self) -> Vec<String> {
        self.lock().log.clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs one mutating call under the faults that were asked for.
    fn mutate<T>(&self, verb: &str, addr: &Addr, work: impl FnOnce(&mut State) -> Result<T>) -> Result<T> {
        let mut s = self.lock();
        let n = s.calls;
        s.calls += 1;
        s.log.push(format!("{verb} {addr}"));
        let fault = s.faults.iter().find(|(at, _)| *at == n).map(|(_, f)| *f);
        if fault == Some(Fault::Refuse) {
            return Err(Error::failed(format!("{verb} {addr}: injected failure")));
        }
        let done = work(&mut s)?;
        match fault {
            Some(Fault::LoseAnswer) => Err(Error::failed(format!("{verb} {addr}: the answer was lost"))),
            _ => Ok(done),
        }
    }
}

fn check_references(live: &Live, addr: &Addr, resource: &Resource, ids: &Ids) -> Result<()> {
    for target in resource.references() {
        if !live.contains_key(&target) {
            return Err(Error::failed(format!("{addr} refers to {target}, which does not exist")));
        }
        ids.id(&Ref::Addr(target))?;
    }
    Ok(())
}

/// Two things of one name can stand beside each other only where a replacement is created first: then the old one is
/// known by its id from now on, and what referred to it still does.
fn make_room(live: &mut Live, addr: &Addr) -> Result<()> {
    let Some(old) = live.get(addr).map(|o| o.id.clone()) else { return Ok(()) };
    if addr.kind.rules().replace == ReplaceOrder::DeleteFirst {
        return Err(Error::failed(format!("{addr} exists already")));
    }
    let aside = Addr::new(addr.kind, format!("{} ({old})", addr.name));
    let renamed = |id: &str| (id == addr.to_string()).then(|| aside.clone());
    for observed in live.values_mut() {
        let mut value = observed.resource.to_value();
        reference::rename(&mut value, &renamed);
        if let Ok(resource) = Resource::from_value(observed.resource.kind(), value) {
            observed.resource = resource;
        }
    }
    if let Some(observed) = live.remove(addr) {
        live.insert(aside, observed);
    }
    Ok(())
}

#[async_trait]
impl Cloud for MemoryCloud {
    async fn observe(&self, _scope: &Scope) -> Result<Live> {
        Ok(self.live())
    }

    async fn create(&self, addr: &Addr, desired: &Resource, ids: &Ids) -> Result<Created> {
        self.mutate("create", addr, |s| {
            check_references(&s.live, addr, desired, ids)?;
            make_room(&mut s.live, addr)?;
            s.next_id += 1;
            let id = format!("{}-{:08x}", addr.kind, s.next_id);
            let observed = Observed { id: id.clone(), attrs: Attrs::new(), resource: desired.clone() };
            s.live.insert(addr.clone(), observed);
            Ok(Created { id, attrs: Attrs::new() })
        })
    }

    async fn update(&self, addr: &Addr, change: Update<'_>, ids: &Ids) -> Result<Attrs> {
        self.mutate("update", addr, |s| {
            check_references(&s.live, addr, change.desired, ids)?;
            let live = s.live.get_mut(addr).ok_or_else(|| Error::failed(format!("{addr} does not exist")))?;
            live.resource = change.desired.clone();
            Ok(Attrs::new())
        })
    }

    async fn delete(&self, addr: &Addr, live: &Observed, _ids: &Ids) -> Result<()> {
        self.mutate("delete", addr, |s| {
            let Some(old) = s.live.iter().find(|(_, o)| o.id == live.id).map(|(a, _)| a.clone()) else { return Ok(()) };
            let user = s.live.iter().find(|(a, o)| **a != old && o.resource.references().contains(&old));
            if let Some((user, _)) = user {
                return Err(Error::failed(format!("{addr} is still used by {user}")));
            }
            s.live.remove(&old);
            Ok(())
        })
    }
}
