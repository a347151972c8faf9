//! Applies the addons that the state store holds, whenever they change there and whenever it becomes the leader. What the
//! spec says since the last update is not there: that is what `kspot addons apply` brings, with a warning.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::home::Home;
use super::leader;
use crate::addons::{Catalogue, Rendered};
use crate::digest::sha256;
use crate::error::{Error, Result};
use crate::kube::{Options, apply};
use crate::resource::Addon;
use crate::state::{ClusterStore, Entry};

/// How often the store is looked at.
const EVERY: Duration = Duration::from_secs(10);

/// The longest pause after a failure.
const LONGEST: Duration = Duration::from_secs(300);

/// What is applied, by key and version.
type Index = Vec<(String, String)>;

/// Applies until it is stopped.
pub async fn follow(home: Arc<Home>, leading: watch::Receiver<bool>, stop: CancellationToken) {
    leader::while_leading(leading, stop, || keep(&home)).await;
}

/// Looks at the store again and again, and applies what is new.
async fn keep(home: &Home) {
    let mut applied: Option<Index> = None;
    let mut pause = EVERY;
    loop {
        match round(home, applied.as_ref()).await {
            Ok(index) => (applied, pause) = (index.or(applied), EVERY),
            Err(e) => {
                pause = (pause * 2).min(LONGEST);
                tracing::error!(error = e.line(), again_in = pause.as_secs(), "the addons are not applied");
            }
        }
        tokio::time::sleep(pause).await;
    }
}

/// Applies the addons if they are others than these; gives what was applied.
async fn round(home: &Home, applied: Option<&Index>) -> Result<Option<Index>> {
    let listed = home.store.store().list(&home.store.keys().addons(), None).await?;
    let index: Index = listed.iter().map(|e| (e.key.clone(), e.etag.as_str().to_owned())).collect();
    if applied == Some(&index) {
        return Ok(None);
    }
    let addons = read(&home.store, &listed).await?;
    if addons.is_empty() {
        // No spec wants no addon at all: it would take the network from every node.
        tracing::warn!("the state store holds no addons: nothing is applied, and nothing removed");
        return Ok(Some(index));
    }
    let done = apply(&home.door.client().await?, &addons, Options { wait: EVERY, ..Options::default() }).await?;
    let (changed, removed) = (done.changed.len(), done.pruned.len());
    tracing::info!(addons = addons.len(), changed, unchanged = done.unchanged, removed, "the addons are applied");
    Ok(Some(index))
}

/// The addons of the store, in the order in which they are applied.
async fn read(store: &ClusterStore, listed: &[Entry]) -> Result<Vec<Rendered>> {
    let mut addons: Vec<Rendered> = Vec::new();
    for entry in listed {
        let Some((name, addon)) = store.keys().addon_of(&entry.key).and_then(|p| Addon::parse(store.name(), p)) else {
            continue;
        };
        if addons.iter().any(|other| other.name == name) {
            // The new manifests are written before the old ones go.
            return Err(Error::failed(format!("the state store holds addon {name} twice: an update is under way")));
        }
        let gone = || Error::failed(format!("{} went while it was read: an update is under way", entry.key));
        let blob = store.store().get(&entry.key).await?.ok_or_else(gone)?;
        if !sha256(&blob.bytes).starts_with(&addon.digest) {
            return Err(Error::failed(format!("{} is not what its name says", entry.key)));
        }
        addons.push(Rendered::stored(&name, &addon.version, &blob.text(&entry.key)?)?);
    }
    let known: Vec<&str> = Catalogue::load()?.iter().map(|addon| addon.about.name.as_str()).collect();
    // The user's own last, by name.
    addons.sort_by_key(|addon| known.iter().position(|name| *name == addon.name).unwrap_or(known.len()));
    Ok(addons)
}
