//! The settings of a state store's bucket: each is read, compared, and written only if it differs.

use std::future::Future;
use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::error::{BuildError, ProvideErrorMetadata, SdkError};
use aws_sdk_s3::types::{
    BucketVersioningStatus, ObjectOwnership, OwnershipControls, OwnershipControlsRule, PublicAccessBlockConfiguration,
    ServerSideEncryption, ServerSideEncryptionByDefault, ServerSideEncryptionConfiguration, ServerSideEncryptionRule,
    VersioningConfiguration,
};
use backon::{ExponentialBuilder, Retryable};
use serde_json::{Value, json};

use super::Failure;
use crate::cloud::aws::partition::of_region;
use crate::error::{Error, Result};

/// The name of our statement in the bucket's policy.
const STATEMENT: &str = "KspotTlsOnly";

/// Brings a bucket to the settings of a state store. Gives a sentence for each that was changed.
pub(super) async fn ensure(client: &Client, bucket: &str, region: &str, kms_key: Option<&str>) -> Result<Vec<String>> {
    let bucket = Bucket { client, name: bucket, region };
    let changes = [
        bucket.ownership().await?,
        bucket.public_access().await?,
        bucket.versioning().await?,
        bucket.encryption(kms_key).await?,
        bucket.policy().await?,
    ];
    Ok(changes.into_iter().flatten().collect())
}

struct Bucket<'a> {
    client: &'a Client,
    name: &'a str,
    region: &'a str,
}

impl Bucket<'_> {
    async fn ownership(&self) -> Result<Option<String>> {
        let doing = "set the object ownership";
        let get = || self.client.get_bucket_ownership_controls().bucket(self.name).customize().send();
        let found = self.read(doing, get, "OwnershipControlsNotFoundError").await?;
        let rules = found.as_ref().and_then(|f| f.ownership_controls()).map(|o| o.rules()).unwrap_or_default();
        if rules.iter().any(|r| *r.object_ownership() == ObjectOwnership::BucketOwnerEnforced) {
            return Ok(None);
        }
        let rule = OwnershipControlsRule::builder().object_ownership(ObjectOwnership::BucketOwnerEnforced).build();
        let wanted = OwnershipControls::builder().rules(rule.map_err(built)?).build().map_err(built)?;
        let put = || {
            let request = self.client.put_bucket_ownership_controls().bucket(self.name);
            request.ownership_controls(wanted.clone()).customize().send()
        };
        self.write(doing, put).await?;
        Ok(Some("object ownership: enforced for the bucket's owner".into()))
    }

    async fn public_access(&self) -> Result<Option<String>> {
        let doing = "block public access";
        let get = || self.client.get_public_access_block().bucket(self.name).customize().send();
        let found = self.read(doing, get, "NoSuchPublicAccessBlockConfiguration").await?;
        let wanted = PublicAccessBlockConfiguration::builder()
            .block_public_acls(true)
            .ignore_public_acls(true)
            .block_public_policy(true)
            .restrict_public_buckets(true)
            .build();
        if found.and_then(|f| f.public_access_block_configuration) == Some(wanted.clone()) {
            return Ok(None);
        }
        let put = || {
            let request = self.client.put_public_access_block().bucket(self.name);
            request.public_access_block_configuration(wanted.clone()).customize().send()
        };
        self.write(doing, put).await?;
        Ok(Some("public access: blocked".into()))
    }

    async fn versioning(&self) -> Result<Option<String>> {
        let doing = "enable versioning";
        let get = || self.client.get_bucket_versioning().bucket(self.name).customize().send();
        let found = self.read(doing, get, "").await?;
        if found.and_then(|f| f.status) == Some(BucketVersioningStatus::Enabled) {
            return Ok(None);
        }
        let wanted = VersioningConfiguration::builder().status(BucketVersioningStatus::Enabled).build();
        let put = || {
            let request = self.client.put_bucket_versioning().bucket(self.name);
            request.versioning_configuration(wanted.clone()).customize().send()
        };
        self.write(doing, put).await?;
        Ok(Some("versioning: enabled".into()))
    }

    /// Without a wish for a key any encryption will do, so that a key chosen earlier is not undone.
    async fn encryption(&self, kms_key: Option<&str>) -> Result<Option<String>> {
        let doing = "set the encryption";
        let get = || self.client.get_bucket_encryption().bucket(self.name).customize().send();
        let found = self.read(doing, get, "ServerSideEncryptionConfigurationNotFoundError").await?;
        let rules = found.as_ref().and_then(|f| f.server_side_encryption_configuration()).map(|c| c.rules());
        let current = rules.unwrap_or_default().iter().find_map(|r| r.apply_server_side_encryption_by_default());
        let good = match kms_key {
            None => current.is_some(),
            Some(key) => current.is_some_and(|c| {
                *c.sse_algorithm() == ServerSideEncryption::AwsKms && c.kms_master_key_id() == Some(key)
            }),
        };
        if good {
            return Ok(None);
        }
        let algorithm = if kms_key.is_some() { ServerSideEncryption::AwsKms } else { ServerSideEncryption::Aes256 };
        let by_default = ServerSideEncryptionByDefault::builder()
            .sse_algorithm(algorithm)
            .set_kms_master_key_id(kms_key.map(str::to_owned))
            .build()
            .map_err(built)?;
        let rule = ServerSideEncryptionRule::builder()
            .apply_server_side_encryption_by_default(by_default)
            .set_bucket_key_enabled(kms_key.map(|_| true))
            .build();
        let wanted = ServerSideEncryptionConfiguration::builder().rules(rule).build().map_err(built)?;
        let put = || {
            let request = self.client.put_bucket_encryption().bucket(self.name);
            request.server_side_encryption_configuration(wanted.clone()).customize().send()
        };
        self.write(doing, put).await?;
        Ok(Some(match kms_key {
            Some(key) => format!("encryption: KMS key {key}"),
            None => "encryption: AES256".into(),
        }))
    }

    async fn policy(&self) -> Result<Option<String>> {
        let doing = "set the policy";
        let get = || self.client.get_bucket_policy().bucket(self.name).customize().send();
        let found = self.read(doing, get, "NoSuchBucketPolicy").await?.and_then(|f| f.policy);
        let Some(wanted) = with_tls_only(found.as_deref(), &tls_only(self.name, self.region))? else { return Ok(None) };
        let put = || self.client.put_bucket_policy().bucket(self.name).policy(wanted.clone()).customize().send();
        self.write(doing, put).await?;
        Ok(Some("policy: requests without TLS are denied".into()))
    }

    /// Reads a setting; none if S3 says with this code that it is not set.
    async fn read<T, E, F, Fut>(&self, doing: &str, request: F, unset: &str) -> Result<Option<T>>
    where
        F: Fn() -> Fut,
        Fut: Future<Output = Result<T, SdkError<E>>>,
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        match settled(request).await {
            Ok(found) => Ok(Some(found)),
            Err(f) if !unset.is_empty() && f.code == unset => Ok(None),
            Err(f) => Err(self.refused(doing, &f)),
        }
    }

    async fn write<T, E, F, Fut>(&self, doing: &str, request: F) -> Result<()>
    where
        F: Fn() -> Fut,
        Fut: Future<Output = Result<T, SdkError<E>>>,
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        settled(request).await.map(drop).map_err(|f| self.refused(doing, &f))
    }

    fn refused(&self, doing: &str, failure: &Failure) -> Error {
        failure
            .error(doing, &format!("s3://{}", self.name))
            .hint("run the command again when that is mended: it goes on where it stopped")
    }
}

