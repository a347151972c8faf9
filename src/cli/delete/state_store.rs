//! `kspot delete state-store`.

use clap::Args as ClapArgs;

use crate::cli::session::Session;
use crate::error::{Error, Result};
use crate::state::{Location, bucket};

/// Delete a state store that no cluster is in any more, with every old version
#[derive(ClapArgs, Debug)]
#[command(before_help = "Examples:
  kspot delete state-store s3://my-kspot-state --yes
")]
pub(super) struct Args {
    /// s3://BUCKET; default: the global --state
    url: Option<String>,

    /// Do not ask
    #[arg(short, long)]
    yes: bool,
}

impl Args {
    pub(super) async fn run(self, session: &Session) -> Result<u8> {
        let location = match &self.url {
            Some(url) => url.parse::<Location>()?,
            None => session.location()?,
        };
        if !self.yes && !session.ui.confirm(&format!("Delete {location} with every old version in it?"), "--yes")? {
            return Err(Error::failed("nothing is deleted"));
        }
        let removed = bucket::delete(&session.sdk_as_set().await, &session.context, &location).await?;
        session.ui.say(format!("{location} is deleted ({removed} objects and old versions)"));
        Ok(0)
    }
}
