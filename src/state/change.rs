//! Changing the specs of a cluster: several objects at once, through one revision.
//!
//! The order is: the texts under their sha256, then the revision with If-None-Match, then the working copies with
//! If-Match, then the index. The revision is the commit point. Who dies before it has changed nothing that anyone
//! sees; who dies after it has changed everything, for the next writer moves the working copies on before it does
//! anything else. Two writers can't both write revision n + 1, so the history is one line and the loser knows it.
//!
//! One gap is known. Equal content has equal etags, so a writer that stands still between its revision and its moves
//! while others finish them, and then put the former text back, may move a copy once more. It looks again after a pause
//! of ten seconds; what slips through is in the history and shows up as an outside edit, it is not lost.

use std::collections::BTreeMap;

use jiff::SignedDuration;

use super::cluster::{ClusterStore, all};
use super::history::{OUTSIDE_EDIT, Revision, Texts};
use super::index::{Copy, Index};
use super::layout::SpecPath;
use super::schema;
use super::specs::{Head, Snapshot, Standing};
use super::store::{Precondition, PutError};
use crate::context::Context;
use crate::digest::sha256;
use crate::error::{Error, Kind, Result};

/// How often the store is put in order before a change gives way to faster writers.
const ROUNDS: usize = 10;

/// How old a draft may be when its working copies are moved without another look at the history.
const PAUSE: SignedDuration = SignedDuration::from_secs(10);

/// Who changes specs, and why: what the history will show.
#[derive(Clone, Copy, Debug)]
pub struct Intent<'a> {
    /// The run's time, ids and user.
    pub ctx: &'a Context,
    /// The command line, without secrets: `set cluster spec.x=y`.
    pub command: &'a str,
    /// What it is for, in the user's words; may be empty.
    pub message: &'a str,
}

/// What a change did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed<T> {
    /// The revision that was written; none if the specs already were as wanted.
    pub revision: Option<Revision>,
    /// The revision that recorded edits made without kspot, written before.
    pub outside_edit: Option<Revision>,
    /// The specs after the change.
    pub texts: Texts,
    /// What the edit returned.
    pub value: T,
}

/// Whether the cluster has to exist before a change.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Expect {
    Existing,
    Missing,
    Either,
}

impl ClusterStore {
    /// Edits the specs of an existing cluster and records the result as a new revision. If somebody else records a
    /// change first, nothing is written and the error (exit 5) says who and when.
    pub async fn change<T>(
        &self,
        intent: &Intent<'_>,
        edit: impl FnOnce(&mut Texts) -> Result<T> + Send,
    ) -> Result<Changed<T>> {
        self.edit(intent, Expect::Existing, edit).await
    }

    /// Records the first specs of a new cluster; an error if there is one of that name.
    pub async fn create(&self, intent: &Intent<'_>, texts: Texts) -> Result<Changed<()>> {
        let replace = |specs: &mut Texts| {
            *specs = texts;
            Ok(())
        };
        self.edit(intent, Expect::Missing, replace).await
    }

    /// Makes the specs of an earlier revision the current ones again, as a new revision.
    pub async fn rollback(&self, intent: &Intent<'_>, to: u64) -> Result<Changed<()>> {
        let texts = self.texts(&self.revision(to).await?).await?;
        let replace = |specs: &mut Texts| {
            *specs = texts;
            Ok(())
        };
        self.edit(intent, Expect::Either, replace).await
    }

    async fn edit<T>(
        &self,
        intent: &Intent<'_>,
        expect: Expect,
        edit: impl FnOnce(&mut Texts) -> Result<T> + Send,
    ) -> Result<Changed<T>> {
        let (before, outside_edit) = self.in_order(intent).await?;
        self.check(expect, &before).await?;
        let mut texts = before.texts();
        let value = edit(&mut texts)?;
        if !texts.contains_key(&SpecPath::Cluster) {
            return Err(Error::failed(format!("cluster {} can't be without its own spec", self.name())));
        }
        let after: BTreeMap<SpecPath, String> =
            texts.iter().map(|(path, text)| (path.clone(), sha256(text.as_bytes()))).collect();
        let unchanged = before.head.as_ref().is_some_and(|head| head.specs == after);
        if unchanged {
            if let Some(head) = before.head.as_ref().filter(|_| !before.indexed) {
                self.write_index(head.number, before.copies).await;
            }
            return Ok(Changed { revision: None, outside_edit, texts, value });
        }
        let draft = self.draft(intent, before.head.as_ref(), after);
        let revision = self.commit(draft, before.head.as_ref(), &texts).await?;
        if !self.overtaken(intent, &revision).await? {
            self.move_copies(&revision, before.copies, &texts).await?;
        }
        Ok(Changed { revision: Some(revision), outside_edit, texts, value })
    }

