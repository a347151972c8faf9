//! `kspot get`: shows specs and what runs.

mod all;
mod assets;
mod clusters;
mod groups;
mod instances;
mod keypairs;
mod machines;
mod nodes;
mod pools;

use clap::{Args as ClapArgs, Subcommand};

use super::session::Session;
use crate::error::Result;

/// Show specs and what runs
#[derive(ClapArgs, Debug)]
#[command(before_help = "Examples:
  kspot get clusters
  kspot get ig
  kspot get ig nodes-us-east-1a -o yaml
  kspot get all -o yaml
  kspot get instances
  kspot get nodes
  kspot get pools
  kspot get keypairs
")]
pub(super) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand, Debug)]
enum What {
    #[command(name = "clusters", alias = "cluster")]
    Clusters(clusters::Args),
    #[command(name = "instancegroups", visible_alias = "ig", alias = "instancegroup")]
    Groups(groups::Args),
    All(all::Args),
    #[command(alias = "asset")]
    Assets(assets::Args),
    #[command(alias = "instance")]
    Instances(instances::Args),
    #[command(alias = "keypair")]
    Keypairs(keypairs::Args),
    #[command(alias = "node")]
    Nodes(nodes::Args),
    #[command(alias = "pool")]
    Pools(pools::Args),
}

impl Args {
    pub(super) async fn run(self, session: &Session) -> Result<u8> {
        match self.what {
            What::Clusters(args) => args.run(session).await,
            What::Groups(args) => args.run(session).await,
            What::All(args) => args.run(session).await,
            What::Assets(args) => args.run(session).await,
            What::Instances(args) => args.run(session).await,
            What::Keypairs(args) => args.run(session).await,
            What::Nodes(args) => args.run(session).await,
            What::Pools(args) => args.run(session).await,
        }
    }
}
