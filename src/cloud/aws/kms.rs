//! Data keys of KMS, with which private keys are sealed.

use std::collections::HashMap;

use async_trait::async_trait;
use aws_sdk_kms::primitives::Blob;
use aws_sdk_kms::types::DataKeySpec;

use super::{AwsCloud, AwsError};
use crate::error::Result;
use crate::pki::seal::{DataKey, DataKeys};

/// What the encryption context calls the cluster.
const CLUSTER: &str = "kspot.io/cluster";

/// Data keys under one key of KMS, for one cluster.
#[derive(Clone, Debug)]
pub struct Kms {
    client: aws_sdk_kms::Client,
    key: String,
    cluster: String,
}

impl AwsCloud {
    /// Data keys under this key (ARN, id or alias), bound to a cluster.
    pub fn data_keys(&self, key: &str, cluster: &str) -> Kms {
        Kms { client: self.kms.clone(), key: key.to_owned(), cluster: cluster.to_owned() }
    }
}

impl Kms {
    fn encryption_context(&self) -> HashMap<String, String> {
        HashMap::from([(CLUSTER.to_owned(), self.cluster.clone())])
    }
}

#[async_trait]
impl DataKeys for Kms {
    fn kms_key(&self) -> &str {
        &self.key
    }

    fn context(&self) -> &str {
        &self.cluster
    }

    async fn create(&self) -> Result<DataKey> {
        let call = self.client.generate_data_key().key_id(&self.key).key_spec(DataKeySpec::Aes256);
        let made = call.set_encryption_context(Some(self.encryption_context())).customize().send().await;
        let made = made.map_err(|e| AwsError::of(format!("make a data key under {}", self.key), &e))?;
        let bytes = |blob: Option<Blob>| blob.map(Blob::into_inner).unwrap_or_default();
        Ok(DataKey { clear: bytes(made.plaintext), encrypted: bytes(made.ciphertext_blob) })
    }

    async fn open(&self, encrypted: &[u8]) -> Result<Vec<u8>> {
        let call = self.client.decrypt().key_id(&self.key).ciphertext_blob(Blob::new(encrypted));
        let opened = call.set_encryption_context(Some(self.encryption_context())).customize().send().await;
        let opened = opened.map_err(|e| AwsError::of(format!("open a data key under {}", self.key), &e))?;
        Ok(opened.plaintext.map(Blob::into_inner).unwrap_or_default())
    }
}
