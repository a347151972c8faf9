//! `kspot get nodes`.

use std::time::Duration;

use clap::Args as ClapArgs;

use super::machines::{Lead, show};
use crate::cli::reach::Reach;
use crate::cli::session::Session;
use crate::error::Result;
use crate::ops::machines::list;
use crate::ui::Output;

/// List the nodes of a cluster, with the machine behind each
#[derive(ClapArgs, Debug)]
#[command(before_help = "Examples:
  kspot get nodes
  kspot get nodes -o wide
  kspot get nodes --kubeconfig ./demo.kubeconfig
")]
pub(super) struct Args {
    /// The cluster's name
    cluster: Option<String>,

    /// Form of the list
    #[arg(short, long, value_enum, default_value_t)]
    output: Output,

    #[command(flatten)]
    reach: Reach,
}

impl Args {
    pub(super) async fn run(self, session: &Session) -> Result<u8> {
        let (site, specs) = session.site(self.cluster.as_deref()).await?;
        let client = self.reach.connect(&site, &specs, Duration::ZERO).await?;
        let machines = list(&site, &specs, Some(Ok(client)), true).await?;
        show(session, Lead::Node, &machines.all, self.output)
    }
}
