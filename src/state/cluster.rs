//! One cluster's place in a store, and the list of clusters.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;

use futures::{StreamExt, TryStreamExt};

use super::layout::{Keys, SpecPath};
use super::store::Store;
use crate::error::{Error, Result, did_you_mean};

/// How many requests are sent at once when there are many to send.
pub(super) const AT_ONCE: usize = 16;

/// Sends many requests, a bounded number at once; gives their answers in order, or the first error.
///
/// It takes the requests themselves, not a lazy iterator: a closure over references that is kept across an await would
/// make the whole future unfit for a task of its own.
pub(super) async fn all<T, F: Future<Output = Result<T>>>(requests: Vec<F>) -> Result<Vec<T>> {
    futures::stream::iter(requests).buffered(AT_ONCE).try_collect().await
}

/// One cluster in a store: its specs, history, lock and records. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ClusterStore {
    pub(super) store: Arc<dyn Store>,
    pub(super) keys: Keys,
}

impl ClusterStore {
    /// The place of the cluster with this name, whether it exists or not; sends nothing.
    pub fn new(store: Arc<dyn Store>, cluster: &str) -> Result<Self> {
        Ok(ClusterStore { store, keys: Keys::of(cluster)? })
    }

    /// The cluster's name.
    pub fn name(&self) -> &str {
        self.keys.cluster()
    }

    /// The keys of the cluster's objects.
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// The store that the cluster is in.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// Deletes everything that the store holds of the cluster: specs, history, keys, lock, with all old versions.
    /// Gives the number of objects and versions removed.
    pub async fn delete(&self) -> Result<u64> {
        self.store.remove_tree(&self.keys.root()).await
    }

    /// The error for a cluster that is not there, with the name that was probably meant.
    pub(super) async fn unknown(&self) -> Error {
        let place = self.store.describe();
        let error = Error::failed(format!("cluster {} does not exist in {place}", self.name()));
        match names(&*self.store).await {
            Ok(names) => match did_you_mean(self.name(), names.iter().map(String::as_str)) {
                Some(near) if near != self.name() => error.hint(format!("did you mean {near}?")),
                _ => error.hint("kspot get clusters"),
            },
            Err(e) => e,
        }
    }
}

/// The names in the first level of a store, with one listing; nearly always clusters. [`configs`] is sure.
pub async fn names(store: &dyn Store) -> Result<Vec<String>> {
    let level = store.list_level("", None).await?;
    let names = level.prefixes.iter().map(|prefix| prefix.trim_end_matches('/'));
    Ok(names.filter(|name| Keys::of(name).is_ok()).map(str::to_owned).collect())
}

/// The clusters' own specs by name: every name of the first level that has a `config`.
pub async fn configs(store: &dyn Store) -> Result<BTreeMap<String, String>> {
    let read = names(store).await?.into_iter().map(|name| async move {
        let key = Keys::of(&name)?.spec(&SpecPath::Cluster);
        let text = store.get(&key).await?.map(|blob| blob.text(&key)).transpose()?;
        Ok::<_, Error>(text.map(|text| (name, text)))
    });
    Ok(all(read.collect()).await?.into_iter().flatten().collect())
}
