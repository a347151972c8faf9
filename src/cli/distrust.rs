//! `kspot distrust keypair`: the last step of a rotation.

use clap::{Args as ClapArgs, Subcommand};

use super::session::Session;
use crate::error::Result;
use crate::ops::keys;
use crate::ops::specs::open;
use crate::pki::Name;

/// Stop trusting a key
#[derive(ClapArgs, Debug)]
#[command(before_help = "Examples:
  kspot distrust keypair kubernetes-ca
")]
pub(super) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand, Debug)]
enum What {
    Keypair(KeypairArgs),
}

/// Stop trusting what a key signed
///
/// Do this when nothing is left that the key signed: machines and kubeconfigs that still have its certificates are locked
/// out. The key itself is kept, as history.
#[derive(ClapArgs, Debug)]
#[command(before_help = "Examples:
  kspot distrust keypair kubernetes-ca        # every key older than the one that signs
  kspot distrust keypair kubernetes-ca 0001
")]
struct KeypairArgs {
    /// The keyset
    #[arg(value_enum)]
    keyset: Name,

    /// The key; default: every one older than the one that signs
    id: Option<String>,
}

impl Args {
    pub(super) async fn run(self, session: &Session) -> Result<u8> {
        let What::Keypair(args) = self.what;
        let (store, specs) = session.specs(None).await?;
        let cluster = specs.cluster.name();
        let keys = open(&store, cluster)?;
        let gone = keys::distrust(&keys, session.context.now(), args.keyset, args.id.as_deref()).await?;
        session.ui.say(format!("cluster {cluster}: {} no longer trusts key {}", args.keyset, gone.join(", ")));
        session.ui.hint("next", format!("kspot update cluster {cluster} --yes, then renew the machines"));
        session.ui.hint("and", format!("kspot export kubeconfig {cluster} --admin"));
        Ok(0)
    }
}
