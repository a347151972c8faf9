//! A store in an S3 bucket, or in a part of one.
//!
//! An answer can get lost after S3 has done what was asked; the repeated request then meets its own work and is
//! refused. So conditional writes are repeated here, not by the SDK; one that is refused after an attempt without an answer
//! reads the object back, and counts as done if the object is what it wrote.

use std::future::Future;
use std::path::Path;
use std::sync::{OnceLock, PoisonError, RwLock};
use std::time::Duration;

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::Region;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::get_object::builders::GetObjectFluentBuilder;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{Delete, Object, ObjectIdentifier};
use backon::{BackoffBuilder, ExponentialBuilder, Retryable};
use base64::Engine as _;

use super::store::{Blob, Entry, Etag, Fetched, Level, Precondition, PutError, Store};
use crate::cloud::aws::Watch;
use crate::cloud::aws::content::{self, Missed};
use crate::context::Context;
use crate::digest;
use crate::error::{Error, Result};
use failure::Failure;

pub(super) mod failure;

fn retry(config: RetryConfig) -> aws_sdk_s3::config::Builder {
    aws_sdk_s3::config::Config::builder().retry_config(config)
}

/// How often a write is repeated that S3 left undecided because of another write of the same key.
const UNDECIDED_TIMES: usize = 8;

/// Objects in a bucket, below a prefix.
#[derive(Debug)]
pub struct S3 {
    client: RwLock<Client>,
    bucket: String,
    /// Empty, or ends in a slash.
    prefix: String,
    jitter: u64,
    kms_key: OnceLock<String>,
}

/// The client for a configuration: path style when an endpoint is named, for few of those have a name per bucket.
pub(crate) fn client(sdk: &SdkConfig, ctx: &Context, region: Option<&str>) -> Client {
    let named = sdk.endpoint_url().is_some() || ctx.env("AWS_ENDPOINT_URL_S3").is_some();
    let mut config = aws_sdk_s3::config::Builder::from(sdk).force_path_style(named).interceptor(Watch::new(ctx));
    config.set_region(region.map(|r| Region::new(r.to_owned())).or_else(|| sdk.region().cloned()));
    Client::from_conf(config.build())
}

impl S3 {
    /// A store in this bucket; sends nothing yet. `prefix` has no slash at either end.
    pub fn new(sdk: &SdkConfig, ctx: &Context, bucket: &str, prefix: &str) -> Self {
        // Any region reaches any bucket: S3 says where it really is, and the store follows.
        let region = sdk.region().is_none().then_some("us-east-1");
        S3 {
            client: RwLock::new(client(sdk, ctx, region)),
            bucket: bucket.into(),
            prefix: if prefix.is_empty() { String::new() } else { format!("{prefix}/") },
            jitter: ctx.id().as_u64_pair().1,
            kms_key: OnceLock::new(),
        }
    }

