//! The certificate that the controller shows: of the cluster's own authority, for the controller's name, made in memory.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::home::{Home, OWN_LIFE};
use crate::error::{Context as _, Error, Result};
use crate::pki::issue::{Leaf, Pair, Usage, leaf};

/// How often it is made anew: also after a rotation of the authority.
const RENEWAL: Duration = Duration::from_secs(3600);

/// What connections are secured with from now on.
pub fn config(home: &Home) -> Result<Arc<ServerConfig>> {
    let addresses = own_addresses().into_iter().map(|a| a.to_string());
    let wanted = Leaf {
        common_name: home.api.controller_name.clone(),
        organizations: Vec::new(),
        names: std::iter::once(home.api.controller_name.clone()).chain(addresses).collect(),
        usage: Usage::Server,
        life: OWN_LIFE,
    };
    of(&home.authority()?, &wanted, home.context.now())
}

fn of(authority: &Pair, wanted: &Leaf, now: Timestamp) -> Result<Arc<ServerConfig>> {
    let doing = || "can't use the controller's own certificate".to_owned();
    let pair = leaf(authority, wanted, now)?;
    let certificate = CertificateDer::from_pem_slice(pair.public.as_bytes());
    let certificate = certificate.map_err(|e| Error::failed(doing()).because(e.to_string()))?;
    let key = PrivateKeyDer::from_pem_slice(pair.private.as_bytes());
    let key = key.map_err(|e| Error::failed(doing()).because(e.to_string()))?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().context(doing)?;
    let mut config = builder.with_no_client_auth().with_single_cert(vec![certificate], key).context(doing)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// The addresses from which this machine reaches others: the one that a packet to the metadata service would come from.
/// Nothing is sent.
fn own_addresses() -> Vec<IpAddr> {
    let routes: [(&str, &str); 2] = [("0.0.0.0:0", "169.254.169.254:80"), ("[::]:0", "[fd00:ec2::254]:80")];
    let from = |(any, to): (&str, &str)| -> Option<IpAddr> {
        let socket = UdpSocket::bind(any.parse::<SocketAddr>().ok()?).ok()?;
        socket.connect(to.parse::<SocketAddr>().ok()?).ok()?;
        Some(socket.local_addr().ok()?.ip())
    };
    routes.into_iter().filter_map(from).collect()
}

/// Makes it anew until it is stopped. If that fails the old one goes on: it lasts for a day.
pub async fn renew(home: Arc<Home>, current: watch::Sender<Arc<ServerConfig>>, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(RENEWAL) => {}
        }
        match config(&home) {
            Ok(new) => drop(current.send_replace(new)),
            Err(e) => tracing::error!(error = e.line(), "the controller's certificate is not renewed"),
        }
    }
}
