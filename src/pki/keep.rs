//! Where the keysets lie in the state store: `pki/keysets` with the private halves, for the control plane and for who
//! rotates; `pki/authorities` with the public ones, for everybody who plans.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::issue;
use super::keyset::{Key, Keyset, Keysets, Name};
use super::seal::{self, DataKeys};
use crate::error::{Error, Result};
use crate::state::cluster::ClusterStore;
use crate::state::{Etag, Precondition};

/// The version of both documents' form.
const SCHEMA: u32 = 1;

/// The public halves that are trusted, PEM, by keyset; the one that signs stands first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Authorities {
    /// The version of this document's form.
    pub schema: u32,
    /// By name.
    pub trusted: BTreeMap<Name, String>,
}

impl Authorities {
    /// Of these keysets.
    pub fn of(keysets: &Keysets) -> Self {
        let trusted = keysets.keysets.iter().map(|(name, set)| (*name, set.trusted())).collect();
        Authorities { schema: SCHEMA, trusted }
    }

    /// The public halves of one keyset; empty if there is none.
    pub fn get(&self, name: Name) -> &str {
        self.trusted.get(&name).map_or("", String::as_str)
    }
}

/// The public halves; `None` before the first update has made them.
pub async fn authorities(store: &ClusterStore) -> Result<Option<Authorities>> {
    let key = store.keys().pki(AUTHORITIES);
    let Some(blob) = store.store().get(&key).await? else { return Ok(None) };
    read(&blob.bytes, &key, store).map(Some)
}

/// The keysets and their version in the store; `None` before the first update has made them.
pub async fn keysets(store: &ClusterStore) -> Result<Option<(Keysets, Etag)>> {
    let key = store.keys().pki(KEYSETS);
    let Some(blob) = store.store().get(&key).await? else { return Ok(None) };
    Ok(Some((read(&blob.bytes, &key, store)?, blob.etag)))
}

/// The keysets of a cluster: those that are there, with whatever is missing made. Two who make them at once end up with
/// the same.
pub async fn ensure(store: &ClusterStore, now: Timestamp, keys: Option<&dyn DataKeys>) -> Result<Authorities> {
    let there = keysets(store).await?;
    let (mut all, etag) = match there {
        Some((all, etag)) => (all, Some(etag)),
        None => (Keysets { schema: SCHEMA, keysets: BTreeMap::new() }, None),
    };
    let missing: Vec<Name> = Name::ALL.into_iter().filter(|name| !all.keysets.contains_key(name)).collect();
    for name in &missing {
        all.keysets.insert(*name, Keyset::new(key(*name, store.name(), now, keys).await?));
    }
    if !missing.is_empty() && !write(store, &all, etag.map_or(Precondition::Absent, Precondition::Match)).await? {
        // Somebody else was first: theirs count.
        let (theirs, _) = keysets(store).await?.ok_or_else(|| vanished(store))?;
        all = theirs;
    }
    publish(store, &all).await
}

/// A new key of a keyset, sealed if there is something to seal it with.
pub async fn key(name: Name, cluster: &str, now: Timestamp, keys: Option<&dyn DataKeys>) -> Result<Key> {
    let pair = issue::authority(name, cluster, now)?;
    Ok(Key { created: now, public: pair.public, private: seal::seal(&pair.private, keys).await?, distrusted: None })
}

/// Changes the keysets: reads, changes, writes if nobody else did in between, and publishes the public halves.
pub async fn change<T>(store: &ClusterStore, change: impl AsyncFnOnce(&mut Keysets) -> Result<T>) -> Result<T> {
    let (mut all, etag) = keysets(store).await?.ok_or_else(|| {
        Error::failed(format!("cluster {} has no keys yet", store.name())).hint("kspot update cluster --yes makes them")
    })?;
    let done = change(&mut all).await?;
    if !write(store, &all, Precondition::Match(etag)).await? {
        return Err(Error::conflict(format!("the keys of cluster {} were changed by somebody else", store.name()))
            .hint("kspot get keypairs shows them as they are now; then run the command again"));
    }
    publish(store, &all).await?;
    Ok(done)
}

/// Writes the public halves unless they are there already.
async fn publish(store: &ClusterStore, all: &Keysets) -> Result<Authorities> {
    let wanted = Authorities::of(all);
    if authorities(store).await?.as_ref() != Some(&wanted) {
        let key = store.keys().pki(AUTHORITIES);
        let written = store.store().put(&key, &bytes(&wanted)?, Precondition::None).await;
        written.map_err(|e| e.or_conflict(|| Error::conflict(format!("{key} was written by somebody else"))))?;
    }
    Ok(wanted)
}

