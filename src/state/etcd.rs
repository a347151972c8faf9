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

/// What the machines are asked to do with an etcd cluster: `etcd/wanted/<cluster>/restore` and `.../once`. The last one of
/// each counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EtcdOrder {
    /// Tells it from others; after a restore the members tell their cluster by it.
    pub id: String,
    /// The etcd cluster.
    pub etcd: String,
    /// What.
    #[serde(flatten)]
    pub what: EtcdWork,
    /// When it was asked for.
    pub when: Timestamp,
    /// By whom.
    pub who: String,
}

/// What can be asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "kebab-case")]
pub enum EtcdWork {
    /// A snapshot now.
    Backup,
    /// All members begin again with a snapshot.
    Restore {
        /// Its name.
        snapshot: String,
    },
    /// One member shows that a snapshot can be restored, beside its data.
    Drill {
        /// Its name.
        snapshot: String,
    },
}

/// What a machine tells of its member: `status/etcd/<cluster>/<member>.json`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EtcdReport {
    /// The etcd cluster.
    pub etcd: String,
    /// The member.
    pub member: String,
    /// The machine.
    pub instance: String,
    /// When it told this.
    pub when: Timestamp,
    /// What the member says of itself, in etcd's own words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<serde_json::Value>,
    /// Why it says nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The order of the moment that was carried out last, and what came of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<EtcdOutcome>,
    /// The same of the restore that stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restore: Option<EtcdOutcome>,
}

/// What came of an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EtcdOutcome {
    /// The order's id.
    pub id: String,
    /// What was done, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub done: Option<String>,
    /// Why it was not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// Orders of one kind do not take the place of those of the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Stands until every member has done it, however late its machine comes.
    Restore,
    /// For the member that leads, soon.
    Once,
}

impl Wanted {
    /// As keys have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Wanted::Restore => "restore",
            Wanted::Once => "once",
        }
    }
}

impl EtcdWork {
    /// Which kind of order it is.
    pub fn wanted(&self) -> Wanted {
        match self {
            EtcdWork::Restore { .. } => Wanted::Restore,
            EtcdWork::Backup | EtcdWork::Drill { .. } => Wanted::Once,
        }
    }
}

impl EtcdReport {
    /// The alarms that the member raises, in etcd's words.
    pub fn alarms(&self) -> Vec<String> {
        let all = self.status.as_ref().and_then(|status| status.get("errors")?.as_array());
        all.into_iter().flatten().filter_map(|alarm| Some(alarm.as_str()?.trim().to_owned())).collect()
    }

    /// What came of an order, as far as this member has told.
    pub fn outcome(&self, order: &EtcdOrder) -> Option<&EtcdOutcome> {
        let outcome = match order.what.wanted() {
            Wanted::Restore => self.restore.as_ref(),
            Wanted::Once => self.order.as_ref(),
        };
        outcome.filter(|outcome| self.etcd == order.etcd && outcome.id == order.id)
    }
}

impl ClusterStore {
    /// What the machines were asked to do with an etcd cluster last.
    pub async fn etcd_order(&self, etcd: &str, what: Wanted) -> Result<Option<EtcdOrder>> {
        self.document(&self.keys().etcd_wanted(etcd, what)).await
    }

    /// Asks the machines to do something with etcd.
    pub async fn order_etcd(&self, order: &EtcdOrder) -> Result<()> {
        self.replace(&self.keys().etcd_wanted(&order.etcd, order.what.wanted()), order).await
    }

    /// What the machines tell of their members.
    pub async fn etcd_reports(&self) -> Result<Vec<EtcdReport>> {
        let listed = self.store().list(&self.keys().etcd_reports(), None).await?;
        let reads: Vec<_> = listed.into_iter().map(|entry| async move { self.document(&entry.key).await }).collect();
        let all: Vec<Option<EtcdReport>> = super::cluster::all(reads).await?;
        Ok(all.into_iter().flatten().collect())
    }

    /// Tells of a member.
    pub async fn report_etcd(&self, report: &EtcdReport) -> Result<()> {
        let key = format!("{}{}/{}.json", self.keys().etcd_reports(), report.etcd, report.member);
        self.replace(&key, report).await
    }

    async fn replace(&self, key: &str, document: &impl Serialize) -> Result<()> {
        let text = serde_json::to_vec(document).map_err(|e| Error::failed(format!("can't write {key}")).because(e))?;
        let written = self.store().put(key, &text, Precondition::None).await;
        written
            .map(|_| ())
            .map_err(|e| e.or_conflict(|| Error::conflict(format!("{key} was written by somebody else"))))
    }

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
