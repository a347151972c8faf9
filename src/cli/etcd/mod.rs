//! `kspot etcd`: the members, their snapshots, and back to one of these.

mod backup;
mod list;
mod restore;
mod status;

use clap::{Args as ClapArgs, Subcommand};

use super::session::Session;
use crate::error::Result;

/// Look at etcd, back it up, bring a snapshot back
#[derive(ClapArgs, Debug)]
#[command(before_help = "Examples:
  kspot etcd status
  kspot etcd list
  kspot etcd backup
  kspot etcd restore 20261121T220000Z --drill   # shows that a snapshot can be restored
")]
pub(super) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand, Debug)]
enum What {
    Status(status::Args),
    List(list::Args),
    Backup(backup::Args),
    Restore(restore::Args),
}

impl Args {
    pub(super) async fn run(self, session: &Session) -> Result<u8> {
        match self.what {
            What::Status(args) => args.run(session).await,
            What::List(args) => args.run(session).await,
            What::Backup(args) => args.run(session).await,
            What::Restore(args) => args.run(session).await,
        }
    }
}