/// False if somebody else wrote first.
async fn write(store: &ClusterStore, all: &Keysets, when: Precondition) -> Result<bool> {
    use crate::state::PutError;
    match store.store().put(&store.keys().pki(KEYSETS), &bytes(all)?, when).await {
        Ok(_) => Ok(true),
        Err(PutError::Conflict) => Ok(false),
        Err(PutError::Failed(error)) => Err(error),
    }
}

const KEYSETS: &str = "keysets";
const AUTHORITIES: &str = "authorities";

fn bytes(document: &impl Serialize) -> Result<Vec<u8>> {
    serde_json::to_vec_pretty(document).map_err(|e| Error::failed("can't write the keys as JSON").because(e))
}

/// What is read is never shown: the error names the object and the place in it only.
fn read<T: serde::de::DeserializeOwned>(bytes: &[u8], key: &str, store: &ClusterStore) -> Result<T> {
    serde_json::from_slice(bytes).map_err(|e| {
        let place = format!("line {}, column {}", e.line(), e.column());
        Error::failed(format!("{key} in {} is damaged at {place}", store.store().describe()))
            .hint("the bucket keeps older versions: bring back the last good one")
    })
}

fn vanished(store: &ClusterStore) -> Error {
    Error::conflict(format!("the keys of cluster {} vanished while they were made", store.name()))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::state::memory::Memory;

    fn store() -> ClusterStore {
        ClusterStore::new(Arc::new(Memory::new()), "c.example.com").unwrap()
    }

    /// The first update makes every keyset; the next one changes nothing.
    #[tokio::test]
    async fn keys_are_made_once() {
        let store = store();
        assert_eq!(authorities(&store).await.unwrap(), None);
        let made = ensure(&store, Timestamp::UNIX_EPOCH, None).await.unwrap();
        assert!(Name::ALL.iter().all(|name| made.get(*name).starts_with("-----BEGIN")));
        let before = keysets(&store).await.unwrap();
        assert_eq!(ensure(&store, Timestamp::UNIX_EPOCH, None).await.unwrap(), made);
        assert_eq!(keysets(&store).await.unwrap(), before);
        assert_eq!(authorities(&store).await.unwrap(), Some(made));
    }

    /// Of many that make the keys at once all end up with the same ones.
    #[tokio::test]
    async fn all_who_make_keys_agree() {
        let store = store();
        let makers = (0..8).map(|_| ensure(&store, Timestamp::UNIX_EPOCH, None));
        let made = futures::future::try_join_all(makers).await.unwrap();
        assert!(made.iter().all(|m| *m == made[0]));
        assert_eq!(authorities(&store).await.unwrap().as_ref(), Some(&made[0]));
    }

    /// A run that ended between the two writes is finished by the next one.
    #[tokio::test]
    async fn public_halves_are_written_again() {
        let store = store();
        let made = ensure(&store, Timestamp::UNIX_EPOCH, None).await.unwrap();
        store.store().delete(&store.keys().pki(AUTHORITIES), Precondition::None).await.unwrap();
        assert_eq!(ensure(&store, Timestamp::UNIX_EPOCH, None).await.unwrap(), made);
        assert_eq!(authorities(&store).await.unwrap(), Some(made));
    }

    /// A rotation shows in the public halves; one of two at once is told that the other was first.
    #[tokio::test]
    async fn rotations_do_not_overwrite_each_other() {
        let store = store();
        ensure(&store, Timestamp::UNIX_EPOCH, None).await.unwrap();
        let add = async |all: &mut Keysets| {
            let new = key(Name::KubernetesCa, "c.example.com", Timestamp::UNIX_EPOCH, None).await?;
            // Another one changes the keys meanwhile.
            change(&store, async |all: &mut Keysets| Ok(all.get_mut(Name::EtcdCa)?.create(new.clone()))).await?;
            Ok(all.get_mut(Name::KubernetesCa)?.create(new))
        };
        let error = change(&store, add).await.unwrap_err();
        assert_eq!(error.kind(), crate::error::Kind::Conflict);
        let public = authorities(&store).await.unwrap().unwrap();
        assert_eq!(public.get(Name::EtcdCa).matches("BEGIN").count(), 2);
        assert_eq!(public.get(Name::KubernetesCa).matches("BEGIN").count(), 1);
    }

    /// Damage is named by its place, without a word of what is there.
    #[tokio::test]
    async fn damage_is_not_quoted() {
        let store = store();
        let text = br#"{"schema": 1, "keysets": "secret"}"#;
        store.store().put(&store.keys().pki(KEYSETS), text, Precondition::None).await.unwrap();
        let error = keysets(&store).await.unwrap_err();
        assert!(error.chain().contains("damaged at line 1") && !error.chain().contains("secret"));
    }
}