    fn client(&self) -> Client {
        self.client.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn full(&self, key: &str) -> String {
        format!("{}{key}", self.prefix)
    }

    fn relative(&self, key: &str) -> Option<String> {
        key.strip_prefix(&self.prefix).map(str::to_owned)
    }

    /// Sends a request; once more, to the bucket's own region, if S3 says that it is elsewhere.
    async fn call<T, E, F, Fut>(&self, request: F) -> Result<T, Failure>
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
        F: Fn(Client) -> Fut + Send + Sync,
        Fut: Future<Output = Result<T, SdkError<E>>> + Send,
    {
        let failure = match request(self.client()).await {
            Ok(done) => return Ok(done),
            Err(e) => Failure::from(e),
        };
        if !failure.is_wrong_region() || !self.follow(&failure).await {
            return Err(failure);
        }
        request(self.client()).await.map_err(Failure::from)
    }

    /// Turns the client to the bucket's region. False if that can't be found, or is where the client already is.
    async fn follow(&self, failure: &Failure) -> bool {
        let client = self.client();
        let region = match &failure.region {
            Some(region) => Some(region.clone()),
            None => region_of(&client, &self.bucket).await,
        };
        let known = client.config().region().map(|r| r.to_string());
        let Some(region) = region.filter(|r| Some(r) != known.as_ref()) else { return false };
        tracing::debug!(bucket = self.bucket, region, "the bucket is in another region");
        let moved = client.config().to_builder().region(Region::new(region)).build();
        *self.client.write().unwrap_or_else(PoisonError::into_inner) = Client::from_conf(moved);
        true
    }

    fn error(&self, doing: &str, failure: Failure) -> Error {
        failure.error(doing, &self.describe())
    }

    async fn put_once(&self, key: &str, bytes: &[u8], when: &Precondition) -> Result<Etag, Failure> {
        let sent = self.call(|client| {
            let request = client.put_object().bucket(&self.bucket).key(self.full(key));
            let request = match when {
                Precondition::None => request,
                Precondition::Absent => request.if_none_match("*"),
                Precondition::Match(etag) => request.if_match(quoted(etag)),
            };
            let request = request.body(ByteStream::from(bytes.to_vec())).customize();
            // A conditional write is repeated by `put`, which must know that it was.
            let retries = if *when == Precondition::None { client.config().retry_config().cloned() } else { None };
            request.config_override(retry(retries.unwrap_or_else(RetryConfig::disabled))).send()
        });
        let done = sent.await?;
        self.note_key(done.ssekms_key_id());
        Ok(etag(done.e_tag()))
    }

    /// A precondition failed after an attempt without an answer: that attempt was done if the object is what it wrote.
    async fn put_before(&self, key: &str, bytes: &[u8]) -> Result<Etag, PutError> {
        match self.get(key).await? {
            Some(found) if found.bytes == bytes => Ok(found.etag),
            _ => Err(PutError::Conflict),
        }
    }

    async fn delete_once(&self, key: &str, when: &Precondition) -> Result<(), Failure> {
        let sent = self.call(|client| {
            let request = client.delete_object().bucket(&self.bucket).key(self.full(key));
            match when {
                Precondition::Match(etag) => request.if_match(quoted(etag)),
                _ => request,
            }
            .customize()
            .send()
        });
        sent.await.map(|_| ())
    }

    /// Deletes the bucket, which must be empty.
    pub(super) async fn delete_bucket(&self) -> Result<()> {
        let sent = self.call(|client| client.delete_bucket().bucket(&self.bucket).customize().send()).await;
        sent.map(drop).map_err(|f| self.error("delete the bucket", f))
    }

    /// Keeps the name of the key that S3 says an object is encrypted with.
    fn note_key(&self, key: Option<&str>) {
        if let Some(key) = key {
            let _ = self.kms_key.set(key.to_owned());
        }
    }

    fn undecided(&self) -> ExponentialBuilder {
        self.pauses(Duration::from_millis(25)).with_max_times(UNDECIDED_TIMES)
    }

    fn pauses(&self, first: Duration) -> ExponentialBuilder {
        ExponentialBuilder::default().with_min_delay(first).with_jitter().with_jitter_seed(self.jitter)
    }

    /// Pages through a listing. `delimiter` asks for one level only.
    async fn pages(&self, prefix: &str, start_after: Option<&str>, delimiter: Option<&str>) -> Result<Level> {
        let mut level = Level::default();
        let mut token: Option<String> = None;
        loop {
            let page = self.call(|client| {
                let request = client.list_objects_v2().bucket(&self.bucket).prefix(self.full(prefix));
                let request = request.set_delimiter(delimiter.map(str::to_owned));
                // S3 ignores `start-after` once there is a token.
                let start = start_after.filter(|_| token.is_none()).map(|s| self.full(s));
                request.set_start_after(start).set_continuation_token(token.clone()).customize().send()
            });
            let page = page.await.map_err(|f| self.error(format!("list {prefix}").trim_end(), f))?;
            level.entries.extend(page.contents().iter().filter_map(|o| self.entry(o)));
            let prefixes = page.common_prefixes().iter().filter_map(|p| self.relative(p.prefix()?));
            level.prefixes.extend(prefixes);
            match page.next_continuation_token() {
                Some(next) if page.is_truncated().unwrap_or(false) => token = Some(next.to_owned()),
                _ => return Ok(level),
            }
        }
    }

    fn entry(&self, object: &Object) -> Option<Entry> {
        let size = object.size().and_then(|s| u64::try_from(s).ok()).unwrap_or_default();
        Some(Entry { key: self.relative(object.key()?)?, etag: etag(object.e_tag()), size })
    }

    /// One page of the versions and delete markers below a full prefix.
    async fn versions(&self, prefix: &str) -> Result<Vec<ObjectIdentifier>> {
        let page =
            self.call(|client| client.list_object_versions().bucket(&self.bucket).prefix(prefix).customize().send());
        let page = page.await.map_err(|f| self.error(&format!("list the versions of {prefix}"), f))?;
        let versions = page.versions().iter().map(|v| (v.key(), v.version_id()));
        let markers = page.delete_markers().iter().map(|m| (m.key(), m.version_id()));
        Ok(versions
            .chain(markers)
            .filter_map(|(key, id)| {
                ObjectIdentifier::builder().key(key?).set_version_id(id.map(str::to_owned)).build().ok()
            })
            .collect())
    }

    async fn remove_versions(&self, versions: Vec<ObjectIdentifier>) -> Result<()> {
        let doing = "delete old versions";
        let delete = Delete::builder().set_objects(Some(versions)).quiet(true).build();
        let delete = delete.map_err(|e| Error::failed(format!("can't {doing}")).because(e))?;
        let sent = self
            .call(|client| client.delete_objects().bucket(&self.bucket).delete(delete.clone()).customize().send())
            .await;
        let answer = sent.map_err(|f| self.error(doing, f))?;
        let refused: Vec<String> = answer
            .errors()
            .iter()
            .map(|e| format!("{}: {}", e.key().unwrap_or("?"), e.code().unwrap_or("refused")))
            .collect();
        if refused.is_empty() {
            return Ok(());
        }
        let error = Error::failed(format!("can't delete {} objects or versions in {}", refused.len(), self.describe()))
            .hint("the credentials need s3:DeleteObject and s3:DeleteObjectVersion; a retention lock also forbids it");
        Err(refused.into_iter().take(5).fold(error, Error::detail))
    }
}

#[async_trait]
impl Store for S3 {
    fn region(&self) -> Option<String> {
        self.client().config().region().map(ToString::to_string)
    }

