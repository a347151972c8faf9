//! New authorities, and the certificates that they sign: ECDSA P-256; RSA 2048 for the tokens of service accounts, which
//! other systems verify.

use jiff::{SignedDuration, Timestamp};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256,
    PublicKeyData, RsaKeySize, SanType,
};
use time::OffsetDateTime;

use super::keyset::Name;
use crate::error::{Error, Result};

/// How long an authority lasts.
pub const AUTHORITY_LIFE: SignedDuration = SignedDuration::from_hours(10 * 365 * 24);

/// How far back a certificate begins. A machine whose clock is late has to take it, to be told that its clock is.
const SKEW: SignedDuration = SignedDuration::from_hours(1);

/// A certificate or public key with its private key, both PEM.
#[derive(Clone, PartialEq, Eq)]
pub struct Pair {
    /// The certificate; of the service accounts' key the public key.
    pub public: String,
    /// The private key, PKCS #8.
    pub private: String,
}

/// What a certificate is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Usage {
    /// Shows who a client is.
    Client,
    /// Shows who a server is.
    Server,
    /// Both, as the members of etcd do towards each other.
    Peer,
}

/// What a certificate shall say.
#[derive(Clone, Debug)]
pub struct Leaf {
    /// The common name: for Kubernetes the user's name.
    pub common_name: String,
    /// The organisations: for Kubernetes the user's groups.
    pub organizations: Vec<String>,
    /// DNS names and IP addresses of a server.
    pub names: Vec<String>,
    /// What it is for.
    pub usage: Usage,
    /// How long it lasts; never longer than its authority.
    pub life: SignedDuration,
}

/// A new key of a keyset.
pub fn authority(name: Name, cluster: &str, now: Timestamp) -> Result<Pair> {
    if !name.is_authority() {
        let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).map_err(|e| failed(name, e))?;
        return Ok(Pair { public: key.public_key_pem(), private: key.serialize_pem() });
    }
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(|e| failed(name, e))?;
    let mut params = CertificateParams::default();
    params.distinguished_name = subject(name.as_str(), &[cluster.to_owned()]);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign, KeyUsagePurpose::DigitalSignature];
    params.not_before = moment(now - SKEW)?;
    params.not_after = moment(now + AUTHORITY_LIFE)?;
    let certificate = params.self_signed(&key).map_err(|e| failed(name, e))?;
    Ok(Pair { public: certificate.pem(), private: key.serialize_pem() })
}

/// A certificate that an authority signs, with a new key.
pub fn leaf(authority: &Pair, wanted: &Leaf, now: Timestamp) -> Result<Pair> {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(|e| failed(&wanted.common_name, e))?;
    Ok(Pair { public: signed(authority, wanted, &key, now)?, private: key.serialize_pem() })
}

/// A certificate that an authority signs, for a key that somebody else holds.
pub fn certify(authority: &Pair, wanted: &Leaf, key: &PublicKey, now: Timestamp) -> Result<String> {
    signed(authority, wanted, &key.0, now)
}

/// A public key whose owner has shown that he holds the private one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey(rcgen::PublicKey);

impl PublicKey {
    /// The key of a request (PKCS #10, PEM) that it has signed itself. Whatever else the request says counts for nothing:
    /// who it is for is decided by who signs.
    pub fn of_request(pem: &str) -> Result<Self> {
        let odd = |e| Error::failed("it is no certificate request, or not signed by its own key").because(e);
        let request = CertificateSigningRequestParams::from_pem(pem).map_err(odd)?;
        Ok(PublicKey(request.public_key))
    }
}

/// A new key, and the request for a certificate that proves that one has it. It names nobody.
pub fn request() -> Result<(String, String)> {
    let what = "a new key";
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(|e| failed(what, e))?;
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    let request = params.serialize_request(&key).and_then(|request| request.pem()).map_err(|e| failed(what, e))?;
    Ok((key.serialize_pem(), request))
}

fn signed(authority: &Pair, wanted: &Leaf, key: &impl PublicKeyData, now: Timestamp) -> Result<String> {
    let what = &wanted.common_name;
    let signer = KeyPair::from_pem(&authority.private).map_err(|e| failed("the authority's key", e))?;
    let issuer = Issuer::from_ca_cert_pem(&authority.public, signer).map_err(|e| failed("the authority", e))?;
    let ends = super::certificate::read(&authority.public)?.not_after;
    let mut params = CertificateParams::default();
    params.distinguished_name = subject(what, &wanted.organizations);
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = match wanted.usage {
        Usage::Client => vec![ExtendedKeyUsagePurpose::ClientAuth],
        Usage::Server => vec![ExtendedKeyUsagePurpose::ServerAuth],
        Usage::Peer => vec![ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::ServerAuth],
    };
    params.subject_alt_names = wanted.names.iter().map(|name| alternative(name)).collect::<Result<_>>()?;
    params.use_authority_key_identifier_extension = true;
    params.not_before = moment(now - SKEW)?;
    params.not_after = moment((now + wanted.life).min(ends))?;
    params.signed_by(key, &issuer).map(|certificate| certificate.pem()).map_err(|e| failed(what, e))
}

