//! Reading the specs of a cluster: the working copies, held against the newest revision.
//!
//! A working copy that differs from the newest revision either was not moved yet by a writer that died (it is
//! *behind*), or was edited without kspot (an *outside edit*). The index tells them apart where it can: once it says
//! that a revision is fully in place, nothing can be behind. Without it, a copy that equals the parent revision is
//! behind, anything else is an outside edit.
//!
//! What was read before the newest revision was known proves nothing when it differs, for a writer may have been
//! at work in between; so whatever looks wrong is read again, and the newest revision confirmed after it.

use std::collections::{BTreeMap, BTreeSet};

use super::cluster::{ClusterStore, all};
use super::history::Texts;
use super::index::{Copy, Index};
use super::layout::SpecPath;
use super::schema;
use super::store::{Etag, Fetched};
use crate::error::{Error, Kind, Result};

/// How often a read starts over because writers were faster.
const ROUNDS: usize = 10;

/// The specs of a cluster as they are in effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Specs {
    /// The text of every spec, outside edits included.
    pub texts: Texts,
    /// The number of the newest revision; none if nothing was recorded yet.
    pub revision: Option<u64>,
    /// What was edited, added or removed without kspot since that revision.
    pub outside_edits: Vec<SpecPath>,
}

impl Specs {
    /// The cluster's own spec.
    pub fn cluster(&self) -> Option<&str> {
        self.texts.get(&SpecPath::Cluster).map(String::as_str)
    }

    /// The instance groups' specs by name.
    pub fn groups(&self) -> impl Iterator<Item = (&str, &str)> {
        self.texts.iter().filter_map(|(path, text)| match path {
            SpecPath::InstanceGroup(name) => Some((name.as_str(), text.as_str())),
            SpecPath::Cluster => None,
        })
    }
}

/// How a working copy stands to the newest revision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    InPlace,
    /// A writer recorded the revision and died before it moved this copy.
    Behind,
    OutsideEdit,
}

/// The newest revision, as far as it had to be read.
#[derive(Clone, Debug)]
pub(super) struct Head {
    pub(super) number: u64,
    pub(super) specs: BTreeMap<SpecPath, String>,
    moves: Moves,
}

/// What is known about the moving of the working copies to the newest revision.
#[derive(Clone, Debug)]
enum Moves {
    /// All were moved.
    Done,
    /// Some may still be as in the parent, whose specs these are.
    Perhaps(BTreeMap<SpecPath, String>),
    /// The revision has a newer schema, this one: the copies are taken as they are.
    Foreign(u32),
}

impl Head {
    pub(super) fn in_place(number: u64, specs: BTreeMap<SpecPath, String>) -> Self {
        Head { number, specs, moves: Moves::Done }
    }

    /// The version of the revision's document.
    pub(super) fn schema(&self) -> u32 {
        match self.moves {
            Moves::Foreign(schema) => schema,
            Moves::Done | Moves::Perhaps(_) => schema::CURRENT,
        }
    }

    fn standing(&self, path: &SpecPath, found: Option<&str>) -> Standing {
        let of = |specs: &'_ BTreeMap<SpecPath, String>| specs.get(path).map(String::as_str) == found;
        match &self.moves {
            Moves::Foreign(_) => Standing::InPlace,
            _ if of(&self.specs) => Standing::InPlace,
            Moves::Perhaps(parent) if of(parent) => Standing::Behind,
            Moves::Perhaps(_) | Moves::Done => Standing::OutsideEdit,
        }
    }
}

/// The working copies and the newest revision at one moment.
#[derive(Clone, Debug)]
pub(super) struct Snapshot {
    pub(super) head: Option<Head>,
    pub(super) copies: BTreeMap<SpecPath, Copy>,
    /// The index was there and up to date.
    pub(super) indexed: bool,
}

impl Snapshot {
    /// Every spec that is not as the newest revision has it.
    pub(super) fn astray(&self) -> Vec<(SpecPath, Standing)> {
        let recorded = self.head.iter().flat_map(|head| head.specs.keys());
        let paths: BTreeSet<&SpecPath> = recorded.chain(self.copies.keys()).collect();
        let standing = |path: &SpecPath| {
            let found = self.copies.get(path).map(|copy| copy.sha256.as_str());
            self.head.as_ref().map_or(Standing::OutsideEdit, |head| head.standing(path, found))
        };
        let all = paths.into_iter().map(|path| (path.clone(), standing(path)));
        all.filter(|(_, standing)| *standing != Standing::InPlace).collect()
    }

    pub(super) fn texts(&self) -> Texts {
        self.copies.iter().map(|(path, copy)| (path.clone(), copy.text.clone())).collect()
    }
}

/// The working copies' versions as a listing shows them; the cluster's own comes with its text.
struct Listed {
    etags: BTreeMap<SpecPath, Etag>,
    config: Option<Copy>,
}

impl ClusterStore {
    /// Reads the specs of an existing cluster and writes nothing. Four requests when the index is up to date.
    pub async fn read(&self) -> Result<Specs> {
        let specs = self.read_if_exists().await?;
        match (specs.cluster(), specs.revision) {
            (Some(_), _) => Ok(specs),
            (None, None) => Err(self.unknown().await),
            (None, Some(_)) => Err(self.config_removed()),
        }
    }

    /// Reads the specs; no texts and no revision if there is no such cluster.
    pub async fn read_if_exists(&self) -> Result<Specs> {
        let snapshot = self.snapshot().await?;
        let mut specs = Specs {
            texts: snapshot.texts(),
            revision: snapshot.head.as_ref().map(|head| head.number),
            outside_edits: Vec::new(),
        };
        for (path, standing) in snapshot.astray() {
            if standing == Standing::OutsideEdit {
                specs.outside_edits.push(path);
                continue;
            }
            match snapshot.head.as_ref().and_then(|head| head.specs.get(&path)) {
                Some(sha) => specs.texts.insert(path, self.text(sha).await?),
                None => specs.texts.remove(&path),
            };
        }
        Ok(specs)
    }

