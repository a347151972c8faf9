//! What the store remembers of etcd, so that no cluster is ever seeded twice: that it was seeded, with which members, and
//! which member's volume it was.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::cluster::ClusterStore;
use super::store::{Precondition, PutError};
use crate::error::{Error, Result};

/// The marker that etcd was seeded: `etcd/created`. Written once, by the first machine that seeds a member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EtcdCreated {
    /// When.
    pub when: Timestamp,
    /// What the members tell their cluster by (`--initial-cluster-token`).
    pub token: String,
    /// The members' names, by etcd cluster.
    pub members: BTreeMap<String, Vec<String>>,
}

/// The marker that a member was seeded: `etcd/members/<cluster>/<member>`. Written once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EtcdMember {
    /// When.
    pub when: Timestamp,
    /// The volume, as EC2 names it.
    pub volume: String,
    /// What the note on the volume says, too: a volume that was wiped has another one.
    pub token: String,
}

impl ClusterStore {
    /// The marker that etcd was seeded; none if it was not.
    pub async fn etcd_created(&self) -> Result<Option<EtcdCreated>> {
        self.document(&self.keys().etcd_created()).await
    }

    /// The marker that a member was seeded; none if it was not.
    pub async fn etcd_member(&self, etcd: &str, member: &str) -> Result<Option<EtcdMember>> {
        self.document(&self.keys().etcd_member(etcd, member)).await
    }

    /// Writes the marker that etcd was seeded, unless it is there; gives the one that counts.
    pub async fn mark_etcd_created(&self, created: &EtcdCreated) -> Result<EtcdCreated> {
        let key = self.keys().etcd_created();
        self.first(&key, created).await
    }

    /// Writes the marker that a member was seeded, unless it is there; gives the one that counts.
    pub async fn mark_etcd_member(&self, etcd: &str, member: &str, seeded: &EtcdMember) -> Result<EtcdMember> {
        let key = self.keys().etcd_member(etcd, member);
        self.first(&key, seeded).await
    }

    async fn document<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>> {
        let Some(blob) = self.store().get(key).await? else { return Ok(None) };
        let unreadable = |e| Error::failed(format!("{key} in {} can't be read", self.store().describe())).because(e);
        serde_json::from_slice(&blob.bytes).map(Some).map_err(unreadable)
    }

    async fn first<T: Serialize + DeserializeOwned + Clone>(&self, key: &str, document: &T) -> Result<T> {
        let text = serde_json::to_vec(document).map_err(|e| Error::failed(format!("can't write {key}")).because(e))?;
        match self.store().put(key, &text, Precondition::Absent).await {
            Ok(_) => Ok(document.clone()),
            Err(PutError::Conflict) => {
                let gone = || Error::failed(format!("{key} in {} came and went", self.store().describe()));
                self.document(key).await?.ok_or_else(gone)
            }
            Err(PutError::Failed(error)) => Err(error),
        }
    }
}
