//! `kspot create`: makes specs, and the state store that they are kept in.

mod cluster;
mod file;
mod instance_group;
mod keypair;
mod state_store;

use clap::{Args as ClapArgs, Subcommand};

use super::session::Session;
use crate::error::{Error, Result};

/// Create clusters, instance groups, state stores and keys
#[derive(ClapArgs, Debug)]
#[command(
    args_conflicts_with_subcommands = true,
    before_help = "Examples:
  kspot create state-store --auto
  kspot create cluster demo.k8s.local --zones us-east-1a,us-east-1b,us-east-1c
  kspot create ig nodes-b --subnet us-east-1b
  kspot create -f cluster.yaml
"
)]
pub(super) struct Args {
    #[command(flatten)]
    file: file::FileArgs,

    #[command(subcommand)]
    what: Option<What>,
}

#[derive(Subcommand, Debug)]
enum What {
    Cluster(Box<cluster::Args>),
    #[command(name = "instancegroup", visible_alias = "ig", alias = "instancegroups")]
    InstanceGroup(instance_group::Args),
    StateStore(state_store::Args),
    Keypair(keypair::Args),
}

impl Args {
    pub(super) async fn run(self, session: &Session) -> Result<u8> {
        match self.what {
            Some(What::Cluster(args)) => args.run(session).await,
            Some(What::InstanceGroup(args)) => args.run(session).await,
            Some(What::StateStore(args)) => args.run(session).await,
            Some(What::Keypair(args)) => args.run(session).await,
            None if self.file.is_given() => self.file.run(session).await,
            None => Err(Error::usage("nothing to create is named")
                .hint("kspot create cluster | instancegroup | state-store | keypair, or kspot create -f FILE")),
        }
    }
}
