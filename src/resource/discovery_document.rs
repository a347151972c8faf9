//! A document by which AWS checks the tokens of service accounts: an object that everybody may read, in a bucket of the
//! user's.
//!
//! The bucket is not kspot's: it is neither made nor changed here, and no object in it that lacks the cluster's mark.

use async_trait::async_trait;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::ServerSideEncryption;
use futures::future::try_join_all;
use serde::{Deserialize, Serialize};

use super::iam_role::existing;
use super::{Aws, Changed, Created, Found, Kind, Model, ReplaceOrder, Rules, policy};
use crate::cloud::aws::content::{self, Missed};
use crate::cloud::aws::{AwsCloud, AwsError, Call};
use crate::cloud::{Attrs, Scope};
use crate::error::{Error, Result};

/// The object's metadata (not its tags: a read tells of these by number only) that says whose it is.
const OWNER: &str = "kspot-cluster";

/// The attribute that holds the version of the content.
const ETAG: &str = "etag";

/// How often a write is tried again that met another one.
const ATTEMPTS: usize = 4;

/// One document. Its name is its place, `bucket/key`; its id that as a URL.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DiscoveryDocument {
    /// The cluster, which the object is marked with.
    pub cluster: String,
    /// The bucket.
    pub bucket: String,
    /// The bucket's region.
    pub region: String,
    /// The object's key.
    pub key: String,
    /// JSON, in [canonical](policy) form.
    pub content: String,
}

impl DiscoveryDocument {
    /// The name of the document of this key.
    pub fn name(&self) -> String {
        format!("{}/{}", self.bucket, self.key)
    }

    /// Where an observation looks for it: region, bucket, key.
    pub fn candidate(&self) -> String {
        format!("{}/{}", self.region, self.name())
    }
}

/// The id of the document at a place.
pub fn id(bucket: &str, key: &str) -> String {
    format!("s3://{bucket}/{key}")
}

impl Model for DiscoveryDocument {
    const KIND: Kind = Kind::DiscoveryDocument;
    const RULES: Rules = Rules {
        noun: "discovery document",
        forces_replacement: &["bucket", "cluster", "key", "region"],
        replace: ReplaceOrder::DeleteFirst,
        text: &["content"],
        ec2_type: None,
        only_grows: &[],
        loses_data: None,
    };
}

/// What is at the document's place.
enum Place {
    Empty,
    Foreign,
    Ours(Box<Found<DiscoveryDocument>>),
}

async fn look(cloud: &AwsCloud, cluster: &str, (region, bucket, key): (&str, &str, &str)) -> Result<Place> {
    let doing = || format!("read {}", id(bucket, key));
    let asked = content::whole(|| cloud.s3_in(region).get_object().bucket(bucket).key(key).customize().send());
    let (object, bytes) = match asked.await {
        Ok(whole) => whole,
        // A bucket of that name in another region is not the one that it was.
        Err(Missed::Refused(e)) if e.raw_response().is_some_and(|r| r.status().as_u16() == 301) => {
            return Ok(Place::Empty);
        }
        Err(Missed::Refused(e)) => {
            return existing(Err::<Place, _>(AwsError::of(doing(), &e))).map(|none| none.unwrap_or(Place::Empty));
        }
        Err(Missed::CutOff(e)) => return Err(Error::failed(format!("can't {}", doing())).because(e)),
        Err(Missed::NotKept(e)) => return Err(Error::failed(format!("can't {}", doing())).because(e)),
    };
    let owner = object.metadata().and_then(|all| all.get(OWNER));
    if owner.map(String::as_str) != Some(cluster) {
        return Ok(Place::Foreign);
    }
    let etag = object.e_tag().unwrap_or_default().to_owned();
    let resource = DiscoveryDocument {
        cluster: cluster.to_owned(),
        bucket: bucket.to_owned(),
        region: region.to_owned(),
        key: key.to_owned(),
        content: policy::canonical_text(&String::from_utf8_lossy(&bytes)),
    };
    let attrs = Attrs::from([(ETAG.to_owned(), etag)]);
    Ok(Place::Ours(Box::new(Found { name: resource.name(), id: id(bucket, key), attrs, resource })))
}

