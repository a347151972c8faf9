//! `kspot rollback N`: earlier specs become the current ones, as a new revision.

use clap::Args as ClapArgs;

use super::session::Session;
use super::update::Preview;
use crate::error::Result;
use crate::ops::specs::{check, open};
use crate::state::change::Intent;

/// Make the specs of an earlier revision the current ones, then show the plan
///
/// Nothing is lost: it writes a new revision with the old texts.
#[derive(ClapArgs, Debug)]
#[command(before_help = "Examples:
  kspot history
  kspot rollback 4
  kspot rollback 4 --yes    # and update AWS at once
")]
pub(super) struct Args {
    /// The revision to go back to
    revision: u64,

    /// Update AWS at once
    #[arg(short, long)]
    yes: bool,

    /// Why, for the history
    #[arg(short, long, value_name = "TEXT")]
    message: Option<String>,
}

impl Args {
    pub(super) async fn run(self, session: &Session) -> Result<u8> {
        let cluster = session.cluster(None)?;
        let store = open(&session.store().await?, &cluster)?;
        let old = store.texts(&store.revision(self.revision).await?).await?;
        check(&old, &[])?;
        let command = format!("rollback {}", self.revision);
        let intent =
            Intent { ctx: &session.context, command: &command, message: self.message.as_deref().unwrap_or_default() };
        let changed = store.rollback(&intent, self.revision).await?;
        match &changed.revision {
            Some(r) => session
                .ui
                .say(format!("cluster {cluster}: revision {} has the specs of revision {}", r.number, self.revision)),
            None => {
                session.ui.say(format!("cluster {cluster}: the specs are those of revision {} already", self.revision))
            }
        }
        Preview { cluster, yes: self.yes, ..Preview::default() }.run(session).await
    }
}
