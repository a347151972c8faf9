//! `kspot create state-store`: makes the bucket (or directory) that specs are kept in.

use clap::Args as ClapArgs;

use crate::cli::session::Session;
use crate::error::Result;
use crate::state::{Location, bucket};

/// Make the bucket that specs are kept in, with versioning, encryption and no public access
///
/// Prints the store's URL. A bucket of yours that exists is brought to these settings.
#[derive(ClapArgs, Debug)]
#[command(before_help = "Examples:
  export KSPOT_STATE_STORE=$(kspot create state-store --auto)
  kspot create state-store s3://my-kspot-state --region eu-central-1
  kspot create state-store s3://my-kspot-state --kms-key alias/kspot
")]
pub(super) struct Args {
    /// s3://BUCKET; default: the global --state
    url: Option<String>,

    /// Invent a name that nobody has
    #[arg(long, conflicts_with = "url")]
    auto: bool,

    /// KMS key that encrypts what is stored; default: S3's own keys
    #[arg(long, value_name = "KEY")]
    kms_key: Option<String>,
}

impl Args {
    pub(super) async fn run(self, session: &Session) -> Result<u8> {
        let wanted = match (&self.url, self.auto) {
            (Some(url), _) => bucket::Target::At(url.parse::<Location>()?),
            (None, true) => bucket::Target::Auto,
            (None, false) => bucket::Target::At(session.location()?),
        };
        let config = session.sdk_as_set().await;
        let made = bucket::create(&config, &session.context, &wanted, self.kms_key.as_deref()).await?;
        for line in &made.changes {
            session.ui.say(line);
        }
        session.ui.data(&made.location);
        session.ui.hint("next", format!("export KSPOT_STATE_STORE={}", made.location));
        Ok(0)
    }
}
