//! How a command reaches the cluster's API.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use jiff::SignedDuration;
use kube::Client;

use crate::error::Result;
use crate::kube::connect::{Connection, dial, dial_file};
use crate::ops::access::{Wanted, entry};
use crate::ops::prepare::Site;
use crate::ops::specs::Specs;
use crate::pki::issue::AUTHORITY_LIFE;

/// How the cluster's API is reached.
#[derive(Args, Debug)]
pub(super) struct Reach {
    /// Use the current context of this kubeconfig; default: an administrator's certificate, for as long as this takes
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,

    /// The API's address inside the cluster's network
    #[arg(long, conflicts_with = "kubeconfig")]
    internal: bool,
}

/// How much longer its certificate counts than a command is to wait.
const SPARE: SignedDuration = SignedDuration::from_hours(1);

impl Reach {
    /// A client for the cluster's API, good for a command that waits no longer than this.
    pub(super) async fn connect(&self, site: &Site, specs: &Specs, wait: Duration) -> Result<Client> {
        Ok(self.dial(site, specs, wait).await?.client)
    }

    /// The same, with a look at the server's certificate.
    pub(super) async fn dial(&self, site: &Site, specs: &Specs, wait: Duration) -> Result<Connection> {
        match &self.kubeconfig {
            Some(file) => dial_file(file).await,
            None => {
                let wait = SignedDuration::try_from(wait).unwrap_or(AUTHORITY_LIFE);
                let life = wait.saturating_add(SPARE).min(AUTHORITY_LIFE);
                let wanted = Wanted { admin: Some(life), internal: self.internal };
                dial(&entry(site, &specs.cluster, wanted).await?).await
            }
        }
    }
}
