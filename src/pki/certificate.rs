//! What a certificate says: for whom, until when, signed by whom.

use jiff::Timestamp;
use x509_parser::pem::parse_x509_pem;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::error::{Error, Result};

/// The parts of a certificate that matter here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// The common name: for Kubernetes the user's name.
    pub common_name: String,
    /// The organisations: for Kubernetes the user's groups.
    pub organizations: Vec<String>,
    /// Since when it counts.
    pub not_before: Timestamp,
    /// Until when it counts.
    pub not_after: Timestamp,
}

/// Reads the first certificate of a PEM text.
pub fn read(pem: &str) -> Result<Said> {
    with(pem, said)
}

/// Reads a certificate as TLS carries it.
pub fn read_der(der: &[u8]) -> Result<Said> {
    let parsed = X509Certificate::from_der(der);
    let (_, certificate) = parsed.map_err(|e| Error::failed("a certificate can't be read").because(e))?;
    said(&certificate)
}

fn said(certificate: &X509Certificate<'_>) -> Result<Said> {
    let text = |value: &x509_parser::x509::AttributeTypeAndValue<'_>| value.as_str().ok().map(str::to_owned);
    let moment = |at: i64| Timestamp::from_second(at).map_err(|e| Error::failed("a certificate's time").because(e));
    Ok(Said {
        common_name: certificate.subject().iter_common_name().find_map(text).unwrap_or_default(),
        organizations: certificate.subject().iter_organization().filter_map(text).collect(),
        not_before: moment(certificate.validity().not_before.timestamp())?,
        not_after: moment(certificate.validity().not_after.timestamp())?,
    })
}

/// The DNS names and addresses that the first certificate of a PEM text is for.
pub fn names(pem: &str) -> Result<Vec<String>> {
    use x509_parser::extensions::GeneralName;
    with(pem, |certificate| {
        let extension = certificate.subject_alternative_name();
        let extension = extension.map_err(|e| Error::failed("a certificate's names can't be read").because(e))?;
        let names = extension.into_iter().flat_map(|e| e.value.general_names.iter());
        Ok(names
            .filter_map(|name| match name {
                GeneralName::DNSName(name) => Some((*name).to_owned()),
                GeneralName::IPAddress(bytes) => match bytes.len() {
                    4 => <[u8; 4]>::try_from(*bytes).ok().map(|b| std::net::Ipv4Addr::from(b).to_string()),
                    _ => <[u8; 16]>::try_from(*bytes).ok().map(|b| std::net::Ipv6Addr::from(b).to_string()),
                },
                _ => None,
            })
            .collect())
    })
}

fn with<T>(pem: &str, look: impl FnOnce(&X509Certificate<'_>) -> Result<T>) -> Result<T> {
    let (_, block) = parse_x509_pem(pem.as_bytes()).map_err(|e| Error::failed("a certificate is no PEM").because(e))?;
    let certificate = block.parse_x509().map_err(|e| Error::failed("a certificate can't be read").because(e))?;
    look(&certificate)
}
