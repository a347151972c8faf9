//! `kspot node boot`, `install` and `keep`: what a machine runs to become a node and to stay one.

use std::path::PathBuf;

use clap::Args as ClapArgs;
use tokio_util::sync::CancellationToken;

use crate::cli::session::Session;
use crate::error::{Context, Result};
use crate::node::agent::{self, install::install};
use crate::node::boot;
use crate::node::host::machine::Machine;
use crate::node::keep;

/// Make this machine a node of its cluster, step by step
#[derive(ClapArgs, Debug)]
#[command(before_help = "Examples:
  kspot node boot
")]
pub(super) struct BootArgs {
    /// What the user data wrote
    #[arg(long, value_name = "FILE", default_value = boot::PATH)]
    config: PathBuf,
}

impl BootArgs {
    pub(super) async fn run(self, session: &Session) -> Result<u8> {
        session.ui.log();
        let console = session.ui.clone();
        agent::run(&self.config, session.context.clone(), move |line| console.say(line)).await?;
        Ok(0)
    }
}

/// Install the service that boots this machine, and start it
#[derive(ClapArgs, Debug)]
#[command(before_help = "Examples:
  kspot node install
")]
pub(super) struct InstallArgs {
    /// What the user data wrote
    #[arg(long, value_name = "FILE", default_value = boot::PATH)]
    config: PathBuf,
}

impl InstallArgs {
    pub(super) async fn run(self) -> Result<u8> {
        install(&Machine, &self.config).await?;
        Ok(0)
    }
}

/// Keep this machine in touch with the control plane
#[derive(ClapArgs, Debug)]
#[command(before_help = "Examples:
  kspot node keep
")]
pub(super) struct KeepArgs {
    /// What the user data wrote
    #[arg(long, value_name = "FILE", default_value = boot::PATH)]
    config: PathBuf,
}

impl KeepArgs {
    pub(super) async fn run(self, session: &Session) -> Result<u8> {
        session.ui.log();
        let stop = CancellationToken::new();
        let told = stop.clone();
        let mut end = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())
            .context(|| "can't listen for signals".to_owned())?;
        tokio::spawn(async move {
            end.recv().await;
            told.cancel();
        });
        keep::run(&self.config, session.context.clone(), stop).await?;
        Ok(0)
    }
}
