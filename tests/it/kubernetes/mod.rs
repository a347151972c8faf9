//! A real control plane on loopback: etcd and kube-apiserver, with certificates that kspot's own PKI makes. Tier: real API
//! server; nothing stands behind it, no node and no controller.

mod access;
mod addons;
mod plane;

pub(crate) use plane::Plane;
