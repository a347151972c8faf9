//! `kspot history`: who changed the specs, when and how.

use clap::Args as ClapArgs;
use serde_json::json;

use super::session::Session;
use crate::error::Result;
use crate::ops::specs::open;
use crate::ui::time::ago;
use crate::ui::{Column, Listing, Output};

/// List the revisions of a cluster's specs, the newest first
#[derive(ClapArgs, Debug)]
#[command(before_help = "Examples:
  kspot history
  kspot history ig nodes-us-east-1a
  kspot history -o json
")]
pub(super) struct Args {
    /// Only revisions that changed this instance group: ig NAME
    #[arg(num_args = 0..=2, value_names = ["ig", "NAME"])]
    group: Vec<String>,

    /// At most this many
    #[arg(long, value_name = "N", default_value_t = 50)]
    limit: usize,

    /// Form of the list
    #[arg(short, long, value_enum, default_value_t)]
    output: Output,
}

impl Args {
    pub(super) async fn run(self, session: &Session) -> Result<u8> {
        let group = match self.group.as_slice() {
            [] => None,
            [kind, name] if kind == "ig" || kind == "instancegroup" => Some(name.as_str()),
            _ => return Err(crate::Error::usage("history takes nothing, or: ig NAME").hint("kspot history ig nodes-a")),
        };
        let cluster = session.cluster(None)?;
        let store = session.store().await?;
        let revisions = open(&store, &cluster)?.history(group, self.limit).await?;
        let columns = [
            Column::new("revision").right(),
            Column::new("age"),
            Column::new("when").wide(),
            Column::new("who"),
            Column::new("command"),
            Column::new("message").flexible(),
            Column::new("version").wide(),
        ];
        let mut listing = Listing::new("revisions", columns);
        let now = session.context.now();
        for r in &revisions {
            let cells = [
                r.number.to_string(),
                ago(now, r.when),
                r.when.to_string(),
                r.who.clone(),
                r.command.clone(),
                r.message.clone(),
                r.version.clone(),
            ];
            listing.push(r.number.to_string(), json!(r), cells.map(Into::into));
        }
        session.ui.listing(&listing, self.output)?;
        Ok(0)
    }
}
