//! The history of a cluster's specs: revisions in one line, each naming the text of every spec by its sha256.

use std::collections::BTreeMap;

use futures::{StreamExt, TryStreamExt};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::cluster::{AT_ONCE, ClusterStore, all};
use super::layout::SpecPath;
use super::schema;
use crate::digest::sha256;
use crate::error::{Error, Result};

/// The author of a revision that records what somebody changed without kspot.
pub const OUTSIDE_EDIT: &str = "outside edit";

/// The texts of a cluster's specs.
pub type Texts = BTreeMap<SpecPath, String>;

/// One recorded state of all specs of a cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Revision {
    /// The version of this document, see [`schema`].
    pub schema: u32,
    /// 1 for the first, then one more each.
    pub number: u64,
    /// Tells two attempts at the same number apart, even with equal content.
    pub id: String,
    /// The revision that this one was made from; none for the first.
    pub parent: Option<u64>,
    /// When it was recorded.
    pub when: Timestamp,
    /// `user@host`, or [`OUTSIDE_EDIT`].
    pub who: String,
    /// Who found the outside edit, as `user@host`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub found_by: Option<String>,
    /// The command that made it.
    pub command: String,
    /// What it is for, in the author's words; may be empty.
    pub message: String,
    /// The version of kspot that wrote it.
    pub version: String,
    /// The sha256 of the text of every spec.
    pub specs: BTreeMap<SpecPath, String>,
}

impl Revision {
    /// True if it records what somebody changed without kspot.
    pub fn is_outside_edit(&self) -> bool {
        self.found_by.is_some()
    }
}

/// The state of a spec in two revisions; `None` where it does not exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpecDiff {
    /// Which spec.
    pub path: SpecPath,
    /// The text before.
    pub old: Option<String>,
    /// The text after.
    pub new: Option<String>,
}

/// One side of a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// Before the first revision.
    Nothing,
    /// A recorded revision.
    Revision(u64),
    /// The specs as they are now, outside edits included.
    Now,
}

impl ClusterStore {
    /// The newest revisions first, at most `limit`; with a group, only those in which that group's spec changed.
    pub async fn history(&self, group: Option<&str>, limit: usize) -> Result<Vec<Revision>> {
        let path = group.map(SpecPath::group).transpose()?;
        let numbers = self.revision_numbers(0).await?;
        if numbers.is_empty() {
            return Err(self.unknown().await);
        }
        let newest_first = futures::stream::iter(numbers.into_iter().rev());
        let mut revisions = newest_first.map(|n| self.revision(n)).buffered(AT_ONCE);
        let mut found = Vec::new();
        let mut newer: Option<Revision> = None;
        let changed = |r: &Revision, parent: Option<&Revision>| {
            path.as_ref().is_none_or(|p| r.specs.get(p) != parent.and_then(|parent| parent.specs.get(p)))
        };
        while found.len() < limit {
            let older = revisions.try_next().await?;
            if let Some(revision) = newer.take().filter(|r| changed(r, older.as_ref())) {
                found.push(revision);
            }
            match older {
                None => break,
                older => newer = older,
            }
        }
        Ok(found)
    }

    /// Reads a revision; an error if there is none of that number.
    pub async fn revision(&self, number: u64) -> Result<Revision> {
        let unreadable = |newer| schema::require_writable(newer, self.name()).err();
        match self.revision_or_schema(number).await? {
            Ok(revision) => Ok(revision),
            Err(newer) => Err(unreadable(newer).unwrap_or_else(|| self.damaged(number))),
        }
    }

    /// Reads a revision; the version of its document instead if that is newer than this kspot knows.
    pub(super) async fn revision_or_schema(&self, number: u64) -> Result<Result<Revision, u32>> {
        let Some(blob) = self.store.get(&self.keys.revision(number)).await? else {
            return Err(Error::failed(format!("cluster {} has no revision {number}", self.name()))
                .hint(format!("kspot history --name {}", self.name())));
        };
        match schema::of_document(&blob.bytes) {
            Some(newer) if newer > schema::CURRENT => Ok(Err(newer)),
            _ => serde_json::from_slice(&blob.bytes).map(Ok).map_err(|e| self.damaged(number).because(e)),
        }
    }

    fn damaged(&self, number: u64) -> Error {
        Error::failed(format!("revision {number} of cluster {} is damaged", self.name()))
    }

    /// The texts of all specs in a revision.
    pub async fn texts(&self, revision: &Revision) -> Result<Texts> {
        let read = revision.specs.iter().map(|(path, sha)| async { Ok((path.clone(), self.text(sha).await?)) });
        Ok(all(read.collect()).await?.into_iter().collect())
    }

    /// What differs between two states, by path; only texts that differ are read from the history.
    pub async fn diff(&self, from: At, to: At) -> Result<Vec<SpecDiff>> {
        let (from, to) = futures::try_join!(self.side(from), self.side(to))?;
        let mut paths: Vec<&SpecPath> = from.specs.keys().chain(to.specs.keys()).collect();
        paths.sort();
        paths.dedup();
        let differing = paths.into_iter().filter(|p| from.specs.get(*p) != to.specs.get(*p));
        let read = differing.map(|path| async {
            let (old, new) = futures::try_join!(self.side_text(&from, path), self.side_text(&to, path))?;
            Ok(SpecDiff { path: path.clone(), old, new })
        });
        all(read.collect()).await
    }

    /// The numbers of all revisions above `after`, ascending, with one listing.
    pub(super) async fn revision_numbers(&self, after: u64) -> Result<Vec<u64>> {
        let start = (after > 0).then(|| self.keys.revision(after));
        let level = self.store.list_level(&self.keys.history(), start.as_deref()).await?;
        Ok(level.entries.iter().filter_map(|entry| self.keys.revision_of(&entry.key)).collect())
    }

    /// A text that a revision names.
    pub(super) async fn text(&self, sha: &str) -> Result<String> {
        let key = self.keys.object(sha);
        let damaged = |what| Error::failed(format!("{key} in {} is {what}", self.store.describe()));
        let blob = self.store.get(&key).await?.ok_or_else(|| damaged("missing"))?;
        if sha256(&blob.bytes) != sha {
            return Err(damaged("damaged"));
        }
        blob.text(&key)
    }

    async fn side(&self, at: At) -> Result<Side> {
        match at {
            At::Nothing => Ok(Side { specs: BTreeMap::new(), texts: None }),
            At::Revision(n) => Ok(Side { specs: self.revision(n).await?.specs, texts: None }),
            At::Now => {
                let texts = self.read().await?.texts;
                let specs = texts.iter().map(|(path, text)| (path.clone(), sha256(text.as_bytes()))).collect();
                Ok(Side { specs, texts: Some(texts) })
            }
        }
    }

    async fn side_text(&self, side: &Side, path: &SpecPath) -> Result<Option<String>> {
        match (&side.texts, side.specs.get(path)) {
            (Some(texts), _) => Ok(texts.get(path).cloned()),
            (None, Some(sha)) => self.text(sha).await.map(Some),
            (None, None) => Ok(None),
        }
    }
}

struct Side {
    specs: BTreeMap<SpecPath, String>,
    texts: Option<Texts>,
}
