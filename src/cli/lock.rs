//! `kspot lock`: who is changing a cluster, and what to do when they never come back.

use clap::{Args as ClapArgs, Subcommand};
use serde_json::json;

use super::session::Session;
use crate::error::Result;
use crate::ops::specs::open;
use crate::ui::Output;
use crate::ui::time::ago;

/// Show or break the lock of a cluster
#[derive(ClapArgs, Debug)]
#[command(before_help = "Examples:
  kspot lock show
  kspot lock break 6b1f0f0e-...
")]
pub(super) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand, Debug)]
enum What {
    Show(ShowArgs),
    Break(BreakArgs),
}

/// Show who holds the lock of a cluster
#[derive(ClapArgs, Debug)]
#[command(before_help = "Examples:
  kspot lock show
  kspot lock show -o json
")]
struct ShowArgs {
    /// Form of the answer
    #[arg(short, long, value_enum, default_value_t)]
    output: Output,
}

/// Break a lock whose holder is gone
///
/// Only do this when you know that the holder no longer runs: two updates at once can undo each other's work.
#[derive(ClapArgs, Debug)]
#[command(before_help = "Examples:
  kspot lock show
  kspot lock break 6b1f0f0e-7c3c-4a53-9f0e-0d8f7c1f2a55
")]
struct BreakArgs {
    /// The lock's id, as `kspot lock show` prints it
    id: String,
}

impl Args {
    pub(super) async fn run(self, session: &Session) -> Result<u8> {
        let cluster = session.cluster(None)?;
        let store = open(&session.store().await?, &cluster)?;
        match self.what {
            What::Show(args) => {
                let held = store.show_lock().await?;
                if !args.output.is_for_people() {
                    session.ui.json(&json!({ "lock": held }))?;
                    return Ok(0);
                }
                match held {
                    None => session.ui.say(format!("nobody holds the lock of cluster {cluster}")),
                    Some(lock) => {
                        let now = session.context.now();
                        session.ui.data(format!(
                            "id       {}\nholder   {}\ncommand  {}\nsince    {} ({})\nexpires  {}",
                            lock.id,
                            lock.holder,
                            lock.command,
                            lock.since,
                            ago(now, lock.since),
                            lock.expires
                        ));
                    }
                }
            }
            What::Break(args) => {
                store.break_lock(&args.id).await?;
                session.ui.say(format!("the lock of cluster {cluster} is broken"));
            }
        }
        Ok(0)
    }
}
