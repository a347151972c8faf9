//! etcd's members as static pods.

use std::net::IpAddr;

use async_trait::async_trait;

use crate::error::{Error, Result};
use crate::node::agent::report::Reporter;
use crate::node::agent::step::Step;
use crate::node::configuration::Etcd;
use crate::node::etcd::manifest::{file, manifest};
use crate::node::etcd::restore::{Stage, journal};
use crate::node::host::Host;
use crate::state::ClusterStore;

/// The pods of this machine's members.
pub struct EtcdPods {
    /// The cluster's part of the store, with the token of its seeding.
    pub store: ClusterStore,
    /// This machine's members.
    pub etcd: Vec<Etcd>,
    /// This machine's address.
    pub address: IpAddr,
}

#[async_trait]
impl Step for EtcdPods {
    fn phase(&self) -> &'static str {
        "etcd-member"
    }

    async fn is_done(&self, _host: &dyn Host) -> Result<bool> {
        // The token is in the store.
        Ok(false)
    }

    async fn act(&self, host: &dyn Host, _report: &Reporter) -> Result<()> {
        let unmarked = || Error::failed("etcd has members here, but the store has no marker that it was seeded");
        let created = self.store.etcd_created().await?.ok_or_else(unmarked)?;
        for etcd in &self.etcd {
            let last = journal(host, &etcd.name).await?;
            if let Some(restore) = last.filter(|restore| restore.stage == Stage::Prepared) {
                // Its pod would begin beside what is being moved; kspot-keep ends it and starts the pod.
                return Err(Error::failed(format!("etcd {} is being restored with {}", etcd.name, restore.snapshot))
                    .hint("journalctl -u kspot-keep"));
            }
            let text = manifest(etcd, &self.address.to_string(), &created.token)?;
            host.ensure(file(etcd), &text, 0o600).await?;
        }
        Ok(())
    }
}
