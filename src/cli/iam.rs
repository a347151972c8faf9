//! `kspot iam`: the permissions that kspot itself needs.

use clap::{Args as ClapArgs, Subcommand};

use super::session::Session;
use crate::error::Result;
use crate::ops::permissions::{Use, policy};

/// Print the permissions that kspot needs
#[derive(ClapArgs, Debug)]
#[command(before_help = "Examples:
  kspot iam policy > kspot-policy.json
  kspot iam policy --read-only
")]
pub(super) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand, Debug)]
enum What {
    Policy(PolicyArgs),
}

/// Print the IAM policy of the person or pipeline that runs kspot
#[derive(ClapArgs, Debug)]
#[command(before_help = "Examples:
  kspot iam policy > kspot-policy.json
  kspot iam policy --read-only     # enough for plans, drift and get
  kspot iam policy --state s3://my-kspot-state
")]
struct PolicyArgs {
    /// Only what reading needs
    #[arg(long)]
    read_only: bool,
}

impl Args {
    pub(super) async fn run(self, session: &Session) -> Result<u8> {
        let What::Policy(args) = self.what;
        let store = session.global.state_setting(&session.context).map(|s| s.value.parse()).transpose()?;
        let used = if args.read_only { Use::Read } else { Use::Write };
        // An IAM policy document is its own format: it has no place for a formatVersion.
        session.ui.data(format!("{:#}", policy(used, store.as_ref())));
        Ok(0)
    }
}
