//! `kspot delete`: clusters, instance groups, machines, state stores.

mod cluster;
mod instance;
mod instance_group;
mod state_store;

use clap::{Args as ClapArgs, Subcommand};

use super::session::Session;
use crate::error::Result;

/// Delete clusters, instance groups, machines and state stores
#[derive(ClapArgs, Debug)]
#[command(before_help = "Examples:
  kspot delete ig nodes-b
  kspot delete instance i-0123456789abcdef0
  kspot delete cluster demo.k8s.local
  kspot delete state-store s3://my-kspot-state
")]
pub(super) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand, Debug)]
enum What {
    Cluster(cluster::Args),
    #[command(name = "instancegroup", visible_alias = "ig", alias = "instancegroups")]
    InstanceGroup(instance_group::Args),
    Instance(instance::Args),
    StateStore(state_store::Args),
}

impl Args {
    pub(super) async fn run(self, session: &Session) -> Result<u8> {
        match self.what {
            What::Cluster(args) => args.run(session).await,
            What::InstanceGroup(args) => args.run(session).await,
            What::Instance(args) => args.run(session).await,
            What::StateStore(args) => args.run(session).await,
        }
    }
}
