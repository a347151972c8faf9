//! kspot creates, changes, checks and deletes self-managed Kubernetes clusters on AWS, spot first.

pub mod addons;
pub mod apply;
pub mod catalogue;
pub mod cli;
pub mod cloud;
pub mod context;
pub mod error;
pub mod graph;
pub mod kube;
pub mod model;
pub mod ops;
pub mod pki;
pub mod plan;
pub mod resource;
pub mod select;
pub mod spec;
pub mod state;
pub mod ui;

pub use error::{Error, Result};
