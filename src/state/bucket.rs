//! Making and removing the place of a state store: a bucket that is private, versioned, encrypted and reached over
//! TLS only, or a directory.
//!
//! Making is idempotent: a bucket of ours that is there already is brought to these settings, and every difference is
//! told. A bucket of somebody else is never touched.

use aws_config::SdkConfig;
use aws_sdk_s3::Client;
use aws_sdk_s3::types::{BucketLocationConstraint, CreateBucketConfiguration};

use super::cluster;
use super::directory::Directory;
use super::location::Location;
use super::s3::failure::Failure;
use super::s3::{S3, client, region_of};
use super::store::Store;
use crate::context::Context;
use crate::error::{Error, Result};

mod settings;

/// How many invented names are tried before giving up.
const NAMES: usize = 8;

/// Which store to make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// At this address.
    At(Location),
    /// In a bucket with an invented name, `kspot-state-` and twelve hex digits.
    Auto,
}

/// What was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Created {
    /// Where the store is.
    pub location: Location,
    /// True if it was not there before.
    pub new: bool,
    /// The bucket's region; none for a directory.
    pub region: Option<String>,
    /// The settings that were changed, each as a sentence.
    pub changes: Vec<String>,
}

/// Makes a state store in a directory.
pub fn create_directory(location: &Location, path: &std::path::Path) -> Result<Created> {
    let new = !path.exists();
    Directory::create(path)?;
    Ok(Created { location: location.clone(), new, region: None, changes: Vec::new() })
}

/// Makes a state store in a bucket of the configuration's region, encrypted with this KMS key or else with S3's own.
pub async fn create(sdk: &SdkConfig, ctx: &Context, target: &Target, kms_key: Option<&str>) -> Result<Created> {
    let (bucket, prefix) = match target {
        Target::At(location @ Location::Directory(path)) => return create_directory(location, path),
        Target::At(Location::S3 { bucket, prefix }) => (Some(bucket.as_str()), prefix.as_str()),
        Target::Auto => (None, ""),
    };
    let Some(region) = sdk.region().map(ToString::to_string) else {
        return Err(
            Error::failed("the region of the state store is not known").hint("set AWS_REGION, or give --region")
        );
    };
    let home = client(sdk, ctx, None);
    let (bucket, found) = match bucket {
        Some(name) => (name.to_owned(), make(&home, name, &region).await?),
        None => make_with_invented_name(&home, ctx, &region).await?,
    };
    let (new, region) = match found {
        Made::New => (true, region),
        Made::Ours(at) => (false, at.unwrap_or(region)),
        Made::Foreign => return Err(foreign(&bucket)),
    };
    let there = client(sdk, ctx, Some(&region));
    let changes = settings::ensure(&there, &bucket, &region, kms_key).await?;
    Ok(Created { location: Location::S3 { bucket, prefix: prefix.into() }, new, region: Some(region), changes })
}

/// Deletes a state store that holds no cluster and no other object, with all old versions. Below a prefix only what
/// is there is deleted, and the bucket stays. Gives the number of objects and versions removed.
pub async fn delete(sdk: &SdkConfig, ctx: &Context, location: &Location) -> Result<u64> {
    match location {
        Location::Directory(path) => {
            let store = Directory::open(path)?;
            refuse_if_used(&store).await?;
            store.delete()?;
            Ok(0)
        }
        Location::S3 { bucket, prefix } => {
            let store = S3::new(sdk, ctx, bucket, prefix);
            refuse_if_used(&store).await?;
            let removed = store.remove_tree("").await?;
            if prefix.is_empty() {
                store.delete_bucket().await?;
            }
            Ok(removed)
        }
    }
}

async fn refuse_if_used(store: &dyn Store) -> Result<()> {
    let place = store.describe();
    let clusters = cluster::configs(store).await?;
    if !clusters.is_empty() {
        let error = Error::failed(format!("state store {place} holds {} clusters", clusters.len()))
            .hint("kspot delete cluster --name NAME --yes, for each of them");
        return Err(clusters.into_keys().fold(error, Error::detail));
    }
    let level = store.list_level("", None).await?;
    let other: Vec<String> = level.entries.into_iter().map(|entry| entry.key).chain(level.prefixes).collect();
    if other.is_empty() {
        return Ok(());
    }
    let error = Error::failed(format!("{place} holds objects that belong to no cluster; they are not deleted"))
        .hint("look at them, and remove them yourself if nobody needs them");
    Err(other.into_iter().take(10).fold(error, Error::detail))
}

/// What an attempt to make a bucket found.
enum Made {
    New,
    /// It is in this account already, in this region if S3 says which.
    Ours(Option<String>),
    /// Somebody else has the name: names are one space for all accounts.
    Foreign,
}

