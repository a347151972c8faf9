//! The state store: where specs, their history, the lock and everything else that outlives a command is kept.
//!
//! * [`store`] is the trait; [`directory`] and [`memory`] fulfil it.
//! * [`location`] reads addresses such as `s3://bucket/prefix`; [`layout`] has every key.

pub mod directory;
pub mod layout;
pub mod location;
pub mod memory;
pub mod store;

pub use layout::{Keys, SpecPath};
pub use location::Location;
pub use store::{Blob, Entry, Etag, Fetched, Level, Precondition, PutError, Store};

#[cfg(test)]
mod contract;
