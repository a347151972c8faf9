//! A client for one cluster.

use std::path::Path;
use std::time::Duration;

use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};

use super::serving::Serving;
use crate::error::{Error, Result};
use crate::pki::kubeconfig::{Entry, merge};

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(10);

/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(60);

/// A client, and a look at the certificate of the server that it reaches.
pub struct Connection {
    /// The client.
    pub client: Client,
    /// The look, where there can be one.
    pub serving: Option<Serving>,
}

/// A client for a cluster that was looked up.
pub async fn connect(entry: &Entry) -> Result<Client> {
    Ok(dial(entry).await?.client)
}

/// The same, with a look at the server's certificate.
pub async fn dial(entry: &Entry) -> Result<Connection> {
    let text = merge("", std::slice::from_ref(entry), Some(&entry.name))?;
    let kubeconfig = Kubeconfig::from_yaml(&text).map_err(|e| Error::failed("a kubeconfig of our own").because(e))?;
    client(kubeconfig, &entry.server).await
}

/// What the API answers, if it does so in time.
pub async fn in_time<T>(patience: Duration, asked: impl Future<Output = Result<T>>) -> Result<T> {
    let late = |_| Error::failed(format!("the Kubernetes API did not answer within {} seconds", patience.as_secs()));
    tokio::time::timeout(patience, asked).await.map_err(late)?
}

/// A client for the current context of a kubeconfig.
pub async fn connect_file(file: &Path) -> Result<Client> {
    Ok(dial_file(file).await?.client)
}

/// The same, with a look at the server's certificate.
pub async fn dial_file(file: &Path) -> Result<Connection> {
    client(read(file)?, &file.display().to_string()).await
}

/// A client for the context of this name in a kubeconfig; none if there is no such file, or no such context in it.
pub async fn connect_context(file: &Path, name: &str) -> Result<Option<Client>> {
    if !file.exists() {
        return Ok(None);
    }
    let mut kubeconfig = read(file)?;
    if !kubeconfig.contexts.iter().any(|context| context.name == name) {
        return Ok(None);
    }
    kubeconfig.current_context = Some(name.to_owned());
    client(kubeconfig, &format!("the context {name} of {}", file.display())).await.map(|c| Some(c.client))
}

fn read(file: &Path) -> Result<Kubeconfig> {
    let bad = |e| Error::failed(format!("can't use the kubeconfig {}", file.display())).because(e);
    Kubeconfig::read_from(file).map_err(bad)
}

async fn client(kubeconfig: Kubeconfig, what: &str) -> Result<Connection> {
    let bad = |e: &(dyn std::error::Error + 'static)| Error::failed(format!("can't connect to {what}: {e}"));
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await;
    let mut config = config.map_err(|e| bad(&e))?;
    config.connect_timeout = Some(CONNECT);
    config.read_timeout = Some(ANSWER);
    // It would hide for minutes that a budget allows no eviction; see `again`.
    config.default_retry = false;
    let serving = Serving::of(&config);
    Ok(Connection { client: Client::try_from(config).map_err(|e| bad(&e))?, serving })
}
