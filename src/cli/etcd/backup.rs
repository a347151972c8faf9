//! `kspot etcd backup`.

use clap::Args as ClapArgs;

use crate::cli::session::Session;
use crate::error::Result;
use crate::ops::etcd;
use crate::ops::specs::open;
use crate::spec::duration::GoDuration;
use crate::state::etcd::EtcdWork;

/// Take a snapshot of etcd now
///
/// The machine of the member that leads takes it, checks it and puts it into the store.
#[derive(ClapArgs, Debug)]
#[command(before_help = "Examples:
  kspot etcd backup
  kspot etcd backup --wait 5m
")]
pub(super) struct Args {
    /// Which etcd cluster
    #[arg(long, value_name = "NAME", default_value = "main")]
    etcd: String,

    /// How long to wait for it
    #[arg(long, value_name = "DURATION", default_value = "2m")]
    wait: GoDuration,
}

impl Args {
    pub(super) async fn run(self, session: &Session) -> Result<u8> {
        let (site, specs) = session.site(None).await?;
        let store = open(&site.store, specs.cluster.name())?;
        etcd::named(&store, &etcd::clusters(&specs), &self.etcd)?;
        let order = etcd::order(&session.context, &store, &self.etcd, EtcdWork::Backup).await?;
        let waiting = session.ui.waiting("the member that leads takes a snapshot");
        let told = etcd::answers(&store, &order, 1, self.wait.to_std()).await?;
        drop(waiting);
        let name = told.into_iter().find_map(|outcome| outcome.done).unwrap_or_default();
        session.ui.data(name);
        Ok(0)
    }
}
