//! What runs on the machines.
//!
//! * [`boot`] and [`configuration`]: the documents that a machine reads. Pure; the model writes them.
//! * [`join`]: what a worker and the control plane say to each other.
//! * [`identity`]: how a worker proves who it is.
//! * [`worker`]: how a worker asks.
//! * [`controller`]: what runs on the control plane: it answers workers, labels nodes, applies addons.
//! * [`labels`]: which labels a kubelet may set for itself. Pure.

pub mod boot;
pub mod configuration;
pub mod controller;
pub mod identity;
pub mod join;
pub mod labels;
pub mod worker;