    /// After a long pause (a suspended machine) others may have moved the copies on, and back to what this process
    /// remembers: equal content has equal etags, so If-Match alone would not notice.
    async fn overtaken(&self, intent: &Intent<'_>, written: &Revision) -> Result<bool> {
        if intent.ctx.now().duration_since(written.when) < PAUSE {
            return Ok(false);
        }
        Ok(self.newest(written.number).await? > written.number)
    }

    async fn check(&self, expect: Expect, before: &Snapshot) -> Result<()> {
        let exists = before.copies.contains_key(&SpecPath::Cluster);
        match (expect, &before.head) {
            (Expect::Existing, None) => Err(self.unknown().await),
            (Expect::Existing, Some(_)) if !exists => Err(self.config_removed()),
            (Expect::Missing, head) if exists || head.is_some() => {
                Err(Error::failed(format!("cluster {} already exists in {}", self.name(), self.store.describe()))
                    .hint(format!("kspot get cluster --name {}", self.name()))
                    .hint(format!("kspot delete cluster --name {} removes it", self.name())))
            }
            _ => Ok(()),
        }
    }

    /// Finishes what a dead writer has left and records outside edits, until the working copies are exactly the
    /// newest revision.
    async fn in_order(&self, intent: &Intent<'_>) -> Result<(Snapshot, Option<Revision>)> {
        let mut recorded = None;
        for _ in 0..ROUNDS {
            let mut snapshot = self.snapshot().await?;
            schema::require_writable(snapshot.head.as_ref().map_or(0, Head::schema), self.name())?;
            let astray = snapshot.astray();
            if astray.is_empty() {
                return Ok((snapshot, recorded));
            }
            if self.finish(&snapshot, &astray).await? {
                continue;
            }
            let draft = self.outside_draft(intent, &snapshot, &astray);
            match self.write(draft, snapshot.head.as_ref(), &snapshot.texts()).await {
                Ok(revision) => {
                    snapshot.head = Some(Head::in_place(revision.number, revision.specs.clone()));
                    snapshot.indexed = false;
                    recorded = Some(revision);
                    return Ok((snapshot, recorded));
                }
                // Somebody else recorded it, or a change, first: look again.
                Err(PutError::Conflict) => {}
                Err(PutError::Failed(e)) => return Err(e),
            }
        }
        Err(Error::conflict(format!("cluster {} is being changed by others all the time", self.name()))
            .hint("run the command again"))
    }

    /// Moves the copies that a dead writer has left behind. True if there were any; lost races are seen by the next
    /// look.
    async fn finish(&self, snapshot: &Snapshot, astray: &[(SpecPath, Standing)]) -> Result<bool> {
        let Some(head) = &snapshot.head else { return Ok(false) };
        let behind = astray.iter().filter(|(_, standing)| *standing == Standing::Behind);
        let moves = behind.map(|(path, _)| async move {
            let text = match head.specs.get(path) {
                Some(sha) => Some(self.text(sha).await?),
                None => None,
            };
            match self.move_copy(path, snapshot.copies.get(path), text).await {
                Err(PutError::Failed(e)) => Err(e),
                _ => Ok(()),
            }
        });
        let moved = all(moves.collect()).await?;
        Ok(!moved.is_empty())
    }

    fn draft(&self, intent: &Intent<'_>, head: Option<&Head>, specs: BTreeMap<SpecPath, String>) -> Revision {
        Revision {
            schema: schema::CURRENT,
            number: head.map_or(0, |head| head.number) + 1,
            id: intent.ctx.id().to_string(),
            parent: head.map(|head| head.number),
            when: intent.ctx.now(),
            who: intent.ctx.who(),
            found_by: None,
            command: intent.command.into(),
            message: intent.message.into(),
            version: env!("CARGO_PKG_VERSION").into(),
            specs,
        }
    }

    fn outside_draft(&self, intent: &Intent<'_>, found: &Snapshot, astray: &[(SpecPath, Standing)]) -> Revision {
        let specs = found.copies.iter().map(|(path, copy)| (path.clone(), copy.sha256.clone())).collect();
        let paths: Vec<String> = astray.iter().map(|(path, _)| path.to_string()).collect();
        Revision {
            who: OUTSIDE_EDIT.into(),
            found_by: Some(intent.ctx.who()),
            message: format!("changed without kspot: {}", paths.join(", ")),
            ..self.draft(intent, found.head.as_ref(), specs)
        }
    }

    /// Writes a change's revision; losing the race is an error that names the winner.
    async fn commit(&self, draft: Revision, head: Option<&Head>, texts: &Texts) -> Result<Revision> {
        let number = draft.number;
        match self.write(draft, head, texts).await {
            Ok(revision) => Ok(revision),
            Err(PutError::Failed(e)) => Err(e),
            Err(PutError::Conflict) => {
                let winner = self.revision(number).await?;
                Err(Error::conflict(format!(
                    "cluster {} was changed by {} at {} while this command ran (revision {number}, `{}`); nothing \
                     of this change was written",
                    self.name(),
                    winner.who,
                    winner.when,
                    winner.command
                ))
                .hint("run the command again: it starts from the changed specs")
                .hint(format!("kspot diff --from {} --to {number} shows what was changed", number - 1)))
            }
        }
    }

