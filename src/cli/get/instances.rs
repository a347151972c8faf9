//! `kspot get instances`.

use std::time::Duration;

use clap::Args as ClapArgs;

use super::machines::{Lead, show};
use crate::cli::reach::Reach;
use crate::cli::session::Session;
use crate::error::Result;
use crate::ops::machines::list;
use crate::ui::Output;

/// List the machines of a cluster, with how each stands
///
/// What EC2 says, with the node that each machine has become. Where the Kubernetes API does not answer, EC2's own state
/// is shown instead.
#[derive(ClapArgs, Debug)]
#[command(before_help = "Examples:
  kspot get instances
  kspot get instances -o wide
  kspot get instances --cloud-only -o json
")]
pub(super) struct Args {
    /// The cluster's name
    cluster: Option<String>,

    /// Do not ask the Kubernetes API
    #[arg(long, conflicts_with_all = ["kubeconfig", "internal"])]
    cloud_only: bool,

    /// Form of the list
    #[arg(short, long, value_enum, default_value_t)]
    output: Output,

    #[command(flatten)]
    reach: Reach,
}

impl Args {
    pub(super) async fn run(self, session: &Session) -> Result<u8> {
        let (site, specs) = session.site(self.cluster.as_deref()).await?;
        let client = match self.cloud_only {
            true => None,
            false => Some(self.reach.connect(&site, &specs, Duration::ZERO).await),
        };
        let machines = list(&site, &specs, client, false).await?;
        if let Some(why) = &machines.unknown {
            session.ui.warn(format!("nodes are not shown: {}", why.chain()));
            session.ui.hint("hint", "--cloud-only does not ask the Kubernetes API");
        }
        show(session, Lead::Instance, &machines.all, self.output)
    }
}
