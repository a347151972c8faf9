//! The cloud as the rest of kspot sees it: observe everything of a cluster, create, update, delete one resource.
//!
//! [`aws`] is the real one, [`memory`] a faithful stand-in with injectable failures for tests and properties. No AWS
//! SDK type crosses this boundary.

pub mod aws;
pub mod memory;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::resource::{Addr, Changed, Created, Found, Kind, Ref, Resource};

/// Facts that AWS assigned to a resource and that others need, such as `dns-name`.
pub type Attrs = BTreeMap<String, String>;

/// One resource as it is, in the type that the model builds.
#[derive(Clone, Debug, PartialEq)]
pub struct Observed {
    /// What other AWS calls refer to it by.
    pub id: String,
    /// Facts that AWS assigned.
    pub attrs: Attrs,
    /// The normalised value, with references by address.
    pub resource: Resource,
}

impl Observed {
    /// The same, with the typed resource a kind's own code works on.
    pub fn found<R>(&self, name: &str, resource: R) -> Found<R> {
        Found { name: name.to_owned(), id: self.id.clone(), attrs: self.attrs.clone(), resource }
    }
}

/// Everything that exists and is the cluster's.
pub type Live = BTreeMap<Addr, Observed>;

/// What a sweep looks for: the cluster, and the names under which untaggable things of it can be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scope {
    /// The cluster's name.
    pub cluster: String,
    /// Tag keys beyond kspot's own that the specs (now, or when last applied) set: cloud labels.
    pub labels: BTreeSet<String>,
    /// Names to look for where a service has no tag filter.
    pub candidates: BTreeMap<String, BTreeSet<String>>,
}

impl Scope {
    /// A scope with the cluster's name alone.
    pub fn of(cluster: impl Into<String>) -> Self {
        Scope { cluster: cluster.into(), ..Scope::default() }
    }

    /// The names to look for of a kind that has no tag filter.
    pub fn names(&self, kind: Kind) -> impl Iterator<Item = &str> {
        self.candidates.get(kind.as_str()).into_iter().flatten().map(String::as_str)
    }

    /// Adds names to look for.
    pub fn add(&mut self, kind: Kind, names: impl IntoIterator<Item = String>) {
        self.candidates.entry(kind.as_str().to_owned()).or_default().extend(names);
    }

    /// Both scopes together.
    #[must_use]
    pub fn union(mut self, other: Scope) -> Self {
        self.labels.extend(other.labels);
        for (kind, names) in other.candidates {
            self.candidates.entry(kind).or_default().extend(names);
        }
        self
    }
}

/// Resolves addresses to ids while an apply runs: filled from what is live, then by each create.
#[derive(Clone, Debug, Default)]
pub struct Ids(Arc<Mutex<BTreeMap<Addr, Created>>>);

impl Ids {
    /// Everything that is live.
    pub fn of(live: &Live) -> Self {
        let map = live.iter().map(|(a, o)| (a.clone(), Created { id: o.id.clone(), attrs: o.attrs.clone() })).collect();
        Ids(Arc::new(Mutex::new(map)))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<Addr, Created>> {
        // The map is only ever inserted into or removed from: a panic elsewhere can't leave it half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records what a create gave.
    pub fn insert(&self, addr: Addr, created: Created) {
        self.lock().insert(addr, created);
    }

    /// Adds attributes that an update gave.
    pub fn extend(&self, addr: &Addr, attrs: Attrs) {
        if let Some(c) = self.lock().get_mut(addr) {
            c.attrs.extend(attrs);
        }
    }

    /// Forgets what was deleted.
    pub fn remove(&self, addr: &Addr) {
        self.lock().remove(addr);
    }

    /// The id that a reference stands for.
    pub fn id(&self, reference: &Ref) -> Result<String> {
        match reference {
            Ref::Id(id) => Ok(id.clone()),
            Ref::Addr(a) => self.get(a).map(|c| c.id).ok_or_else(|| Error::failed(format!("{a} does not exist yet"))),
        }
    }

    /// An attribute of an owned resource.
    pub fn attr(&self, reference: &Ref, name: &str) -> Result<String> {
        let missing = || Error::failed(format!("{reference} has no {name} yet"));
        let addr = reference.addr().ok_or_else(missing)?;
        self.get(addr).and_then(|c| c.attrs.get(name).cloned()).ok_or_else(missing)
    }

    fn get(&self, addr: &Addr) -> Option<Created> {
        self.lock().get(addr).cloned()
    }
}

/// What an apply needs of a cloud.
#[async_trait]
pub trait Cloud: Send + Sync {
    /// Everything of the cluster, in a few paged sweeps.
    async fn observe(&self, scope: &Scope) -> Result<Live>;

    /// Makes a resource. Safe to repeat after a lost answer.
    async fn create(&self, addr: &Addr, desired: &Resource, ids: &Ids) -> Result<Created>;

    /// Changes a live resource in place.
    async fn update(&self, addr: &Addr, change: Update<'_>, ids: &Ids) -> Result<Attrs>;

    /// Deletes a live resource; one that is gone is fine.
    async fn delete(&self, addr: &Addr, live: &Observed, ids: &Ids) -> Result<()>;
}

/// The three things an in-place change is made of.
#[derive(Clone, Copy, Debug)]
pub struct Update<'a> {
    /// As it is.
    pub live: &'a Observed,
    /// As it shall be.
    pub desired: &'a Resource,
    /// The top-level fields that differ.
    pub changed: &'a Changed,
}
