//! What machines tell by the store: how far each boot got, and the snapshots of etcd.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::cluster::ClusterStore;
use super::store::Precondition;
use crate::error::{Error, Result};

/// The phase of a machine that is a node: its boot is over.
pub const JOINED: &str = "joined";

/// How far a machine's boot got: `status/<instance>.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BootStatus {
    /// The instance id.
    pub instance: String,
    /// The step that it is at: `downloading`, `registered` ...
    pub phase: String,
    /// What went wrong in it, if something did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// When the boot began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub began: Option<Timestamp>,
    /// When the step began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// When it wrote this.
    pub when: Timestamp,
}

impl ClusterStore {
    /// What these machines said of their boots last. Most say nothing; what can't be read is left out, since a status must
    /// not keep anybody from seeing the rest.
    pub async fn boots(&self, instances: &[String]) -> Result<Vec<BootStatus>> {
        let prefix = self.keys().status();
        let listed = self.store().list(&prefix, None).await?;
        let wanted = listed.into_iter().filter(|entry| {
            let name = entry.key.strip_prefix(&prefix).and_then(|rest| rest.strip_suffix(".json"));
            name.is_some_and(|name| instances.iter().any(|i| i == name))
        });
        let reads: Vec<_> = wanted.map(|entry| async move { self.store().get(&entry.key).await }).collect();
        let read = super::cluster::all(reads).await?;
        Ok(read.into_iter().flatten().filter_map(|blob| serde_json::from_slice(&blob.bytes).ok()).collect())
    }

    /// Keeps what a machine says of its boot, in place of what it said before.
    pub async fn keep_boot(&self, status: &BootStatus) -> Result<()> {
        let key = self.keys().boot_status(&status.instance);
        let text = serde_json::to_vec(status).map_err(|e| Error::failed(format!("can't write {key}")).because(e))?;
        let written = self.store().put(&key, &text, Precondition::None).await;
        written
            .map(|_| ())
            .map_err(|e| e.or_conflict(|| Error::conflict(format!("{key} was written by somebody else"))))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::state::memory::Memory;
    use crate::state::{Precondition, Store};

    /// Statuses of the machines that are asked for, and nothing of others; what is no status is left out.
    #[tokio::test]
    async fn statuses_are_read() {
        let memory: Arc<dyn Store> = Arc::new(Memory::default());
        let store = ClusterStore::new(Arc::clone(&memory), "c.example.com").unwrap();
        assert_eq!(store.boots(&["i-1".into()]).await.unwrap(), []);
        let status = |instance: &str| BootStatus {
            instance: instance.into(),
            phase: "downloading".into(),
            error: Some("404".into()),
            began: None,
            since: None,
            when: "2026-11-21T10:00:00Z".parse().unwrap(),
        };
        let put = async |key: &str, text: Vec<u8>| {
            memory.put(&format!("c.example.com/{key}"), &text, Precondition::None).await.unwrap();
        };
        put("status/i-1.json", serde_json::to_vec(&status("i-1")).unwrap()).await;
        put("status/i-2.json", serde_json::to_vec(&status("i-2")).unwrap()).await;
        put("status/i-3.json", b"{".to_vec()).await;
        assert_eq!(store.boots(&["i-1".into(), "i-3".into()]).await.unwrap(), [status("i-1")]);
    }
}
