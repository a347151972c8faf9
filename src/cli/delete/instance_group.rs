//! `kspot delete instancegroup`: takes the spec away; the next update deletes what it made.

use clap::Args as ClapArgs;

use crate::cli::session::Session;
use crate::cli::specs::{Change, groups_like};
use crate::cli::update::Preview;
use crate::error::{Error, Result};

/// Delete instance groups
///
/// Removes the specs and shows what that deletes on AWS. With --yes, deletes it.
#[derive(ClapArgs, Debug)]
#[command(before_help = "Examples:
  kspot delete ig nodes-b           # shows what goes
  kspot delete ig nodes-b --yes     # deletes it
")]
pub(super) struct Args {
    /// The groups; `*` stands for anything
    #[arg(required = true)]
    groups: Vec<String>,

    /// Delete on AWS at once
    #[arg(short, long)]
    yes: bool,

    /// Why, for the history
    #[arg(short, long, value_name = "TEXT")]
    message: Option<String>,
}

impl Args {
    pub(super) async fn run(self, session: &Session) -> Result<u8> {
        let cluster = session.cluster(None)?;
        let store = session.store().await?;
        let named = self.groups.join(" ");
        if !self.yes && !session.ui.confirm(&format!("Delete instance group {named} of cluster {cluster}?"), "--yes")? {
            return Err(Error::failed("nothing is deleted"));
        }
        let command = format!("delete ig {named}");
        let change = Change::new(&store, &cluster, &command, self.message.as_deref());
        let (gone, revision) = change
            .edit(session, |texts| {
                let mut gone = Vec::new();
                for pattern in &self.groups {
                    gone.extend(groups_like(texts, pattern)?);
                }
                texts.retain(|path, _| !gone.contains(path));
                Ok(gone)
            })
            .await?;
        let names: Vec<&str> = gone.iter().filter_map(|p| p.group_name()).collect();
        if let Some(r) = revision {
            session.ui.say(format!("cluster {cluster}: revision {} has no {}", r.number, names.join(", ")));
        }
        Preview { cluster, yes: self.yes, ..Preview::default() }.run(session).await
    }
}
