//! `kspot node keep`: keeps a machine in touch with the control plane while machines come and go.
//!
//! What runs on a machine reaches the API server at one address that never changes, a port on loopback; from there
//! [`forward`] leads to an API server that answers. [`addresses`] follows where they are, and on the control plane where
//! etcd's members are; [`renew`] sees that certificates do not expire; [`etcd`] takes snapshots and restores them.

pub mod addresses;
pub mod etcd;
pub mod forward;
pub mod renew;

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::cloud::aws::{AwsCloud, sdk_config};
use crate::context::Context;
use crate::error::{Context as _, Result};
use crate::node::agent::Birth;
use crate::node::configuration::Configuration;
use crate::node::documents;
use crate::node::host::Host;
use forward::Known;

/// The port of the API server on every machine's loopback.
pub const PORT: u16 = 3991;

/// Where the addresses of the API servers are kept for the next start.
const ADDRESSES: &str = "/var/lib/kspot/api-addresses.json";

/// The API server for what runs on a machine; its certificate bears the internal name.
pub fn server() -> String {
    format!("https://127.0.0.1:{PORT}")
}

/// The same for whom only the name leads there, which every machine resolves to itself.
pub fn endpoint(internal_name: &str) -> String {
    format!("{internal_name}:{PORT}")
}

/// Keeps the addresses of the API servers.
pub async fn remember(host: &dyn Host, addresses: &[IpAddr]) -> Result<()> {
    let text = serde_json::to_string(addresses).unwrap_or_default();
    host.ensure(Path::new(ADDRESSES), &text, 0o644).await.map(|_| ())
}

/// The addresses that were kept; none if there are none.
pub async fn remembered(host: &dyn Host) -> Result<Vec<IpAddr>> {
    let text = host.text(ADDRESSES).await?.unwrap_or_default();
    Ok(serde_json::from_str(&text).unwrap_or_default())
}

/// Where the configuration that the machine booted with is kept.
const CONFIGURATION: &str = "/var/lib/kspot/configuration.yaml";

/// Keeps the configuration for the next start.
pub async fn remember_configuration(host: &dyn Host, configuration: &Configuration) -> Result<()> {
    let text = serde_yaml::to_string(configuration).context(|| "can't write the configuration".to_owned())?;
    host.ensure(CONFIGURATION, &text, 0o600).await.map(|_| ())
}

/// Runs until it is told to end.
pub async fn run(file: &Path, context: Context, stop: CancellationToken) -> Result<()> {
    let birth = Arc::new(Birth::again(file, context).await?);
    let text = birth.host.text(CONFIGURATION).await?;
    let text =
        text.ok_or_else(|| crate::Error::failed(format!("{CONFIGURATION} is not there: the machine has not booted")))?;
    let configuration: Configuration =
        serde_yaml::from_str(&text).context(|| format!("{CONFIGURATION} can't be read"))?;
    let aws = AwsCloud::new(&sdk_config(Some(&birth.boot.region)).await, &birth.context)?;
    let (tell, servers) = watch::channel(Known::default());
    let listener = forward::listen(PORT).await?;
    let member = configuration.control_plane.is_some();
    let follow = async {
        if member {
            addresses::follow_as_member(&birth, &configuration, &aws, tell, stop.clone()).await;
        } else {
            addresses::follow_as_worker(&birth, &configuration, &aws, tell, stop.clone()).await;
        }
    };
    let members = configuration.control_plane.as_ref().map(|cp| cp.etcd.as_slice()).unwrap_or_default();
    let store = if member { Some(documents::store(&birth.boot, &birth.context).await?) } else { None };
    let etcd = store.iter().flat_map(|store| members.iter().map(|m| etcd::follow(&birth, store, m, stop.clone())));
    futures::join!(
        follow,
        futures::future::join_all(etcd),
        forward::forward(listener, servers, stop.clone()),
        renew::renew(&birth, &aws, member, stop.clone()),
    );
    Ok(())
}