async fn make_with_invented_name(client: &Client, ctx: &Context, region: &str) -> Result<(String, Made)> {
    for _ in 0..NAMES {
        let name = invented_name(ctx);
        if let made @ Made::New = make(client, &name, region).await? {
            return Ok((name, made));
        }
    }
    Err(Error::failed("no unused bucket name was found").hint("give one: kspot create state-store s3://NAME"))
}

/// Twelve digits of a random id; the fixed ones of its version come later.
fn invented_name(ctx: &Context) -> String {
    let id = ctx.id().simple().to_string();
    format!("kspot-state-{}", &id[..12])
}

/// Makes the bucket unless this account has it. In us-east-1 S3 answers the second creation like the first, so only
/// the list of our buckets tells whether it was there.
async fn make(client: &Client, name: &str, region: &str) -> Result<Made> {
    if let Some(ours) = own(client, name).await? {
        return Ok(ours);
    }
    let place = (region != "us-east-1").then(|| {
        CreateBucketConfiguration::builder().location_constraint(BucketLocationConstraint::from(region)).build()
    });
    let request = client.create_bucket().bucket(name).set_create_bucket_configuration(place);
    match request.customize().send().await.map_err(Failure::from) {
        Ok(_) => Ok(Made::New),
        Err(f) if f.code == "BucketAlreadyOwnedByYou" => Ok(Made::Ours(region_of(client, name).await)),
        Err(f) if f.code == "BucketAlreadyExists" => Ok(Made::Foreign),
        Err(f) => Err(f.error("create the bucket", &format!("s3://{name}"))),
    }
}

/// Looks the name up among the buckets of this account.
async fn own(client: &Client, name: &str) -> Result<Option<Made>> {
    let mut token: Option<String> = None;
    loop {
        let request = client.list_buckets().prefix(name).set_continuation_token(token.take());
        let page = match request.customize().send().await.map_err(Failure::from) {
            Ok(page) => page,
            // Without the right to list buckets the creation itself decides.
            Err(f) if f.status == Some(403) => return Ok(None),
            Err(f) => return Err(f.error("list the buckets", &format!("s3://{name}"))),
        };
        if let Some(found) = page.buckets().iter().find(|b| b.name() == Some(name)) {
            let region = match found.bucket_region() {
                Some(region) => Some(region.to_owned()),
                None => region_of(client, name).await,
            };
            return Ok(Some(Made::Ours(region)));
        }
        match page.continuation_token() {
            Some(next) if !next.is_empty() => token = Some(next.to_owned()),
            _ => return Ok(None),
        }
    }
}

fn foreign(bucket: &str) -> Error {
    Error::failed(format!("the bucket name {bucket} is taken by another AWS account"))
        .hint("choose another name, or let one be invented: kspot create state-store --auto")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::memory::Memory;
    use crate::state::store::Precondition;

    /// An invented name is a valid bucket name and differs each time.
    #[test]
    fn invented_names_are_valid() {
        let ctx = Context::system();
        let (one, two) = (invented_name(&ctx), invented_name(&ctx));
        assert_ne!(one, two);
        assert!(format!("s3://{one}").parse::<Location>().is_ok(), "{one}");
        assert_eq!(one.len(), "kspot-state-".len() + 12);
    }

    /// A store with a cluster, or with anything that is not kspot's, is not deleted; the reason names them.
    #[tokio::test]
    async fn a_used_store_is_refused() {
        let store = Memory::new();
        refuse_if_used(&store).await.unwrap();
        store.put("photos/1.jpg", b"", Precondition::None).await.unwrap();
        let e = refuse_if_used(&store).await.unwrap_err();
        assert_eq!(
            (e.details(), e.message().contains("belong to no cluster")),
            (["photos/".to_owned()].as_slice(), true)
        );
        store.put("c/config", b"", Precondition::None).await.unwrap();
        let e = refuse_if_used(&store).await.unwrap_err();
        assert_eq!((e.details(), e.message()), (["c".to_owned()].as_slice(), "state store memory holds 1 clusters"));
    }

    /// A directory is made once, and deleted only when it holds nothing.
    #[tokio::test]
    async fn directories_are_made_and_deleted() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state");
        let target = Target::At(Location::Directory(path.clone()));
        let sdk = SdkConfig::builder().build();
        let ctx = Context::system();
        let location = Location::Directory(path.clone());
        assert!(create(&sdk, &ctx, &target, None).await.unwrap().new);
        assert!(!create(&sdk, &ctx, &target, None).await.unwrap().new);
        let store = Directory::open(&path).unwrap();
        store.put("c/config", b"x", Precondition::None).await.unwrap();
        assert!(delete(&sdk, &ctx, &location).await.is_err());
        store.remove_tree("c/").await.unwrap();
        delete(&sdk, &ctx, &location).await.unwrap();
        assert!(!path.exists());
    }
}