fn subject(common_name: &str, organizations: &[String]) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    for organization in organizations {
        name.push(DnType::OrganizationName, organization.as_str());
    }
    name.push(DnType::CommonName, common_name);
    name
}

fn alternative(name: &str) -> Result<SanType> {
    if let Ok(address) = name.parse() {
        return Ok(SanType::IpAddress(address));
    }
    let bad = |_| Error::failed(format!("{name:?} can't stand in a certificate: it is no DNS name and no IP address"));
    Ok(SanType::DnsName(name.try_into().map_err(bad)?))
}

fn moment(at: Timestamp) -> Result<OffsetDateTime> {
    OffsetDateTime::from_unix_timestamp(at.as_second())
        .map_err(|e| Error::failed(format!("{at} can't stand in a certificate")).because(e))
}

fn failed(what: impl std::fmt::Display, error: rcgen::Error) -> Error {
    Error::failed(format!("can't make a certificate for {what}")).because(error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pki::certificate::read;

    fn now() -> Timestamp {
        "2026-11-21T12:00:00Z".parse().unwrap()
    }

    fn admin(life: SignedDuration) -> Leaf {
        Leaf {
            common_name: "admin".into(),
            organizations: vec!["system:masters".into()],
            names: Vec::new(),
            usage: Usage::Client,
            life,
        }
    }

    /// Whether a certificate names this authority's key as the one that signed it. (Signatures are verified by whoever is
    /// shown a certificate: the tests with a real API server.)
    fn signs(authority: &str, pem: &str) -> bool {
        use x509_parser::extensions::ParsedExtension::{AuthorityKeyIdentifier, SubjectKeyIdentifier};
        let key = |pem: &str, of_signer: bool| {
            let (_, block) = x509_parser::pem::parse_x509_pem(pem.as_bytes()).unwrap();
            let certificate = block.parse_x509().unwrap();
            let key = certificate.iter_extensions().find_map(|e| match e.parsed_extension() {
                SubjectKeyIdentifier(id) if !of_signer => Some(id.0.to_vec()),
                AuthorityKeyIdentifier(id) if of_signer => Some(id.key_identifier.as_ref()?.0.to_vec()),
                _ => None,
            });
            key.unwrap()
        };
        key(authority, false) == key(pem, true)
    }

    /// A leaf says who it is for, begins a little before now, ends when it should, and its authority signed it.
    #[test]
    fn leaves_are_as_wanted() {
        let authority = authority(Name::KubernetesCa, "c.example.com", now()).unwrap();
        let pair = leaf(&authority, &admin(SignedDuration::from_hours(18)), now()).unwrap();
        let said = read(&pair.public).unwrap();
        assert_eq!((said.common_name.as_str(), said.organizations), ("admin", vec!["system:masters".to_owned()]));
        assert_eq!(said.not_after, now() + SignedDuration::from_hours(18));
        assert!(said.not_before < now());
        assert!(signs(&authority.public, &pair.public));
        let stranger = super::authority(Name::KubernetesCa, "c.example.com", now()).unwrap();
        assert!(!signs(&stranger.public, &pair.public));
    }

    /// No certificate outlives its authority.
    #[test]
    fn leaves_end_with_their_authority() {
        let authority = authority(Name::EtcdCa, "c.example.com", now()).unwrap();
        let late = now() + AUTHORITY_LIFE - SignedDuration::from_hours(1);
        let pair = leaf(&authority, &admin(SignedDuration::from_hours(18)), late).unwrap();
        assert_eq!(read(&pair.public).unwrap().not_after, read(&authority.public).unwrap().not_after);
    }

    /// Servers are known by names and addresses; what is neither is refused.
    #[test]
    fn servers_have_names() {
        let authority = authority(Name::KubernetesCa, "c.example.com", now()).unwrap();
        let names = vec!["kubernetes.default.svc".to_owned(), "127.0.0.1".to_owned(), "fd00::1".to_owned()];
        let server = Leaf { names, usage: Usage::Server, ..admin(SignedDuration::from_hours(1)) };
        assert!(leaf(&authority, &server, now()).is_ok());
        let bad = Leaf { names: vec!["köln".to_owned()], ..server };
        assert!(leaf(&authority, &bad, now()).is_err());
    }

    /// Tokens of service accounts are signed with RSA: a public key, no certificate.
    #[test]
    fn service_accounts_have_an_rsa_key() {
        let pair = authority(Name::ServiceAccount, "c.example.com", now()).unwrap();
        assert!(pair.public.starts_with("-----BEGIN PUBLIC KEY-----"));
        assert!(pair.private.starts_with("-----BEGIN PRIVATE KEY-----"));
    }
}