    pub(super) fn config_removed(&self) -> Error {
        Error::failed(format!(
            "the spec of cluster {} was removed from {} without kspot; its history is still there",
            self.name(),
            self.store.describe()
        ))
        .hint(format!(
            "`kspot history --name {0}` lists the revisions, `kspot rollback N --name {0}` restores one",
            self.name()
        ))
    }

    /// The working copies and the newest revision, such that a difference between them is a real one.
    pub(super) async fn snapshot(&self) -> Result<Snapshot> {
        let (index, listed) = futures::try_join!(self.index(), self.listed(None))?;
        let mut newest = self.newest(index.as_ref().map_or(0, |i| i.head)).await?;
        if let Some(index) = index.as_ref().filter(|index| index.head == newest) {
            let snapshot = self.complete(self.head_of(index), listed, Some(index)).await?;
            if snapshot.astray().is_empty() {
                return Ok(snapshot);
            }
        }
        for _ in 0..ROUNDS {
            let head = match &index {
                Some(index) if index.head == newest => self.head_of(index),
                _ => self.head(newest).await?,
            };
            let listed = self.listed(index.as_ref()).await?;
            let snapshot = self.complete(head, listed, index.as_ref()).await?;
            if snapshot.astray().is_empty() {
                return Ok(snapshot);
            }
            match self.newest(newest).await? {
                still if still == newest => return Ok(snapshot),
                newer => newest = newer,
            }
        }
        Err(Error::new(Kind::Conflict, format!("cluster {} is being changed too fast to be read", self.name()))
            .hint("run the command again"))
    }

    async fn index(&self) -> Result<Option<Index>> {
        let blob = self.store.get(&self.keys.index()).await?;
        Ok(blob.and_then(|blob| Index::parse(&blob.bytes)))
    }

    /// The number of the newest revision, given that `known` (0: none) is one; 0 if there is none.
    pub(super) async fn newest(&self, known: u64) -> Result<u64> {
        Ok(self.revision_numbers(known).await?.last().copied().unwrap_or(known))
    }

    fn head_of(&self, index: &Index) -> Option<Head> {
        let specs = index.specs.iter().map(|(path, copy)| (path.clone(), copy.sha256.clone()));
        Some(Head::in_place(index.head, specs.collect()))
    }

    /// The newest revision from the history. One that records an outside edit was in place before it was recorded.
    async fn head(&self, newest: u64) -> Result<Option<Head>> {
        if newest == 0 {
            return Ok(None);
        }
        let head = match self.revision_or_schema(newest).await? {
            Ok(head) => head,
            Err(newer) => {
                return Ok(Some(Head { number: newest, specs: BTreeMap::new(), moves: Moves::Foreign(newer) }));
            }
        };
        let moves = match head.parent {
            _ if head.is_outside_edit() => Moves::Done,
            Some(parent) => Moves::Perhaps(self.revision(parent).await?.specs),
            None => Moves::Perhaps(BTreeMap::new()),
        };
        Ok(Some(Head { number: newest, specs: head.specs, moves }))
    }

    async fn listed(&self, index: Option<&Index>) -> Result<Listed> {
        let groups = self.keys.instance_groups();
        let (entries, config) = futures::try_join!(self.store.list(&groups, None), self.config(index))?;
        let etags = entries.into_iter().filter_map(|entry| Some((self.keys.spec_of(&entry.key)?, entry.etag)));
        Ok(Listed { etags: etags.collect(), config })
    }

    async fn config(&self, index: Option<&Index>) -> Result<Option<Copy>> {
        let key = self.keys.spec(&SpecPath::Cluster);
        let known = index.and_then(|index| index.specs.get(&SpecPath::Cluster));
        let blob = match known {
            None => self.store.get(&key).await?,
            Some(copy) => match self.store.get_if_changed(&key, &copy.etag).await? {
                Fetched::Unchanged => return Ok(Some(copy.clone())),
                Fetched::Missing => None,
                Fetched::Changed(blob) => Some(blob),
            },
        };
        let Some(blob) = blob else { return Ok(None) };
        let etag = blob.etag.clone();
        Ok(Some(Copy::new(blob.text(&key)?, etag)))
    }

    /// Adds the texts: from the index where the version is the same, from the store where it is not.
    async fn complete(&self, head: Option<Head>, listed: Listed, index: Option<&Index>) -> Result<Snapshot> {
        let cached = |path: &SpecPath, etag: &Etag| {
            index.and_then(|index| index.specs.get(path)).filter(|copy| copy.etag == *etag).cloned()
        };
        let read = listed.etags.into_iter().map(|(path, etag)| async move {
            if let Some(copy) = cached(&path, &etag) {
                return Ok::<_, Error>(Some((path, copy)));
            }
            let key = self.keys.spec(&path);
            let Some(blob) = self.store.get(&key).await? else { return Ok(None) };
            let etag = blob.etag.clone();
            Ok(Some((path, Copy::new(blob.text(&key)?, etag))))
        });
        let mut copies: BTreeMap<SpecPath, Copy> = all(read.collect()).await?.into_iter().flatten().collect();
        copies.extend(listed.config.map(|copy| (SpecPath::Cluster, copy)));
        let indexed = index.is_some_and(|index| Some(index.head) == head.as_ref().map(|head| head.number));
        Ok(Snapshot { head, copies, indexed })
    }
}
