//! How a command reaches the cluster's API.

use std::path::PathBuf;

use clap::Args;
use jiff::SignedDuration;
use kube::Client;

use crate::error::Result;
use crate::kube::connect::{Connection, dial, dial_file};
use crate::ops::access::{Wanted, entry};
use crate::ops::prepare::Site;
use crate::ops::specs::Specs;

/// How the cluster's API is reached.
#[derive(Args, Debug)]
pub(super) struct Reach {
    /// Use the current context of this kubeconfig; default: an administrator's certificate of an hour
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,

    /// The API's address inside the cluster's network
    #[arg(long, conflicts_with = "kubeconfig")]
    internal: bool,
}

impl Reach {
    /// A client for the cluster's API.
    pub(super) async fn connect(&self, site: &Site, specs: &Specs) -> Result<Client> {
        Ok(self.dial(site, specs).await?.client)
    }

    /// The same, with a look at the server's certificate.
    pub(super) async fn dial(&self, site: &Site, specs: &Specs) -> Result<Connection> {
        match &self.kubeconfig {
            Some(file) => dial_file(file).await,
            None => {
                let wanted = Wanted { admin: Some(SignedDuration::from_hours(1)), internal: self.internal };
                dial(&entry(site, &specs.cluster, wanted).await?).await
            }
        }
    }
}