    /// Writes the texts that the newest revision does not have already, then the revision.
    async fn write(&self, draft: Revision, head: Option<&Head>, texts: &Texts) -> Result<Revision, PutError> {
        let known = |sha: &String| head.is_some_and(|head| head.specs.values().any(|s| s == sha));
        let fresh: BTreeMap<&String, &String> = draft
            .specs
            .iter()
            .filter(|(_, sha)| !known(sha))
            .filter_map(|(p, sha)| Some((sha, texts.get(p)?)))
            .collect();
        let written = fresh.into_iter().map(|(sha, text)| self.write_text(sha, text));
        all(written.collect()).await?;
        let document =
            serde_json::to_vec_pretty(&draft).map_err(|e| Error::failed("can't write a revision").because(e));
        self.store.put(&self.keys.revision(draft.number), &document?, Precondition::Absent).await?;
        Ok(draft)
    }

    async fn write_text(&self, sha: &str, text: &str) -> Result<()> {
        match self.store.put(&self.keys.object(sha), text.as_bytes(), Precondition::Absent).await {
            Ok(_) | Err(PutError::Conflict) => Ok(()),
            Err(PutError::Failed(e)) => Err(e),
        }
    }

    /// Brings the working copies to a revision that was just written.
    async fn move_copies(&self, to: &Revision, mut copies: BTreeMap<SpecPath, Copy>, texts: &Texts) -> Result<()> {
        let mut paths: Vec<SpecPath> = copies.keys().chain(texts.keys()).cloned().collect();
        paths.sort();
        paths.dedup();
        paths.retain(|path| copies.get(path).map(|copy| &copy.sha256) != to.specs.get(path));
        let moves = paths.iter().map(|path| async {
            let moved = self.move_copy(path, copies.get(path), texts.get(path).cloned()).await;
            Ok((path.clone(), moved))
        });
        let moved = all(moves.collect()).await?;
        let mut overtaken = Vec::new();
        for (path, moved) in moved {
            match moved {
                Ok(Some(copy)) => drop(copies.insert(path, copy)),
                Ok(None) => drop(copies.remove(&path)),
                Err(PutError::Conflict) => overtaken.push(path),
                Err(PutError::Failed(e)) => {
                    return Err(e
                        .context(format!("revision {} is recorded, but {path} is not updated yet", to.number))
                        .hint("the next kspot command that changes this cluster's specs completes it"));
                }
            }
        }
        if overtaken.is_empty() {
            self.write_index(to.number, copies).await;
            return Ok(());
        }
        self.explain_overtaken(to, overtaken).await
    }

    /// A copy changed between reading and moving it: another writer went on from our revision, which is fine, or
    /// somebody edited it without kspot at that very moment, which they must know.
    async fn explain_overtaken(&self, revision: &Revision, overtaken: Vec<SpecPath>) -> Result<()> {
        let mut edited = Vec::new();
        for path in overtaken {
            let found = self.store.get(&self.keys.spec(&path)).await?.map(|blob| sha256(&blob.bytes));
            if found.as_ref() != revision.specs.get(&path) {
                edited.push(path.to_string());
            }
        }
        if edited.is_empty() || self.newest(revision.number).await? > revision.number {
            return Ok(());
        }
        Err(Error::new(
            Kind::Conflict,
            format!("{} was edited without kspot while revision {} was written", edited.join(", "), revision.number),
        )
        .hint(format!("the outside edit is in effect; `kspot diff --from {}` compares them", revision.number)))
    }

    /// Writes or removes one working copy, if it still is as it was read.
    async fn move_copy(
        &self,
        path: &SpecPath,
        from: Option<&Copy>,
        to: Option<String>,
    ) -> Result<Option<Copy>, PutError> {
        let key = self.keys.spec(path);
        let when = from.map_or(Precondition::Absent, |copy| Precondition::Match(copy.etag.clone()));
        match to {
            Some(text) => {
                let etag = self.store.put(&key, text.as_bytes(), when).await?;
                Ok(Some(Copy::new(text, etag)))
            }
            None => self.store.delete(&key, when).await.map(|()| None),
        }
    }

    /// The index is a cache: a change is not undone because its cache could not be written.
    async fn write_index(&self, head: u64, copies: BTreeMap<SpecPath, Copy>) {
        let written = match serde_json::to_vec(&Index::new(head, copies)) {
            Ok(bytes) => self.store.put(&self.keys.index(), &bytes, Precondition::None).await.map(drop),
            Err(e) => Err(PutError::Failed(Error::failed("can't write the index").because(e))),
        };
        if let Err(PutError::Failed(e)) = written {
            tracing::warn!(cluster = self.name(), error = %e, "the index was not written: reading will take longer");
        }
    }
}

#[cfg(test)]
mod tests;
