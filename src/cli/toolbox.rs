//! `kspot toolbox`: the instance selector, and looking after what it wrote.

use clap::{Args as ClapArgs, Subcommand};

use super::selector;
use super::session::Session;
use crate::error::Result;

/// Pick instance types for groups, and check groups against today's choice
#[derive(ClapArgs, Debug)]
#[command(before_help = "Examples:
  kspot toolbox instance-selector spot --usage-class spot --vcpus 4 --memory 16GiB
  kspot toolbox lint-group spot
  kspot toolbox lint-group spot --refresh-group
")]
pub(super) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand, Debug)]
enum What {
    InstanceSelector(Box<selector::group::Args>),
    LintGroup(selector::lint::Args),
}

impl Args {
    pub(super) async fn run(self, session: &Session) -> Result<u8> {
        match self.what {
            What::InstanceSelector(args) => args.run(session).await,
            What::LintGroup(args) => args.run(session).await,
        }
    }
}
