//! A store in memory that counts its requests: for tests, and for `--dry-run` of a cluster that is nowhere yet.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use super::store::{Blob, Entry, Etag, Fetched, Level, Precondition, PutError, Store};
use crate::error::Result;

/// Objects in memory. Versions are named by content, as S3 does for plain objects.
#[derive(Debug, Default)]
pub struct Memory {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    objects: BTreeMap<String, Vec<u8>>,
    counts: BTreeMap<&'static str, u64>,
}

impl Memory {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// The number of requests so far, by operation (`get`, `put`, `delete`, `list`).
    pub fn counts(&self) -> BTreeMap<&'static str, u64> {
        self.lock().counts.clone()
    }

    /// Starts counting anew.
    pub fn reset_counts(&self) {
        self.lock().counts.clear();
    }

    /// All keys, ascending.
    pub fn keys(&self) -> Vec<String> {
        self.lock().objects.keys().cloned().collect()
    }

    fn counted(&self, operation: &'static str) -> MutexGuard<'_, Inner> {
        let mut inner = self.lock();
        *inner.counts.entry(operation).or_default() += 1;
        inner
    }

    /// A panic in a test that held the lock leaves whole objects behind, never half of one.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn holds(&self, key: &str, when: &Precondition) -> bool {
        let found = self.objects.get(key);
        match when {
            Precondition::None => true,
            Precondition::Absent => found.is_none(),
            Precondition::Match(etag) => found.is_some_and(|bytes| Etag::of_content(bytes) == *etag),
        }
    }
}

#[async_trait]
impl Store for Memory {
    async fn get(&self, key: &str) -> Result<Option<Blob>> {
        let inner = self.counted("get");
        Ok(inner.objects.get(key).map(|bytes| Blob { bytes: bytes.clone(), etag: Etag::of_content(bytes) }))
    }

    async fn get_if_changed(&self, key: &str, known: &Etag) -> Result<Fetched> {
        Ok(match self.get(key).await? {
            None => Fetched::Missing,
            Some(blob) if blob.etag == *known => Fetched::Unchanged,
            Some(blob) => Fetched::Changed(blob),
        })
    }

    async fn put(&self, key: &str, bytes: &[u8], when: Precondition) -> Result<Etag, PutError> {
        let mut inner = self.counted("put");
        if !inner.holds(key, &when) {
            return Err(PutError::Conflict);
        }
        inner.objects.insert(key.into(), bytes.into());
        Ok(Etag::of_content(bytes))
    }

    async fn delete(&self, key: &str, when: Precondition) -> Result<(), PutError> {
        let mut inner = self.counted("delete");
        if inner.objects.contains_key(key) && !inner.holds(key, &when) {
            return Err(PutError::Conflict);
        }
        inner.objects.remove(key);
        Ok(())
    }

    async fn list(&self, prefix: &str, start_after: Option<&str>) -> Result<Vec<Entry>> {
        let inner = self.counted("list");
        let after = |key: &str| start_after.is_none_or(|s| key > s);
        let found = inner.objects.iter().filter(|(key, _)| key.starts_with(prefix) && after(key));
        Ok(found
            .map(|(key, bytes)| Entry { key: key.clone(), etag: Etag::of_content(bytes), size: bytes.len() as u64 })
            .collect())
    }

    async fn list_level(&self, prefix: &str, start_after: Option<&str>) -> Result<Level> {
        Ok(Level::of(prefix, self.list(prefix, start_after).await?))
    }

    async fn remove_tree(&self, prefix: &str) -> Result<u64> {
        let mut inner = self.counted("remove_tree");
        let before = inner.objects.len();
        inner.objects.retain(|key, _| !key.starts_with(prefix));
        Ok((before - inner.objects.len()) as u64)
    }

    fn describe(&self) -> String {
        "memory".into()
    }
}
