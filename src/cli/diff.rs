//! `kspot diff`: what changed between two revisions of the specs.

use clap::Args as ClapArgs;

use super::session::Session;
use crate::error::Result;
use crate::ops::specs::open;
use crate::state::history::At;
use crate::ui::unified;

/// Show what changed between two revisions of the specs
#[derive(ClapArgs, Debug)]
#[command(before_help = "Examples:
  kspot diff                     # the last revision against the one before, edits by hand included
  kspot diff --from 3            # revision 3 against the specs as they are
  kspot diff --from 3 --to 5
")]
pub(super) struct Args {
    /// The older revision; default: the one before --to
    #[arg(long, value_name = "N")]
    from: Option<u64>,

    /// The newer revision; default: the specs as they are
    #[arg(long, value_name = "M")]
    to: Option<u64>,
}

impl Args {
    pub(super) async fn run(self, session: &Session) -> Result<u8> {
        let cluster = session.cluster(None)?;
        let store = open(&session.store().await?, &cluster)?;
        let to = self.to.map_or(At::Now, At::Revision);
        let from = match (self.from, self.to) {
            (Some(n), _) => n,
            (None, Some(m)) => m.saturating_sub(1),
            (None, None) => {
                let specs = store.read().await?;
                let head = specs.revision.unwrap_or(1);
                // Edits made by hand are not a revision yet: they are what is new since the head.
                if specs.outside_edits.is_empty() { head.saturating_sub(1) } else { head }
            }
        };
        let changes = store.diff(if from == 0 { At::Nothing } else { At::Revision(from) }, to).await?;
        if changes.is_empty() {
            session.ui.say("no difference");
        }
        for change in &changes {
            let side = |name: &str, text: &Option<String>| match text {
                Some(text) => (format!("{name}/{}", change.path), text.clone()),
                None => ("/dev/null".to_owned(), String::new()),
            };
            let (old, new) = (side("a", &change.old), side("b", &change.new));
            session.ui.data(unified((&old.0, &old.1), (&new.0, &new.1)).trim_end());
        }
        Ok(0)
    }
}
