//! Private halves of keys as they lie in the store: in clear, or sealed under a data key of KMS.
//!
//! A sealed key is encrypted with AES-256-GCM under a data key of its own; beside it lies that data key as KMS encrypted it.
//! KMS opens it only for the same cluster (its encryption context), and records who asked.

use std::fmt;

use async_trait::async_trait;
use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// A private key, PKCS #8 in PEM; printed, it shows only which form it has.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum PrivateKey {
    /// In clear: whoever reads the store has it.
    Plain(String),
    /// Under a data key of KMS.
    Sealed(Box<Sealed>),
}

/// A sealed private key.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Sealed {
    /// The key of KMS, as the spec names it.
    pub kms_key: String,
    /// The data key as KMS encrypted it, base64.
    pub data_key: String,
    /// The number used once, base64.
    pub nonce: String,
    /// The encrypted private key with its tag, base64.
    pub text: String,
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            PrivateKey::Plain(_) => "Plain(..)",
            PrivateKey::Sealed(_) => "Sealed(..)",
        })
    }
}

/// A data key: to encrypt with, and as KMS keeps it.
pub struct DataKey {
    /// 32 bytes.
    pub clear: Vec<u8>,
    /// What [`DataKeys::open`] takes.
    pub encrypted: Vec<u8>,
}

/// Where data keys come from: KMS.
#[async_trait]
pub trait DataKeys: Send + Sync {
    /// The key of KMS, as the spec names it.
    fn kms_key(&self) -> &str;
    /// What a data key is bound to: the cluster's name.
    fn context(&self) -> &str;
    /// A new data key.
    async fn create(&self) -> Result<DataKey>;
    /// The clear form of an encrypted one.
    async fn open(&self, encrypted: &[u8]) -> Result<Vec<u8>>;
}

/// Seals a private key, if there are data keys to seal it with.
pub async fn seal(pem: &str, keys: Option<&dyn DataKeys>) -> Result<PrivateKey> {
    let Some(keys) = keys else { return Ok(PrivateKey::Plain(pem.to_owned())) };
    let data_key = keys.create().await?;
    let mut text = pem.as_bytes().to_vec();
    let nonce = cipher(&data_key.clear)?
        .seal_in_place_append_tag(Aad::from(keys.context().as_bytes()), &mut text)
        .map_err(|_| Error::failed("can't encrypt a private key"))?;
    Ok(PrivateKey::Sealed(Box::new(Sealed {
        kms_key: keys.kms_key().to_owned(),
        data_key: BASE64.encode(&data_key.encrypted),
        nonce: BASE64.encode(nonce.as_ref()),
        text: BASE64.encode(&text),
    })))
}

/// Opens a private key: PEM.
pub async fn open(key: &PrivateKey, keys: Option<&dyn DataKeys>) -> Result<String> {
    let sealed = match key {
        PrivateKey::Plain(pem) => return Ok(pem.clone()),
        PrivateKey::Sealed(sealed) => sealed,
    };
    let keys = keys.ok_or_else(|| {
        Error::failed("a private key is sealed, and the spec names no key of KMS to open it with")
            .hint(format!("kspot set cluster spec.keyStoreKMSKey={}", sealed.kms_key))
    })?;
    let damaged = || Error::failed("a sealed private key in the state store is damaged");
    let bytes = |text: &str| BASE64.decode(text).map_err(|_| damaged());
    let clear = keys.open(&bytes(&sealed.data_key)?).await?;
    let nonce: [u8; NONCE_LEN] = bytes(&sealed.nonce)?.try_into().map_err(|_| damaged())?;
    let mut text = bytes(&sealed.text)?;
    let opened = cipher(&clear)?
        .open_in_place(Nonce::assume_unique_for_key(nonce), Aad::from(keys.context().as_bytes()), &mut text)
        .map_err(|_| damaged())?;
    String::from_utf8(opened.to_vec()).map_err(|_| damaged())
}

fn cipher(key: &[u8]) -> Result<RandomizedNonceKey> {
    RandomizedNonceKey::new(&AES_256_GCM, key).map_err(|_| Error::failed("KMS gave a data key that is not 256 bits"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// KMS of one test: its data keys are encrypted by turning every bit.
    struct Kms(&'static str);

    #[async_trait]
    impl DataKeys for Kms {
        fn kms_key(&self) -> &str {
            "alias/k"
        }

        fn context(&self) -> &str {
            self.0
        }

        async fn create(&self) -> Result<DataKey> {
            Ok(DataKey { clear: vec![7; 32], encrypted: vec![!7; 32] })
        }

        async fn open(&self, encrypted: &[u8]) -> Result<Vec<u8>> {
            Ok(encrypted.iter().map(|b| !b).collect())
        }
    }

    /// What is sealed opens to the same, shows nothing of itself, and opens for no other cluster.
    #[tokio::test]
    async fn sealed_keys_open_again() {
        let key = seal("secret pem", Some(&Kms("a.example.com"))).await.unwrap();
        assert!(!serde_json::to_string(&key).unwrap().contains("secret") && !format!("{key:?}").contains("secret"));
        assert_eq!(open(&key, Some(&Kms("a.example.com"))).await.unwrap(), "secret pem");
        assert!(open(&key, Some(&Kms("b.example.com"))).await.is_err());
        assert!(open(&key, None).await.unwrap_err().hints().iter().any(|h| h.contains("alias/k")));
    }

    /// Without KMS a key lies there as it is, and still is not printed.
    #[tokio::test]
    async fn plain_keys_are_not_printed() {
        let key = seal("secret pem", None).await.unwrap();
        assert_eq!(open(&key, None).await.unwrap(), "secret pem");
        assert_eq!(format!("{key:?}"), "Plain(..)");
    }

    /// One changed letter is damage, not another key.
    #[tokio::test]
    async fn damage_is_found() {
        let PrivateKey::Sealed(mut sealed) = seal("secret", Some(&Kms("a"))).await.unwrap() else { panic!("sealed") };
        sealed.text.replace_range(0..1, if sealed.text.starts_with('A') { "B" } else { "A" });
        let error = open(&PrivateKey::Sealed(sealed), Some(&Kms("a"))).await.unwrap_err();
        assert!(error.message().contains("damaged"));
    }
}
