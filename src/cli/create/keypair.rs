//! `kspot create keypair`: the first step of a rotation.

use clap::Args as ClapArgs;

use crate::cli::session::Session;
use crate::error::Result;
use crate::ops::keys;
use crate::pki::Name;

/// Make a new key for an authority: trusted by everybody, before it signs
///
/// The first of three steps. After it, let the cluster learn to trust the key (`kspot update cluster --yes`, new
/// machines); then `kspot promote keypair` lets it sign, and when nothing is left that the old key signed,
/// `kspot distrust keypair` ends that.
#[derive(ClapArgs, Debug)]
#[command(before_help = "Examples:
  kspot create keypair kubernetes-ca
  kspot create keypair service-account
")]
pub(super) struct Args {
    /// The keyset
    #[arg(value_enum)]
    keyset: Name,
}

impl Args {
    pub(super) async fn run(self, session: &Session) -> Result<u8> {
        let (site, specs) = session.site(None).await?;
        let cluster = specs.cluster.name();
        let id = keys::create(&site, &specs.cluster, self.keyset).await?;
        session.ui.say(format!("cluster {cluster}: {} has a new key {id}, which is trusted", self.keyset));
        session.ui.hint("next", format!("kspot update cluster {cluster} --yes, then renew the machines"));
        session.ui.hint("then", format!("kspot promote keypair {} {id}", self.keyset));
        session.ui.data(id);
        Ok(0)
    }
}
