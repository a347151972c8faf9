//! The cluster's keys as commands see them: what there is, and the steps of a rotation.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::prepare::Site;
use super::specs::Specs;
use super::update::data_keys;
use crate::error::Result;
use crate::pki::keyset::{Name, State};
use crate::pki::seal::DataKeys;
use crate::pki::{certificate, keep};
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

fn open(site: &Site, specs: &Specs) -> Result<ClusterStore> {
    ClusterStore::new(Arc::clone(&site.store), specs.cluster.name())
}

/// Every key of the cluster; none before the first update.
pub async fn list(site: &Site, specs: &Specs) -> Result<Vec<Listed>> {
    let Some((all, _)) = keep::keysets(&open(site, specs)?).await? else { return Ok(Vec::new()) };
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
pub async fn create(site: &Site, specs: &Specs, name: Name) -> Result<String> {
    let kms = data_keys(site, &specs.cluster);
    let sealed_with = kms.as_ref().map(|k| k as &dyn DataKeys);
    let new = keep::key(name, specs.cluster.name(), site.context.now(), sealed_with).await?;
    keep::change(&open(site, specs)?, async |all| Ok(all.get_mut(name)?.create(new))).await
}

/// Lets a key sign: this one, or the newest that is trusted.
pub async fn promote(site: &Site, specs: &Specs, name: Name, id: Option<&str>) -> Result<String> {
    keep::change(&open(site, specs)?, async |all| all.get_mut(name)?.promote(id)).await
}

/// Stops trusting a key: this one, or all that are older than the one that signs. Gives their ids.
pub async fn distrust(site: &Site, specs: &Specs, name: Name, id: Option<&str>) -> Result<Vec<String>> {
    let now = site.context.now();
    keep::change(&open(site, specs)?, async |all| all.get_mut(name)?.distrust(id, now)).await
}
