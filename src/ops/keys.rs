//! The cluster's keys as commands see them: what there is, and the steps of a rotation.

use jiff::{SignedDuration, Timestamp};

use super::prepare::Site;
use super::specs::open;
use super::update::data_keys;
use crate::error::Result;
use crate::pki::keyset::{Name, State};
use crate::pki::seal::DataKeys;
use crate::pki::{certificate, keep};
use crate::spec::Cluster;
use crate::state::cluster::ClusterStore;

/// From then on an expiry is worth a warning.
pub const SOON: SignedDuration = SignedDuration::from_hours(60 * 24);

/// One key of one keyset.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Listed {
    /// The keyset.
    pub keyset: Name,
    /// The key's id.
    pub id: String,
    /// What it does.
    pub state: State,
    /// When it was made.
    pub created: Timestamp,
    /// Until when its certificate counts; service accounts' keys do not end.
    pub expires: Option<Timestamp>,
}

/// Every key of the cluster; none before the first update.
pub async fn list(store: &ClusterStore) -> Result<Vec<Listed>> {
    let Some((all, _)) = keep::keysets(store).await? else { return Ok(Vec::new()) };
    let mut listed = Vec::new();
    for (name, set) in &all.keysets {
        for (id, state, key) in set.keys() {
            let expires = name.is_authority().then(|| certificate::read(&key.public)).transpose()?;
            listed.push(Listed {
                keyset: *name,
                id: id.to_owned(),
                state,
                created: key.created,
                expires: expires.map(|c| c.not_after),
            });
        }
    }
    Ok(listed)
}

/// Makes a new key, which is trusted and does not sign yet. Gives its id.
pub async fn create(site: &Site, cluster: &Cluster, name: Name) -> Result<String> {
    let kms = data_keys(site, cluster);
    let sealed_with = kms.as_ref().map(|k| k as &dyn DataKeys);
    let new = keep::key(name, cluster.name(), site.context.now(), sealed_with).await?;
    keep::change(&open(&site.store, cluster.name())?, async |all| Ok(all.get_mut(name)?.create(new))).await
}

/// Lets a key sign: this one, or the newest that is trusted.
pub async fn promote(store: &ClusterStore, name: Name, id: Option<&str>) -> Result<String> {
    keep::change(store, async |all| all.get_mut(name)?.promote(id)).await
}

/// Stops trusting a key: this one, or all that are older than the one that signs. Gives their ids.
pub async fn distrust(store: &ClusterStore, now: Timestamp, name: Name, id: Option<&str>) -> Result<Vec<String>> {
    keep::change(store, async |all| all.get_mut(name)?.distrust(id, now)).await
}
