//! A client for one cluster.

use std::path::Path;
use std::time::Duration;

use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};

use crate::error::{Error, Result};
use crate::pki::kubeconfig::{Entry, merge};

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(10);

/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(60);

/// A client for a cluster that was looked up.
pub async fn connect(entry: &Entry) -> Result<Client> {
    let text = merge("", std::slice::from_ref(entry), Some(&entry.name))?;
    let kubeconfig = Kubeconfig::from_yaml(&text).map_err(|e| Error::failed("a kubeconfig of our own").because(e))?;
    client(kubeconfig, &entry.server).await
}

/// A client for the current context of a kubeconfig.
pub async fn connect_file(file: &Path) -> Result<Client> {
    let doing = || format!("can't use the kubeconfig {}", file.display());
    let kubeconfig = Kubeconfig::read_from(file).map_err(|e| Error::failed(doing()).because(e))?;
    client(kubeconfig, &file.display().to_string()).await
}

async fn client(kubeconfig: Kubeconfig, what: &str) -> Result<Client> {
    let bad = |e: &(dyn std::error::Error + 'static)| Error::failed(format!("can't connect to {what}: {e}"));
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await;
    let mut config = config.map_err(|e| bad(&e))?;
    config.connect_timeout = Some(CONNECT);
    config.read_timeout = Some(ANSWER);
    // It would hide for minutes that a budget allows no eviction; see `again`.
    config.default_retry = false;
    Client::try_from(config).map_err(|e| bad(&e))
}
