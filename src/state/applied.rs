//! The record of the last apply: which revision was brought to AWS, by whom, and how it ended.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::cluster::ClusterStore;
use super::store::Precondition;
use crate::error::{Error, Result};

/// How an apply ended, or that it has not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "state")]
pub enum Outcome {
    /// It is under way, or its process died.
    Running,
    /// Everything in the plan was done.
    Succeeded,
    /// It stopped part way.
    #[serde(rename_all = "camelCase")]
    Failed {
        /// The first root cause, in one line.
        cause: String,
        /// How many changes were done.
        done: usize,
        /// How many changes were not.
        left: usize,
    },
}

/// The last apply of a cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Applied {
    /// The revision whose specs were applied.
    pub revision: u64,
    /// When this record was written.
    pub when: Timestamp,
    /// `user@host`.
    pub who: String,
    /// How it ended.
    pub outcome: Outcome,
    /// The AWS account, twelve digits.
    pub account: String,
    /// The AWS region.
    pub region: String,
    /// What the apply looked for on AWS, in the observer's own form: where things can be that later specs do not name.
    #[serde(default)]
    pub scope: serde_json::Value,
}

impl Applied {
    /// What was wrong with the last apply, if it did not end well.
    pub fn trouble(&self) -> Option<String> {
        match &self.outcome {
            Outcome::Succeeded => None,
            Outcome::Running => Some(format!("{} started it at {} and it never ended", self.who, self.when)),
            Outcome::Failed { cause, .. } => Some(cause.clone()),
        }
    }
}

impl ClusterStore {
    /// The record of the last apply; none if there never was one.
    pub async fn applied(&self) -> Result<Option<Applied>> {
        let key = self.keys.applied();
        let Some(blob) = self.store.get(&key).await? else { return Ok(None) };
        serde_json::from_slice(&blob.bytes).map(Some).map_err(|e| {
            Error::failed(format!("{key} in {} is damaged", self.store.describe()))
                .hint("the next `kspot update cluster --yes` writes it anew")
                .because(e)
        })
    }

    /// Writes the record. The caller holds the cluster's lock, so nobody else writes it.
    pub async fn set_applied(&self, applied: &Applied) -> Result<()> {
        let bytes = serde_json::to_vec_pretty(applied).map_err(|e| Error::failed("can't write a record").because(e))?;
        let written = self.store.put(&self.keys.applied(), &bytes, Precondition::None).await;
        let unexpected = || Error::conflict(format!("{} was changed by somebody else", self.keys.applied()));
        written.map(drop).map_err(|e| e.or_conflict(unexpected))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::state::memory::Memory;

    /// The record is read as it was written, whatever the outcome; damage is named.
    #[tokio::test]
    async fn applied_round_trips() {
        let cluster = ClusterStore::new(Arc::new(Memory::new()), "c").unwrap();
        assert_eq!(cluster.applied().await.unwrap(), None);
        let failed = Outcome::Failed { cause: "no capacity".into(), done: 3, left: 1 };
        for outcome in [Outcome::Running, Outcome::Succeeded, failed] {
            let applied = Applied {
                revision: 7,
                when: "2026-01-02T03:04:05Z".parse().unwrap(),
                who: "ann@desk".into(),
                outcome,
                account: "123456789012".into(),
                region: "eu-west-1".into(),
                scope: serde_json::json!({ "cluster": "c" }),
            };
            cluster.set_applied(&applied).await.unwrap();
            assert_eq!(cluster.applied().await.unwrap(), Some(applied));
        }
        cluster.store().put("c/applied", b"{", Precondition::None).await.unwrap();
        assert!(cluster.applied().await.unwrap_err().message().contains("c/applied in memory is damaged"));
    }
}
