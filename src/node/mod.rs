//! What runs on the machines.
//!
//! * [`boot`] and [`configuration`]: the documents that a machine reads. Pure; the model writes them. [`documents`]: reads them.
//! * [`agent`]: `kspot node boot`, the steps from a blank machine to a node. [`host`]: the machine as the steps see it.
//! * [`etcd`]: members with names that stay, on volumes that outlive machines.
//! * [`keep`]: `kspot node keep`, a machine's way to the API server and its certificates, for as long as it lives.
//! * [`controller`]: `kspot node controller`, on the control plane: lets workers in, labels nodes, applies addons.
//! * [`join`], [`worker`], [`identity`]: what a worker and the control plane say to each other, and how it proves who it is.

pub mod agent;
pub mod boot;
pub mod configuration;
pub mod controller;
pub mod documents;
pub mod etcd;
pub mod host;
pub mod https;
pub mod identity;
pub mod join;
pub mod keep;
pub mod labels;
pub mod worker;
