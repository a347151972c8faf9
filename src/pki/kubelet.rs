//! The certificates of a node: its kubelet's as a client of the API server, and as a server.

use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};

use super::issue::{Leaf, Pair, PublicKey, Usage, certify};
use crate::error::Result;

/// The longest life of a node's certificates; a machine is replaced long before.
const LIFE: SignedDuration = SignedDuration::from_hours(455 * 24);

/// By how many days at most it is shorter, so that machines which were born together do not end together.
const JITTER_DAYS: u64 = 30;

/// A kubelet's certificate: the name and the group by which the API server knows it.
pub fn leaf(node: &str, usage: Usage, names: Vec<String>) -> Leaf {
    let organizations = vec!["system:nodes".to_owned()];
    Leaf { common_name: format!("system:node:{node}"), organizations, names, usage, life: life(node) }
}

/// The same for the same node.
fn life(node: &str) -> SignedDuration {
    let hash = Sha256::digest(node.as_bytes());
    let number = hash.iter().take(8).fold(0u64, |n, byte| n << 8 | u64::from(*byte));
    let seconds = number % (JITTER_DAYS * 24 * 3600);
    LIFE - SignedDuration::from_secs(i64::try_from(seconds).unwrap_or_default())
}

/// The certificate that its kubelet shows to the API server, PEM.
pub fn client(authority: &Pair, node: &str, key: &PublicKey, now: Timestamp) -> Result<String> {
    certify(authority, &leaf(node, Usage::Client, Vec::new()), key, now)
}

/// The certificate that its kubelet shows to whoever connects to it, PEM.
pub fn server(authority: &Pair, node: &str, names: Vec<String>, key: &PublicKey, now: Timestamp) -> Result<String> {
    certify(authority, &leaf(node, Usage::Server, names), key, now)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pki::Name;
    use crate::pki::certificate::read;
    use crate::pki::issue::{AUTHORITY_LIFE, authority, request};

    fn now() -> Timestamp {
        "2026-11-21T12:00:00Z".parse().unwrap()
    }

    /// A kubelet is named by who signs, whatever its request says; it lives for more than a year, each its own time.
    #[test]
    fn kubelets_are_named_by_the_signer() {
        let authority = authority(Name::KubernetesCa, "c.example.com", now()).unwrap();
        let (_, csr) = request().unwrap();
        let key = PublicKey::of_request(&csr).unwrap();
        let said = read(&client(&authority, "i-1", &key, now()).unwrap()).unwrap();
        assert_eq!(
            (said.common_name.as_str(), said.organizations),
            ("system:node:i-1", vec!["system:nodes".to_owned()])
        );
        let life = said.not_after.duration_since(now());
        assert!(life <= LIFE && life >= LIFE - SignedDuration::from_hours(30 * 24), "{life}");
        let other = read(&client(&authority, "i-2", &key, now()).unwrap()).unwrap();
        assert_ne!(other.not_after, said.not_after);
        let late = now() + AUTHORITY_LIFE - SignedDuration::from_hours(1);
        let short = read(&client(&authority, "i-1", &key, late).unwrap()).unwrap();
        assert_eq!(short.not_after, read(&authority.public).unwrap().not_after);
    }

    /// Who does not hold the key gets no certificate for it: a request that was changed, or that another key signed.
    #[test]
    fn a_request_proves_possession() {
        use base64::Engine;
        use base64::engine::general_purpose::STANDARD as BASE64;
        let (_, csr) = request().unwrap();
        let text: String = csr.lines().filter(|line| !line.starts_with("-----")).collect();
        let der = BASE64.decode(text).unwrap();
        let pem = |der: &[u8]| {
            format!("-----BEGIN CERTIFICATE REQUEST-----\n{}\n-----END CERTIFICATE REQUEST-----\n", BASE64.encode(der))
        };
        assert!(PublicKey::of_request(&pem(&der)).is_ok());
        for place in [der.len() - 1, der.len() / 2] {
            let mut changed = der.clone();
            changed[place] ^= 1;
            assert!(PublicKey::of_request(&pem(&changed)).is_err(), "byte {place}");
        }
        assert!(PublicKey::of_request("").is_err());
    }
}
