//! `kspot toolbox`: the instance selector, looking after what it wrote, and a look at one machine.

use clap::{Args as ClapArgs, Subcommand};

use super::session::Session;
use super::{logs, selector};
use crate::error::Result;

/// Pick instance types for groups, check groups against today's choice, look at a machine
#[derive(ClapArgs, Debug)]
#[command(before_help = "Examples:
  kspot toolbox instance-selector spot --usage-class spot --vcpus 4 --memory 16GiB
  kspot toolbox lint-group spot
  kspot toolbox lint-group spot --refresh-group
  kspot toolbox logs i-0123456789abcdef0
")]
pub(super) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand, Debug)]
enum What {
    InstanceSelector(Box<selector::group::Args>),
    LintGroup(selector::lint::Args),
    Logs(logs::Args),
}

impl Args {
    pub(super) async fn run(self, session: &Session) -> Result<u8> {
        match self.what {
            What::InstanceSelector(args) => args.run(session).await,
            What::LintGroup(args) => args.run(session).await,
            What::Logs(args) => args.run(session).await,
        }
    }
}
