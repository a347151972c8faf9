//! Fetches the manifests of addons that come from elsewhere, and sees to it that what is fetched once stays the same.
//!
//! What a URL held when it was fetched first is recorded in the state store by its sha256, when the update that brings it is
//! applied; whatever it holds later must be the same. A bucket of the user's and the state store are the user's own: what is
//! there is taken as it is, and a change is a line of the plan.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::prepare::Site;
use crate::addons::context::Context;
use crate::addons::{Source, Texts, sources};
use crate::digest::sha256;
use crate::download;
use crate::error::{Error, Result};
use crate::state::{ClusterStore, Etag, Location, Precondition};

/// What URLs held when they were fetched first: `sources` in the state store.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// The version of this document's form.
    pub schema: u32,
    /// sha256 in hex, by URL.
    pub sha256: BTreeMap<String, String>,
}

/// Manifests, and what is not on record of them.
#[derive(Clone, Debug, Default)]
pub struct Manifests {
    /// The texts.
    pub texts: Texts,
    /// The sha256 of what was fetched for the first time, by URL.
    pub new: BTreeMap<String, String>,
}

/// The manifests that the wanted addons need.
pub async fn fetch(site: &Site, store: &ClusterStore, context: &Context) -> Result<Manifests> {
    let mut manifests = Manifests::default();
    let sources = sources(context)?;
    if sources.is_empty() {
        return Ok(manifests);
    }
    let (record, _) = read(store).await?;
    for source in sources {
        let text = match &source {
            Source::Url(url) => {
                let known = record.sha256.get(url).map(String::as_str);
                let (text, sum) = of_url(site, url, known).await?;
                if known.is_none() {
                    manifests.new.insert(url.clone(), sum);
                }
                text
            }
            Source::S3 { bucket, key } => of_bucket(site, bucket, key).await?,
            Source::Stored(path) => {
                let key = format!("{}{path}", store.keys().root());
                text(&source, stored(store.store().as_ref(), &key).await?)?
            }
        };
        manifests.texts.insert(source, text);
    }
    Ok(manifests)
}

async fn stored(store: &dyn crate::state::Store, key: &str) -> Result<Vec<u8>> {
    let blob = store.get(key).await?;
    let missing = || Error::failed(format!("{key} is not in {}", store.describe())).hint("spec.addons names it");
    Ok(blob.ok_or_else(missing)?.bytes)
}

async fn of_bucket(site: &Site, bucket: &str, key: &str) -> Result<String> {
    let location = Location::S3 { bucket: bucket.to_owned(), prefix: String::new() };
    let sdk = site.sdk.clone();
    let store = crate::state::open(&location, &site.context, async { Ok(sdk) }).await?;
    let source = Source::S3 { bucket: bucket.to_owned(), key: key.to_owned() };
    text(&source, stored(store.as_ref(), key).await?)
}

/// What a URL holds, from the cache if it is known and there; and its sha256.
async fn of_url(site: &Site, url: &str, known: Option<&str>) -> Result<(String, String)> {
    let source = Source::Url(url.to_owned());
    if let Some(sum) = known
        && let Some(bytes) = site.facts.cache().download(sum)
    {
        return Ok((text(&source, bytes)?, sum.to_owned()));
    }
    let bytes = download::fetch(url).await?;
    let sum = sha256(&bytes);
    if let Some(known) = known.filter(|known| *known != sum) {
        return Err(Error::failed(format!("{url} is not what it was when it was fetched first"))
            .detail(format!("then its sha256 was {known}"))
            .detail(format!("now it is {sum}"))
            .hint("somebody changed it, or stands in between: name a URL that holds one release for ever")
            .hint(format!("if it is as it should be: kspot addons accept {url}")));
    }
    if let Err(error) = site.facts.cache().keep_download(&sum, &bytes) {
        tracing::debug!(%error, url, "the manifest is not cached");
    }
    Ok((text(&source, bytes)?, sum))
}

fn text(source: &Source, bytes: Vec<u8>) -> Result<String> {
    String::from_utf8(bytes).map_err(|_| Error::failed(format!("{source} is no text")))
}

async fn read(store: &ClusterStore) -> Result<(Record, Option<Etag>)> {
    let key = store.keys().sources();
    let Some(blob) = store.store().get(&key).await? else { return Ok((Record::default(), None)) };
    let record = serde_json::from_slice(&blob.bytes)
        .map_err(|e| Error::failed(format!("{key} in {} can't be read", store.store().describe())).because(e))?;
    Ok((record, Some(blob.etag)))
}

/// Puts what URLs hold on record. One that is there already keeps what it has, unless `replace`.
pub async fn record(store: &ClusterStore, new: &BTreeMap<String, String>, replace: bool) -> Result<()> {
    if new.is_empty() {
        return Ok(());
    }
    let (mut record, before) = read(store).await?;
    record.schema = 1;
    for (url, sum) in new {
        let entry = record.sha256.entry(url.clone()).or_insert_with(|| sum.clone());
        if replace {
            entry.clone_from(sum);
        }
        if entry != sum {
            return Err(Error::conflict(format!("{url} held something else when somebody fetched it a moment ago")));
        }
    }
    let key = store.keys().sources();
    let when = before.map_or(Precondition::Absent, Precondition::Match);
    let text =
        serde_json::to_vec_pretty(&record).map_err(|e| Error::failed(format!("can't write {key}")).because(e))?;
    let written = store.store().put(&key, &text, when).await.map(drop);
    written.map_err(|e| e.or_conflict(|| Error::conflict(format!("{key} was written by somebody else"))))
}

/// Takes what a URL holds now as what it has to hold. Gives its sha256.
pub async fn accept(store: &ClusterStore, url: &str) -> Result<String> {
    if !matches!(Source::parse(url), Source::Url(_)) {
        return Err(
            Error::usage(format!("{url} is no URL")).hint("what a bucket or the state store holds is taken as it is")
        );
    }
    let sum = sha256(&download::fetch(url).await?);
    record(store, &BTreeMap::from([(url.to_owned(), sum.clone())]), true).await?;
    Ok(sum)
}
