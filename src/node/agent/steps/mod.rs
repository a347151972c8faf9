//! The steps of a boot, one per file, in the order of a boot.

mod authentication;
pub mod downloads;
pub mod etcd;
pub mod kernel;
pub mod keys;
pub mod kubeadm;
pub mod kubelet;
pub mod packages;
pub mod runtime;
pub mod services;
pub mod volumes;

#[cfg(test)]
mod golden;
#[cfg(test)]
mod killed;
