//! The certificate that an API server shows, and when it ends: seen in a TLS handshake of its own.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kube::Config;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio_rustls::TlsConnector;

use crate::pki::certificate::{Said, read_der};

/// How long a handshake may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where an API server is, and whose certificate it has to show.
#[derive(Clone, Debug)]
pub struct Serving {
    host: String,
    port: u16,
    name: ServerName<'static>,
    authorities: Arc<RootCertStore>,
}

impl Serving {
    /// Of a client's configuration. None if it goes through a proxy or names no authority: then the certificate is not the
    /// API server's, or nobody can tell.
    pub(super) fn of(config: &Config) -> Option<Self> {
        if config.proxy_url.is_some() || config.accept_invalid_certs {
            return None;
        }
        let host = config.cluster_url.host()?.trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = config.cluster_url.port_u16().unwrap_or(443);
        let name = ServerName::try_from(config.tls_server_name.clone().unwrap_or_else(|| host.clone())).ok()?;
        let mut authorities = RootCertStore::empty();
        for authority in config.root_cert.iter().flatten() {
            authorities.add(CertificateDer::from(authority.clone())).ok()?;
        }
        (!authorities.is_empty()).then(|| Serving { host, port, name, authorities: Arc::new(authorities) })
    }

    /// What its certificate says, also of one that has expired. None if there is no answer, or it is another authority's:
    /// whoever uses the API is told of that.
    pub async fn certificate(&self) -> Option<Said> {
        let shown = tokio::time::timeout(PATIENCE, self.shake_hands()).await.ok()??;
        read_der(&shown).ok()
    }

    async fn shake_hands(&self) -> Option<Vec<u8>> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let judge =
            WebPkiServerVerifier::builder_with_provider(Arc::clone(&self.authorities), Arc::clone(&provider)).build();
        let witness = Arc::new(Witness { judge: judge.ok()?, shown: Mutex::default() });
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .ok()?
            .dangerous()
            .with_custom_certificate_verifier(Arc::clone(&witness) as Arc<dyn ServerCertVerifier>)
            .with_no_client_auth();
        let stream = tokio::net::TcpStream::connect((self.host.as_str(), self.port)).await.ok()?;
        TlsConnector::from(Arc::new(config)).connect(self.name.clone(), stream).await.ok()?;
        witness.shown.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Verifies as everybody does, but at a time at which the certificate counts; and keeps it. Nothing is sent over such a
/// connection.
#[derive(Debug)]
struct Witness {
    judge: Arc<WebPkiServerVerifier>,
    shown: Mutex<Option<Vec<u8>>>,
}

impl ServerCertVerifier for Witness {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let end = read_der(end_entity).ok().and_then(|said| u64::try_from(said.not_after.as_second()).ok());
        let at = end.map_or(now, |end| UnixTime::since_unix_epoch(Duration::from_secs(now.as_secs().min(end))));
        let verified = self.judge.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, at)?;
        *self.shown.lock().unwrap_or_else(PoisonError::into_inner) = Some(end_entity.to_vec());
        Ok(verified)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.judge.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.judge.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.judge.supported_verify_schemes()
    }
}

#[cfg(test)]
mod tests {
    use jiff::{SignedDuration, Timestamp};
    use rustls::ServerConfig;
    use rustls::pki_types::PrivateKeyDer;
    use rustls::pki_types::pem::PemObject;
    use tokio_rustls::TlsAcceptor;

    use super::*;
    use crate::pki::Name;
    use crate::pki::issue::{Leaf, Pair, Usage, authority, leaf};

    /// A server with a certificate of this authority that was made then and lasts a day; and how to look at it, trusting
    /// another one perhaps.
    async fn serve(signer: &Pair, trusted: &Pair, made: Timestamp) -> Serving {
        let names = vec!["api.internal.c.example.com".to_owned()];
        let life = SignedDuration::from_hours(24);
        let wanted = Leaf { common_name: "a".into(), organizations: Vec::new(), names, usage: Usage::Server, life };
        let own = leaf(signer, &wanted, made).unwrap();
        let chain = CertificateDer::pem_slice_iter(own.public.as_bytes()).map(Result::unwrap).collect();
        let key = PrivateKeyDer::from_pem_slice(own.private.as_bytes()).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let _ = TlsAcceptor::from(Arc::new(config)).accept(stream).await;
        });
        let mut config = Config::new(format!("https://127.0.0.1:{port}").parse().unwrap());
        config.tls_server_name = Some("api.internal.c.example.com".into());
        let roots = CertificateDer::pem_slice_iter(trusted.public.as_bytes()).map(|der| der.unwrap().to_vec());
        config.root_cert = Some(roots.collect());
        Serving::of(&config).unwrap()
    }

    /// The end of a certificate is seen, also of one that is over; one of another authority tells nothing.
    #[tokio::test]
    async fn ends_are_seen() {
        let now = Timestamp::now();
        let made = now - SignedDuration::from_hours(24 * 400);
        let (ours, other) = [(), ()].map(|()| authority(Name::KubernetesCa, "c.example.com", made).unwrap()).into();
        let fresh = serve(&ours, &ours, now).await.certificate().await.unwrap();
        assert!(fresh.not_after > now, "{fresh:?}");
        let over = serve(&ours, &ours, made).await.certificate().await.unwrap();
        assert!(over.not_after < now, "{over:?}");
        assert_eq!(serve(&other, &ours, now).await.certificate().await, None);
    }
}