    fn kms_key(&self) -> Option<String> {
        self.kms_key.get().cloned()
    }

    async fn get(&self, key: &str) -> Result<Option<Blob>> {
        match self.fetch(key, None).await? {
            Fetched::Changed(blob) => Ok(Some(blob)),
            Fetched::Missing | Fetched::Unchanged => Ok(None),
        }
    }

    async fn get_file(&self, key: &str, file: &mut tokio::fs::File) -> Result<bool> {
        let ask = || self.call(|client| self.read(&client, key).customize().send());
        match content::into_file(ask, file).await {
            Ok(()) => Ok(true),
            Err(Missed::Refused(f)) if f.is_missing_object() => Ok(false),
            Err(missed) => Err(self.missed(key, missed)),
        }
    }

    async fn get_if_changed(&self, key: &str, known: &Etag) -> Result<Fetched> {
        self.fetch(key, Some(known)).await
    }

    async fn put(&self, key: &str, bytes: &[u8], when: Precondition) -> Result<Etag, PutError> {
        // Whether an earlier attempt may have been the one that the precondition now meets.
        let mut unanswered = false;
        let mut pauses = self.undecided().build();
        let failure = loop {
            let failure = match self.put_once(key, bytes, &when).await {
                Ok(etag) => return Ok(etag),
                Err(failure) => failure,
            };
            if when != Precondition::None && failure.is_lost_precondition() {
                return if unanswered { self.put_before(key, bytes).await } else { Err(PutError::Conflict) };
            }
            unanswered |= failure.may_have_happened();
            let again = failure.is_undecided() || (when != Precondition::None && failure.may_have_happened());
            match pauses.next() {
                Some(pause) if again => tokio::time::sleep(pause).await,
                _ => break failure,
            }
        };
        if failure.may_have_happened()
            && let Ok(Some(found)) = self.get(key).await
            && found.bytes == bytes
        {
            return Ok(found.etag);
        }
        Err(self.error(&format!("write {key}"), failure).into())
    }

    async fn put_file(&self, key: &str, file: &Path, sha256: &str) -> Result<()> {
        let bytes = digest::bytes(sha256).ok_or_else(|| Error::failed(format!("{sha256} is no sha256")))?;
        // S3 refuses what is not what the sum says.
        let sum = base64::engine::general_purpose::STANDARD.encode(bytes);
        let sent = self.call(|client| {
            let request = client.put_object().bucket(&self.bucket).key(self.full(key)).checksum_sha256(&sum);
            async move {
                // Read from the disk, again for each attempt.
                let body = ByteStream::from_path(file).await.map_err(SdkError::construction_failure)?;
                request.body(body).customize().send().await
            }
        });
        sent.await.map(|_| ()).map_err(|f| self.error(&format!("write {key}"), f))
    }

