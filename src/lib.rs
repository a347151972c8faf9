//! kspot creates, changes, checks and deletes self-managed Kubernetes clusters on AWS, spot first.

pub mod error;

pub use error::{Error, Result};
