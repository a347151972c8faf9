//! The public keys of service accounts as a JSON Web Key Set, by which AWS checks the tokens that they signed. Pure.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use x509_parser::pem::Pem;
use x509_parser::prelude::FromDer;
use x509_parser::public_key::PublicKey;
use x509_parser::x509::SubjectPublicKeyInfo;

use crate::error::{Context, Error, Result};

/// The set of these RSA public keys (PEM, one after the other), ordered by id: which of them signs is no difference.
pub fn key_set(pems: &str) -> Result<Value> {
    let blocks = Pem::iter_from_buffer(pems.as_bytes()).collect::<std::result::Result<Vec<_>, _>>();
    let blocks = blocks.context(|| "the public keys of service accounts are no PEM".to_owned())?;
    let mut keys = blocks.iter().map(|block| key(&block.contents)).collect::<Result<Vec<_>>>()?;
    keys.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(json!({ "keys": keys.into_iter().map(|(_, key)| key).collect::<Vec<_>>() }))
}

/// One key (DER) with its id, which is the one that API servers write into tokens: the key's hash.
fn key(der: &[u8]) -> Result<(String, Value)> {
    let odd = || Error::failed("a public key of service accounts is no RSA key");
    let (_, info) = SubjectPublicKeyInfo::from_der(der).map_err(|e| odd().because(e))?;
    let PublicKey::RSA(rsa) = info.parsed().map_err(|e| odd().because(e))? else { return Err(odd()) };
    let id = URL_SAFE_NO_PAD.encode(Sha256::digest(der));
    let key = json!({
        "use": "sig",
        "kty": "RSA",
        "kid": id,
        "alg": "RS256",
        "n": number(rsa.modulus),
        "e": number(rsa.exponent),
    });
    Ok((id, key))
}

/// A whole number, without the zeros that DER puts before it.
fn number(bytes: &[u8]) -> String {
    let zeros = bytes.iter().take_while(|b| **b == 0).count();
    URL_SAFE_NO_PAD.encode(bytes.get(zeros..).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pki::{Name, issue};

    const KNOWN: &str = include_str!("jwks/known.pem");

    /// A fixed key gives what Python's `cryptography` and `hashlib` make of it.
    #[test]
    fn a_known_key() {
        let known: Value = serde_json::from_str(include_str!("jwks/known.json")).unwrap();
        assert_eq!(key_set(KNOWN).unwrap(), known);
    }

    /// Every key is in the set, and which one stands first is no difference; without a key the set is empty.
    #[test]
    fn sets() {
        let new = issue::authority(Name::ServiceAccount, "c.example.com", jiff::Timestamp::UNIX_EPOCH).unwrap().public;
        let set = key_set(&format!("{KNOWN}{new}")).unwrap();
        assert_eq!(set["keys"].as_array().unwrap().len(), 2);
        assert_eq!(key_set(&format!("{new}{KNOWN}")).unwrap(), set);
        assert_eq!(key_set("").unwrap(), json!({"keys": []}));
    }

    /// What is no RSA key is refused, not published.
    #[test]
    fn other_keys_are_refused() {
        let authority = issue::authority(Name::KubernetesCa, "c.example.com", jiff::Timestamp::UNIX_EPOCH).unwrap();
        assert!(key_set(&authority.public).unwrap_err().message().contains("no RSA key"));
    }
}
