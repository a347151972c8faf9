//! What a certificate says: for whom, until when, signed by whom.

use jiff::Timestamp;
use x509_parser::pem::parse_x509_pem;
use x509_parser::prelude::X509Certificate;

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
    with(pem, |certificate| {
        let text = |value: &x509_parser::x509::AttributeTypeAndValue<'_>| value.as_str().ok().map(str::to_owned);
        let moment = |at: i64| Timestamp::from_second(at).map_err(|e| Error::failed("a certificate's time").because(e));
        Ok(Said {
            common_name: certificate.subject().iter_common_name().find_map(text).unwrap_or_default(),
            organizations: certificate.subject().iter_organization().filter_map(text).collect(),
            not_before: moment(certificate.validity().not_before.timestamp())?,
            not_after: moment(certificate.validity().not_after.timestamp())?,
        })
    })
}

fn with<T>(pem: &str, look: impl FnOnce(&X509Certificate<'_>) -> Result<T>) -> Result<T> {
    let (_, block) = parse_x509_pem(pem.as_bytes()).map_err(|e| Error::failed("a certificate is no PEM").because(e))?;
    let certificate = block.parse_x509().map_err(|e| Error::failed("a certificate can't be read").because(e))?;
    look(&certificate)
}
