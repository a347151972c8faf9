//! `kspot promote keypair`: the second step of a rotation.

use clap::{Args as ClapArgs, Subcommand};

use super::session::Session;
use crate::error::Result;
use crate::ops::keys;
use crate::ops::specs::open;
use crate::pki::Name;

/// Let a trusted key sign
#[derive(ClapArgs, Debug)]
#[command(before_help = "Examples:
  kspot promote keypair kubernetes-ca
")]
pub(super) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand, Debug)]
enum What {
    Keypair(KeypairArgs),
}

/// Let a trusted key sign from now on
///
/// Do this when every machine and client trusts the key. What the key before it signed is trusted still.
#[derive(ClapArgs, Debug)]
#[command(before_help = "Examples:
  kspot promote keypair kubernetes-ca         # the newest key
  kspot promote keypair kubernetes-ca 0002
")]
struct KeypairArgs {
    /// The keyset
    #[arg(value_enum)]
    keyset: Name,

    /// The key; default: the newest that is trusted
    id: Option<String>,
}

impl Args {
    pub(super) async fn run(self, session: &Session) -> Result<u8> {
        let What::Keypair(args) = self.what;
        let (store, specs) = session.specs(None).await?;
        let cluster = specs.cluster.name();
        let keys = open(&store, cluster)?;
        let id = keys::promote(&keys, args.keyset, args.id.as_deref()).await?;
        session.ui.say(format!("cluster {cluster}: key {id} of {} signs from now on", args.keyset));
        session.ui.hint("next", format!("kspot update cluster {cluster} --yes, then renew the machines"));
        session.ui.hint("then", format!("kspot distrust keypair {}", args.keyset));
        Ok(0)
    }
}
