//! `kspot node controller`: lets workers in, labels nodes, applies addons. Runs on every machine of the control plane.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args as ClapArgs;

use crate::cli::session::Session;
use crate::error::Result;
use crate::node::boot;
use crate::node::controller::{Options, run};

/// Let workers in, label nodes, apply addons (on the control plane's machines)
#[derive(ClapArgs, Debug)]
#[command(before_help = "Examples:
  kspot node controller --config /etc/kspot/boot.yaml
")]
pub(super) struct Args {
    /// What the user data wrote
    #[arg(long, value_name = "FILE", default_value = boot::PATH)]
    config: PathBuf,

    /// The directory that stands for /
    #[arg(long, value_name = "DIRECTORY", default_value = "/", hide = true)]
    root: PathBuf,

    /// The directory with the authority's ca.crt and ca.key
    #[arg(long, value_name = "DIRECTORY", hide = true)]
    pki: Option<PathBuf>,

    /// Where to listen, instead of the configured port
    #[arg(long, value_name = "ADDRESS:PORT", hide = true)]
    listen: Option<SocketAddr>,

    /// The API server's port on this machine, instead of the configured one
    #[arg(long, value_name = "PORT", hide = true)]
    api_port: Option<u16>,
}

impl Args {
    pub(super) async fn run(self, session: &Session) -> Result<u8> {
        session.ui.log();
        let Args { config, root, pki, listen, api_port } = self;
        run(Options { config, root, pki, listen, api_port }, session.context.clone()).await?;
        Ok(0)
    }
}