fn read_candidate(text: &str) -> Result<(&str, &str, &str)> {
    let parts = text.split_once('/').and_then(|(region, rest)| rest.split_once('/').map(|(b, k)| (region, b, k)));
    parts.ok_or_else(|| Error::failed(format!("{text:?} is no place of a discovery document")))
}

impl DiscoveryDocument {
    fn place(&self) -> (&str, &str, &str) {
        (&self.region, &self.bucket, &self.key)
    }

    /// One conditional write: over the version `known`, or where nothing is. False if something else is there.
    async fn put(&self, call: &Call<'_>, known: Option<&str>) -> Result<bool> {
        let put = call.cloud.s3_in(&self.region).put_object().bucket(&self.bucket).key(&self.key);
        let put = match known {
            Some(etag) => put.if_match(etag),
            None => put.if_none_match("*"),
        };
        let put = put
            .content_type("application/json")
            .metadata(OWNER, &self.cluster)
            // What a key of KMS encrypts nobody reads without credentials, whatever the bucket's policy says.
            .server_side_encryption(ServerSideEncryption::Aes256)
            .body(ByteStream::from(self.content.clone().into_bytes()));
        match put.customize().send().await {
            Ok(_) => Ok(true),
            Err(e) => {
                let error = AwsError::of(call.doing("write"), &e);
                let met = ["PreconditionFailed", "ConditionalRequestConflict", "NoSuchKey"];
                if error.code.as_deref().is_some_and(|code| met.contains(&code)) { Ok(false) } else { Err(error.into()) }
            }
        }
    }

    /// Writes until the content is there; over nothing that is not the cluster's.
    async fn write(&self, call: &Call<'_>, mut known: Option<String>) -> Result<()> {
        for _ in 0..ATTEMPTS {
            if self.put(call, known.as_deref()).await? {
                return Ok(());
            }
            known = match look(call.cloud, &self.cluster, self.place()).await? {
                // A write whose answer was lost.
                Place::Ours(found) if found.resource == *self => return Ok(()),
                Place::Ours(found) => found.attrs.get(ETAG).cloned(),
                Place::Empty => None,
                Place::Foreign => {
                    let place = id(&self.bucket, &self.key);
                    return Err(Error::failed(format!("{place} exists and is not this cluster's"))
                        .hint("remove it if nothing reads it, or name another prefix with spec.serviceAccountIssuerDiscovery.discoveryStore"));
                }
            };
        }
        Err(Error::conflict(format!("{} is written by somebody else at the same time", call.addr))
            .hint("run the same command again"))
    }
}

#[async_trait]
impl Aws for DiscoveryDocument {
    /// One request for each document, of which a cluster has two, and none for a cluster that publishes nothing.
    async fn observe(cloud: &AwsCloud, scope: &Scope) -> Result<Vec<Found<Self>>> {
        let places = scope.names(Kind::DiscoveryDocument).map(read_candidate).collect::<Result<Vec<_>>>()?;
        let looked = try_join_all(places.into_iter().map(|place| look(cloud, &scope.cluster, place))).await?;
        Ok(looked.into_iter().filter_map(|p| if let Place::Ours(found) = p { Some(*found) } else { None }).collect())
    }

    async fn create(&self, call: &Call<'_>) -> Result<Created> {
        self.write(call, None).await?;
        Ok(Created { id: id(&self.bucket, &self.key), attrs: Attrs::new() })
    }

    async fn update(&self, call: &Call<'_>, live: &Found<Self>, _changed: &Changed) -> Result<Attrs> {
        self.write(call, live.attrs.get(ETAG).cloned()).await?;
        Ok(Attrs::new())
    }

    async fn delete(call: &Call<'_>, live: &Found<Self>) -> Result<()> {
        let document = &live.resource;
        let delete = call.cloud.s3_in(&document.region).delete_object().bucket(&document.bucket).key(&document.key);
        existing(delete.customize().send().await.map_err(|e| AwsError::of(call.doing("delete"), &e))).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A candidate holds all that an observation needs, whatever slashes are in the key.
    #[test]
    fn candidates_are_read_back() {
        let document = DiscoveryDocument {
            cluster: "c.example.com".into(),
            bucket: "b".into(),
            region: "eu-west-1".into(),
            key: "c/openid/v1/jwks".into(),
            content: "{}".into(),
        };
        assert_eq!(read_candidate(&document.candidate()).unwrap(), document.place());
        assert!(read_candidate("eu-west-1").is_err());
    }
}
