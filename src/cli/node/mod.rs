//! `kspot node`: what runs on the machines. Not for people: the help does not show it.

mod boot;
mod controller;

use clap::{Args as ClapArgs, Subcommand};

use super::session::Session;
use crate::error::Result;

/// Run a part of a node (on the cluster's machines)
#[derive(ClapArgs, Debug)]
#[command(before_help = "Examples:
  kspot node controller
")]
pub(super) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand, Debug)]
enum What {
    Boot(boot::BootArgs),
    Controller(controller::Args),
    Install(boot::InstallArgs),
    Keep(boot::KeepArgs),
}

impl Args {
    pub(super) async fn run(self, session: &Session) -> Result<u8> {
        match self.what {
            What::Boot(args) => args.run(session).await,
            What::Controller(args) => args.run(session).await,
            What::Install(args) => args.run().await,
            What::Keep(args) => args.run(session).await,
        }
    }
}