/// Repeats a request about a bucket that S3 is still making, or still changing.
async fn settled<T, E, F, Fut>(request: F) -> Result<T, Failure>
where
    F: Fn() -> Fut,
    Fut: Future<Output = Result<T, SdkError<E>>>,
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    let pauses = ExponentialBuilder::default().with_min_delay(Duration::from_millis(200)).with_max_times(6);
    let attempt = || async { request().await.map_err(Failure::from) };
    attempt.retry(pauses).when(|f: &Failure| matches!(f.code.as_str(), "NoSuchBucket" | "OperationAborted")).await
}

fn built(e: BuildError) -> Error {
    Error::failed("a bucket setting can't be expressed").because(e)
}

/// The statement that denies every request to the bucket and its objects that does not come over TLS.
fn tls_only(bucket: &str, region: &str) -> Value {
    let partition = of_region(region);
    let arn = format!("arn:{partition}:s3:::{bucket}");
    json!({
        "Sid": STATEMENT,
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [arn, format!("{arn}/*")],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    })
}

/// The policy with our statement beside those that are there; none if it has it already.
fn with_tls_only(policy: Option<&str>, statement: &Value) -> Result<Option<String>> {
    let mut policy: Value = match policy.filter(|p| !p.trim().is_empty()) {
        None => json!({"Version": "2012-10-17", "Statement": []}),
        Some(text) => {
            serde_json::from_str(text).map_err(|e| Error::failed("the bucket's policy can't be read").because(e))?
        }
    };
    let statements = match policy["Statement"].take() {
        Value::Array(all) => all,
        Value::Null => Vec::new(),
        one => vec![one],
    };
    if statements.contains(statement) {
        return Ok(None);
    }
    let others = statements.into_iter().filter(|s| s["Sid"] != STATEMENT);
    policy["Statement"] = others.chain([statement.clone()]).collect();
    Ok(Some(policy.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Our statement is added beside others, replaced when it differs, and left alone when it is there.
    #[test]
    fn the_policy_of_others_stays() {
        let ours = tls_only("b", "eu-west-1");
        let other = json!({"Sid": "Other", "Effect": "Allow"});
        let old = json!({"Version": "2012-10-17", "Statement": other}).to_string();
        let text = with_tls_only(Some(&old), &ours).unwrap().unwrap();
        let policy: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(policy["Statement"], json!([other, ours]));
        assert_eq!(with_tls_only(Some(&text), &ours).unwrap(), None);
        let elsewhere = tls_only("b", "cn-north-1");
        let policy: Value = serde_json::from_str(&with_tls_only(Some(&text), &elsewhere).unwrap().unwrap()).unwrap();
        assert_eq!(policy["Statement"], json!([other, elsewhere]));
        assert!(with_tls_only(None, &ours).unwrap().is_some());
        assert!(with_tls_only(Some("{"), &ours).is_err());
    }
}
