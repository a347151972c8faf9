//! What runs on the machines.
//!
//! * [`boot`] and [`configuration`]: the documents that a machine reads. Pure; the model writes them.
//! * [`join`]: what a worker and the control plane say to each other.

pub mod boot;
pub mod configuration;
pub mod join;
