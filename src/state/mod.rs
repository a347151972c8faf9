//! The state store: where specs, their history, the lock and everything else that outlives a command is kept.
//!
//! * [`store`] is the trait; [`s3`], [`directory`] and [`memory`] fulfil it, and [`open`] picks one by its address.
//! * [`location`] reads addresses such as `s3://bucket/prefix`; [`layout`] has every key; [`bucket`] makes and removes
//!   the place itself.
//! * [`cluster`] is one cluster's part of a store. [`specs`] reads its specs, [`change`] changes them through one
//!   revision, [`history`] reads and compares revisions, [`schema`] keeps an older kspot from writing.
//! * [`lock`] lets one process at a time change AWS; [`applied`] records how the last apply ended; [`status`] is what machines tell,
//!   [`etcd`] what keeps them from seeding a cluster twice, [`backups`] where snapshots of it are.

pub mod applied;
pub mod backups;
pub mod bucket;
pub mod change;
pub mod cluster;
pub mod directory;
pub mod etcd;
pub mod history;
mod index;
pub mod layout;
pub mod location;
pub mod lock;
pub mod memory;
pub mod s3;
pub mod schema;
pub mod specs;
pub mod status;
pub mod store;

pub use change::{Changed, Intent};
pub use cluster::ClusterStore;
pub use history::{Revision, Texts};
pub use layout::{Keys, SpecPath};
pub use location::Location;
pub use specs::Specs;
pub use store::{Blob, Entry, Etag, Fetched, Level, Precondition, PutError, Store};

use std::future::Future;
use std::sync::Arc;

use crate::context::Context;
use crate::error::Result;

/// Opens the store at an address. The AWS configuration is loaded only if the address needs it.
pub async fn open(
    location: &Location,
    ctx: &Context,
    aws: impl Future<Output = Result<aws_config::SdkConfig>>,
) -> Result<Arc<dyn Store>> {
    Ok(match location {
        Location::S3 { bucket, prefix } => Arc::new(s3::S3::new(&aws.await?, ctx, bucket, prefix)),
        Location::Directory(path) => Arc::new(directory::Directory::open(path)?),
    })
}

#[cfg(test)]
mod contract;
