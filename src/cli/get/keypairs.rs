//! `kspot get keypairs`.

use clap::Args as ClapArgs;

use crate::cli::session::Session;
use crate::error::Result;
use crate::ops::keys;
use crate::ops::specs::open;
use crate::ui::time::ago;
use crate::ui::{Column, Listing, Output};

/// List the keys of a cluster: its authorities, and the key of its service accounts
///
/// A primary key signs, a trusted one is only believed, a distrusted one is history. Authorities that end within 60 days
/// are warned of: rotate them with create, promote and distrust keypair.
#[derive(ClapArgs, Debug)]
#[command(before_help = "Examples:
  kspot get keypairs
  kspot get keypairs -o json
")]
pub(super) struct Args {
    /// Form of the list
    #[arg(short, long, value_enum, default_value_t)]
    output: Output,
}

impl Args {
    pub(super) async fn run(self, session: &Session) -> Result<u8> {
        let (store, specs) = session.specs(None).await?;
        let keys = open(&store, specs.cluster.name())?;
        let now = session.context.now();
        let columns = ["keyset", "id", "state", "created", "expires"].map(Column::new);
        let mut listing = Listing::new("keypairs", columns);
        for key in keys::list(&keys).await? {
            let expires = key.expires.map_or_else(|| "never".to_owned(), |at| ago(now, at));
            if key.expires.is_some_and(|at| at < now + keys::SOON) && key.state != crate::pki::keyset::State::Distrusted
            {
                session.ui.warn(format!("key {} of {} expires {expires}", key.id, key.keyset));
            }
            let cells = [
                key.keyset.as_str().into(),
                key.id.as_str().into(),
                key.state.as_str().into(),
                ago(now, key.created).into(),
                expires.into(),
            ];
            let item = serde_json::to_value(&key).unwrap_or_default();
            listing.push(format!("{}/{}", key.keyset, key.id), item, cells);
        }
        session.ui.listing(&listing, self.output)?;
        Ok(0)
    }
}
