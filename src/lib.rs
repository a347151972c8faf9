//! kspot creates, changes, checks and deletes self-managed Kubernetes clusters on AWS, spot first.

pub mod cloud;
pub mod error;
pub mod resource;

pub use error::{Error, Result};
