//! Requests to the cluster's own services, over TLS with the cluster's authorities only.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;

use crate::error::{Error, Result, innermost};

/// How long one request may take.
const PATIENCE: Duration = Duration::from_secs(15);

/// The largest answer that is read whole.
const LARGEST: usize = 4 << 20;

/// Whom we trust, and who we are.
#[derive(Clone)]
pub struct Trust {
    tls: Arc<ClientConfig>,
    from: Option<IpAddr>,
}

/// Why a server's certificate is not taken.
fn not_taken(error: &std::io::Error) -> String {
    use rustls::CertificateError::{Expired, ExpiredContext, NotValidYet, NotValidYetContext};
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    let is_of_time = matches!(
        tls,
        Some(rustls::Error::InvalidCertificate(
            Expired | ExpiredContext { .. } | NotValidYet | NotValidYetContext { .. }
        ))
    );
    let hint = if is_of_time { ": is the clock of this machine right?" } else { "" };
    format!("its certificate is not taken: {}{hint}", innermost(error))
}

impl Trust {
    /// These authorities (PEM), and perhaps a certificate and a key of ours.
    pub fn new(authorities: &str, own: Option<(&str, &str)>) -> Result<Self> {
        let bad = |what: &'static str| move |e: rustls::pki_types::pem::Error| Error::failed(what).because(e);
        let mut roots = RootCertStore::empty();
        for authority in CertificateDer::pem_slice_iter(authorities.as_bytes()) {
            let authority = authority.map_err(bad("the cluster's authorities are no PEM"))?;
            roots.add(authority).map_err(|e| Error::failed("the cluster's authorities can't be used").because(e))?;
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|e| Error::failed("TLS can't be set up").because(e))?
            .with_root_certificates(roots);
        let config = match own {
            None => builder.with_no_client_auth(),
            Some((certificate, key)) => {
                let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(certificate.as_bytes()).collect();
                let chain = chain.map_err(bad("our certificate is no PEM"))?;
                let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(bad("our key is no PEM"))?;
                let fits = builder.with_client_auth_cert(chain, key);
                fits.map_err(|e| Error::failed("our certificate and its key do not fit").because(e))?
            }
        };
        Ok(Trust { tls: Arc::new(config), from: None })
    }

    /// The same, asking from this address.
    #[must_use]
    pub fn from(mut self, address: Option<IpAddr>) -> Self {
        self.from = address;
        self
    }

    /// Sends a request to an address whose certificate must bear this name; the answer's body comes as it arrives.
    pub async fn open(&self, to: SocketAddr, name: &str, request: Request<Full<Bytes>>) -> Result<Response<Incoming>> {
        let what = format!("{} https://{name}:{}{}", request.method(), to.port(), request.uri());
        let failed = |why: String| Error::failed(format!("{what} at {}: {why}", to.ip()));
        let sent = tokio::time::timeout(PATIENCE, self.send(to, name, request)).await;
        match sent {
            Ok(answer) => answer.map_err(failed),
            Err(_) => Err(failed(format!("no answer within {} seconds", PATIENCE.as_secs()))),
        }
    }

    async fn send(
        &self,
        to: SocketAddr,
        name: &str,
        mut request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, String> {
        let server = ServerName::try_from(name.to_owned()).map_err(|_| format!("{name:?} is no host name"))?;
        let stream = self.connect(to).await.map_err(|e| format!("can't connect: {e}"))?;
        let stream = TlsConnector::from(Arc::clone(&self.tls)).connect(server, stream).await;
        let stream = stream.map_err(|e| not_taken(&e))?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|e| innermost(&e))?;
        // It ends with the answer's body.
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::trace!(%error, "a connection ended");
            }
        });
        let host = http::HeaderValue::from_str(name).map_err(|_| format!("{name:?} is no host name"))?;
        request.headers_mut().insert(http::header::HOST, host);
        sender.send_request(request).await.map_err(|e| innermost(&e))
    }

    async fn connect(&self, to: SocketAddr) -> std::io::Result<TcpStream> {
        let Some(from) = self.from else { return TcpStream::connect(to).await };
        let socket = if to.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        socket.bind(SocketAddr::new(from, 0))?;
        socket.connect(to).await
    }

    /// Sends a request and reads the whole answer.
    pub async fn ask(&self, to: SocketAddr, name: &str, request: Request<Full<Bytes>>) -> Result<(StatusCode, Bytes)> {
        let answer = self.open(to, name, request).await?;
        let status = answer.status();
        let broken = |e| Error::failed(format!("the answer of {to} broke off")).because(e);
        let body = tokio::time::timeout(PATIENCE, Limited::new(answer.into_body(), LARGEST).collect()).await;
        let late = |_| Error::failed(format!("the answer of {to} did not end"));
        Ok((status, body.map_err(late)?.map_err(broken)?.to_bytes()))
    }

    /// Reads a path.
    pub async fn get(&self, to: SocketAddr, name: &str, path: &str) -> Result<(StatusCode, Bytes)> {
        let request = Request::get(path).body(Full::default());
        self.ask(to, name, request.map_err(|e| Error::failed(format!("{path} is no path")).because(e))?).await
    }
}

#[cfg(test)]
mod tests {
    use rustls::CertificateError::{Expired, NotValidForName};

    use super::*;

    /// What a clock that is wrong may be the cause of says so.
    #[test]
    fn clocks_are_named() {
        let said = |why| not_taken(&std::io::Error::other(rustls::Error::InvalidCertificate(why)));
        assert!(said(Expired).ends_with("is the clock of this machine right?"), "{}", said(Expired));
        assert!(!said(NotValidForName).contains("clock"));
    }
}
