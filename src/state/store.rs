//! The trait that every state store fulfils: objects under string keys, with conditional writes and deletes.
//!
//! The promises are S3's: a write of one key is atomic, a read after a write sees it, a listing is up to date, and
//! nothing spans two keys. Everything that changes several objects is built above this (see [`super::change`]).

use std::fmt;

use async_trait::async_trait;
use tokio::fs::File;
use tokio::io::{AsyncSeekExt as _, AsyncWriteExt as _};

use crate::digest::sha256;
use crate::error::{Context, Error, Result};

/// The version of an object's content as the store names it. Equal content may have equal etags.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Etag(String);

impl Etag {
    /// Takes the store's name for a version as it is, quotes included.
    pub fn new(etag: impl Into<String>) -> Self {
        Etag(etag.into())
    }

    /// The etag of a store that names versions by their content: its sha256.
    pub fn of_content(bytes: &[u8]) -> Self {
        Etag(sha256(bytes))
    }

    /// The text to send in `If-Match`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// An object's content and the version it was read at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blob {
    /// The content.
    pub bytes: Vec<u8>,
    /// The version of the content.
    pub etag: Etag,
}

impl Blob {
    /// The content as text; an error names the object when it is not UTF-8.
    pub fn text(self, key: &str) -> Result<String> {
        String::from_utf8(self.bytes).map_err(|e| Error::failed(format!("{key} is not UTF-8 text")).because(e))
    }
}

/// What a read found that was asked to send the content only when it differs from a known version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fetched {
    /// There is no such object.
    Missing,
    /// The object still is the known version.
    Unchanged,
    /// The object is another version.
    Changed(Blob),
}

/// What must hold for a write or delete to happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Precondition {
    /// Nothing: overwrite whatever is there.
    None,
    /// No object has this key.
    Absent,
    /// The object is there in exactly this version.
    Match(Etag),
}

/// Why a write or delete did not happen.
#[derive(Debug)]
pub enum PutError {
    /// The precondition does not hold: somebody else wrote first.
    Conflict,
    /// Anything else.
    Failed(Error),
}

impl PutError {
    /// The error to show, given what a lost precondition means here.
    pub fn or_conflict(self, conflict: impl FnOnce() -> Error) -> Error {
        match self {
            PutError::Conflict => conflict(),
            PutError::Failed(e) => e,
        }
    }
}

impl From<Error> for PutError {
    fn from(e: Error) -> Self {
        PutError::Failed(e)
    }
}

/// One object of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The object's key, relative to the store.
    pub key: String,
    /// The version of its content.
    pub etag: Etag,
    /// Its size in bytes.
    pub size: u64,
}

/// One level of the tree of keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Level {
    /// The objects directly below the prefix, ascending by key.
    pub entries: Vec<Entry>,
    /// The prefixes of deeper objects, each ending in `/`, ascending.
    pub prefixes: Vec<String>,
}

impl Level {
    /// Folds a deep listing into the one level below `prefix`.
    pub fn of(prefix: &str, deep: Vec<Entry>) -> Level {
        let mut level = Level::default();
        for entry in deep {
            let rest = entry.key.get(prefix.len()..).unwrap_or_default();
            match rest.split_once('/') {
                None => level.entries.push(entry),
                Some((first, _)) => {
                    let deeper = format!("{prefix}{first}/");
                    if level.prefixes.last() != Some(&deeper) {
                        level.prefixes.push(deeper);
                    }
                }
            }
        }
        level
    }
}

/// A place that holds objects under keys. Keys are relative, their segments are separated by `/`.
#[async_trait]
pub trait Store: Send + Sync + fmt::Debug {
    /// The AWS region that the objects are in, as far as the answers so far have shown.
    fn region(&self) -> Option<String> {
        None
    }

    /// The ARN of the KMS key that the objects are encrypted with, as far as the answers so far have shown.
    fn kms_key(&self) -> Option<String> {
        None
    }

    /// Reads an object; `None` if there is none.
    async fn get(&self, key: &str) -> Result<Option<Blob>>;

    /// Reads a large object into a file, which holds nothing else afterwards; whether there is one. A store need not hold it
    /// in memory.
    async fn get_file(&self, key: &str, file: &mut File) -> Result<bool> {
        let Some(blob) = self.get(key).await? else { return Ok(false) };
        let written = async {
            file.rewind().await?;
            file.set_len(0).await?;
            file.write_all(&blob.bytes).await?;
            file.flush().await
        };
        written.await.context(|| format!("can't write what {key} holds"))?;
        Ok(true)
    }

    /// Reads an object unless it still is the known version.
    async fn get_if_changed(&self, key: &str, known: &Etag) -> Result<Fetched>;

    /// Writes an object in one step if the precondition holds. Gives the new version. A write that did happen is
    /// reported as done even when the first answer was lost on the way.
    async fn put(&self, key: &str, bytes: &[u8], when: Precondition) -> Result<Etag, PutError>;

    /// Writes a large object out of a file, whose sha256 is given in hex; a store need not hold it in memory.
    async fn put_file(&self, key: &str, file: &std::path::Path, sha256: &str) -> Result<()> {
        let _ = sha256;
        let doing = || format!("read {}", file.display());
        let bytes = tokio::fs::read(file).await.context(doing)?;
        let written = self.put(key, &bytes, Precondition::None).await;
        written
            .map(|_| ())
            .map_err(|e| e.or_conflict(|| Error::conflict(format!("{key} was written by somebody else"))))
    }

    /// Deletes an object if the precondition holds; an object that is already gone is deleted.
    async fn delete(&self, key: &str, when: Precondition) -> Result<(), PutError>;

    /// All objects whose key starts with the prefix, ascending, only those after `start_after` if given.
    async fn list(&self, prefix: &str, start_after: Option<&str>) -> Result<Vec<Entry>>;

    /// One level below a prefix that is empty or ends in `/`, only what is after `start_after` if given.
    async fn list_level(&self, prefix: &str, start_after: Option<&str>) -> Result<Level>;

    /// Deletes everything below a prefix, old versions included, for good. Gives the number of objects and versions
    /// removed.
    async fn remove_tree(&self, prefix: &str) -> Result<u64>;

    /// The store's name for messages, as the user writes it: `s3://bucket/prefix`, `file:///dir`.
    fn describe(&self) -> String;
}
