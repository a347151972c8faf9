//! A cache of the working copies, so that reading 300 unchanged specs takes four requests.
//!
//! It says: at revision `head`, all working copies were in place, with these etags and texts. Being only a cache, it
//! may be absent, old or damaged; that costs requests and nothing else.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::layout::SpecPath;
use super::schema;
use super::store::Etag;
use crate::digest::sha256;

/// The working copies as they were when revision `head` was fully in place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Index {
    schema: u32,
    /// The revision whose specs the working copies were.
    pub(super) head: u64,
    /// Each working copy.
    pub(super) specs: BTreeMap<SpecPath, Copy>,
}

/// A working copy as it was read or written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Copy {
    /// The store's version of it.
    pub(super) etag: Etag,
    /// The sha256 of the text.
    pub(super) sha256: String,
    /// The text.
    pub(super) text: String,
}

impl Copy {
    pub(super) fn new(text: String, etag: Etag) -> Self {
        Copy { etag, sha256: sha256(text.as_bytes()), text }
    }
}

impl Index {
    pub(super) fn new(head: u64, specs: BTreeMap<SpecPath, Copy>) -> Self {
        Index { schema: schema::CURRENT, head, specs }
    }

    /// Reads an index; `None` if it is damaged, of another version, or lies about a text.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let index: Index = serde_json::from_slice(bytes).ok()?;
        let truthful = index.specs.values().all(|copy| sha256(copy.text.as_bytes()) == copy.sha256);
        (index.schema == schema::CURRENT && truthful).then_some(index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is written is read; a cut, a changed text or another version make it as good as absent.
    #[test]
    fn damage_is_absence() {
        let specs = BTreeMap::from([(SpecPath::Cluster, Copy::new("a: 1\n".into(), Etag::new("e")))]);
        let index = Index::new(3, specs);
        let text = serde_json::to_string(&index).unwrap();
        assert_eq!(Index::parse(text.as_bytes()), Some(index));
        assert_eq!(Index::parse(&text.as_bytes()[..text.len() - 1]), None);
        assert_eq!(Index::parse(text.replace("a: 1", "a: 2").as_bytes()), None);
        assert_eq!(Index::parse(text.replace("\"schema\":1", "\"schema\":2").as_bytes()), None);
    }
}