    async fn delete(&self, key: &str, when: Precondition) -> Result<(), PutError> {
        if when == Precondition::Absent {
            return if self.get(key).await?.is_none() { Ok(()) } else { Err(PutError::Conflict) };
        }
        let attempt = || self.delete_once(key, &when);
        let failure = match attempt.retry(self.undecided()).when(Failure::is_undecided).await {
            Err(failure) if !failure.is_missing_object() => failure,
            _ => return Ok(()),
        };
        if failure.is_lost_precondition() {
            return if self.get(key).await?.is_none() { Ok(()) } else { Err(PutError::Conflict) };
        }
        Err(self.error(&format!("delete {key}"), failure).into())
    }

    async fn list(&self, prefix: &str, start_after: Option<&str>) -> Result<Vec<Entry>> {
        Ok(self.pages(prefix, start_after, None).await?.entries)
    }

    async fn list_level(&self, prefix: &str, start_after: Option<&str>) -> Result<Level> {
        self.pages(prefix, start_after, Some("/")).await
    }

    /// Takes the first page of versions until there is none: a delete for good needs every version by its id.
    async fn remove_tree(&self, prefix: &str) -> Result<u64> {
        let prefix = self.full(prefix);
        let mut removed = 0;
        loop {
            let versions = self.versions(&prefix).await?;
            if versions.is_empty() {
                return Ok(removed);
            }
            removed += versions.len() as u64;
            self.remove_versions(versions).await?;
        }
    }

    fn describe(&self) -> String {
        format!("s3://{}/{}", self.bucket, self.prefix).trim_end_matches('/').to_owned()
    }
}

impl S3 {
    async fn fetch(&self, key: &str, known: Option<&Etag>) -> Result<Fetched> {
        let asked = content::whole(|| {
            self.call(|client| self.read(&client, key).set_if_none_match(known.map(quoted)).customize().send())
        });
        match asked.await {
            Ok((object, bytes)) => {
                self.note_key(object.ssekms_key_id());
                Ok(Fetched::Changed(Blob { bytes, etag: etag(object.e_tag()) }))
            }
            Err(Missed::Refused(f)) if f.status == Some(304) => Ok(Fetched::Unchanged),
            Err(Missed::Refused(f)) if f.is_missing_object() => Ok(Fetched::Missing),
            Err(missed) => Err(self.missed(key, missed)),
        }
    }

    fn read(&self, client: &Client, key: &str) -> GetObjectFluentBuilder {
        client.get_object().bucket(&self.bucket).key(self.full(key))
    }

    fn missed(&self, key: &str, missed: Missed<Failure>) -> Error {
        match missed {
            Missed::Refused(f) => self.error(&format!("read {key}"), f),
            Missed::CutOff(e) => Error::failed(format!("reading {key} in {} was cut off", self.describe()))
                .hint("run the command again")
                .because(e),
            Missed::NotKept(e) => Error::failed(format!("can't write what {key} holds")).because(e),
        }
    }
}

/// The region that a bucket says it is in: in the answer to HeadBucket, also in a refusal, or by its own call.
pub(super) async fn region_of(client: &Client, bucket: &str) -> Option<String> {
    let head = client.head_bucket().bucket(bucket).customize().send().await;
    let told = match head {
        Ok(head) => head.bucket_region().map(str::to_owned),
        Err(e) => Failure::from(e).region,
    };
    if told.is_some() {
        return told;
    }
    let location = client.get_bucket_location().bucket(bucket).customize().send().await.ok()?;
    match location.location_constraint().map(|l| l.as_str()) {
        None | Some("") => Some("us-east-1".into()),
        Some("EU") => Some("eu-west-1".into()),
        Some(region) => Some(region.into()),
    }
}

/// S3 quotes etags in answers, and some servers do so in headers only.
fn etag(raw: Option<&str>) -> Etag {
    Etag::new(raw.unwrap_or_default().trim_matches('"'))
}

fn quoted(etag: &Etag) -> String {
    format!("\"{}\"", etag.as_str())
}
