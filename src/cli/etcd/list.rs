//! `kspot etcd list`.

use clap::Args as ClapArgs;

use crate::cli::session::Session;
use crate::error::Result;
use crate::ops::etcd;
use crate::ops::specs::open;
use crate::ui::size::bytes;
use crate::ui::time::ago;
use crate::ui::{Column, Listing, Output};

/// List the snapshots of etcd, oldest first
///
/// The machines take one every 15 minutes (spec.etcdClusters[].manager.backupInterval). All of the last day are kept, then
/// one an hour for a week, then one a day for 90 days (backupRetentionDays).
#[derive(ClapArgs, Debug)]
#[command(before_help = "Examples:
  kspot etcd list
  kspot etcd list --etcd events -o json
")]
pub(super) struct Args {
    /// Which etcd cluster
    #[arg(long, value_name = "NAME", default_value = "main")]
    etcd: String,

    /// Form of the list
    #[arg(short, long, value_enum, default_value_t)]
    output: Output,
}

impl Args {
    pub(super) async fn run(self, session: &Session) -> Result<u8> {
        let (site, specs) = session.site(None).await?;
        let store = open(&site.store, specs.cluster.name())?;
        let now = session.context.now();
        let mut listing = Listing::new("snapshots", ["snapshot", "taken", "member", "size"].map(Column::new));
        let clusters = etcd::clusters(&specs);
        for snapshot in etcd::snapshots(&site, &store, etcd::named(&store, &clusters, &self.etcd)?).await? {
            let cells = [
                snapshot.name.as_str().into(),
                ago(now, snapshot.when).into(),
                snapshot.member.as_str().into(),
                bytes(snapshot.size).into(),
            ];
            let item = serde_json::to_value(&snapshot).unwrap_or_default();
            listing.push(snapshot.name.clone(), item, cells);
        }
        session.ui.listing(&listing, self.output)?;
        Ok(0)
    }
}
